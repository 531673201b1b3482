// SPDX-License-Identifier: Apache-2.0
#include "convert/stream.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>

#include "base/error.h"
#include "base/thread_pool.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

constexpr int64_t kValuesAtOnce = int64_t{1} << 18;  // per core: a megabyte of f32, and as much of either type
constexpr float kLargestF16 = 65504.0f;

/** Rows first .. first + rows - 1 of piece `piece` of output `output`, which are the output's rows from `out_row` on.
 */
struct Task {
  size_t output = 0, piece = 0;
  int64_t first = 0, rows = 0, out_row = 0;
};

std::vector<Task> tasks_of(std::span<const OutputTensor> outputs) {
  std::vector<Task> tasks;
  for (size_t o = 0; o < outputs.size(); ++o) {
    const int64_t at_once = std::max<int64_t>(1, kValuesAtOnce / std::max<int64_t>(1, outputs[o].tensor.shape.cols()));
    int64_t out_row = 0;
    for (size_t p = 0; p < outputs[o].from.pieces.size(); ++p) {
      const Piece& piece = outputs[o].from.pieces[p];
      for (int64_t done = 0; done < piece.rows; done += at_once) {
        const int64_t rows = std::min(at_once, piece.rows - done);
        tasks.push_back({o, p, piece.first_row + done, rows, out_row});
        out_row += rows;
      }
    }
  }
  return tasks;
}

/** The largest magnitude that a type can be asked to hold. Scales of blocks are halves, of at least eight steps. */
float limit_of(DType type) {
  if (type == DType::f16) return kLargestF16;
  return is_quantized(type) ? 8 * kLargestF16 : INFINITY;
}

/** The worker of one thread: its buffers. */
class Worker {
 public:
  Worker(const ModelFile& source, const WriteTensor& write) : source_(source), write_(write) {}

  void run(const OutputTensor& output, const Task& task) {
    const int64_t cols = output.tensor.shape.cols(), values = task.rows * cols;
    const DType from = output.from.dtype, to = output.tensor.dtype;
    stored_.resize(static_cast<size_t>(bytes_of(from, values)));
    source_.read_rows(*output.from.pieces[task.piece].record, task.first, task.rows, stored_);
    const bool same = from == to && output.add == 0;
    const int64_t at = bytes_of(to, task.out_row * cols);
    if (same && (is_quantized(from) || !is_float(from))) return write_(task.output, at, stored_);
    values_.resize(static_cast<size_t>(values));
    unpack(from, stored_, values_);
    if (output.add != 0) {
      for (float& v : values_) v += output.add;
    }
    check(output, task);
    if (same) return write_(task.output, at, stored_);
    packed_.resize(static_cast<size_t>(bytes_of(to, values)));
    pack(to, values_, packed_);
    write_(task.output, at, packed_);
  }

 private:
  void check(const OutputTensor& output, const Task& task) const {
    const float limit = limit_of(output.tensor.dtype);
    uint32_t bad = 0;  // counted without a branch, so that the loop vectorises
    for (const float v : values_) bad |= static_cast<uint32_t>(!(std::fabs(v) <= limit) || !(std::fabs(v) < INFINITY));
    if (bad == 0) return;
    const int64_t cols = output.tensor.shape.cols();
    for (size_t i = 0; i < values_.size(); ++i) {
      const float v = values_[i];
      if (std::fabs(v) <= limit && std::fabs(v) < INFINITY) continue;
      const auto row = task.out_row + static_cast<int64_t>(i) / cols, col = static_cast<int64_t>(i) % cols;
      if (!std::isfinite(v)) {
        fail(source_.name(), "tensor '{}', row {}, column {}: expected a finite number, found {}", output.from.name,
             row, col, v);
      }
      fail(source_.name(), "tensor '{}', row {}, column {}: {} is more than {} can hold ({}); convert to bf16",
           output.from.name, row, col, v, info(output.tensor.dtype).name, limit);
    }
  }

  const ModelFile& source_;
  const WriteTensor& write_;
  std::vector<std::byte> stored_, packed_;
  std::vector<float> values_;
};

void write_constants(std::span<const OutputTensor> outputs, const WriteTensor& write) {
  for (size_t o = 0; o < outputs.size(); ++o) {
    if (!outputs[o].from.pieces.empty()) continue;
    std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(outputs[o].tensor.dtype, std::ssize(outputs[o].values))));
    pack(outputs[o].tensor.dtype, outputs[o].values, bytes);
    write(o, 0, bytes);
  }
}

/** Says to the other threads that one has failed. */
class StopOthers {
 public:
  explicit StopOthers(std::atomic<bool>& stop) : stop_(stop) {}
  ~StopOthers() {
    if (std::uncaught_exceptions() > 0) stop_.store(true, std::memory_order_relaxed);
  }

 private:
  std::atomic<bool>& stop_;
};

}  // namespace

std::vector<float> OutputTensor::read(const ModelFile& source) const {
  if (from.pieces.empty()) return values;
  std::vector<std::byte> bytes(static_cast<size_t>(from.bytes()));
  from.read(source, bytes);
  std::vector<float> all(static_cast<size_t>(from.shape.count()));
  unpack(from.dtype, bytes, all);
  return all;
}

bool stream(const ModelFile& source, std::span<const OutputTensor> outputs, const StreamOptions& options,
            const WriteTensor& write) {
  write_constants(outputs, write);
  const std::vector<Task> tasks = tasks_of(outputs);
  std::atomic<bool> stop{false};
  std::atomic<size_t> next{0};
  ThreadPool pool(options.threads);
  pool.parallel_for(pool.size(), 1, [&](int64_t, int64_t) {
    const StopOthers guard(stop);
    Worker worker(source, write);
    for (size_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < tasks.size();) {
      if (options.cancelled && options.cancelled()) stop.store(true, std::memory_order_relaxed);
      if (stop.load(std::memory_order_relaxed)) return;
      const OutputTensor& output = outputs[tasks[i].output];
      worker.run(output, tasks[i]);
      if (options.progress) options.progress(bytes_of(output.from.dtype, tasks[i].rows * output.tensor.shape.cols()));
    }
  });
  return !stop.load(std::memory_order_relaxed);
}

int64_t source_bytes(std::span<const OutputTensor> outputs) {
  int64_t bytes = 0;
  for (const OutputTensor& output : outputs) {
    if (!output.from.pieces.empty()) bytes += output.from.bytes();
  }
  return bytes;
}

}  // namespace gemma

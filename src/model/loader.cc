// SPDX-License-Identifier: Apache-2.0
#include "model/loader.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include "base/error.h"
#include "config/names.h"
#include "model/loading.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

/** Same count and the same sizes; a scalar counts as [1] (layer_scalar is stored both ways). */
bool same_shape(const Shape& a, const Shape& b) { return a == b || (a.count() == 1 && b.count() == 1); }

std::atomic<bool> stopped{false};

void read_rows(const StoredTensor& stored, const ModelFile& file, int64_t first, int64_t n, std::span<std::byte> out) {
  if (stopped.load()) fail(file.name(), "is not read any more");
  stored.read_rows(file, first, n, out);
}

}  // namespace

void stop_loading() { stopped.store(true); }

Loader::Loader(const ModelFile& file, const Config& config, Ops& ops, Options options)
    : file_(file), config_(config), ops_(ops), map_(file, config), options_(options) {}

StoredTensor Loader::find(std::string_view bare, std::initializer_list<int64_t> shape) const {
  const Shape expected(shape);
  auto stored = map_.find(bare);
  if (!stored) fail(file_.name(), "tensor '{}' is missing (expected {})", map_.name_in_file(bare), expected.str());
  if (!same_shape(stored->shape, expected)) {
    fail(file_.name(), "tensor '{}': expected shape {}, found {}", stored->name, expected.str(), stored->shape.str());
  }
  if (!is_float(stored->dtype)) {
    fail(file_.name(), "tensor '{}': expected a weight type, found {}", stored->name, info(stored->dtype).name);
  }
  return *stored;
}

Tensor Loader::matrix(std::string_view bare, std::initializer_list<int64_t> shape) {
  const StoredTensor stored = find(bare, shape);
  const DType type = options_.weights.widen ? DType::f32 : stored.dtype;
  if (options_.weights.map && type == stored.dtype) {
    const Tensor mapped = map(stored);
    if (mapped.defined()) return mapped;
  }
  bytes_ += ops_.weight_bytes(type, stored.shape);
  if (options_.count_only) return {};
  if (type == stored.dtype) {
    return ops_.load_weight(type, stored.shape, [&](int64_t first, int64_t n, std::span<std::byte> out) {
      read_rows(stored, file_, first, n, out);
    });
  }
  return ops_.load_weight(type, stored.shape, [&](int64_t first, int64_t n, std::span<std::byte> out) {
    std::vector<std::byte> raw(static_cast<size_t>(bytes_of(stored.dtype, n * stored.shape.cols())));
    read_rows(stored, file_, first, n, raw);
    unpack(stored.dtype, raw, {reinterpret_cast<float*>(out.data()), out.size() / sizeof(float)});
  });
}

Linear Loader::linear_reordered(std::string_view bare, std::initializer_list<int64_t> shape_in_file,
                                std::span<const int64_t> order) {
  const StoredTensor stored = find(bare, shape_in_file);
  const bool plain = !is_quantized(stored.dtype) && !options_.weights.widen;
  const DType type = plain ? stored.dtype : DType::f32;
  const auto width = std::ssize(order), rows_a_row = width / stored.shape.cols();  // a row there may be several
  const Shape shape{stored.shape.count() / width, width};
  bytes_ += ops_.weight_bytes(type, shape);
  if (options_.count_only) return {{}, std::string(bare)};
  const auto read = [&](int64_t first, int64_t n, std::span<std::byte> out) {
    std::vector<std::byte> raw(static_cast<size_t>(bytes_of(stored.dtype, n * width)));
    read_rows(stored, file_, first * rows_a_row, n * rows_a_row, raw);
    std::vector<float> values(static_cast<size_t>(n * width)), turned(values.size());
    unpack(stored.dtype, raw, values);
    for (int64_t i = 0; i < n * width; ++i) {
      const int64_t from = i / width * width + order[static_cast<size_t>(i % width)];
      turned[static_cast<size_t>(i)] = values[static_cast<size_t>(from)];
    }
    pack(type, turned, out);
  };
  return {ops_.load_weight(type, shape, read), std::string(bare)};
}

Tensor Loader::table(std::string_view bare, std::initializer_list<int64_t> shape) {
  const StoredTensor stored = find(bare, shape);
  bytes_ += stored.bytes();
  if (options_.count_only) return {};
  const Shape rows{stored.shape.rows(), stored.shape.cols()};
  return ops_.load_rows(stored.dtype, rows, [&](int64_t first, int64_t n, std::span<std::byte> out) {
    read_rows(stored, file_, first, n, out);
  });
}

Tensor Loader::map(const StoredTensor& stored) {
  if (stored.pieces.size() != 1) return {};
  const Piece& piece = stored.pieces.front();
  const Tensor mapped = file_.map_rows(*piece.record, piece.first_row, piece.rows);
  if (!mapped.defined()) return {};
  const bool experts = stored.shape.rank == 3;
  const int64_t bytes = ops_.weight_bytes(stored.dtype, stored.shape);
  int64_t& room = experts ? options_.hold.experts : options_.hold.others;
  if (bytes <= room) {
    room -= bytes;
    return {};
  }
  (experts ? mapped_.experts : mapped_.others) += bytes;
  return mapped.view(stored.shape);
}

Linear Loader::linear(std::string_view bare, std::initializer_list<int64_t> shape) {
  return {matrix(bare, shape), std::string(bare)};
}

std::vector<float> Loader::floats(std::string_view bare, std::initializer_list<int64_t> shape) {
  const StoredTensor stored = find(bare, shape);
  bytes_ += bytes_of(DType::f32, stored.shape.count());
  if (options_.count_only) return {};
  std::vector<std::byte> raw(static_cast<size_t>(stored.bytes()));
  stored.read(file_, raw);
  std::vector<float> x(static_cast<size_t>(stored.shape.count()));
  unpack(stored.dtype, raw, x);
  return x;
}

float Loader::number(std::string_view bare) {
  const std::vector<float> x = floats(bare, {1});
  return x.empty() ? 0.0f : x[0];
}

Tensor Loader::values(std::string_view bare, int64_t size, float factor, float offset) {
  std::vector<float> x = floats(bare, {size});
  if (options_.count_only) return {};
  for (float& v : x) v = v * factor + offset;
  return ops_.upload(DType::f32, Shape{size}, std::as_bytes(std::span(x)));
}

Tensor Loader::vector(std::string_view bare, int64_t size, float factor) { return values(bare, size, factor, 0.0f); }

Tensor Loader::norm(std::string_view bare, int64_t size) {
  const bool shifted = config_.generation == 3 && file_.format() == FileFormat::safetensors && is_shifted_norm(bare);
  return values(bare, size, 1.0f, shifted ? 1.0f : 0.0f);
}

const TensorRecord& Loader::record(std::string_view bare, std::initializer_list<int64_t> shape) const {
  const StoredTensor stored = find(bare, shape);
  return *stored.pieces.front().record;
}

}  // namespace gemma

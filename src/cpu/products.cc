// SPDX-License-Identifier: Apache-2.0
#include "cpu/products.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/function_ref.h"
#include "base/thread_pool.h"
#include "cpu/buffer_pool.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/kernels.h"
#include "cpu/packed_weights.h"
#include "cpu/scratch.h"
#include "cpu/tiles.h"
#include "cpu/unpacked_products.h"
#include "tensor/dtype.h"
#include "tensor/pack.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

// Multiply-adds that pay for waking another thread, by 8-bit or bf16 kernels and by others.
constexpr int64_t kPackedShare = 131072, kShare = 65536;
// Rows from which on it pays to widen a panel first.
constexpr int64_t kWideRows = 8 * kTileRows;
// bf16 that is multiplied in f32: a block of rows, and one of a panel's columns, which stays in the second cache: the
// longer, the seldomer are sums fetched and left again.
constexpr int64_t kBlockRows = 192, kBlockColumns = 1024;
// Numbers of widened rows that a thread holds: where rows are longer than 4096 the block has fewer.
constexpr int64_t kBlockNumbers = kBlockRows * 4096;
// Bytes of activations that are rounded at once by a thread.
constexpr int64_t kSmallRows = 16384;

/** body(first, rows) for the tiles of all groups, of at most height(group) rows, shared out to the threads. */
template <class Height, class Body>
void over_tiles(ThreadPool& threads, std::span<const RowGroup> groups, int64_t n, const Height& height,
                const Body& body) {
  static thread_local std::vector<RowGroup> kept;
  std::vector<RowGroup>& list = kept;  // other threads read this one's
  list.clear();
  for (const RowGroup& g : groups) {
    for_tiles(g.rows, height(g), [&](int64_t first, int64_t rows) { list.push_back({g.first + first, rows}); });
  }
  threads.parallel_for(std::ssize(list), std::max<int64_t>(1, kSmallRows / n / kTileRows),
                       [&](int64_t begin, int64_t end) {
                         for (int64_t t = begin; t < end; ++t)
                           body(list[static_cast<size_t>(t)].first, list[static_cast<size_t>(t)].rows);
                       });
}

/** A panel's results go to y, or by way of a small array where the matrix ends within the panel. */
template <class Product>
void store_panel(int64_t width, int64_t rows, float* y, int64_t y_stride, const Product& product) {
  if (width == kPanelRows) return product(y, y_stride);
  float part[kTileRows * kPanelRows];
  product(part, kPanelRows);
  for (int64_t r = 0; r < rows; ++r) std::copy_n(part + r * kPanelRows, width, y + r * y_stride);
}

/** Panel `index` of all; of a weight that lies in rows it is packed in memory of this thread: the same bytes that
 * loading would have made of it, hence the same results. */
const std::byte* panel_of(const Weight& w, int64_t index) {
  if (w.layout == Layout::packed) return w.panel(index);
  static thread_local Scratch scratch;
  const int64_t bytes = panel_bytes(w.type, w.n), first = index % w.panels * kPanelRows;
  const int64_t height = std::min<int64_t>(kPanelRows, w.rows - first);
  std::byte* to = scratch.bytes(bytes);
  const std::byte* from = w.data + (index / w.panels * w.rows + first) * w.row_bytes;
  pack_panel(w.type, {from, static_cast<size_t>(height * w.row_bytes)}, height, w.n, {to, static_cast<size_t>(bytes)});
  return to;
}

/** Rows of the matrix in panel `index` of all. */
int64_t panel_width(const Weight& w, int64_t index) {
  return std::min<int64_t>(kPanelRows, w.rows - index % w.panels * kPanelRows);
}

/** Whether products of a group with bf16 weights are those of rows and panels widened to f32, block by block. Then rows
 *  of the group lie one after another, else tile by tile. */
bool by_blocks(const Kernels& kernels, const RowGroup& group) {
  return kernels.widen_bf16 != nullptr && group.rows >= kWideRows;
}

/** body(begin, end) for panels, shared out to the threads: in one piece each where products are by blocks, since each
 *  piece widens all rows anew. */
void over_panels(const Kernels& kernels, ThreadPool& threads, const Weight& w, int64_t panels, const RowGroup& group,
                 FunctionRef<void(int64_t, int64_t)> body) {
  if (w.type != DType::bf16 || !by_blocks(kernels, group)) {
    return threads.parallel_for(panels, panels_per_share(w, group.rows), body);
  }
  const int64_t shares = std::min<int64_t>(panels, threads.size());
  threads.parallel_for(shares, 1,
                       [&](int64_t begin, int64_t end) { body(panels * begin / shares, panels * end / shares); });
}

/** bf16 to f32; of each pair the second comes first, as products take them. */
void widen_row(const uint16_t* x, int64_t n, float* out) {
  for (int64_t i = 0; i < n; i += 2) {
    const uint32_t pair[] = {uint32_t{x[i + 1]} << 16, uint32_t{x[i]} << 16};
    std::memcpy(out + i, pair, sizeof pair);
  }
}

consteval std::array<float, kBlockRows> filled_with_ones() {
  std::array<float, kBlockRows> ones{};
  ones.fill(1.0f);
  return ones;
}

/** product(row, rows, y, stride) of a panel for every tile of a group; `row` counts from the first of all rows. */
template <class Product>
void multiply_tiles(const Weight& w, int64_t panel, const RowGroup& group, float* y, int64_t y_stride,
                    const Product& product) {
  const int64_t width = panel_width(w, panel);
  for_tiles(group.rows, kTileRows, [&](int64_t first, int64_t rows) {
    store_panel(width, rows, y + first * y_stride, y_stride,
                [&](float* to, int64_t stride) { product(group.first + first, rows, to, stride); });
  });
}

}  // namespace

Weight::Weight(DType dtype, const Shape& shape, Layout stored) : type(dtype), layout(stored), n(shape.cols()) {
  rows = shape.rank < 2 ? 1 : shape[shape.rank - 2];
  matrices = rows == 0 ? 0 : shape.rows() / rows;
  panels = (rows + kPanelRows - 1) / kPanelRows;
  if (layout == Layout::packed) {
    panel_bytes = cpu::panel_bytes(type, n);
  } else {
    row_bytes = bytes_of(type, n);
  }
}

Weight::Weight(const Tensor& w) : Weight(w.dtype(), w.shape(), w.layout()) { data = w.raw().data(); }

int64_t Weight::bytes() const {
  return layout == Layout::packed ? matrices * panels * panel_bytes : matrices * rows * row_bytes;
}

bool Weight::by_panels() const { return layout == Layout::packed || is_packable(type); }

Weight Weight::some_panels(int64_t first, int64_t count) const {
  Weight part = *this;
  part.matrices = 1;
  part.panels = count;
  part.rows = count * kPanelRows;
  part.data = panel(first);
  return part;
}

void Weight::unpack_row(int64_t index, std::span<float> out) const {
  if (layout == Layout::rows) return unpack(type, {data + index * row_bytes, static_cast<size_t>(row_bytes)}, out);
  const int64_t row = index % rows;
  unpack_panel_row(type, panel(index / rows * panels + row / kPanelRows), static_cast<int>(row % kPanelRows), out);
}

Operand::Operand(const Kernels& kernels, ThreadPool& threads, BufferPool& buffers, const Tensor& x,
                 std::span<const Weight> weights, std::span<const RowGroup> groups, std::span<const int32_t> row_at,
                 const Bounds* bounds)
    : kernels_(kernels),
      values_(x.data<float>().data()),
      row_at_(row_at),
      bounds_(bounds),
      rows_(row_at.empty() ? x.rows() : std::ssize(row_at)),
      n_(x.cols()) {
  const auto wanted = [&](const auto& of) {
    return std::ranges::any_of(weights, [&](const Weight& w) { return of(w.type); });
  };
  if (wanted(is_quantized)) {
    quantized_ = buffers.take(rows_ * n_ / kBlock * int64_t{sizeof(ActivationBlock)});
    quantize(threads, groups);
  }
  if (wanted([](DType type) { return type == DType::bf16; })) {
    rounded_ = buffers.take(rows_ * (n_ + 1) / 2 * 4 + rows_ * 4);
    round(threads, groups);
  }
  if (wanted([](DType type) { return type == DType::f16; })) {
    interleaved_ = buffers.take(rows_ * n_ * int64_t{sizeof(float)});
    interleave(threads, groups);
  }
}

const float* Operand::row(int64_t i) const {
  static thread_local Scratch scratch;
  const float* x = values_ + (row_at_.empty() ? i : row_at_[static_cast<size_t>(i)]) * n_;
  if (bounds_ == nullptr) return x;
  float* within = scratch.floats(n_);
  kernels_.clamp(x, bounds_->input_min, bounds_->input_max, n_, within);
  return within;
}

void Operand::bound_results(float* y, int64_t rows, int64_t y_stride) const {
  if (bounds_ == nullptr) return;
  for (int64_t r = 0; r < rows; ++r) {
    float* of_row = y + r * y_stride;
    kernels_.clamp(of_row, bounds_->output_min, bounds_->output_max, kPanelRows, of_row);
  }
}

void Operand::store_results(const float* sums, int64_t count, float* y) const {
  if (bounds_ == nullptr) {
    std::copy_n(sums, count, y);
  } else {
    kernels_.clamp(sums, bounds_->output_min, bounds_->output_max, count, y);
  }
}

void Operand::quantize(ThreadPool& threads, std::span<const RowGroup> groups) {
  auto* blocks = reinterpret_cast<ActivationBlock*>(quantized_->host());
  blocks_ = blocks;
  const int64_t per_row = n_ / kBlock;
  const auto height = [](const RowGroup&) { return kTileRows; };
  over_tiles(threads, groups, n_, height, [&](int64_t first, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) {
      kernels_.quantize(row(first + r), n_, blocks + first * per_row + r, rows);
    }
    kernels_.arrange(blocks + first * per_row, rows, per_row);
  });
}

void Operand::round(ThreadPool& threads, std::span<const RowGroup> groups) {
  auto* pairs = reinterpret_cast<uint16_t*>(rounded_->host());
  bf16_ = pairs;
  const int64_t per_row = (n_ + 1) / 2 * 2;
  const auto height = [this](const RowGroup& group) { return by_blocks(kernels_, group) ? 1 : kTileRows; };
  over_tiles(threads, groups, n_, height, [&](int64_t first, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) {
      kernels_.round_to_bf16(row(first + r), n_, pairs + first * per_row + 2 * r, 2 * rows);
    }
  });
}

void Operand::interleave(ThreadPool& threads, std::span<const RowGroup> groups) {
  auto* values = reinterpret_cast<float*>(interleaved_->host());
  f32_ = values;
  const auto height = [](const RowGroup&) { return kTileRows; };
  over_tiles(threads, groups, n_, height, [&](int64_t first, int64_t rows) {
    for (int64_t r = 0; r < rows; ++r) {
      const float* x = row(first + r);
      float* to = values + first * n_ + r;
      for (int64_t i = 0; i < n_; ++i) to[i * rows] = x[i];
    }
  });
}

void Operand::multiply_blocks(const Weight& w, int64_t first_panel, int64_t count, const RowGroup& group, float* y,
                              int64_t y_stride) const {
  static thread_local Scratch of_rows, of_panel;
  static constexpr std::array<float, kBlockRows> kOnes = filled_with_ones();
  const int64_t n = (n_ + 1) / 2 * 2, stride = n + 16;  // one line more, as rows must not meet in the same cache sets
  const auto f32 = static_cast<size_t>(DType::f32);
  const int64_t most = std::clamp<int64_t>(kBlockNumbers / n, kTileRows, kBlockRows);
  for_tiles(group.rows, most, [&](int64_t first, int64_t rows) {
    float *x = of_rows.floats(rows * stride), *wide = of_panel.floats((kBlockColumns + kBlockRows) * kPanelRows);
    float* sums = wide + kBlockColumns * kPanelRows;
    for (int64_t r = 0; r < rows; ++r) widen_row(bf16_ + (group.first + first + r) * n, n, x + r * stride);
    for (int64_t p = 0; p < count; ++p) {
      const std::byte* panel = panel_of(w, first_panel + p);
      for (int64_t begin = 0; begin < n; begin += kBlockColumns) {
        const int64_t columns = std::min(kBlockColumns, n - begin);
        kernels_.widen_bf16(panel + begin * kPanelRows * 2, columns / 2, wide);
        kernels_.weighted_sum[f32](x + begin, stride, begin == 0 ? nullptr : kOnes.data(), rows,
                                   reinterpret_cast<const std::byte*>(wide), columns, kPanelRows, sums);
      }
      const int64_t width = panel_width(w, first_panel + p);
      float* to = y + first * y_stride + p * kPanelRows;
      for (int64_t r = 0; r < rows; ++r) store_results(sums + r * kPanelRows, width, to + r * y_stride);
    }
  });
}

Operand::Panel Operand::ready(const Weight& w, const std::byte* panel, int64_t rows, Scratch& scratch) const {
  if (!is_quantized(w.type) || rows < kWideRows) return {panel, false};
  const int64_t blocks = n_ / kBlock;
  std::byte* wide = scratch.bytes(blocks * kWideBytes);
  kernels_.widen[static_cast<size_t>(w.type)](panel, blocks, wide);
  return {wide, true};
}

void Operand::multiply_tile(const Weight& w, const Panel& panel, int64_t row, int64_t rows, bool prefetch, float* y,
                            int64_t y_stride) const {
  if (w.type == DType::bf16) {
    const int64_t pairs = (n_ + 1) / 2;
    return kernels_.packed_product_bf16(panel.bytes, pairs, bf16_ + row * pairs * 2, rows, prefetch, y, y_stride);
  }
  if (w.type == DType::f16) {
    return kernels_.packed_product_f16(panel.bytes, n_, f32_ + row * n_, rows, prefetch, y, y_stride);
  }
  const int64_t blocks = n_ / kBlock;
  const ActivationBlock* x = blocks_ + row * blocks;
  const auto type = static_cast<size_t>(w.type);
  if (panel.wide) return kernels_.wide_product[type](panel.bytes, blocks, x, rows, y, y_stride);
  kernels_.packed_product[type](panel.bytes, blocks, x, rows, prefetch, y, y_stride);
}

void Operand::multiply(const Weight& w, int64_t matrix, int64_t first_panel, int64_t count, const RowGroup& group,
                       float* y, int64_t y_stride) const {
  if (group.rows == 0) return;
  if (!w.by_panels()) {
    GEMMA_CHECK(row_at_.empty() && bounds_ == nullptr, "rows in order, without bounds, for weights without panels");
    const int64_t first = first_panel * kPanelRows, last = std::min(w.rows, (first_panel + count) * kPanelRows);
    const Activations x{values_ + group.first * n_, n_, group.rows};
    GEMMA_CHECK(w.type == DType::f32, "a weight of a floating or quantized type");
    return multiply_unpacked(kernels_, w.some_rows(matrix * w.rows + first, last - first), w.n, x, y + first, y_stride);
  }
  if (w.type == DType::bf16 && by_blocks(kernels_, group)) {
    return multiply_blocks(w, matrix * w.panels + first_panel, count, group, y + first_panel * kPanelRows, y_stride);
  }
  for (int64_t p = first_panel; p < first_panel + count; ++p) {
    const int64_t panel = matrix * w.panels + p;
    static thread_local Scratch scratch;
    const Panel bytes = ready(w, panel_of(w, panel), group.rows, scratch);
    multiply_tiles(w, panel, group, y + p * kPanelRows, y_stride,
                   [&](int64_t row, int64_t rows, float* to, int64_t stride) {
                     multiply_tile(w, bytes, row, rows, row == group.first, to, stride);
                     bound_results(to, rows, stride);
                   });
  }
}

void Operand::multiply_gated(const Weight& gate, const Weight& up, int64_t panel, const RowGroup& group, float* y,
                             int64_t y_stride) const {
  static thread_local Scratch of_gate, of_up;
  if (gate.type == DType::bf16 && by_blocks(kernels_, group)) {
    float *g = of_gate.floats(group.rows * kPanelRows), *u = of_up.floats(group.rows * kPanelRows);
    multiply_blocks(gate, panel, 1, group, g, kPanelRows);
    multiply_blocks(up, panel, 1, group, u, kPanelRows);
    kernels_.gated_gelu(g, u, group.rows * kPanelRows, g);
    const int64_t width = panel_width(gate, panel);
    y += panel * kPanelRows;
    for (int64_t r = 0; r < group.rows; ++r) std::copy_n(g + r * kPanelRows, width, y + r * y_stride);
    return;
  }
  const Panel gates = ready(gate, gate.panel(panel), group.rows, of_gate);
  const Panel ups = ready(up, up.panel(panel), group.rows, of_up);
  multiply_tiles(gate, panel, group, y + panel * kPanelRows, y_stride,
                 [&](int64_t row, int64_t rows, float* to, int64_t stride) {
                   float g[kTileRows * kPanelRows], u[kTileRows * kPanelRows];
                   multiply_tile(gate, gates, row, rows, row == group.first, g, kPanelRows);
                   multiply_tile(up, ups, row, rows, row == group.first, u, kPanelRows);
                   kernels_.gated_gelu(g, u, rows * kPanelRows, g);
                   for (int64_t r = 0; r < rows; ++r) std::copy_n(g + r * kPanelRows, kPanelRows, to + r * stride);
                 });
}

int64_t panels_per_share(const Weight& w, int64_t x_rows) {
  const int64_t share = w.by_panels() ? kPackedShare : kShare;
  return std::max<int64_t>(1, share / std::max<int64_t>(1, w.n * x_rows * kPanelRows));
}

void CpuOps::linear(const Tensor& x, std::span<const Tensor* const> weights, std::span<Tensor> results) {
  GEMMA_CHECK(x.dtype() == DType::f32, "activations are f32");
  const size_t count = weights.size();
  GEMMA_CHECK(count <= kMostTogether && results.size() == count, "a result for each of a few weights");
  std::array<Weight, kMostTogether> parts;
  std::array<int64_t, kMostTogether> ends;  // of each weight's panels, were they one list
  int64_t panels = 0;
  for (size_t i = 0; i < count; ++i) {
    const Tensor& w = *weights[i];
    GEMMA_CHECK(w.cols() == x.cols(), "a weight with as many columns as the activations");
    const Shape matrix{w.rows(), w.cols()};
    results[i] = make(x.rows(), w.rows());
    parts[i] = w.layout() == Layout::rows ? Weight(w.view(matrix)) : Weight(w);
    GEMMA_CHECK(parts[i].matrices <= 1, "one matrix");
    ends[i] = panels += parts[i].panels;
  }
  if (x.rows() == 0 || count == 0) return;
  const RowGroup all{0, x.rows()};
  const Operand operand(kernels_, threads_, *buffers_, x, std::span(parts).first(count), {&all, 1});
  over_panels(kernels_, threads_, parts[0], panels, all, [&](int64_t begin, int64_t end) {
    for (size_t i = 0; i < count; ++i) {
      const int64_t start = i == 0 ? 0 : ends[i - 1];
      const int64_t first = std::max(begin, start) - start, last = std::min(end, ends[i]) - start;
      if (first >= last) continue;
      operand.multiply(parts[i], 0, first, last - first, all, results[i].data_mutable<float>().data(),
                       results[i].cols());
    }
  });
}

Tensor CpuOps::clipped_linear(const Tensor& x, const Tensor& w, const Bounds& bounds) {
  const Weight weight = w.layout() == Layout::rows ? Weight(w.view(Shape{w.rows(), w.cols()})) : Weight(w);
  if (!weight.by_panels() || x.rows() == 0) return Ops::clipped_linear(x, w, bounds);
  GEMMA_CHECK(x.dtype() == DType::f32 && weight.n == x.cols() && weight.matrices == 1,
              "f32, as wide as the one weight");
  const RowGroup all{0, x.rows()};
  const Operand operand(kernels_, threads_, *buffers_, x, {&weight, 1}, {&all, 1}, {}, &bounds);
  Tensor y = make(x.rows(), w.rows());
  float* to = y.data_mutable<float>().data();
  over_panels(kernels_, threads_, weight, weight.panels, all,
              [&](int64_t begin, int64_t end) { operand.multiply(weight, 0, begin, end - begin, all, to, y.cols()); });
  return y;
}

Tensor CpuOps::gated_linear(const Tensor& x, const Tensor& gate, const Tensor& up) {
  const bool packed = gate.layout() == Layout::packed && up.layout() == Layout::packed && gate.rows() == up.rows() &&
                      gate.dtype() == up.dtype();
  // Few rows are bound by the weights, which stream best one matrix after the other; many by what the caches do not
  // hold; where rows are widened, that is to be done once for all panels.
  const RowGroup all{0, x.rows()};
  if (!packed || x.rows() <= kTileRows || (gate.dtype() == DType::bf16 && by_blocks(kernels_, all))) {
    return Ops::gated_linear(x, gate, up);
  }
  GEMMA_CHECK(x.dtype() == DType::f32 && gate.cols() == x.cols() && up.cols() == x.cols(),
              "f32, as wide as the weights");
  const Weight parts[] = {Weight(gate), Weight(up)};
  const Operand operand(kernels_, threads_, *buffers_, x, parts, {&all, 1});
  Tensor y = make(x.rows(), gate.rows());
  float* to = y.data_mutable<float>().data();
  threads_.parallel_for(parts[0].panels, panels_per_share(parts[0], 2 * x.rows()), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) operand.multiply_gated(parts[0], parts[1], p, all, to, y.cols());
  });
  return y;
}

}  // namespace gemma::cpu

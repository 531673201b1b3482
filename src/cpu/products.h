// SPDX-License-Identifier: Apache-2.0
// Products of activation rows with some rows of a weight: what linear and moe cut their work into. The unit of work is
// a panel: 32 rows of the weight, packed or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/kernels/kernels.h"
#include "tensor/tensor.h"
#include "tensor/values.h"

namespace gemma::cpu {

class BufferPool;
class Scratch;

/** A weight [..., rows, n]: one matrix or several of the same shape, each of whole panels. */
struct Weight {
  DType type = DType::f32;
  Layout layout = Layout::rows;
  int64_t matrices = 1, rows = 0, n = 0;
  int64_t panels = 0;  // of one matrix
  const std::byte* data = nullptr;
  int64_t row_bytes = 0, panel_bytes = 0;  // of the layout that it has

  Weight() = default;
  explicit Weight(const Tensor& w);
  Weight(DType dtype, const Shape& shape, Layout stored);

  int64_t bytes() const;
  WeightRows some_rows(int64_t first, int64_t count) const { return {data + first * row_bytes, row_bytes, count}; }
  /** Whether products are by packed panels, be it that they are packed when they are needed. */
  bool by_panels() const;
  const std::byte* panel(int64_t index) const { return data + index * panel_bytes; }
  /** A matrix of `count` whole panels, the first being panel(first). */
  Weight some_panels(int64_t first, int64_t count) const;
  /** Row `index` of all matrices as f32. */
  void unpack_row(int64_t index, std::span<float> out) const;
};

/** Consecutive activation rows that are multiplied with the same matrix. */
struct RowGroup {
  int64_t first = 0, rows = 0;
};

/** Rows of f32 activations in every form that some weights want: themselves, 8-bit blocks, bf16, f32 by tiles. */
class Operand {
 public:
  /** x [rows, n]; groups cover its rows in order, or those of `row_at` if it is not empty: row i is x[row_at[i]]
   *  (weights by panels only). Rows and results are held within `bounds`, if any (weights by panels only). All outlive
   *  the operand. */
  Operand(const Kernels& kernels, ThreadPool& threads, BufferPool& buffers, const Tensor& x,
          std::span<const Weight> weights, std::span<const RowGroup> groups, std::span<const int32_t> row_at = {},
          const Bounds* bounds = nullptr);

  /** y[i * y_stride + r] = row r of the matrix . row group.first + i, for the rows r of `count` panels; on the calling
   *  thread. */
  void multiply(const Weight& w, int64_t matrix, int64_t first_panel, int64_t count, const RowGroup& group, float* y,
                int64_t y_stride) const;
  /** gelu_tanh(product with gate) * product with up, for the rows of one panel of packed matrices of one shape and
   *  type. */
  void multiply_gated(const Weight& gate, const Weight& up, int64_t panel, const RowGroup& group, float* y,
                      int64_t y_stride) const;

 private:
  /** A packed panel as products take it: itself, or widened. */
  struct Panel {
    const std::byte* bytes;
    bool wide;
  };
  Panel ready(const Weight& w, const std::byte* panel, int64_t rows, Scratch& scratch) const;
  /** A tile of rows with one packed panel. */
  void multiply_tile(const Weight& w, const Panel& panel, int64_t row, int64_t rows, bool prefetch, float* y,
                     int64_t y_stride) const;
  /** The same as multiply for a group whose rows and panels are widened: panels first_panel .. of all matrices, y at
   * the first one's results. */
  void multiply_blocks(const Weight& w, int64_t first_panel, int64_t count, const RowGroup& group, float* y,
                       int64_t y_stride) const;
  void quantize(ThreadPool& threads, std::span<const RowGroup> groups);
  void round(ThreadPool& threads, std::span<const RowGroup> groups);
  void interleave(ThreadPool& threads, std::span<const RowGroup> groups);

  /** Row i, within the bounds of what may go in; valid until the next call on this thread. */
  const float* row(int64_t i) const;
  void store_results(const float* sums, int64_t count, float* y) const;
  void bound_results(float* y, int64_t rows, int64_t y_stride) const;

  const Kernels& kernels_;
  const float* values_;
  std::span<const int32_t> row_at_;
  const Bounds* bounds_;
  int64_t rows_, n_;
  std::shared_ptr<Storage> quantized_, rounded_, interleaved_;
  const ActivationBlock* blocks_ = nullptr;
  const uint16_t* bf16_ = nullptr;
  const float* f32_ = nullptr;  // tile by tile, value by value
};

/** Panels that are worth waking another thread for, with so many activation rows. */
int64_t panels_per_share(const Weight& w, int64_t x_rows);

}  // namespace gemma::cpu

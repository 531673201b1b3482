// SPDX-License-Identifier: Apache-2.0
// Weights come in: read and packed by all threads at once, so that nothing but the packed form is ever held whole. And
// rows of a table of embeddings go out.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/kernels.h"
#include "cpu/packed_weights.h"
#include "cpu/products.h"
#include "cpu/scratch.h"
#include "tensor/dtype.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

// Read at once: large enough for a disk, small enough for a core's second cache, from which it is packed.
constexpr int64_t kPartBytes = int64_t{1} << 18;

constexpr int64_t kRowsPerShare = 16;  // small reads, 3 us each: some 50 us pay for waking a thread

Layout layout_for(DType type) { return is_packable(type) ? Layout::packed : Layout::rows; }

}  // namespace

int64_t CpuOps::weight_bytes(DType dtype, const Shape& shape) const {
  return Weight(dtype, shape, layout_for(dtype)).bytes();
}

Tensor CpuOps::prepare_weight(Tensor w) { return is_packable(w.dtype()) ? Ops::prepare_weight(std::move(w)) : w; }

Tensor CpuOps::load_rows(DType dtype, const Shape& shape, const ReadRows& read) {
  Tensor rows = make(dtype, shape);
  const std::span<std::byte> bytes = rows.raw_mutable();
  const int64_t row = bytes_of(dtype, shape.cols());
  threads_.parallel_for(rows.rows(), kRowsPerShare, [&](int64_t begin, int64_t end) {
    read(begin, end - begin, bytes.subspan(static_cast<size_t>(begin * row), static_cast<size_t>((end - begin) * row)));
  });
  return rows;
}

Tensor CpuOps::load_weight(DType dtype, const Shape& shape, const ReadRows& read) {
  const Weight w(dtype, shape, layout_for(dtype));
  const Tensor result(weight_memory_.take(w.bytes()), 0, dtype, shape, w.layout);
  std::byte* to = result.storage()->host();
  const int64_t row = std::max<int64_t>(1, bytes_of(dtype, w.n));
  if (w.layout == Layout::rows) {
    threads_.parallel_claim(w.matrices * w.rows, std::max<int64_t>(1, kPartBytes / row),
                            [&](int64_t begin, int64_t end) {
                              read(begin, end - begin, {to + begin * row, static_cast<size_t>((end - begin) * row)});
                            });
    return result;
  }
  threads_.parallel_claim(
      w.matrices * w.panels, std::max<int64_t>(1, kPartBytes / row / kPanelRows), [&](int64_t begin, int64_t end) {
        static thread_local Scratch scratch;  // kept: fresh memory for every part would cost its page faults each time
        const int64_t part = (end - begin) * kPanelRows * row;
        std::byte* rows = scratch.bytes(part);
        while (begin < end) {  // a run of panels of one matrix
          const int64_t matrix = begin / w.panels, first = begin % w.panels * kPanelRows;
          const int64_t last = std::min(w.rows, first + (end - begin) * kPanelRows);
          const std::span<std::byte> some(rows, static_cast<size_t>((last - first) * row));
          read(matrix * w.rows + first, last - first, some);
          for (int64_t r = first; r < last; r += kPanelRows, ++begin) {
            const int64_t height = std::min<int64_t>(kPanelRows, last - r);
            pack_panel(dtype, some.subspan(static_cast<size_t>((r - first) * row), static_cast<size_t>(height * row)),
                       height, w.n, {to + begin * w.panel_bytes, static_cast<size_t>(w.panel_bytes)});
          }
        }
      });
  return result;
}

Tensor CpuOps::embed(const Tensor& table, std::span<const int32_t> ids, float factor) {
  const Weight rows(table);
  GEMMA_CHECK(is_float(table.dtype()), "a table of a floating or quantized type");
  GEMMA_CHECK(std::ranges::all_of(ids, [&](int32_t id) { return id >= 0 && id < table.rows(); }), "rows of the table");
  const int64_t n = table.cols();
  Tensor y = make(static_cast<int64_t>(ids.size()), n);
  float* to = y.data_mutable<float>().data();
  over_rows(y.rows(), n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      rows.unpack_row(ids[static_cast<size_t>(i)], {to + i * n, static_cast<size_t>(n)});
      kernels_.scale(to + i * n, factor, n, to + i * n);
    }
  });
  return y;
}

}  // namespace gemma::cpu

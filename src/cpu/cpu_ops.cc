// SPDX-License-Identifier: Apache-2.0
// Moving rows, and the operations on rows. Products: products.cc, moe.cc; attention: attention.cc; ends: candidates.cc.
#include "cpu/cpu_ops.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cpu/buffer_pool.h"
#include "cpu/cache_codec.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/select.h"
#include "cpu/rope_tables.h"
#include "tensor/ops.h"
#include "tensor/pack.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

// Elements below which a loop stays on the calling thread: about ten microseconds of work.
constexpr int64_t kSmall = 32768;

void check_f32(const Tensor& x) { GEMMA_CHECK(x.dtype() == DType::f32, "activations are f32"); }

void check_same(const Tensor& a, const Tensor& b) {
  check_f32(a);
  check_f32(b);
  GEMMA_CHECK(a.rows() == b.rows() && a.cols() == b.cols(), "two tensors of the same rows and columns");
}

int64_t row_bytes(const Tensor& x) { return bytes_of(x.dtype(), x.cols()); }

}  // namespace

CpuOps::CpuOps(ThreadPool& threads, const Kernels& kernels)
    : threads_(threads),
      kernels_(kernels),
      buffers_(std::make_shared<BufferPool>()),
      rope_tables_(std::make_unique<RopeTables>()),
      codecs_(std::make_unique<CacheCodecs>(kernels)) {}

CpuOps::~CpuOps() = default;

Tensor CpuOps::make(DType dtype, const Shape& shape) {
  return Tensor(buffers_->take(bytes_of(dtype, shape.count())), 0, dtype, shape);
}

Tensor CpuOps::widened(const Tensor& x) {
  if (x.dtype() == DType::f32) return x;
  Tensor y = make(DType::f32, x.shape());
  unpack(x.dtype(), x.raw(), y.data_mutable<float>());
  return y;
}

void CpuOps::over_rows(int64_t rows, int64_t work, FunctionRef<void(int64_t, int64_t)> body) {
  threads_.parallel_for(rows, std::max<int64_t>(1, kSmall / std::max<int64_t>(work, 1)), body);
}

// ---- move ----

Tensor CpuOps::upload(DType dtype, const Shape& shape, std::span<const std::byte> bytes) {
  Tensor t = Tensor::host(dtype, shape);
  GEMMA_CHECK(static_cast<int64_t>(bytes.size()) == t.bytes(), "as many bytes as the shape says");
  if (!bytes.empty()) std::memcpy(t.raw_mutable().data(), bytes.data(), bytes.size());
  return t;
}

Tensor CpuOps::allocate(DType dtype, const Shape& shape) { return Tensor::host(dtype, shape); }

void CpuOps::read(const Tensor& x, std::span<std::byte> out) {
  GEMMA_CHECK(static_cast<int64_t>(out.size()) == x.bytes(), "room for exactly the tensor's bytes");
  if (!out.empty()) std::memcpy(out.data(), x.raw().data(), out.size());
}

Tensor CpuOps::gather_rows(const Tensor& x, std::span<const int32_t> rows) {
  Tensor y = make(x.dtype(), Shape{static_cast<int64_t>(rows.size()), x.cols()});
  const int64_t bytes = row_bytes(x);
  const std::byte* from = x.raw().data();
  std::byte* to = y.raw_mutable().data();
  for (const int32_t row : rows) GEMMA_CHECK(row >= 0 && row < x.rows(), "a row of the tensor");
  over_rows(std::ssize(rows), x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      std::memcpy(to + i * bytes, from + rows[static_cast<size_t>(i)] * bytes, static_cast<size_t>(bytes));
    }
  });
  return y;
}

Tensor CpuOps::scatter_rows(const Tensor& base, const Tensor& rows, std::span<const int32_t> at) {
  GEMMA_CHECK(base.dtype() == rows.dtype() && base.cols() == rows.cols(), "rows of the base's type and width");
  GEMMA_CHECK(static_cast<int64_t>(at.size()) == rows.rows(), "a place for every row");
  Tensor y = make(base.dtype(), base.shape());
  const int64_t bytes = row_bytes(base);
  std::byte* to = y.raw_mutable().data();
  if (y.bytes() > 0) std::memcpy(to, base.raw().data(), static_cast<size_t>(y.bytes()));
  for (size_t i = 0; i < at.size(); ++i) {
    GEMMA_CHECK(at[i] >= 0 && at[i] < base.rows(), "a row of the base");
    std::memcpy(to + at[i] * bytes, rows.raw().data() + static_cast<int64_t>(i) * bytes, static_cast<size_t>(bytes));
  }
  return y;
}

Tensor CpuOps::columns(const Tensor& x, int64_t first, int64_t n) {
  check_f32(x);
  GEMMA_CHECK(first >= 0 && n >= 0 && first + n <= x.cols(), "columns of the tensor");
  Tensor y = make(x.rows(), n);
  const float* from = x.data<float>().data();
  float* to = y.data_mutable<float>().data();
  for (int64_t r = 0; r < x.rows(); ++r) std::copy_n(from + r * x.cols() + first, n, to + r * n);
  return y;
}

Tensor CpuOps::concat_columns(const Tensor& a, const Tensor& b) {
  check_f32(a);
  check_f32(b);
  GEMMA_CHECK(a.rows() == b.rows(), "two tensors of as many rows");
  const int64_t na = a.cols(), nb = b.cols();
  Tensor y = make(a.rows(), na + nb);
  const float *from_a = a.data<float>().data(), *from_b = b.data<float>().data();
  float* to = y.data_mutable<float>().data();
  for (int64_t r = 0; r < a.rows(); ++r) {
    to = std::copy_n(from_a + r * na, na, to);
    to = std::copy_n(from_b + r * nb, nb, to);
  }
  return y;
}

// ---- rows ----

Tensor CpuOps::rms_norm(const Tensor& x, const Tensor* weight, float eps, int64_t group) {
  check_f32(x);
  const Tensor w = weight != nullptr ? widened(*weight) : Tensor();
  const int64_t n = group > 0 ? group : w.defined() ? w.shape().count() : x.cols();
  GEMMA_CHECK(n > 0 && x.cols() % n == 0, "a row holds whole groups");
  GEMMA_CHECK(!w.defined() || w.shape().count() == n, "a weight for every column of a group");
  const float* from = x.data<float>().data();
  const float* factors = w.defined() ? w.data<float>().data() : nullptr;
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(x.shape().count() / n, n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernels_.rms_norm(from + i * n, factors, nullptr, eps, n, to + i * n);
  });
  return y;
}

Tensor CpuOps::layer_norm(const Tensor& x, const Tensor& weight, const Tensor* bias, float eps) {
  check_f32(x);
  const Tensor w = widened(weight), b = bias != nullptr ? widened(*bias) : Tensor();
  const int64_t n = w.shape().count();
  GEMMA_CHECK(n > 0 && x.cols() % n == 0 && (!b.defined() || b.shape().count() == n), "whole groups, each with all");
  const float *from = x.data<float>().data(), *factors = w.data<float>().data();
  const float* shifts = b.defined() ? b.data<float>().data() : nullptr;
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(x.shape().count() / n, n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernels_.layer_norm(from + i * n, factors, shifts, eps, n, to + i * n);
  });
  return y;
}

Tensor CpuOps::add_norm(const Tensor& residual, const Tensor& x, const Tensor& weight, float eps) {
  check_same(residual, x);
  const Tensor w = widened(weight);
  const int64_t n = x.cols();
  GEMMA_CHECK(w.shape().count() == n, "a weight for every column");
  const float *from = x.data<float>().data(), *base = residual.data<float>().data(), *factors = w.data<float>().data();
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(x.rows(), n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernels_.rms_norm(from + i * n, factors, base + i * n, eps, n, to + i * n);
  });
  return y;
}

Tensor CpuOps::elementwise(const Tensor& a, const Tensor& b, Combine kernel) {
  check_same(a, b);
  const float *from_a = a.data<float>().data(), *from_b = b.data<float>().data();
  Tensor y = make(DType::f32, a.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(a.shape().count(), 1,
            [&](int64_t begin, int64_t end) { kernel(from_a + begin, from_b + begin, end - begin, to + begin); });
  return y;
}

Tensor CpuOps::elementwise_or_by_row(const Tensor& a, const Tensor& b, Combine kernel) {
  const Tensor other = widened(b);
  if (other.shape().count() == a.shape().count()) return elementwise(a, other.view(a.shape()), kernel);
  check_f32(a);
  const int64_t n = a.cols();
  GEMMA_CHECK(other.shape().count() == n, "b has the shape of a, or is one row of it");
  const float *from = a.data<float>().data(), *row = other.data<float>().data();
  Tensor y = make(DType::f32, a.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(a.rows(), n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernel(from + i * n, row, n, to + i * n);
  });
  return y;
}

Tensor CpuOps::add(const Tensor& a, const Tensor& b) { return elementwise_or_by_row(a, b, kernels_.add); }
Tensor CpuOps::mul(const Tensor& a, const Tensor& b) { return elementwise_or_by_row(a, b, kernels_.mul); }
Tensor CpuOps::gated_gelu(const Tensor& gate, const Tensor& up) { return elementwise(gate, up, kernels_.gated_gelu); }

Tensor CpuOps::gated_sigmoid(const Tensor& a, const Tensor& b) { return elementwise(a, b, kernels_.gated_sigmoid); }

Tensor CpuOps::scale(const Tensor& x, float factor) {
  check_f32(x);
  const float* from = x.data<float>().data();
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(x.shape().count(), 1,
            [&](int64_t begin, int64_t end) { kernels_.scale(from + begin, factor, end - begin, to + begin); });
  return y;
}

Tensor CpuOps::scale(const Tensor& x, const Tensor& factor) {
  GEMMA_CHECK(factor.shape().count() == 1, "one factor");
  return scale(x, widened(factor).data<float>()[0]);
}

Tensor CpuOps::softcap(const Tensor& x, float cap) {
  check_f32(x);
  const float* from = x.data<float>().data();
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(x.shape().count(), 4,
            [&](int64_t begin, int64_t end) { kernels_.softcap(from + begin, cap, end - begin, to + begin); });
  return y;
}

Tensor CpuOps::clamp(const Tensor& x, float low, float high) {
  check_f32(x);
  const float* from = x.data<float>().data();
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(x.shape().count(), 1,
            [&](int64_t begin, int64_t end) { kernels_.clamp(from + begin, low, high, end - begin, to + begin); });
  return y;
}

Tensor CpuOps::softmax(const Tensor& x) {
  check_f32(x);
  const int64_t n = x.cols();
  const float* from = x.data<float>().data();
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(x.rows(), 4 * n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) kernels_.softmax(from + i * n, n, to + i * n);
  });
  return y;
}

Tensor CpuOps::rope(const Tensor& x, std::span<const int32_t> positions, std::span<const float> inverse_frequency,
                    int64_t head_dim) {
  check_f32(x);
  const int64_t half = head_dim / 2, rows = x.rows(), heads = x.cols() / head_dim;
  GEMMA_CHECK(head_dim % 2 == 0 && x.cols() % head_dim == 0, "whole heads of an even size");
  GEMMA_CHECK(static_cast<int64_t>(positions.size()) == rows, "a position for every row");
  GEMMA_CHECK(static_cast<int64_t>(inverse_frequency.size()) == half, "a frequency for every pair");
  const RopeTables::Table& table = rope_tables_->get(positions, inverse_frequency, threads_);
  const float* from = x.data<float>().data();
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(rows, x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float *cosine = table.cosine.data() + r * table.pairs, *sine = table.sine.data() + r * table.pairs;
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t at = r * x.cols() + h * head_dim;
        kernels_.rope(from + at, cosine, sine, table.pairs, half, to + at);
      }
    }
  });
  return y;
}

}  // namespace gemma::cpu

namespace gemma {

std::unique_ptr<Ops> make_cpu_ops(ThreadPool& threads) {
  return std::make_unique<cpu::CpuOps>(threads, cpu::kernels());
}

}  // namespace gemma

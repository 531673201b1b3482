// SPDX-License-Identifier: Apache-2.0
// Operations on rows that follow one another in time: frames of sound.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/kernels.h"
#include "cpu/scratch.h"
#include "cpu/unpacked_products.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kSide = 3;  // of the convolution's kernel

/** The nine neighbours' channels of each output at one time, zeros beyond the edges: [bins / 2, 3 * 3 * channels]. */
void gather_neighbours(const float* x, int64_t time, int64_t bins, int64_t channels, int64_t t, float* out) {
  for (int64_t f = 0; f < (bins + 1) / 2; ++f) {
    for (int64_t i = 0; i < kSide * kSide; ++i, out += channels) {
      const int64_t at = 2 * t + i / kSide - 1, bin = 2 * f + i % kSide - 1;
      if (at < 0 || at >= time || bin < 0 || bin >= bins) {
        std::fill_n(out, channels, 0.0f);
      } else {
        std::copy_n(x + (at * bins + bin) * channels, channels, out);
      }
    }
  }
}

/** What a row sees of one head. */
class AudioHead {
 public:
  AudioHead(const Kernels& kernels, int64_t width, int64_t dim, int64_t window, float cap)
      : kernels_(kernels), width_(width), dim_(dim), window_(window), cap_(cap) {}

  /** q, k, v at the row's place of this head, r at the head's place of distance 0. */
  void attend(const float* q, const float* k, const float* v, const float* r, int64_t row, float* out) const {
    static thread_local Scratch scratch;
    const int64_t seen = std::min(window_, row + 1), first = 1 - seen;  // of the rows, from this one
    float *scores = scratch.floats(2 * window_), *shifts = scores + window_;
    dot(k + first * width_, seen, q, scores);
    dot(r, seen, q, shifts);
    std::reverse(shifts, shifts + seen);  // the farthest row comes first
    kernels_.add(scores, shifts, seen, scores);
    kernels_.softcap(scores, cap_, seen, scores);
    kernels_.softmax(scores, seen, scores);
    std::fill_n(out, dim_, 0.0f);
    for (int64_t i = 0; i < seen; ++i) {
      kernels_.combine(out, 1.0f, v + (first + i) * width_, scores[i], dim_, out);
    }
  }

 private:
  void dot(const float* rows, int64_t count, const float* q, float* y) const {
    const WeightRows all{reinterpret_cast<const std::byte*>(rows), width_ * int64_t{sizeof(float)}, count};
    kernels_.product[static_cast<size_t>(DType::f32)](all, q, dim_, 1, dim_, y, count);
  }

  const Kernels& kernels_;
  int64_t width_, dim_, window_;
  float cap_;
};

}  // namespace

Tensor CpuOps::conv2d(const Tensor& x, const Tensor& w) {
  GEMMA_CHECK(x.dtype() == DType::f32 && x.shape().rank == 3, "f32 [time, bins, channels]");
  const int64_t time = x.shape()[0], bins = x.shape()[1], channels = x.shape()[2];
  const int64_t n = kSide * kSide * channels, out = w.rows(), across = (bins + 1) / 2;
  GEMMA_CHECK(w.dtype() == DType::f32 && w.layout() == Layout::rows && w.cols() == n, "f32 [out, 3 * 3 * channels]");
  const WeightRows weights{w.raw().data(), n * int64_t{sizeof(float)}, out};
  const float* from = x.data<float>().data();
  Tensor y = make(DType::f32, Shape{(time + 1) / 2, across, out});
  float* to = y.data_mutable<float>().data();
  over_rows(y.shape()[0], across * n * out / 16, [&](int64_t begin, int64_t end) {
    static thread_local Scratch scratch;
    float* neighbours = scratch.floats(across * n);
    for (int64_t t = begin; t < end; ++t) {
      gather_neighbours(from, time, bins, channels, t, neighbours);
      multiply_unpacked(kernels_, weights, n, {neighbours, n, across}, to + t * across * out, out);
    }
  });
  return y;
}

Tensor CpuOps::depthwise_conv1d(const Tensor& x, const Tensor& w) {
  const int64_t n = x.cols(), kernel = w.rows();
  GEMMA_CHECK(x.dtype() == DType::f32 && w.dtype() == DType::f32 && w.cols() == n, "f32, a weight for every column");
  const float *from = x.data<float>().data(), *taps = w.data<float>().data();
  Tensor y = make(DType::f32, x.shape());
  float* to = y.data_mutable<float>().data();
  over_rows(x.rows(), n * kernel, [&](int64_t begin, int64_t end) {
    static thread_local Scratch scratch;
    float* product = scratch.floats(n);
    for (int64_t t = begin; t < end; ++t) {
      float* sum = to + t * n;
      kernels_.mul(from + t * n, taps + (kernel - 1) * n, n, sum);
      for (int64_t back = 1; back < kernel && back <= t; ++back) {
        kernels_.mul(from + (t - back) * n, taps + (kernel - 1 - back) * n, n, product);
        kernels_.add(sum, product, n, sum);
      }
    }
  });
  return y;
}

Tensor CpuOps::audio_attention(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& r, int64_t head_dim,
                               int64_t window, float cap) {
  for (const Tensor* each : {&q, &k, &v}) {
    GEMMA_CHECK(each->dtype() == DType::f32 && each->rows() == q.rows() && each->cols() == q.cols(),
                "q, k and v of the same rows and heads");
  }
  const int64_t width = q.cols(), heads = width / head_dim;
  GEMMA_CHECK(head_dim > 0 && width % head_dim == 0 && window > 0, "whole heads and a window");
  GEMMA_CHECK(r.dtype() == DType::f32 && r.cols() == width && r.rows() >= window, "a row of r for every distance");
  Tensor y = make(DType::f32, q.shape());
  float* to = y.data_mutable<float>().data();
  const float *from_q = q.data<float>().data(), *from_k = k.data<float>().data();
  const float *from_v = v.data<float>().data(), *from_r = r.data<float>().data();
  const AudioHead head(kernels_, width, head_dim, window, cap);
  over_rows(q.rows(), 3 * width * window, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      for (int64_t h = 0; h < heads; ++h) {
        const int64_t at = t * width + h * head_dim;
        head.attend(from_q + at, from_k + at, from_v + at, from_r + h * head_dim, t, to + at);
      }
    }
  });
  return y;
}

}  // namespace gemma::cpu

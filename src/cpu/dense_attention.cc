// SPDX-License-Identifier: Apache-2.0
// Attention in which every query sees every key. A tile is some rows of one head; it goes over all keys in blocks of
// fixed size with a running softmax, so that scores of one tile and block are all there is of them. Both products of a
// block run along lanes of keys, or of a head's places: keys are laid out for that once.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/kernels.h"
#include "cpu/scratch.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kTileHeight = 96;  // rows of a tile, over which keys and values go once
constexpr int64_t kKeys = 128;       // of a block

class DenseAttention {
 public:
  DenseAttention(const Kernels& kernels, const Tensor& q, int64_t seen, int64_t dim)
      : kernels_(kernels), rows_(q.rows()), seen_(seen), width_(q.cols()), dim_(dim), q_(q.data<float>().data()) {}

  int64_t heads() const { return width_ / dim_; }
  int64_t blocks() const { return (seen_ + kKeys - 1) / kKeys; }
  int64_t tiles() const { return (rows_ + kTileHeight - 1) / kTileHeight; }

  /** Memory for keys [heads, blocks, dim, kKeys] and for values [heads, blocks, kKeys, dim]. */
  int64_t side_floats() const { return heads() * blocks() * kKeys * dim_; }
  void use(float* keys, float* values) {
    keys_ = keys;
    values_ = values;
  }
  /** Lays out one block of one head. */
  void arrange(const float* k, const float* v, int64_t head, int64_t block) const;
  void run(int64_t head, int64_t tile, float* out) const;

 private:
  int64_t keys_of(int64_t block) const { return std::min(kKeys, seen_ - block * kKeys); }
  int64_t side_of(int64_t head, int64_t block) const { return (head * blocks() + block) * kKeys * dim_; }

  const Kernels& kernels_;
  int64_t rows_, seen_, width_, dim_;  // of queries, of keys
  const float* q_;
  float *keys_ = nullptr, *values_ = nullptr;
};

void DenseAttention::arrange(const float* k, const float* v, int64_t head, int64_t block) const {
  float *keys = keys_ + side_of(head, block), *values = values_ + side_of(head, block);
  const int64_t count = keys_of(block);
  if (count < kKeys) std::fill_n(keys, kKeys * dim_, 0.0f);
  for (int64_t j = 0; j < count; ++j) {
    const int64_t from = (block * kKeys + j) * width_ + head * dim_;
    for (int64_t i = 0; i < dim_; ++i) keys[i * kKeys + j] = k[from + i];
    std::copy_n(v + from, dim_, values + j * dim_);
  }
}

void DenseAttention::run(int64_t head, int64_t tile, float* out) const {
  static thread_local Scratch scratch;
  constexpr auto kPlain = static_cast<size_t>(DType::f32);
  constexpr float kNone = -std::numeric_limits<float>::infinity();
  const int64_t first = tile * kTileHeight, rows = std::min(kTileHeight, rows_ - first);
  float *scores = scratch.floats(kTileHeight * (kKeys + dim_)), *sums = scores + kTileHeight * kKeys;
  float largest[kTileHeight], total[kTileHeight], correction[kTileHeight];
  std::fill_n(largest, rows, kNone);
  std::fill_n(total, rows, 0.0f);
  std::fill_n(sums, rows * dim_, 0.0f);
  for (int64_t block = 0; block < blocks(); ++block) {
    const int64_t at = side_of(head, block), count = keys_of(block);
    const auto side = [at](const float* all) { return reinterpret_cast<const std::byte*>(all + at); };
    kernels_.weighted_sum[kPlain](q_ + first * width_ + head * dim_, width_, nullptr, rows, side(keys_), dim_, kKeys,
                                  scores);
    kernels_.online_softmax(scores, kKeys, rows, count, largest, total, correction);
    kernels_.weighted_sum[kPlain](scores, kKeys, correction, rows, side(values_), count, dim_, sums);
  }
  for (int64_t r = 0; r < rows; ++r) {
    kernels_.scale(sums + r * dim_, 1.0f / total[r], dim_, out + (first + r) * width_ + head * dim_);
  }
}

}  // namespace

Tensor CpuOps::attention_dense(const Tensor& q, const Tensor& k, const Tensor& v, int64_t head_dim) {
  for (const Tensor* each : {&q, &k, &v}) {
    GEMMA_CHECK(each->dtype() == DType::f32 && each->cols() == q.cols(), "q, k and v of the same heads");
  }
  GEMMA_CHECK(k.rows() == v.rows() && (k.rows() > 0 || q.rows() == 0), "a value for each key, and some to see");
  GEMMA_CHECK(head_dim > 0 && q.cols() % head_dim == 0, "whole heads");
  Tensor y = make(DType::f32, q.shape());
  DenseAttention work(kernels_, q, k.rows(), head_dim);
  Tensor keys = make(1, work.side_floats()), values = make(1, work.side_floats());
  work.use(keys.data_mutable<float>().data(), values.data_mutable<float>().data());
  const float *from_k = k.data<float>().data(), *from_v = v.data<float>().data();
  const int64_t blocks = work.blocks(), tiles = work.tiles();
  threads_.parallel_for(work.heads() * blocks, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work.arrange(from_k, from_v, i / blocks, i % blocks);
  });
  float* to = y.data_mutable<float>().data();
  threads_.parallel_claim(work.heads() * tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work.run(i / tiles, i % tiles, to);
  });
  return y;
}

}  // namespace gemma::cpu

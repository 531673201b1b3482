// SPDX-License-Identifier: Apache-2.0
// Attention in which every query sees every key. A tile is some rows of one head; it goes over all keys in blocks of
// fixed size with a running softmax, so that scores of one tile and block are all there is of them. Both products of a
// block run along lanes of keys, or of a head's places: dense_keys lays keys out for that.
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

/** Keys [heads, blocks, head_dim, kKeys] and values [heads, blocks, kKeys, head_dim]. */
struct Blocks {
  int64_t rows, dim;

  int64_t per_head() const { return (rows + kKeys - 1) / kKeys; }
  int64_t keys_of(int64_t block) const { return std::min(kKeys, rows - block * kKeys); }
  int64_t at(int64_t head, int64_t block) const { return (head * per_head() + block) * kKeys * dim; }
};

/** One block of one head; k and v are the head's first columns of the block's first row. */
void lay_out(const Blocks& blocks, int64_t block, const float* k, const float* v, int64_t width, float* keys,
             float* values) {
  const int64_t count = blocks.keys_of(block), dim = blocks.dim;
  if (count < kKeys) std::fill_n(keys, kKeys * dim, 0.0f);
  for (int64_t j = 0; j < count; ++j, k += width, v += width) {
    for (int64_t i = 0; i < dim; ++i) keys[i * kKeys + j] = k[i];
    std::copy_n(v, dim, values + j * dim);
  }
}

class DenseAttention {
 public:
  DenseAttention(const Kernels& kernels, const Tensor& q, const DenseKeys& seen)
      : kernels_(kernels),
        rows_(q.rows()),
        width_(q.cols()),
        dim_(seen.head_dim),
        blocks_{seen.rows, seen.head_dim},
        q_(q.data<float>().data()),
        keys_(seen.keys.data<float>().data()),
        values_(seen.values.data<float>().data()) {}

  int64_t heads() const { return width_ / dim_; }
  int64_t tiles() const { return (rows_ + kTileHeight - 1) / kTileHeight; }
  void run(int64_t head, int64_t tile, float* out) const;

 private:
  const Kernels& kernels_;
  int64_t rows_, width_, dim_;
  Blocks blocks_;
  const float *q_, *keys_, *values_;
};

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
  for (int64_t block = 0; block < blocks_.per_head(); ++block) {
    const int64_t at = blocks_.at(head, block), count = blocks_.keys_of(block);
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

DenseKeys CpuOps::dense_keys(const Tensor& k, const Tensor& v, int64_t head_dim) {
  for (const Tensor* each : {&k, &v}) GEMMA_CHECK(each->dtype() == DType::f32, "keys and values in f32");
  GEMMA_CHECK(k.rows() == v.rows() && k.cols() == v.cols(), "a value for each key");
  GEMMA_CHECK(head_dim > 0 && k.cols() % head_dim == 0, "whole heads");
  const Blocks blocks{k.rows(), head_dim};
  const int64_t width = k.cols(), heads = width / head_dim, per_head = blocks.per_head();
  DenseKeys all{make(1, blocks.at(heads, 0)), make(1, blocks.at(heads, 0)), k.rows(), head_dim};
  const float *from_k = k.data<float>().data(), *from_v = v.data<float>().data();
  float *keys = all.keys.data_mutable<float>().data(), *values = all.values.data_mutable<float>().data();
  threads_.parallel_for(heads * per_head, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t head = i / per_head, block = i % per_head, to = blocks.at(head, block);
      const int64_t from = block * kKeys * width + head * head_dim;
      lay_out(blocks, block, from_k + from, from_v + from, width, keys + to, values + to);
    }
  });
  return all;
}

Tensor CpuOps::attention_dense(const Tensor& q, const DenseKeys& keys) {
  const Blocks blocks{keys.rows, keys.head_dim};
  GEMMA_CHECK(q.dtype() == DType::f32 && keys.head_dim > 0 && q.cols() % keys.head_dim == 0, "f32, whole heads");
  GEMMA_CHECK(keys.keys.cols() == blocks.at(q.cols() / keys.head_dim, 0), "queries of as many heads as keys");
  GEMMA_CHECK(keys.rows > 0 || q.rows() == 0, "keys to see");
  Tensor y = make(DType::f32, q.shape());
  const DenseAttention work(kernels_, q, keys);
  const int64_t tiles = work.tiles();
  float* to = y.data_mutable<float>().data();
  threads_.parallel_claim(work.heads() * tiles, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work.run(i / tiles, i % tiles, to);
  });
  return y;
}

}  // namespace gemma::cpu

// SPDX-License-Identifier: Apache-2.0
// The kernel table: every inner loop of the CPU backend as a pointer, one table per instruction set. The scalar table
// has all of them in plain C++ and is what the others are tested against; an instruction set replaces what it does
// faster (parts.h) and inherits the rest. CpuOps is written against this file alone.
//
// Order of arithmetic, which makes a row's result the same whatever runs beside it: a product sums along k in L partial
// sums (L = the table's lanes; sum l takes k = l, l + L, ...), then adds them in one fixed tree, for one row and for
// many. Tables of different instruction sets differ in the last bits; results of one table never depend on tile, thread
// or neighbours.
//
// Kernel files are compiled with flags of their own. They include intrinsics, this file, the headers of this folder and
// tensor/blocks.h, nothing else: an inline function of another header, compiled here, could be the copy that the linker
// keeps for the whole program.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/kernels/packed.h"        // IWYU pragma: export
#include "cpu/kernels/packed_cache.h"  // IWYU pragma: export
#include "tensor/dtype.h"              // IWYU pragma: export

namespace gemma::cpu {

/** Rows of weights in a product: `rows` rows of `n` values of one type, `stride` bytes apart. */
struct WeightRows {
  const std::byte* data = nullptr;
  int64_t stride = 0;
  int64_t rows = 0;
};

/** e^-87 is about the least normal f32. A softmax has a weight of 1 in it, beside which such a weight is nothing; as a
 *  denormal it would make every multiplication by it a hundred times slower. */
inline constexpr float kLeastExponent = -87.0f;

/** 32 activations whose largest is below this quantize to zero: 127 / largest must be finite. */
inline constexpr float kLeastActivation = 1e-36f;

struct Kernels {
  const char* name = "";

  // ---- products with rows as they are stored ----
  /** y[i * y_stride + r] = w_r . x_i for rows x_i that are x_stride values apart. f32, bf16. */
  void (*product[kDTypes])(const WeightRows& w, const float* x, int64_t x_stride, int64_t x_rows, int64_t n, float* y,
                           int64_t y_stride) = {};

  // ---- products with packed weights (packed.h): a panel of 32 rows times a tile of activations ----
  /** n activations of a row (whole blocks) as 8-bit integers; block i goes to out[i * stride]. A block with a value
   * that is not finite gets a scale of NaN. */
  void (*quantize)(const float* x, int64_t n, ActivationBlock* out, int64_t stride) = nullptr;
  /** Brings the quantized rows of a tile, all at once, into the order that packed_product of this table wants. */
  void (*arrange)(ActivationBlock* tile, int64_t rows, int64_t blocks) = nullptr;
  /** Pair i of a row, rounded to nearest even, goes to out[i * stride] and out[i * stride + 1]. */
  void (*round_to_bf16)(const float* x, int64_t n, uint16_t* out, int64_t stride) = nullptr;
  /** y[i * y_stride + r] = w_r . x_i for the 32 rows of a panel and an arranged tile, up to kTileRows rows; `prefetch`:
   *  the panel comes from memory, and the next one lies behind it. */
  void (*packed_product[kDTypes])(const std::byte* panel, int64_t blocks, const ActivationBlock* x, int64_t x_rows,
                                  bool prefetch, float* y, int64_t y_stride) = {};
  /** A panel as one of `blocks` wide blocks (packed.h), and products with it: the same to the bit, cheaper for a tile,
   *  worth the work where there are several. */
  void (*widen[kDTypes])(const std::byte* panel, int64_t blocks, std::byte* wide) = {};
  void (*wide_product[kDTypes])(const std::byte* wide, int64_t blocks, const ActivationBlock* x, int64_t x_rows,
                                float* y, int64_t y_stride) = {};
  /** packed_product for bf16. */
  void (*packed_product_bf16)(const std::byte* panel, int64_t pairs, const uint16_t* x, int64_t x_rows, bool prefetch,
                              float* y, int64_t y_stride) = nullptr;
  /** packed_product for f16, with f32 activations: value i of row r at x[i * x_rows + r]. */
  void (*packed_product_f16)(const std::byte* panel, int64_t n, const float* x, int64_t x_rows, bool prefetch, float* y,
                             int64_t y_stride) = nullptr;

  /** The pairs of a bf16 panel as f32: of pair i the second values of its 32 rows at wide + 64 i, behind them the
   * first, for weighted_sum takes them in the order of packed_product_bf16, and what it sums is the same to the bit.
   * Null where the machine has something better, and in the scalar table. */
  void (*widen_bf16)(const std::byte* panel, int64_t pairs, float* wide) = nullptr;

  // ---- rows of n values; y may be x ----
  /** x * (mean(x^2) + eps)^(-1/2) * weight, plus residual; weight and residual may be null. */
  void (*rms_norm)(const float* x, const float* weight, const float* residual, float eps, int64_t n,
                   float* y) = nullptr;
  /** (x - mean) * (variance + eps)^(-1/2) * weight, plus bias; bias may be null. */
  void (*layer_norm)(const float* x, const float* weight, const float* bias, float eps, int64_t n, float* y) = nullptr;
  void (*add)(const float* a, const float* b, int64_t n, float* y) = nullptr;
  void (*mul)(const float* a, const float* b, int64_t n, float* y) = nullptr;
  void (*scale)(const float* x, float factor, int64_t n, float* y) = nullptr;
  /** a * factor_a + b * factor_b. */
  void (*combine)(const float* a, float factor_a, const float* b, float factor_b, int64_t n, float* y) = nullptr;
  void (*gated_gelu)(const float* gate, const float* up, int64_t n, float* y) = nullptr;
  /** a / (1 + e^-b). */
  void (*gated_sigmoid)(const float* a, const float* b, int64_t n, float* y) = nullptr;
  /** A NaN stays one. */
  void (*clamp)(const float* x, float low, float high, int64_t n, float* y) = nullptr;
  void (*softcap)(const float* x, float cap, int64_t n, float* y) = nullptr;
  void (*softmax)(const float* x, int64_t n, float* y) = nullptr;
  /** Rotates `pairs` pairs (i, i + half) of one head of 2 * half values and copies the others. y is not x. */
  void (*rope)(const float* x, const float* cosine, const float* sine, int64_t pairs, int64_t half, float* y) = nullptr;
  /** The largest value, -infinity for none; a NaN is skipped or returned. */
  float (*max)(const float* x, int64_t n) = nullptr;
  /** sum of exp(x - shift). */
  double (*sum_exp)(const float* x, int64_t n, float shift) = nullptr;

  // ---- attention ----
  /** One block of keys joins the running softmax of some rows of scores: they become exp(score - new max), `max` and
   *  `sum` move on, and what was summed before must be multiplied by `correction`. max = -infinity and sum = 0 at the
   *  start. Below kLeastExponent an exponential is zero. */
  void (*online_softmax)(float* scores, int64_t stride, int64_t rows, int64_t n, float* max, float* sum,
                         float* correction) = nullptr;
  /** acc_r = acc_r * correction[r] + sum over keys j of p_r[j] * v_j; v rows of n values, contiguous. Without
   * `correction` sums start at zero. f32, bf16. */
  void (*weighted_sum[kDTypes])(const float* p, int64_t p_stride, const float* correction, int64_t rows,
                                const std::byte* v, int64_t keys, int64_t n, float* acc) = {};

  // ---- coded keys and values (packed_cache.h) ----
  /** x times the Walsh-Hadamard matrix of n (a power of two) rows, times `factor`; in place. */
  void (*hadamard)(float* x, int64_t n, float factor) = nullptr;
  /** out[i] = how many of the `count` thresholds are below x[i]. */
  void (*cache_codes)(const float* x, int64_t n, const float* thresholds, int64_t count, uint8_t* out) = nullptr;
  /** A group of n values of a query (at most whole blocks, the rest is filled with zeros): block i of 32 integers goes
   *  to q + i * stride. */
  void (*cache_query)(const float* x, int64_t n, int8_t* q, int64_t stride, CacheQuery* query) = nullptr;
  /** The digits of p[i] * scales[i] for begin <= i < end, zeros for the others of `page`: of 32 tokens the high ones to
   *  digits + i * stride, the low ones behind them. A weight that is not finite gives a scale of NaN. */
  void (*cache_digits)(const float* p, const float* scales, int64_t begin, int64_t end, int64_t page, int8_t* digits,
                       int64_t stride, CacheWeights* weights) = nullptr;
  /** y[i * y_stride + r] = key r . query i, for the 32 keys of a panel of `blocks` blocks, `group` of which share a
   * scale, and up to kCacheRows queries: q [blocks][rows][32], queries [groups][rows]. `prefetch`: the panel comes from
   * memory, and the next one lies behind it. */
  void (*cache_scores[kCacheCodes])(const std::byte* panel, int64_t blocks, int64_t group, const uint8_t* levels,
                                    const int8_t* q, const CacheQuery* queries, int64_t rows, bool prefetch, float* y,
                                    int64_t y_stride) = {};
  /** sum[i * stride + r] = itself * correction + sum over tokens of weight * value, for the 32 places r of a panel and
   *  up to kCacheRows queries: digits [blocks][rows][high, low][32]. */
  void (*cache_values[kCacheCodes])(const std::byte* panel, int64_t blocks, const uint8_t* levels, const int8_t* digits,
                                    const CacheWeights* weights, int64_t rows, bool prefetch, float* sum,
                                    int64_t stride) = {};
};

}  // namespace gemma::cpu

// SPDX-License-Identifier: Apache-2.0
// The bodies of resize_passes.h, in a namespace of each file that includes them.
#pragma once

#include <cstdint>

#include "media/resize_passes.h"

namespace gemma::media {
namespace {

constexpr int kColumn = 3 * kPassLanes;  // samples of a column of so many rows
constexpr int64_t kStrip = 512;          // samples of a row that the pass down takes at a time

using Bytes = uint8_t __attribute__((vector_size(16)));

Bytes load(const uint8_t* from) {
  Bytes out;
  __builtin_memcpy(&out, from, sizeof out);
  return out;
}

Bytes interleaved_low(Bytes a, Bytes b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
Bytes interleaved_high(Bytes a, Bytes b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** Sixteen samples of each of eight rows, to [sample][row]. */
void transpose(const uint8_t* const* rows, int64_t at, uint8_t* to) {
  Bytes now[kPassLanes], next[kPassLanes];
  for (int i = 0; i < kPassLanes; ++i) now[i] = load(rows[i] + at);
  for (int stage = 0; stage < 3; ++stage) {
    for (int i = 0; i < kPassLanes / 2; ++i) {
      next[2 * i] = interleaved_low(now[i], now[i + kPassLanes / 2]);
      next[2 * i + 1] = interleaved_high(now[i], now[i + kPassLanes / 2]);
    }
    for (int i = 0; i < kPassLanes; ++i) now[i] = next[i];
  }
  __builtin_memcpy(to, now, sizeof now);
}

/** Eight rows as [column][channel][row]: the samples of a column then meet the same weight. Rows behind the last
 *  repeat it. */
void gather_rows(const PassImage& image, int y, uint8_t* to) {
  const int64_t stride = int64_t{image.from_width} * 3;
  const uint8_t* rows[kPassLanes];
  for (int i = 0; i < kPassLanes; ++i) {
    rows[i] = image.from + (y + i < image.from_height ? y + i : image.from_height - 1) * stride;
  }
  int64_t at = 0;
  for (; at + 16 <= stride; at += 16) transpose(rows, at, to + at * kPassLanes);
  for (; at < stride; ++at) {
    for (int i = 0; i < kPassLanes; ++i) to[at * kPassLanes + i] = rows[i][at];
  }
}

uint8_t clipped(uint32_t sum, int bits) {
  const int32_t value = static_cast<int32_t>(sum + (1u << (bits - 1))) >> bits;
  return static_cast<uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

/** sums[i] += samples[i] * weight, in arithmetic that may wrap. */
[[gnu::always_inline]] inline void add_products(const uint8_t* samples, int32_t weight, int64_t n, uint32_t* sums) {
  for (int64_t i = 0; i < n; ++i) sums[i] += static_cast<uint32_t>(samples[i]) * static_cast<uint32_t>(weight);
}

void across_rows(const PassImage& image, const PassWeights& weights, const uint8_t* columns, int y) {
  const int64_t stride = int64_t{image.width} * 3;
  const int lanes = image.height - y < kPassLanes ? image.height - y : kPassLanes;
  for (int x = 0; x < image.width; ++x) {
    const uint8_t* from = columns + int64_t{weights.first[x]} * kColumn;
    const int32_t* weight = weights.values + int64_t{x} * weights.taps;
    uint32_t sums[kColumn] = {};
    for (int k = 0; k < weights.taps; ++k, from += kColumn) add_products(from, weight[k], kColumn, sums);
    uint8_t out[kColumn];
    for (int i = 0; i < kColumn; ++i) out[i] = clipped(sums[i], weights.bits);
    uint8_t* to = image.to + y * stride + int64_t{x} * 3;
    for (int lane = 0; lane < lanes; ++lane, to += stride) {
      for (int c = 0; c < 3; ++c) to[c] = out[c * kPassLanes + lane];
    }
  }
}

void pass_across(const PassImage& image, const PassWeights& weights, uint8_t* scratch) {
  for (int y = 0; y < image.height; y += kPassLanes) {
    gather_rows(image, y, scratch);
    across_rows(image, weights, scratch, y);
  }
}

void down_strip(const PassImage& image, const PassWeights& weights, int y, int64_t begin, int64_t n) {
  const int64_t stride = int64_t{image.width} * 3;
  const int32_t* weight = weights.values + int64_t{y} * weights.taps;
  uint32_t sums[kStrip] = {};
  const uint8_t* row = image.from + weights.first[y] * stride + begin;
  for (int k = 0; k < weights.taps; ++k, row += stride) add_products(row, weight[k], n, sums);
  uint8_t* to = image.to + y * stride + begin;
  for (int64_t i = 0; i < n; ++i) to[i] = clipped(sums[i], weights.bits);
}

void pass_down(const PassImage& image, const PassWeights& weights) {
  const int64_t stride = int64_t{image.width} * 3;
  for (int y = 0; y < image.height; ++y) {
    for (int64_t begin = 0; begin < stride; begin += kStrip) {
      down_strip(image, weights, y, begin, stride - begin < kStrip ? stride - begin : kStrip);
    }
  }
}

}  // namespace
}  // namespace gemma::media

// SPDX-License-Identifier: Apache-2.0
// The two passes of a resize on bare pointers. Included by a file for each instruction set, which the compiler
// vectorizes for; so nothing here may be an inline function that others share (no std::).
#pragma once

#include <cstdint>

namespace gemma::media {

/** The weights of one pass in fixed point, [size][taps], those outside of a window zero. Sums are taken modulo 2^32;
 * the whole sum fits. */
struct PassWeights {
  int taps = 0, bits = 0;
  const int* first = nullptr;  // of the window, [size]
  const int32_t* values = nullptr;
};

/** Rows of RGB. */
struct PassImage {
  const uint8_t* from = nullptr;
  uint8_t* to = nullptr;
  int from_width = 0, from_height = 0, width = 0, height = 0;
};

constexpr int kPassLanes = 8;  // rows that the pass across takes at a time
/** What the pass across needs as `scratch`. */
constexpr int64_t pass_scratch_bytes(int from_width) { return (int64_t{from_width} * 3 + 16) * kPassLanes; }

struct ResizePasses {
  void (*across)(const PassImage& image, const PassWeights& weights, uint8_t* scratch);
  void (*down)(const PassImage& image, const PassWeights& weights);
};

ResizePasses baseline_passes();
/** Null functions on other architectures. */
ResizePasses avx2_passes();

}  // namespace gemma::media

// SPDX-License-Identifier: Apache-2.0
// Magnitudes of the Fourier transform of frames, four at a time. Included by a file for each instruction set, as
// resize_passes.h is.
#pragma once

#include <cstdint>

namespace gemma::media {

constexpr int kFrameSamples = 320, kFourier = 512, kSpectrumBins = kFourier / 2 + 1, kSpectrumLanes = 4;

/** Angles that all frames share. */
struct SpectrumTables {
  float window[kFrameSamples];
  double cosine[kFourier], sine[kFourier];  // of 2 pi i / kFourier
};

/** frames[lane] points to kFrameSamples samples; out[bin][lane]. */
using Spectrum = void (*)(const SpectrumTables& tables, const float* const* frames, double* out);

Spectrum baseline_spectrum();
/** Null on other architectures. */
Spectrum avx2_spectrum();

}  // namespace gemma::media

// SPDX-License-Identifier: Apache-2.0
// The body of spectrum.h. 512 real samples are 256 complex ones, transformed in four passes of radix 4 from one buffer
// to the other (Stockham), all lanes alike. In double precision: beside a loud tone a quiet band must keep its value.
// The window alone is multiplied in single precision, as the reference does.
#pragma once

#include <cstdint>

#include "media/spectrum.h"

namespace gemma::media {
namespace {

constexpr int kHalf = kFourier / 2;

/** A number of each lane. */
using Lanes = double __attribute__((vector_size(kSpectrumLanes * sizeof(double))));

struct Complex {
  Lanes re, im;
};

inline Complex turned(const Complex& z, double cosine, double sine) {  // z * exp(-i angle)
  return {z.re * cosine + z.im * sine, z.im * cosine - z.re * sine};
}

/** One pass over numbers of which `stride` neighbours belong together. */
void radix4(const SpectrumTables& tables, int n, int stride, const Complex* from, Complex* to) {
  const int quarter = n / 4, step = kFourier / n;
  for (int p = 0; p < quarter; ++p) {
    const int a1 = p * step, a2 = 2 * a1, a3 = 3 * a1;
    for (int q = 0; q < stride; ++q) {
      const Complex &a = from[q + stride * p], &b = from[q + stride * (p + quarter)],
                    &c = from[q + stride * (p + 2 * quarter)], &d = from[q + stride * (p + 3 * quarter)];
      const Complex sum{a.re + c.re, a.im + c.im}, difference{a.re - c.re, a.im - c.im};
      const Complex other{b.re + d.re, b.im + d.im}, turn{d.im - b.im, b.re - d.re};  // i (b - d)
      Complex* out = to + q + stride * 4 * p;
      out[0] = {sum.re + other.re, sum.im + other.im};
      out[stride] = turned({difference.re - turn.re, difference.im - turn.im}, tables.cosine[a1], tables.sine[a1]);
      out[2 * stride] = turned({sum.re - other.re, sum.im - other.im}, tables.cosine[a2], tables.sine[a2]);
      out[3 * stride] = turned({difference.re + turn.re, difference.im + turn.im}, tables.cosine[a3], tables.sine[a3]);
    }
  }
}

void spectrum(const SpectrumTables& tables, const float* const* frames, double* out) {
  Complex a[kHalf], b[kHalf];
  for (int i = 0; i < kHalf; ++i) {
    for (int lane = 0; lane < kSpectrumLanes; ++lane) {
      const bool inside = 2 * i < kFrameSamples;
      a[i].re[lane] = inside ? frames[lane][2 * i] * tables.window[2 * i] : 0;
      a[i].im[lane] = inside ? frames[lane][2 * i + 1] * tables.window[2 * i + 1] : 0;
    }
  }
  radix4(tables, 256, 1, a, b);
  radix4(tables, 64, 4, b, a);
  radix4(tables, 16, 16, a, b);
  radix4(tables, 4, 64, b, a);
  for (int k = 0; k <= kHalf; ++k) {
    const Complex &z = a[k % kHalf], &mirror = a[(kHalf - k) % kHalf];
    const Complex even{(z.re + mirror.re) * 0.5, (z.im - mirror.im) * 0.5};
    const Complex odd{(z.im + mirror.im) * 0.5, (mirror.re - z.re) * 0.5};
    const Complex part = turned(odd, tables.cosine[k], tables.sine[k]);
    const Lanes re = even.re + part.re, im = even.im + part.im, square = re * re + im * im;
    for (int lane = 0; lane < kSpectrumLanes; ++lane) out[k * kSpectrumLanes + lane] = __builtin_sqrt(square[lane]);
  }
}

}  // namespace
}  // namespace gemma::media

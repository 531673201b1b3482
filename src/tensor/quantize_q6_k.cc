// SPDX-License-Identifier: Apache-2.0
// q6_k: 16 groups of 16, each with an 8-bit scale in units of the block's d; scales may be negative, since the codes
// reach one farther below zero than above it.
#include <algorithm>
#include <array>

#include "tensor/quantize.h"
#include "tensor/quantize_search.h"

namespace gemma::quantize {
namespace {

constexpr size_t kGroups = 16;
constexpr float kLow = -32, kHigh = 31;
using Values = Group<16>;

struct Coded {
  uint16_t d = 0;
  std::array<int, kGroups> scale{};
  std::array<Values, kGroups> codes;
  float error = 0;
};

float group_scale(const Values& x) {
  const float e = extreme(x);
  if (e == 0) return 0;
  static constexpr std::array<float, 10> kReach{-32,    -31.25f, -31.5f, -31.75f, -32.25f,
                                                -32.5f, -32.75f, 31,     30.75f,  31.25f};
  std::array<float, kReach.size()> inverses;
  for (size_t i = 0; i < kReach.size(); ++i) inverses[i] = kReach[i] / e;
  return fit_scale(x, inverses, kLow, kHigh, 1);
}

/** The 8-bit scale near `wish` of least error. */
float code_group(const Values& x, float wish, Coded& block, size_t g) {
  const float d = half::from_f16(block.d);
  const int nearest = d == 0 ? 0 : static_cast<int>(std::clamp(std::nearbyint(wish / d), -128.0f, 127.0f));
  float best = INFINITY;
  for (const int scale : {nearest, nearest - 1, nearest + 1}) {
    if (scale < -128 || scale > 127) continue;
    Values codes;
    const float error = encode(x, d * static_cast<float>(scale), 0, kLow, kHigh, codes);
    if (best != INFINITY && !(error < best)) continue;
    best = error;
    block.scale[g] = scale;
    block.codes[g] = codes;
  }
  return best;
}

void code(const std::array<Values, kGroups>& x, const std::array<float, kGroups>& wish, Coded& block) {
  block.error = 0;
  for (size_t g = 0; g < kGroups; ++g) block.error += code_group(x[g], wish[g], block, g);
}

/** d of least squares for the codes of `block`. */
float refit(const std::array<Values, kGroups>& x, const Coded& block) {
  double xa = 0, aa = 0;
  for (size_t g = 0; g < kGroups; ++g) {
    F4 qq{}, xq{};
    for (size_t i = 0; i < 4; ++i) {
      const F4 c = block.codes[g].lanes[i];
      qq += c * c;
      xq += c * x[g].lanes[i];
    }
    const double s = block.scale[g];
    aa += s * s * sum(qq);
    xa += s * sum(xq);
  }
  return aa > 0 ? static_cast<float>(xa / aa) : 0.0f;
}

/** The unit, as a half, in which the largest of `scales` is -128. */
uint16_t unit_for(const std::array<float, kGroups>& scales) {
  const auto smaller = [](float a, float b) { return std::fabs(a) < std::fabs(b); };
  return finite_half(*std::max_element(scales.begin(), scales.end(), smaller) / -128);
}

}  // namespace

void block(const float* values, BlockQ6K& out) {
  std::array<Values, kGroups> x;
  std::array<float, kGroups> wish;
  for (size_t g = 0; g < kGroups; ++g) {
    x[g] = Values::load(values + 16 * g);
    wish[g] = group_scale(x[g]);
  }
  Coded best;
  best.d = unit_for(wish);
  code(x, wish, best);
  const auto consider = [&](uint16_t d) {
    if (d == best.d) return;
    Coded next = best;
    next.d = d;
    code(x, wish, next);
    if (next.error < best.error) best = next;
  };
  // Weights of usual size make d a denormal half, whose neighbours are half a per cent and more away.
  const uint16_t first = best.d;
  if (is_denormal(first)) consider(static_cast<uint16_t>(first + 1));
  if (is_denormal(first) && (first & 0x7fff) > 1) consider(static_cast<uint16_t>(first - 1));
  consider(finite_half(refit(x, best)));

  out.d = best.d;
  uint8_t q[kSuperBlock];
  float codes[kSuperBlock];
  std::memcpy(codes, best.codes.data(), sizeof codes);
  for (size_t i = 0; i < kSuperBlock; ++i) q[i] = static_cast<uint8_t>(static_cast<int>(codes[i]) + 32);
  for (size_t g = 0; g < kGroups; ++g) out.scales[g] = static_cast<int8_t>(best.scale[g]);
  for (size_t half_block = 0; half_block < 2; ++half_block) {
    const uint8_t* from = q + 128 * half_block;
    for (size_t i = 0; i < 32; ++i) {
      for (size_t j = 0; j < 2; ++j) {
        out.ql[64 * half_block + 32 * j + i] =
            static_cast<uint8_t>((from[32 * j + i] & 15) | (from[64 + 32 * j + i] & 15) << 4);
      }
      out.qh[32 * half_block + i] = static_cast<uint8_t>((from[i] >> 4) | (from[32 + i] >> 4) << 2 |
                                                         (from[64 + i] >> 4) << 4 | (from[96 + i] >> 4) << 6);
    }
  }
}

}  // namespace gemma::quantize

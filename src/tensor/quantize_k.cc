// SPDX-License-Identifier: Apache-2.0
// q4_k and q5_k: 8 groups of 32, each with a 6-bit scale and minimum in units of the block's d and dmin.
// First the best scale and minimum of each group by itself; from these d and dmin; then for each group the 6-bit
// numbers of least error, and d and dmin once more for the codes found, as long as the error falls.
#include <algorithm>
#include <array>

#include "tensor/quantize.h"
#include "tensor/quantize_search.h"

namespace gemma::quantize {
namespace {

constexpr int kGroups = 8;
constexpr std::array<float, 2> kReach{63 / 62.0f, 63 / 61.0f};
using Values = Group<32>;

struct Coded {
  uint16_t d = 0, dmin = 0;
  std::array<int, kGroups> scale{}, minimum{};
  std::array<Values, kGroups> codes;
  float error = 0;
};

/** The unit, as a half, in which `largest` is 63. */
uint16_t unit_for(float largest) { return finite_half(largest / 63); }

int whole_units(float value, float unit) {
  if (unit == 0) return 0;
  return static_cast<int>(std::clamp(value / unit + 0.5f, 0.0f, 63.0f));
}

/** For one group the 6-bit scale near `wish` of least error, with the minimum that suits it. */
void code_group(const Values& x, Affine wish, float levels, Coded& block, size_t g, float& error) {
  const float d = half::from_f16(block.d), dmin = half::from_f16(block.dmin);
  const int nearest = whole_units(wish.scale, d);
  float best = INFINITY;
  Values codes;
  const auto consider = [&](int scale, int minimum) {
    const float e = encode(x, d * static_cast<float>(scale), -(dmin * static_cast<float>(minimum)), 0, levels, codes);
    if (best != INFINITY && !(e < best)) return;
    best = e;
    block.scale[g] = scale;
    block.minimum[g] = minimum;
    block.codes[g] = codes;
  };
  F4 total{};
  for (const F4 v : x.lanes) total += v;
  const float x_sum = sum(total), offset = wish.offset;
  consider(nearest, whole_units(-offset, dmin));
  const int other = d * static_cast<float>(nearest) < wish.scale ? nearest + 1 : nearest - 1;
  for (const int scale : {nearest, other}) {
    if (scale <= 0 || scale > 63 || d == 0) continue;
    const float step = d * static_cast<float>(scale);
    const Sums s = project(x, offset, 1.0f / step, 0, levels);
    consider(scale, whole_units((step * s.q - x_sum) / 32, dmin));
  }
  error = best;
}

/** d and dmin of least squares for the codes of `block`. */
void refit(const std::array<Values, kGroups>& x, Coded& block) {
  // sum (x - d a + dmin b)^2 with a = scale * q and b = minimum
  double aa = 0, ab = 0, bb = 0, xa = 0, xb = 0;
  for (size_t g = 0; g < kGroups; ++g) {
    F4 q{}, qq{}, xq{}, total{};
    for (size_t i = 0; i < 8; ++i) {
      const F4 c = block.codes[g].lanes[i], v = x[g].lanes[i];
      q += c;
      qq += c * c;
      xq += c * v;
      total += v;
    }
    const double s = block.scale[g], m = block.minimum[g];
    aa += s * s * sum(qq);
    ab += s * m * sum(q);
    bb += 32 * m * m;
    xa += s * sum(xq);
    xb += m * sum(total);
  }
  const double determinant = aa * bb - ab * ab;
  double d = half::from_f16(block.d), dmin = half::from_f16(block.dmin);
  if (determinant > 1e-9 * aa * bb) {
    d = (xa * bb - ab * xb) / determinant;
    dmin = (ab * xa - aa * xb) / determinant;
  } else if (aa > 0) {
    d = (xa + dmin * ab) / aa;
  }
  if (d > 0) block.d = finite_half(static_cast<float>(d));
  if (dmin > 0) block.dmin = finite_half(static_cast<float>(dmin));
}

Coded code_block(const float* values, float levels, std::span<const float> steps) {
  std::array<Values, kGroups> x;
  std::array<Affine, kGroups> wish;
  float largest = 0, deepest = 0;
  for (size_t g = 0; g < kGroups; ++g) {
    x[g] = Values::load(values + 32 * g);
    wish[g] = fit_affine(x[g], steps, levels, true, 2);
    largest = std::max(largest, wish[g].scale);
    deepest = std::max(deepest, -wish[g].offset);
  }
  Coded best;
  best.d = unit_for(largest);
  best.dmin = unit_for(deepest);
  const auto code = [&](Coded& block) {
    block.error = 0;
    for (size_t g = 0; g < kGroups; ++g) {
      float error;
      code_group(x[g], wish[g], levels, block, g, error);
      block.error += error;
    }
  };
  code(best);
  const auto consider = [&](uint16_t d, uint16_t dmin) {
    if (d == best.d && dmin == best.dmin) return false;
    Coded next = best;
    next.d = d;
    next.dmin = dmin;
    code(next);
    if (!(next.error < best.error)) return false;
    best = next;
    return true;
  };
  // Denormal halves are far apart: the next larger one where 63 of the nearest do not reach.
  const auto larger = [](uint16_t d, float wished) {
    return static_cast<uint16_t>(d + (is_denormal(d) && half::from_f16(d) * 63 < wished));
  };
  consider(larger(best.d, largest), best.dmin);
  consider(best.d, larger(best.dmin, deepest));
  for (const float reach : kReach) consider(unit_for(largest * reach), best.dmin);
  for (const float reach : kReach) consider(best.d, unit_for(deepest * reach));
  for (int round = 0; round < 2; ++round) {
    Coded next = best;
    refit(x, next);
    if (!consider(next.d, next.dmin)) break;
  }
  return best;
}

void put_scales(const Coded& block, uint8_t* out) {
  for (size_t g = 0; g < 4; ++g) {
    out[g] = static_cast<uint8_t>(block.scale[g] | (block.scale[4 + g] >> 4) << 6);
    out[4 + g] = static_cast<uint8_t>(block.minimum[g] | (block.minimum[4 + g] >> 4) << 6);
    out[8 + g] = static_cast<uint8_t>((block.scale[4 + g] & 15) | (block.minimum[4 + g] & 15) << 4);
  }
}

std::array<uint8_t, kSuperBlock> whole(const Coded& block) {
  float values[kSuperBlock];
  std::memcpy(values, block.codes.data(), sizeof values);
  std::array<uint8_t, kSuperBlock> q;
  for (size_t i = 0; i < q.size(); ++i) q[i] = static_cast<uint8_t>(static_cast<int>(values[i]));
  return q;
}

void put_nibbles(const std::array<uint8_t, kSuperBlock>& q, uint8_t* qs) {
  for (size_t pair = 0; pair < 4; ++pair) {
    for (size_t i = 0; i < 32; ++i) {
      qs[32 * pair + i] = static_cast<uint8_t>((q[64 * pair + i] & 15) | (q[64 * pair + 32 + i] & 15) << 4);
    }
  }
}

}  // namespace

void block(const float* values, BlockQ4K& out) {
  static constexpr std::array<float, 9> kSteps{0, -0.9f, -0.6f, -0.3f, 0.3f, 0.6f, 0.9f, 1.2f, -1.2f};
  const Coded coded = code_block(values, 15, kSteps);
  out.d = coded.d;
  out.dmin = coded.dmin;
  put_scales(coded, out.scales);
  put_nibbles(whole(coded), out.qs);
}

void block(const float* values, BlockQ5K& out) {
  static constexpr std::array<float, 7> kSteps{0, -0.9f, -0.6f, -0.3f, 0.3f, 0.6f, 0.9f};
  const Coded coded = code_block(values, 31, kSteps);
  out.d = coded.d;
  out.dmin = coded.dmin;
  put_scales(coded, out.scales);
  const auto q = whole(coded);
  put_nibbles(q, out.qs);
  for (size_t i = 0; i < 32; ++i) {
    int bits = 0;
    for (size_t g = 0; g < kGroups; ++g) bits |= (q[32 * g + i] >> 4) << g;
    out.qh[i] = static_cast<uint8_t>(bits);
  }
}

}  // namespace gemma::quantize

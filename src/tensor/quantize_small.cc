// SPDX-License-Identifier: Apache-2.0
// Blocks of 32 with one scale, or a scale and a minimum, in half precision. The plain way is to map the extreme values
// to the extreme codes; a slightly smaller scale, which clips them, or the least-squares one is usually closer.
#include <array>

#include "tensor/quantize.h"
#include "tensor/quantize_search.h"

namespace gemma::quantize {
namespace {

using Values = Group<kBlock>;

/** The scale (a half) for codes low..high, and the codes. `plain`: the scale of the plain way. */
uint16_t encode_scaled(const Values& x, float plain, float fitted, float low, float high, Values& codes) {
  uint16_t d = finite_half(plain);
  float error = encode(x, half::from_f16(d), 0, low, high, codes);
  const uint16_t other = finite_half(fitted);
  Values other_codes;
  if (other != d && encode(x, half::from_f16(other), 0, low, high, other_codes) < error) {
    codes = other_codes;
    d = other;
  }
  return d;
}

/** Codes -levels..levels - 1; either sign of the scale, since one more code is on the negative side. */
uint16_t encode_signed(const Values& x, float levels, Values& codes) {
  const float e = extreme(x);
  if (e == 0) return encode_scaled(x, 0, 0, -levels, levels - 1, codes);
  static constexpr std::array<float, 8> kMore{0, -1.4f, -1.1f, -0.8f, -0.5f, -0.25f, 0.2f, 0.4f};
  static constexpr std::array<float, 5> kMorePositive{-1, -1.4f, -0.7f, -0.4f, -1.2f};
  std::array<float, kMore.size() + kMorePositive.size()> inverses;
  for (size_t i = 0; i < kMore.size(); ++i) inverses[i] = -(levels + kMore[i]) / e;
  for (size_t i = 0; i < kMorePositive.size(); ++i) inverses[kMore.size() + i] = (levels + kMorePositive[i]) / e;
  const float fitted = fit_scale(x, inverses, -levels, levels - 1, 2);
  return encode_scaled(x, e / -levels, fitted, -levels, levels - 1, codes);
}

struct ScaleMinimum {
  uint16_t d, m;
};

/** Codes 0..levels above a minimum. */
ScaleMinimum encode_affine(const Values& x, float levels, Values& codes) {
  static constexpr std::array<float, 9> kSteps{0, -0.8f, -0.6f, -0.4f, -0.2f, 0.2f, 0.4f, 0.6f, 0.8f};
  const Range r = range(x);
  ScaleMinimum best{finite_half((r.high - r.low) / levels), finite_half(r.low)};
  const float error = encode(x, half::from_f16(best.d), half::from_f16(best.m), 0, levels, codes);
  const Affine fit = fit_affine(x, kSteps, levels, false, 3);
  const ScaleMinimum other{finite_half(fit.scale), finite_half(fit.offset)};
  Values other_codes;
  if (encode(x, half::from_f16(other.d), half::from_f16(other.m), 0, levels, other_codes) < error) {
    codes = other_codes;
    best = other;
  }
  return best;
}

/** Codes shifted to begin at 0, as whole numbers. */
std::array<uint8_t, kBlock> whole(const Values& codes, int shift) {
  float values[kBlock];
  std::memcpy(values, codes.lanes, sizeof values);
  std::array<uint8_t, kBlock> out;
  for (size_t i = 0; i < kBlock; ++i) out[i] = static_cast<uint8_t>(static_cast<int>(values[i]) + shift);
  return out;
}

void put_nibbles(const std::array<uint8_t, kBlock>& q, uint8_t* qs) {
  for (size_t i = 0; i < 16; ++i) qs[i] = static_cast<uint8_t>((q[i] & 15) | (q[16 + i] & 15) << 4);
}

void put_fifth_bits(const std::array<uint8_t, kBlock>& q, uint8_t* qh) {
  uint32_t bits = 0;
  for (size_t i = 0; i < kBlock; ++i) bits |= static_cast<uint32_t>(q[i] >> 4) << i;
  std::memcpy(qh, &bits, sizeof bits);
}

}  // namespace

void block(const float* values, BlockQ8_0& out) {
  const Values x = Values::load(values);
  const float e = std::fabs(extreme(x));
  Values codes;
  if (e == 0) {
    out.d = encode_scaled(x, 0, 0, -127, 127, codes);
  } else {
    const std::array<float, 4> inverses{127 / e, 127.15f / e, 127.3f / e, 127.45f / e};
    out.d = encode_scaled(x, e / 127, fit_scale(x, inverses, -127, 127, 1), -127, 127, codes);
  }
  const auto q = whole(codes, 0);
  std::memcpy(out.qs, q.data(), q.size());
}

void block(const float* values, BlockQ4_0& out) {
  Values codes;
  out.d = encode_signed(Values::load(values), 8, codes);
  put_nibbles(whole(codes, 8), out.qs);
}

void block(const float* values, BlockQ5_0& out) {
  Values codes;
  out.d = encode_signed(Values::load(values), 16, codes);
  const auto q = whole(codes, 16);
  put_nibbles(q, out.qs);
  put_fifth_bits(q, out.qh);
}

void block(const float* values, BlockQ4_1& out) {
  Values codes;
  const ScaleMinimum s = encode_affine(Values::load(values), 15, codes);
  out.d = s.d;
  out.m = s.m;
  put_nibbles(whole(codes, 0), out.qs);
}

void block(const float* values, BlockQ5_1& out) {
  Values codes;
  const ScaleMinimum s = encode_affine(Values::load(values), 31, codes);
  out.d = s.d;
  out.m = s.m;
  const auto q = whole(codes, 0);
  put_nibbles(q, out.qs);
  put_fifth_bits(q, out.qh);
}

}  // namespace gemma::quantize

// SPDX-License-Identifier: Apache-2.0
// Products with packed weights in plain C++, a row at a time: the twin that the other tables equal to the bit.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "cpu/kernels/generic_cache.h"
#include "cpu/kernels/generic_packed.h"
#include "cpu/kernels/parts.h"
#include "tensor/half.h"

namespace gemma::cpu {
namespace {

struct Scalar {
  using Codes = uint32_t;  // four bytes, little endian
  using I = int32_t;
  using F = float;
  static constexpr int kLanes = 1;
  static constexpr int kMaxRows = 4;
  static constexpr PrefetchDistance kPrefetch = cpu::kPrefetch;
  template <int rows>
  static constexpr int kParts = 1;
  static constexpr bool kSignedDot = false;

  static Codes load(const std::byte* p) {
    Codes c;
    std::memcpy(&c, p, sizeof c);
    return c;
  }
  static void store_codes(std::byte* p, Codes c) { std::memcpy(p, &c, sizeof c); }
  static Codes low(Codes c) { return c & 0x0f0f0f0fu; }
  static Codes high(Codes c) { return c >> 4 & 0x0f0f0f0fu; }
  static Codes with_bits(Codes c, Codes bits, int shift, uint32_t mask) {
    const Codes moved = shift >= 0 ? bits << shift : bits >> -shift;
    return c | (moved & mask * 0x01010101u);
  }
  static Codes lookup(Codes c) {
    Codes values = 0;
    for (int i = 0; i < 32; i += 8) values |= uint32_t{kCodebookBytes[c >> i & 15]} << i;
    return values;
  }
  using Levels = const uint8_t*;
  static Levels levels(const uint8_t* p) { return p; }
  static Codes lookup(Levels levels, Codes c) {
    Codes values = 0;
    for (int i = 0; i < 32; i += 8) values |= uint32_t{levels[c >> i & 15]} << i;
    return values;
  }
  static Codes no_codes() { return 0; }
  static I zero_int() { return 0; }
  static I two_digits(I high, I low) { return high * kDigitBase + low; }
  static I dot(I sum, Codes c, const int8_t* q) {
    for (int i = 0; i < 4; ++i) sum += static_cast<int32_t>(c >> (8 * i) & 255) * q[i];
    return sum;
  }
  template <int n>
  static I broadcast(const int32_t* p) {
    return n >= 0 ? *p * (1 << (n > 0 ? n : 0)) : *p >> (n > 0 ? 0 : -n);
  }
  static I factors(const std::byte* first, const std::byte* second) {
    const auto low = static_cast<uint16_t>(static_cast<int8_t>(*first));
    const auto high = static_cast<uint16_t>(static_cast<int8_t>(*second));
    return static_cast<int32_t>(low | uint32_t{high} << 16);
  }
  static I first_factor(I factors) { return static_cast<int16_t>(factors & 0xffff); }
  static I second_factor(I factors) { return factors >> 16; }
  template <int n>
  static I two_products(I factors, const int16_t* p) {
    return (first_factor(factors) * p[0] + second_factor(factors) * p[1]) * (1 << n);
  }
  static I add_scaled(I sum, I x, I factor) { return sum + x * factor; }
  static F zero() { return 0; }
  static F set(float x) { return x; }
  static F minus(F x) { return -x; }
  static F mul(F a, F b) { return a * b; }
  static F fma(F a, F b, F c) { return std::fma(a, b, c); }
  static F to_float(I x) { return static_cast<float>(x); }
  static F halves(const std::byte* p) {
    uint16_t bits;
    std::memcpy(&bits, p, sizeof bits);
    return half::from_f16(bits);
  }
  static F bytes(const std::byte* p) { return static_cast<float>(static_cast<int8_t>(*p)); }
  static F unsigned_bytes(const std::byte* p) { return static_cast<float>(static_cast<uint8_t>(*p)); }
  static F floats(const float* p) { return *p; }
  static F add(F a, F b) { return a + b; }
  static F sub(F a, F b) { return a - b; }
  static void store(float* p, F x) { *p = x; }
};

void quantize(const float* x, int64_t n, ActivationBlock* out, int64_t stride) {
  for (int64_t i = 0; i < n; i += kBlock, x += kBlock, out += stride) {
    float largest = 0, wrong = 0;
    for (int j = 0; j < kBlock; ++j) {
      largest = std::max(largest, std::fabs(x[j]));
      wrong += x[j] * 0.0f;  // NaN for infinities and NaN, in whatever order
    }
    const bool usable = wrong == 0 && largest >= kLeastActivation;
    const float inverse = usable ? 127.0f / largest : 0.0f;
    int32_t sum = 0, half_sum = 0;
    for (int j = 0; j < kBlock; ++j) {
      out->q[j] = static_cast<int8_t>(usable ? std::nearbyint(x[j] * inverse) : 0.0f);
      sum += out->q[j];
      if (j < kBlock / 2) half_sum += out->q[j];
    }
    set_scale<Scalar>(out, wrong == 0, usable, largest, sum, half_sum);
  }
}

void round_to_bf16(const float* x, int64_t n, uint16_t* out, int64_t stride) {
  for (int64_t i = 0; i < n; i += 2, out += stride) {
    out[0] = half::to_bf16(x[i]);
    out[1] = i + 1 < n ? half::to_bf16(x[i + 1]) : uint16_t{0};
  }
}

void packed_product_bf16(const std::byte* panel, int64_t pairs, const uint16_t* x, int64_t x_rows, bool, float* y,
                         int64_t y_stride) {
  for (int64_t r = 0; r < x_rows; ++r) {
    for (int row = 0; row < kPanelRows; ++row) {
      float sum = 0;
      for (int64_t i = 0; i < pairs; ++i) {
        uint16_t w[2];
        std::memcpy(w, panel + (i * kPanelRows + row) * 4, sizeof w);
        const uint16_t* pair = x + (i * x_rows + r) * 2;
        sum = std::fma(half::from_bf16(w[1]), half::from_bf16(pair[1]), sum);
        sum = std::fma(half::from_bf16(w[0]), half::from_bf16(pair[0]), sum);
      }
      y[r * y_stride + row] = sum;
    }
  }
}

void packed_product_f16(const std::byte* panel, int64_t n, const float* x, int64_t x_rows, bool, float* y,
                        int64_t y_stride) {
  for (int64_t r = 0; r < x_rows; ++r) {
    for (int row = 0; row < kPanelRows; ++row) {
      float sum = 0;
      for (int64_t i = 0; i < n; ++i) {
        sum = std::fma(Scalar::halves(panel + (i * kPanelRows + row) * 2), x[i * x_rows + r], sum);
      }
      y[r * y_stride + row] = sum;
    }
  }
}

}  // namespace

void scalar_packed(Kernels& table) {
  fill_packed<Scalar>(table);
  fill_cache<Scalar>(table);
  table.quantize = quantize;
  table.arrange = [](ActivationBlock*, int64_t, int64_t) {};  // as they are
  table.round_to_bf16 = round_to_bf16;
  table.packed_product_bf16 = packed_product_bf16;
  table.packed_product_f16 = packed_product_f16;
}

}  // namespace gemma::cpu

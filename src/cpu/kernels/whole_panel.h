// SPDX-License-Identifier: Apache-2.0
// The 32 rows of a panel as one vector of generic_packed.h, made of two vectors V of 16 rows: each four activations are
// fetched once and meet the codes of both. A dot product that fetches its own keeps the ways to the first cache so busy
// that products wait for them (Zen 5: two dot products and two loads a cycle).
//
// V has beside the functions of generic_packed.h
//   Operand, operand           four signed bytes in every lane
//   dot                        with an Operand
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/kernels/packed.h"

namespace gemma::cpu {

template <class V>
struct WholePanel {
  // Rows 0..15 and 16..31.
  struct Codes {
    typename V::Codes first, second;
  };
  struct I {
    typename V::I first, second;
  };
  struct F {
    typename V::F first, second;
  };
  static_assert(V::kLanes == 16 && !V::kSignedDot);
  static constexpr int kLanes = kPanelRows;
  static constexpr int kMaxRows = kTileRows;
  static constexpr PrefetchDistance kPrefetch = V::kPrefetch;
  template <int rows>
  static constexpr int kParts = 1;
  static constexpr bool kSignedDot = false;

  /** `stride`: bytes from the codes of the first 16 rows to those of the others. */
  static Codes load(const std::byte* p, int stride) { return {V::load(p), V::load(p + stride)}; }
  static void store_codes(std::byte* p, int stride, Codes c) {
    V::store_codes(p, c.first);
    V::store_codes(p + stride, c.second);
  }
  static Codes low(Codes c) { return {V::low(c.first), V::low(c.second)}; }
  static Codes high(Codes c) { return {V::high(c.first), V::high(c.second)}; }
  static Codes with_bits(Codes c, Codes bits, int shift, char mask) {
    return {V::with_bits(c.first, bits.first, shift, mask), V::with_bits(c.second, bits.second, shift, mask)};
  }
  static Codes lookup(Codes c) { return {V::lookup(c.first), V::lookup(c.second)}; }

  static I zero_int() { return {V::zero_int(), V::zero_int()}; }
  static I dot(I sum, Codes c, const int8_t* q) {
    const auto x = V::operand(q);
    return {V::dot(sum.first, c.first, x), V::dot(sum.second, c.second, x)};
  }
  template <int n>
  static I broadcast(const int32_t* p) {
    const auto x = V::template broadcast<n>(p);
    return {x, x};
  }
  static I factors(const std::byte* first, const std::byte* second) {
    return {V::factors(first, second), V::factors(first + V::kLanes, second + V::kLanes)};
  }
  static I first_factor(I f) { return {V::first_factor(f.first), V::first_factor(f.second)}; }
  static I second_factor(I f) { return {V::second_factor(f.first), V::second_factor(f.second)}; }
  template <int n>
  static I two_products(I f, const int16_t* p) {
    return {V::template two_products<n>(f.first, p), V::template two_products<n>(f.second, p)};
  }
  static I add_scaled(I sum, I x, I factor) {
    return {V::add_scaled(sum.first, x.first, factor.first), V::add_scaled(sum.second, x.second, factor.second)};
  }

  static F zero() { return {V::zero(), V::zero()}; }
  static F set(float x) { return {V::set(x), V::set(x)}; }
  static F minus(F x) { return {V::minus(x.first), V::minus(x.second)}; }
  static F mul(F a, F b) { return {V::mul(a.first, b.first), V::mul(a.second, b.second)}; }
  static F fma(F a, F b, F c) { return {V::fma(a.first, b.first, c.first), V::fma(a.second, b.second, c.second)}; }
  static F to_float(I x) { return {V::to_float(x.first), V::to_float(x.second)}; }
  static F halves(const std::byte* p) { return {V::halves(p), V::halves(p + 2 * V::kLanes)}; }
  static F bytes(const std::byte* p) { return {V::bytes(p), V::bytes(p + V::kLanes)}; }
  static F unsigned_bytes(const std::byte* p) { return {V::unsigned_bytes(p), V::unsigned_bytes(p + V::kLanes)}; }
  static F floats(const float* p) { return {V::floats(p), V::floats(p + V::kLanes)}; }
  static void store(float* p, F x) {
    V::store(p, x.first);
    V::store(p + V::kLanes, x.second);
  }
};

}  // namespace gemma::cpu

// SPDX-License-Identifier: Apache-2.0
// N vectors as one. Each function does its step for all of them before the next step begins, so that steps that wait
// for one another stand N apart: a processor looks few instructions ahead (Zen 2: 36 of floats), fewer than the chain
// of an exponential has.
#pragma once

#include <cstdint>

namespace gemma::cpu {

/** What polynomials need of a vector type (simd.h). Constants are one vector for all. */
template <class V, int N>
struct Together {
  struct F {
    typename V::F v[N];
  };
  struct I {
    typename V::I v[N];
  };

  static F set(float x) {
    return each([&](int) { return V::set(x); });
  }
  static F zero() { return set(0.0f); }
  static F load(const float* p) {
    return each([&](int i) { return V::load(p + i * V::kLanes); });
  }
  static void store(float* p, const F& x) {
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) V::store(p + i * V::kLanes, x.v[i]);
  }

  static F add(const F& a, const F& b) {
    return each([&](int i) { return V::add(a.v[i], b.v[i]); });
  }
  static F sub(const F& a, const F& b) {
    return each([&](int i) { return V::sub(a.v[i], b.v[i]); });
  }
  static F mul(const F& a, const F& b) {
    return each([&](int i) { return V::mul(a.v[i], b.v[i]); });
  }
  static F fma(const F& a, const F& b, const F& c) {
    return each([&](int i) { return V::fma(a.v[i], b.v[i], c.v[i]); });
  }
  static F fnma(const F& a, const F& b, const F& c) {
    return each([&](int i) { return V::fnma(a.v[i], b.v[i], c.v[i]); });
  }
  static F max(const F& a, const F& b) {
    return each([&](int i) { return V::max(a.v[i], b.v[i]); });
  }
  static F zero_where_less(const F& a, const F& b, const F& no) {
    return each([&](int i) { return V::zero_where_less(a.v[i], b.v[i], no.v[i]); });
  }
  static F shl_bits(const F& x, int n) {
    return each(
        [&](int i) { return reinterpret_cast<typename V::F>(V::shl(reinterpret_cast<typename V::I>(x.v[i]), n)); });
  }

 private:
  template <class Function>
  [[gnu::always_inline]] static F each(Function f) {
    F y;
#pragma GCC unroll 8
    for (int i = 0; i < N; ++i) y.v[i] = f(i);
    return y;
  }
};

}  // namespace gemma::cpu

// SPDX-License-Identifier: Apache-2.0
// Rows, softmax and the sums of attention for any vector type V (simd.h). Sums take lane l = elements l, l + kLanes,
// ... and end in V's tree, so a row gives the same bits wherever it stands.
#pragma once

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/simd.h"
#include "cpu/kernels/together.h"

namespace gemma::cpu {

/** e^r - 1 for r = x - n ln 2, which is taken off in two parts, |r| <= ln 2 / 2; coefficients: least maximum relative
 *  error of (e^r - 1 - r) / r^2. */
template <class V>
[[gnu::always_inline]] inline typename V::F exp_less_one(typename V::F x, typename V::F n) {
  auto r = V::fnma(n, V::set(0.693145752f), x);  // ln 2 to 16 bits: n times it is exact
  r = V::fnma(n, V::set(1.42860682e-6f), r);
  auto p = V::fma(V::set(1.381446139e-3f), r, V::set(8.368780983e-3f));
  p = V::fma(p, r, V::set(4.166839433e-2f));
  p = V::fma(p, r, V::set(1.666652010e-1f));
  p = V::fma(p, r, V::set(4.999999341e-1f));
  return V::fma(V::mul(p, r), r, r);
}

/** e^x = 2^n e^r within 1.5 units in the last place; denormal results are right, too large ones infinite. */
template <class V>
[[gnu::always_inline]] inline typename V::F exp(typename V::F x) {
  x = V::min(V::set(89.0f), V::max(V::set(-104.0f), x));  // a NaN stays one
  const auto n = V::round(V::mul(x, V::set(1.44269504f)));
  return V::times_power_of_two(V::add(exp_less_one<V>(x, n), V::set(1.0f)), n);
}

/** Within 2 units in the last place. x + x^3 P(x^2) below 0.625 (coefficients as above), else 1 - 2 / (e^2x + 1). */
template <class V>
inline typename V::F tanh(typename V::F x) {
  const auto a = V::abs(x), z = V::mul(x, x);
  auto p = V::fma(V::set(-5.717021537e-3f), z, V::set(2.065056430e-2f));
  p = V::fma(p, z, V::set(-5.374349024e-2f));
  p = V::fma(p, z, V::set(1.333149118e-1f));
  p = V::fma(p, z, V::set(-3.333328392e-1f));
  const auto small = V::fma(V::mul(p, z), x, x);
  const auto e = exp<V>(V::add(a, a));
  const auto large = V::sub(V::set(1.0f), V::div(V::set(2.0f), V::add(e, V::set(1.0f))));
  return V::where_less(a, V::set(0.625f), small, V::copy_sign(large, x));
}

/** gelu_tanh(x) = x (1 + tanh u) / 2 = x / (1 + e^-2u) with u = sqrt(2 / pi) (x + 0.044715 x^3). */
template <class V>
inline typename V::F gelu(typename V::F x) {
  const auto cubic = V::fma(V::mul(V::mul(x, x), x), V::set(0.044715f), x);
  const auto e = exp<V>(V::mul(cubic, V::set(-1.59576912f)));
  return V::div(x, V::add(V::set(1.0f), e));
}

/** Calls step(i, load) for whole vectors, then rest(i, count) once for what is left. */
template <class V, class Step, class Rest>
inline void for_vectors(int64_t n, Step step, Rest rest) {
  int64_t i = 0;
  for (; i + V::kLanes <= n; i += V::kLanes) step(i);
  if (i < n) rest(i, n - i);
}

/** y[i] = f(a[i]) */
template <class V, class Function>
inline void map(const float* a, int64_t n, float* y, Function f) {
  for_vectors<V>(
      n, [&](int64_t i) { V::store(y + i, f(V::load(a + i))); },
      [&](int64_t i, int64_t rest) { V::store_first(y + i, f(V::load_first(a + i, rest)), rest); });
}

/** y[i] = f(a[i], b[i]) */
template <class V, class Function>
inline void map(const float* a, const float* b, int64_t n, float* y, Function f) {
  for_vectors<V>(
      n, [&](int64_t i) { V::store(y + i, f(V::load(a + i), V::load(b + i))); },
      [&](int64_t i, int64_t rest) {
        V::store_first(y + i, f(V::load_first(a + i, rest), V::load_first(b + i, rest)), rest);
      });
}

template <class V>
struct Rows {
  using F = typename V::F;

  static void add(const float* a, const float* b, int64_t n, float* y) { map<V>(a, b, n, y, V::add); }
  static void mul(const float* a, const float* b, int64_t n, float* y) { map<V>(a, b, n, y, V::mul); }
  static void scale(const float* x, float factor, int64_t n, float* y) {
    map<V>(x, n, y, [f = V::set(factor)](F v) { return V::mul(v, f); });
  }
  static void combine(const float* a, float factor_a, const float* b, float factor_b, int64_t n, float* y) {
    const F fa = V::set(factor_a), fb = V::set(factor_b);
    map<V>(a, b, n, y, [&](F va, F vb) { return V::fma(vb, fb, V::mul(va, fa)); });
  }
  static void gated_gelu(const float* gate, const float* up, int64_t n, float* y) {
    map<V>(gate, up, n, y, [](F g, F u) { return V::mul(gelu<V>(g), u); });
  }
  static void gated_sigmoid(const float* a, const float* b, int64_t n, float* y) {
    map<V>(a, b, n, y, [](F va, F vb) { return V::div(va, V::add(V::set(1.0f), exp<V>(V::sub(V::zero(), vb)))); });
  }
  static void clamp(const float* x, float low, float high, int64_t n, float* y) {
    const F least = V::set(low), most = V::set(high);
    map<V>(x, n, y, [&](F v) { return V::max(least, V::min(most, v)); });
  }
  static void softcap(const float* x, float cap, int64_t n, float* y) {
    const F c = V::set(cap);
    map<V>(x, n, y, [&](F v) { return V::mul(c, tanh<V>(V::div(v, c))); });
  }

  static float inverse_rms(const float* x, float eps, int64_t n) {
    F sum = V::zero();
    auto square = [&](F v) { sum = V::fma(v, v, sum); };
    for_vectors<V>(
        n, [&](int64_t i) { square(V::load(x + i)); },
        [&](int64_t i, int64_t rest) { square(V::load_first(x + i, rest)); });
    return 1.0f / __builtin_sqrtf(V::sum(sum) / static_cast<float>(n) + eps);
  }

  static void rms_norm(const float* x, const float* weight, const float* residual, float eps, int64_t n, float* y) {
    const F factor = V::set(inverse_rms(x, eps, n));
    auto value = [&](auto load, int64_t i) {
      F v = V::mul(load(x + i), factor);
      if (weight != nullptr) v = V::mul(v, load(weight + i));
      return residual != nullptr ? V::add(load(residual + i), v) : v;
    };
    for_vectors<V>(
        n, [&](int64_t i) { V::store(y + i, value([](const float* p) { return V::load(p); }, i)); },
        [&](int64_t i, int64_t rest) {
          V::store_first(y + i, value([rest](const float* p) { return V::load_first(p, rest); }, i), rest);
        });
  }

  /** sum of f(x). */
  template <class Function>
  static float sum_of(const float* x, int64_t n, Function f) {
    F sum = V::zero();
    for_vectors<V>(
        n, [&](int64_t i) { sum = V::add(sum, f(V::load(x + i))); },
        [&](int64_t i, int64_t rest) {
          alignas(64) float last[V::kLanes] = {};  // lanes beyond the row add nothing
          V::store_first(last, f(V::load_first(x + i, rest)), rest);
          sum = V::add(sum, V::load(last));
        });
    return V::sum(sum);
  }

  /** What rounding took from the mean is taken off the distances: values may lie close together, far from zero. */
  static void layer_norm(const float* x, const float* weight, const float* bias, float eps, int64_t n, float* y) {
    const auto count = static_cast<float>(n);
    const F rounded = V::set(sum_of(x, n, [](F v) { return v; }) / count);
    const F rest_of_mean = V::set(sum_of(x, n, [&](F v) { return V::sub(v, rounded); }) / count);
    const auto distance = [&](F v) { return V::sub(V::sub(v, rounded), rest_of_mean); };
    const float variance = sum_of(x, n, [&](F v) { return V::mul(distance(v), distance(v)); }) / count;
    const F factor = V::set(1.0f / __builtin_sqrtf(variance + eps));
    auto value = [&](auto load, int64_t i) {
      const F v = V::mul(V::mul(distance(load(x + i)), factor), load(weight + i));
      return bias != nullptr ? V::add(v, load(bias + i)) : v;
    };
    for_vectors<V>(
        n, [&](int64_t i) { V::store(y + i, value([](const float* p) { return V::load(p); }, i)); },
        [&](int64_t i, int64_t rest) {
          V::store_first(y + i, value([rest](const float* p) { return V::load_first(p, rest); }, i), rest);
        });
  }

  static float max(const float* x, int64_t n) {
    F m = V::set(-__builtin_inff());
    int64_t i = 0;
    for (; i + V::kLanes <= n; i += V::kLanes) m = V::max(V::load(x + i), m);
    float best = V::max_of(m);
    for (; i < n; ++i) best = x[i] > best ? x[i] : best;
    return best;
  }

  /** y = f(x - shift); returns the sum. */
  template <class Function>
  static float map_and_sum(const float* x, int64_t n, float shift, float* y, Function f) {
    F sum = V::zero();
    const F s = V::set(shift);
    for_vectors<V>(
        n,
        [&](int64_t i) {
          const F value = f(V::sub(V::load(x + i), s));
          V::store(y + i, value);
          sum = V::add(sum, value);
        },
        [&](int64_t i, int64_t rest) {
          V::store_first(y + i, f(V::sub(V::load_first(x + i, rest), s)), rest);
          sum = V::add(sum, V::load_first(y + i, rest));
        });
    return V::sum(sum);
  }
  static float exp_and_sum(const float* x, int64_t n, float shift, float* y) {
    return map_and_sum(x, n, shift, y, [](F v) { return exp<V>(v); });
  }
  /** exp(x) for x <= 0 as a softmax wants it: zero below kLeastExponent, so that 2^n is a normal number, n + 127 its
   *  exponent, and one multiplication does. A NaN stays one. W: V, or several of them together. */
  template <class W>
  [[gnu::always_inline]] static typename W::F normal_exp(typename W::F x) {
    const auto shift = W::set(12582912.0f + 127.0f);  // 1.5 * 2^23: whole numbers are the low bits of what is added
    const auto shifted = W::fma(x, W::set(1.44269504f), shift);
    const auto p = exp_less_one<W>(x, W::sub(shifted, shift));
    const auto power = W::shl_bits(shifted, 23);
    return W::zero_where_less(x, W::set(kLeastExponent), W::fma(p, power, power));
  }
  /** x = normal_exp(x - shift); returns the sum, its terms in the order of map_and_sum. */
  static float normal_exp_and_sum(float* x, int64_t n, float shift) {
    using Four = Together<V, 4>;
    F sum = V::zero();
    int64_t i = 0;
    for (; i + 4 * V::kLanes <= n; i += 4 * V::kLanes) {
      const auto values = normal_exp<Four>(Four::sub(Four::load(x + i), Four::set(shift)));
      Four::store(x + i, values);
      for (F value : values.v) sum = V::add(sum, value);
    }
    for (; i + V::kLanes <= n; i += V::kLanes) {
      const F value = normal_exp<V>(V::sub(V::load(x + i), V::set(shift)));
      V::store(x + i, value);
      sum = V::add(sum, value);
    }
    if (i < n) {
      V::store_first(x + i, normal_exp<V>(V::sub(V::load_first(x + i, n - i), V::set(shift))), n - i);
      sum = V::add(sum, V::load_first(x + i, n - i));
    }
    return V::sum(sum);
  }

  static void softmax(const float* x, int64_t n, float* y) {
    const F sum = V::set(exp_and_sum(x, n, max(x, n), y));
    map<V>(y, n, y, [&](F v) { return V::div(v, sum); });
  }

  static double sum_exp(const float* x, int64_t n, float shift) {
    constexpr int64_t kRun = 64 * V::kLanes;  // f32 within a run of 64 a lane, f64 over runs
    alignas(64) float scratch[kRun];
    double total = 0;
    for (int64_t i = 0; i < n; i += kRun) {
      const int64_t count = n - i < kRun ? n - i : kRun;
      total += static_cast<double>(exp_and_sum(x + i, count, shift, scratch));
    }
    return total;
  }

  /** The largest of several rows first, then their exponentials: those of one row need not wait for the others'. */
  static void online_softmax(float* scores, int64_t stride, int64_t rows, int64_t n, float* largest, float* total,
                             float* correction) {
    float now[V::kLanes];
    for (int64_t first = 0; first < rows; first += V::kLanes) {
      const int64_t count = rows - first < V::kLanes ? rows - first : V::kLanes;
      for (int64_t r = 0; r < count; ++r) {
        const float before = largest[first + r], block = max(scores + (first + r) * stride, n);
        now[r] = block > before ? block : before;
      }
      const F before = V::load_first(largest + first, count), after = V::load_first(now, count);
      const F factor = V::where_less(before, after, normal_exp<V>(V::sub(before, after)), V::set(1.0f));
      V::store_first(correction + first, factor, count);
      for (int64_t r = first; r < first + count; ++r) {
        largest[r] = now[r - first];
        const float shift = largest[r] == -__builtin_inff() ? 0.0f : largest[r];
        float* row = scores + r * stride;
        total[r] = total[r] * correction[r] + normal_exp_and_sum(row, n, shift);
      }
    }
  }

  static void rope(const float* x, const float* cosine, const float* sine, int64_t pairs, int64_t half, float* y) {
    auto rotate = [&](auto load, auto store, int64_t i) {
      const F a = load(x + i), b = load(x + half + i), c = load(cosine + i), s = load(sine + i);
      store(y + i, V::fnma(b, s, V::mul(a, c)));
      store(y + half + i, V::fma(a, s, V::mul(b, c)));
    };
    for_vectors<V>(
        pairs,
        [&](int64_t i) { rotate([](const float* p) { return V::load(p); }, [](float* p, F v) { V::store(p, v); }, i); },
        [&](int64_t i, int64_t rest) {
          rotate([rest](const float* p) { return V::load_first(p, rest); },
                 [rest](float* p, F v) { V::store_first(p, v, rest); }, i);
        });
    for (int64_t i = pairs; i < half; ++i) {
      y[i] = x[i];
      y[half + i] = x[half + i];
    }
  }
};

// Values that are asked for ahead of their use, a line at a time; at the end of a strip those of the next.
inline constexpr int64_t kKeysAhead = 32;
// Values that the nearest cache holds, or nearly: they are asked for by the first strip alone.
inline constexpr int64_t kNearBytes = 32768;

/** R rows x C vectors of a weighted sum; `count` lanes in the vector when it is a partial one (C = 1). */
template <class V, class T, int R, int C, bool kFetch>
inline void weighted_tile(const float* p, int64_t p_stride, const float* correction, const T* v, int64_t keys,
                          int64_t n, float* acc, int64_t count) {
  using F = typename V::F;
  auto load = [&](const auto* at) {
    if constexpr (C == 1) return V::load_first(at, count);
    return V::load(at);
  };
  F sum[R][C];
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      sum[r][c] = correction == nullptr ? V::zero() : V::mul(load(acc + r * n + c * V::kLanes), V::set(correction[r]));
    }
  }
#pragma GCC unroll 8  // so that the end of a tile of 64 is foreseen
  for (int64_t j = 0; j < keys; ++j) {
    if constexpr (kFetch) {
      const int64_t ahead = j + kKeysAhead;
      const T* next = ahead < keys ? v + ahead * n : v + C * V::kLanes + (ahead - keys) * n;
      for (int64_t line = 0; line < C * V::kLanes * int64_t{sizeof(T)}; line += 64) {
        __builtin_prefetch(reinterpret_cast<const std::byte*>(next) + line);
      }
    }
    F values[C];
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) values[c] = load(v + j * n + c * V::kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const F weight = V::set(p[r * p_stride + j]);
#pragma GCC unroll 4
      for (int c = 0; c < C; ++c) sum[r][c] = V::fma(weight, values[c], sum[r][c]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < C; ++c) {
      if constexpr (C == 1) {
        V::store_first(acc + r * n, sum[r][0], count);
      } else {
        V::store(acc + r * n + c * V::kLanes, sum[r][c]);
      }
    }
  }
}

template <class V, class T, int R>
void weighted_strip(int64_t rows, bool fetch, const float* p, int64_t p_stride, const float* correction, const T* v,
                    int64_t keys, int64_t n, float* acc) {
  if constexpr (R > 1) {
    if (rows < R) return weighted_strip<V, T, R - 1>(rows, fetch, p, p_stride, correction, v, keys, n, acc);
  }
  constexpr int kStep = V::kSumCols * V::kLanes;
  const auto tile = fetch ? weighted_tile<V, T, R, V::kSumCols, true> : weighted_tile<V, T, R, V::kSumCols, false>;
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) tile(p, p_stride, correction, v + i, keys, n, acc + i, 0);
  for (; i < n; i += V::kLanes) {
    const int64_t count = n - i < V::kLanes ? n - i : V::kLanes;
    weighted_tile<V, T, R, 1, false>(p, p_stride, correction, v + i, keys, n, acc + i, count);
  }
}

template <class V, class T>
void weighted_sum(const float* p, int64_t p_stride, const float* correction, int64_t rows, const std::byte* v,
                  int64_t keys, int64_t n, float* acc) {
  const int64_t strips = (rows + V::kSumRows - 1) / V::kSumRows;
  const bool far = keys * n * int64_t{sizeof(T)} > kNearBytes;
  for (int64_t s = 0; s < strips; ++s) {
    const int64_t first = rows * s / strips, count = rows * (s + 1) / strips - first;
    weighted_strip<V, T, V::kSumRows>(count, far || s == 0, p + first * p_stride, p_stride,
                                      correction == nullptr ? nullptr : correction + first,
                                      reinterpret_cast<const T*>(v), keys, n, acc + first * n);
  }
}

template <class V>
void fill_rows(Kernels& table) {
  table.rms_norm = Rows<V>::rms_norm;
  table.add = Rows<V>::add;
  table.mul = Rows<V>::mul;
  table.scale = Rows<V>::scale;
  table.combine = Rows<V>::combine;
  table.gated_gelu = Rows<V>::gated_gelu;
  table.layer_norm = Rows<V>::layer_norm;
  table.gated_sigmoid = Rows<V>::gated_sigmoid;
  table.clamp = Rows<V>::clamp;
  table.softcap = Rows<V>::softcap;
  table.softmax = Rows<V>::softmax;
  table.rope = Rows<V>::rope;
  table.max = Rows<V>::max;
  table.sum_exp = Rows<V>::sum_exp;
  table.online_softmax = Rows<V>::online_softmax;
  table.weighted_sum[static_cast<size_t>(DType::f32)] = weighted_sum<V, float>;
  table.weighted_sum[static_cast<size_t>(DType::bf16)] = weighted_sum<V, Bf16>;
}

}  // namespace gemma::cpu

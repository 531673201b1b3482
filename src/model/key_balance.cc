// SPDX-License-Identifier: Apache-2.0
// A coded key has an error that is spread evenly over the places of its head, in proportion to the key's norm; what it
// does to a score is the sum over places of error^2 * query^2. With key / s and query * s at each place the score is
// the same and its error proportional to sum(key^2 / s^2) * sum(query^2 * s^2), which is least for s^2 = |key| /
// |query|. How large keys and queries are at a place is the weight of their norm times what comes into it, and that
// follows from the rows of the projection: inputs of no direction give a place the length of its row. Where RoPE turns
// a pair of places, both have the mean of the two.
//
// Gemma 3 270M: keys have a quarter to three quarters of their energy in 8 of 256 places.
#include "model/key_balance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "tensor/pack.h"

namespace gemma {
namespace {

constexpr int64_t kMostHeads = 4;  // that speak for all: large models have 32, and reading them takes seconds

/** Squares of a norm's weights. */
std::vector<double> norm_energies(const Tensor& norm, Ops& ops) {
  std::vector<std::byte> bytes(static_cast<size_t>(norm.bytes()));
  ops.read(norm, bytes);
  std::vector<float> weights(static_cast<size_t>(norm.shape().count()));
  unpack(norm.dtype(), bytes, weights);
  std::vector<double> squares;
  for (float w : weights) squares.push_back(double{w} * double{w});
  return squares;
}

/** Sums of squares of rows of `cols` values. Of several rows at a time, for a sum waits for itself at every value. */
void row_squares(std::span<const float> values, size_t cols, std::span<double> sums) {
  constexpr size_t kTogether = 8;
  for (size_t first = 0; first < sums.size(); first += kTogether) {
    const size_t n = std::min(kTogether, sums.size() - first);
    std::array<const float*, kTogether> rows;
    for (size_t r = 0; r < kTogether; ++r) rows[r] = values.data() + (first + std::min(r, n - 1)) * cols;
    std::array<double, kTogether> sum{};
    for (size_t i = 0; i < cols; ++i) {
      for (size_t r = 0; r < kTogether; ++r) sum[r] += rows[r][i] * rows[r][i];
    }
    std::copy_n(sum.begin(), n, sums.begin() + static_cast<std::ptrdiff_t>(first));
  }
}

/** The squared length of the row of each place of a head, the mean of a head being 1; a mean over heads. */
std::vector<double> row_energies(const Tensor& w, int64_t head_dim, Ops& ops) {
  const int64_t heads = w.rows() / head_dim, step = (heads + kMostHeads - 1) / kMostHeads;
  std::vector<double> sum(static_cast<size_t>(head_dim)), head(sum.size());
  std::vector<int32_t> rows(sum.size());
  std::vector<float> values(static_cast<size_t>(head_dim * w.cols()));
  for (int64_t h = 0; h < heads; h += step) {
    std::iota(rows.begin(), rows.end(), static_cast<int32_t>(h * head_dim));
    ops.read(ops.embed(w, rows, 1.0f), std::as_writable_bytes(std::span(values)));
    row_squares(values, static_cast<size_t>(w.cols()), head);
    double mean = 0;
    for (double squares : head) mean += squares / static_cast<double>(head_dim);
    for (size_t i = 0; i < head.size(); ++i) sum[i] += head[i] / mean;
  }
  return sum;
}

/** Of keys or queries behind their norm, but for a factor. */
std::vector<double> energies(const Linear& projection, const Tensor& norm, Ops& ops) {
  std::vector<double> squares = norm_energies(norm, ops);
  const std::vector<double> rows = row_energies(projection.w, norm.shape().count(), ops);
  for (size_t i = 0; i < squares.size(); ++i) squares[i] *= rows[i];
  return squares;
}

void average_pairs(std::vector<double>& x, const std::vector<float>& inverse_frequency) {
  const size_t half = x.size() / 2;
  for (size_t i = 0; i < std::min(half, inverse_frequency.size()); ++i) {
    if (inverse_frequency[i] != 0) x[i] = x[i + half] = (x[i] + x[i + half]) / 2;
  }
}

/** Nothing is more than a million times smaller than the mean: no place is given up, and none divides by zero. */
void lift(std::vector<double>& x) {
  double mean = 0;
  for (double v : x) mean += v / static_cast<double>(x.size());
  for (double& v : x) v += 1e-6 * mean;
}

std::vector<float> balance(std::vector<double> keys, std::vector<double> queries) {
  lift(keys);
  lift(queries);
  std::vector<double> logs(keys.size());
  double mean = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    logs[i] = std::log(keys[i] / queries[i]) / 4;
    if (!std::isfinite(logs[i])) return {};  // weights of zero, or no numbers: as they are
    mean += logs[i] / static_cast<double>(keys.size());
  }
  std::vector<float> s;
  for (double l : logs) s.push_back(static_cast<float>(std::exp(l - mean)));
  return s;
}

}  // namespace

void balance_keys(Weights& weights, const Config& config, Ops& ops) {
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& own = config.layers[i];
    if (own.kv_source != static_cast<int>(i)) continue;
    const AttentionWeights& owner = weights.layers[i].attention;
    std::vector<double> keys = energies(owner.k, owner.k_norm, ops), queries(keys.size());
    for (size_t j = i; j < config.layers.size(); ++j) {  // all that read this cache
      if (config.layers[j].kv_source != static_cast<int>(i)) continue;
      const AttentionWeights& reader = weights.layers[j].attention;
      const std::vector<double> more = energies(reader.q, reader.q_norm, ops);
      for (size_t k = 0; k < queries.size(); ++k) queries[k] += more[k];
    }
    average_pairs(keys, own.rope.inverse_frequency);
    average_pairs(queries, own.rope.inverse_frequency);
    weights.layers[i].attention.key_balance = balance(std::move(keys), std::move(queries));
  }
}

}  // namespace gemma

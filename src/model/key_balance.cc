// SPDX-License-Identifier: Apache-2.0
// A coded key has an error that is spread evenly over the places of its head, in proportion to the key's norm; what it
// does to a score is the sum over places of error^2 * query^2. With key / s and query * s at each place the score is
// the same and its error proportional to sum(key^2 / s^2) * sum(query^2 * s^2), which is least for s^2 = |key| /
// |query|. How large keys and queries are at a place is known from the weights of their norms (what is normed is about
// 1 everywhere). Where RoPE turns a pair of places, both have the mean of the two.
//
// Gemma 3 270M: keys have a quarter to three quarters of their energy in 8 of 256 places.
#include "model/key_balance.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "tensor/pack.h"

namespace gemma {
namespace {

/** Squares of a norm's weights. */
std::vector<double> energies(const Tensor& norm, Ops& ops) {
  std::vector<std::byte> bytes(static_cast<size_t>(norm.bytes()));
  ops.read(norm, bytes);
  std::vector<float> weights(static_cast<size_t>(norm.shape().count()));
  unpack(norm.dtype(), bytes, weights);
  std::vector<double> squares;
  for (float w : weights) squares.push_back(double{w} * double{w});
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
    std::vector<double> keys = energies(weights.layers[i].attention.k_norm, ops), queries(keys.size());
    for (size_t j = i; j < config.layers.size(); ++j) {  // all that read this cache
      if (config.layers[j].kv_source != static_cast<int>(i)) continue;
      const std::vector<double> more = energies(weights.layers[j].attention.q_norm, ops);
      for (size_t k = 0; k < queries.size(); ++k) queries[k] += more[k];
    }
    average_pairs(keys, own.rope.inverse_frequency);
    average_pairs(queries, own.rope.inverse_frequency);
    weights.layers[i].attention.key_balance = balance(std::move(keys), std::move(queries));
  }
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/random.h"
#include "engine/nucleus.h"
#include "engine/scan.h"

namespace gemma {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
constexpr float kGreedy = 1e-6f;  // below this temperature noise could decide between equals only

/** Gumbel noise of one place of one sequence: -log(-log(u)), u uniform in the open interval (0, 1). */
class Noise {
 public:
  Noise(uint64_t seed, int64_t position) : bits_(seed, static_cast<uint64_t>(position)) {}

  uint64_t word(int32_t id) const { return bits_(static_cast<uint64_t>(id)); }
  double of(int32_t id) const { return of_word(word(id)); }
  static double of_word(uint64_t word) { return -std::log(-std::log(open_uniform(word))); }
  /** A smaller word cannot lift a score to `goal`: -log(-log(u)) <= -log(1 - u), which reaches n log(2) only where
   *  the n highest bits of the word are ones. A hair is left for rounding. */
  static uint64_t least_word(double goal, double score) {
    const double lack = goal - score - 1e-15 * (std::abs(goal) + std::abs(score)) - 1e-9;
    if (!(lack >= kLog2)) return 0;
    return ~uint64_t{0} << (64 - static_cast<int>(std::min(52.0, lack / kLog2)));
  }

 private:
  static constexpr double kLog2 = 0.693147180559945310;
  KeyedBits bits_;
};

/** Rows as long as the vocabulary. A thread keeps them, so that a token does not ask the system for megabytes. */
struct Scratch {
  std::vector<float> scores;
  std::vector<int32_t> seen;  // all 0 between uses
  std::vector<Scored> few;    // the best of a row
  static Scratch& mine() {
    thread_local Scratch scratch;
    return scratch;
  }
};

/** The logits after everything that comes before the temperature. */
std::span<const float> adjusted(std::span<const float> logits, const Sampling& s, std::span<const int32_t> history,
                                const Permitted& permitted) {
  std::vector<float>& scores = Scratch::mine().scores;
  scores.assign(logits.begin(), logits.end());
  const auto inside = [&](int32_t id) { return id >= 0 && static_cast<size_t>(id) < scores.size(); };
  if (s.repetition_penalty != 1.0f || s.presence_penalty != 0.0f || s.frequency_penalty != 0.0f) {
    std::vector<int32_t>& seen = Scratch::mine().seen;
    seen.resize(scores.size(), 0);
    for (int32_t id : history)
      if (inside(id)) ++seen[static_cast<size_t>(id)];
    for (int32_t id : history) {
      if (!inside(id) || seen[static_cast<size_t>(id)] == 0) continue;
      float& x = scores[static_cast<size_t>(id)];
      const int32_t times = std::exchange(seen[static_cast<size_t>(id)], 0);  // once for each id
      x = x > 0 ? x / s.repetition_penalty : x * s.repetition_penalty;
      x -= s.presence_penalty + s.frequency_penalty * static_cast<float>(times);
    }
  }
  for (const auto& [id, value] : s.bias)
    if (inside(id)) scores[static_cast<size_t>(id)] += value;
  for (int32_t id : permitted.never)
    if (inside(id)) scores[static_cast<size_t>(id)] = kNever;
  if (!permitted.allowed.empty()) {
    for (size_t i = 0; i < scores.size(); ++i) {
      if ((permitted.allowed[i / 32] >> (i % 32) & 1) == 0) scores[i] = kNever;
    }
  }
  return scores;
}

/** The least score that min_p lets through. */
float least_score(float max, const Sampling& s) {
  return s.min_p > 0 ? max + s.temperature * std::log(s.min_p) : std::numeric_limits<float>::lowest();
}

/** The winner among a few, given best first. */
int32_t draw_from_few(std::span<const Scored> sorted, const Sampling& s, const Noise& noise) {
  if (s.top_p < 1) sorted = sorted.first(nucleus_size(sorted, s.temperature, s.top_p));
  const float least = least_score(sorted[0].score, s);
  int32_t winner = -1;
  double best_value = 0;
  for (const Scored& each : sorted) {
    if (each.score < least) break;
    const double value = static_cast<double>(each.score) / s.temperature + noise.of(each.id);
    if (winner >= 0 && (value < best_value || (value == best_value && each.id > winner))) continue;
    winner = each.id;
    best_value = value;
  }
  return winner;
}

/** The winner among all. */
int32_t draw_from_all(std::span<const float> scores, float max, const Sampling& s, const Noise& noise) {
  Scored end{std::numeric_limits<int32_t>::max(), std::numeric_limits<float>::lowest()};
  if (s.top_p < 1) end = nucleus_end(scores, max, s.temperature, s.top_p);
  const float least = std::max(least_score(max, s), end.score);
  int32_t winner = -1;
  double best_value = -std::numeric_limits<double>::infinity();
  for (size_t first = 0; first < scores.size(); first += kScanBlock) {
    const auto block = block_at(scores, first);
    const float highest = peak(block);
    if (highest < least) continue;
    const uint64_t least_word = Noise::least_word(best_value, static_cast<double>(highest) / s.temperature);
    for (size_t i = 0; i < block.size(); ++i) {
      const auto id = static_cast<int32_t>(first + i);
      const uint64_t word = noise.word(id);
      if (word < least_word || block[i] < least || (block[i] == end.score && id > end.id)) continue;
      const double value = static_cast<double>(block[i]) / s.temperature + Noise::of_word(word);
      if (value <= best_value) continue;
      winner = id;
      best_value = value;
    }
  }
  return winner;
}

int32_t choose(std::span<const float> scores, const Sampling& s, int64_t position) {
  if (s.temperature < kGreedy) {
    const float max = largest(scores);
    return max > kNever ? static_cast<int32_t>(std::ranges::find(scores, max) - scores.begin()) : -1;
  }
  const Noise noise(s.seed, position);
  if (s.top_k > 0 && static_cast<size_t>(s.top_k) < scores.size()) {
    std::vector<Scored>& few = Scratch::mine().few;
    best(scores, s.top_k, few);
    return few.empty() ? -1 : draw_from_few(few, s, noise);
  }
  const float max = largest(scores);
  return max > kNever ? draw_from_all(scores, max, s, noise) : -1;
}

/** total: log_sum_exp(logits). token: -1 for none. */
Likelihood likelihood_of(std::span<const float> logits, double total, int32_t token, int top_logprobs) {
  const auto logprob = [&](float logit) { return static_cast<float>(static_cast<double>(logit) - total); };
  Likelihood out;
  if (token >= 0) out.logprob = logprob(logits[static_cast<size_t>(token)]);
  std::vector<Scored>& few = Scratch::mine().few;
  best(logits, top_logprobs, few);
  for (const Scored& each : few) out.top.push_back({each.id, logprob(each.score)});
  return out;
}

}  // namespace

double log_sum_exp(std::span<const float> logits) {
  const float max = largest(logits);
  if (!(max > kNever)) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(max) + std::log(sum_of_exp(logits, max, 1.0f));
}

Choice sample(std::span<const float> logits, const Sampling& sampling, std::span<const int32_t> history,
              const Permitted& permitted, int64_t position, std::optional<int> top_logprobs) {
  if (!(largest(logits) > kNever)) return {-1, std::numeric_limits<float>::quiet_NaN(), {}};
  const int32_t token = choose(adjusted(logits, sampling, history, permitted), sampling, position);
  if (!top_logprobs) return {token, 0, {}};
  Likelihood said = likelihood_of(logits, log_sum_exp(logits), token, *top_logprobs);
  return {token, said.logprob, std::move(said.top)};
}

Likelihood likelihood(std::span<const float> logits, int32_t token, int top_logprobs) {
  const double total = log_sum_exp(logits);
  if (std::isnan(total)) return {std::numeric_limits<float>::quiet_NaN(), {}};
  return likelihood_of(logits, total, token, top_logprobs);
}

std::optional<Failure> problem_with(const Sampling& s, int vocab) {
  const auto wrong = [](const char* field, const char* expected, float found) {
    return Failure{field, fmt::format("expected {}, found {}", expected, found)};
  };
  const auto within = [](float x, float low, float high) { return x >= low && x <= high; };  // false for NaN
  constexpr float kMany = 1e4f;
  if (!within(s.temperature, 0, kMany)) return wrong("temperature", "0 (greedy) or more", s.temperature);
  if (s.top_k < 0) return wrong("top_k", "0 (all) or more", static_cast<float>(s.top_k));
  if (!within(s.top_p, 0, 1) || s.top_p == 0) return wrong("top_p", "a number above 0, at most 1", s.top_p);
  if (!within(s.min_p, 0, 1)) return wrong("min_p", "a number from 0 to 1", s.min_p);
  if (!within(s.repetition_penalty, 0, kMany) || s.repetition_penalty == 0) {
    return wrong("repetition_penalty", "a number above 0", s.repetition_penalty);
  }
  if (!within(s.presence_penalty, -kMany, kMany)) return wrong("presence_penalty", "a number", s.presence_penalty);
  if (!within(s.frequency_penalty, -kMany, kMany)) return wrong("frequency_penalty", "a number", s.frequency_penalty);
  for (const auto& [id, value] : s.bias) {
    if (id < 0 || id >= vocab) return Failure{"bias", fmt::format("token {}: the vocabulary has {}", id, vocab)};
    if (!within(value, -kMany, kMany)) return wrong("bias", "a number", value);
  }
  return std::nullopt;
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "serve/sampling_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <random>

namespace gemma::serve {
namespace {

constexpr int64_t kMostSeed = int64_t{1} << 62;

void read_bias(Fields& fields, Sampling& sampling, int vocab) {
  const json::object* bias = fields.object("logit_bias");
  if (bias == nullptr) return;
  for (const auto& pair : *bias) {
    const std::string_view key = pair.key();
    const std::string field = fields.name_of("logit_bias") + "." + std::string(key);
    int32_t id = -1;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id >= vocab) {
      return fields.fail(Failure{field, fmt::format("expected the id of a token, 0 to {}", vocab - 1)});
    }
    if (!pair.value().is_number() || !(std::abs(pair.value().to_number<double>()) <= 100)) {
      return fields.fail(Failure{field, "expected a number of -100 to 100"});
    }
    sampling.bias[id] = pair.value().to_number<float>();
  }
}

}  // namespace

uint64_t random_seed() {
  std::random_device device;
  return (uint64_t{device()} << 32 | device()) >> 11;
}

int thought_budget(std::string_view effort) {
  if (effort == "minimal") return 256;
  if (effort == "low") return 1024;
  return effort == "medium" ? 4096 : 0;
}

void read_sampling(Fields& fields, Sampling& sampling, int vocab) {
  const auto take = [&](std::string_view key, float& value, double low, double high) {
    if (const auto given = fields.number(key, low, high)) value = static_cast<float>(*given);
  };
  take("temperature", sampling.temperature, 0, 2);
  take("top_p", sampling.top_p, 0, 1);
  sampling.top_p = std::max(sampling.top_p, 1e-6F);  // 0 is for the likeliest alone
  take("min_p", sampling.min_p, 0, 1);
  take("frequency_penalty", sampling.frequency_penalty, -2, 2);
  take("presence_penalty", sampling.presence_penalty, -2, 2);
  take("repetition_penalty", sampling.repetition_penalty, 0.01, 100);
  if (const auto top_k = fields.integer("top_k", 0, vocab)) sampling.top_k = static_cast<int>(*top_k);
  const auto seed = fields.integer("seed", -kMostSeed, kMostSeed);
  sampling.seed = seed ? static_cast<uint64_t>(*seed) : random_seed();
  read_bias(fields, sampling, vocab);
}

double as_written(float value) {
  const std::string shortest = fmt::format("{}", value);
  double written = value;
  std::from_chars(shortest.data(), shortest.data() + shortest.size(), written);
  return written;
}

std::vector<std::string> read_stops(Fields& fields, std::string_view key) {
  const json::value* given = fields.any(key);
  if (given == nullptr) return {};
  const json::array one{*given};
  const json::array& all = given->is_array() ? given->get_array() : one;
  if (all.size() > kMostStops) {
    fields.fail(key, fmt::format("expected at most {} texts, found {}", kMostStops, all.size()));
    return {};
  }
  std::vector<std::string> stops;
  for (const json::value& each : all) {
    if (!each.is_string() || each.get_string().empty()) {
      fields.fail(key, "expected a text that is not empty, or an array of such");
      return {};
    }
    stops.emplace_back(each.get_string());
  }
  return stops;
}

}  // namespace gemma::serve

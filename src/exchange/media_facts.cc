// SPDX-License-Identifier: Apache-2.0
#include "exchange/media_facts.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace gemma {
namespace {

constexpr int64_t kMostCounted = 1'000'000'000'000;
constexpr double kMostSeconds = 1e9;
constexpr size_t kLongestText = 200;

}  // namespace

bool Facts::has(std::string_view key) const {
  const json::value* value = facts_.if_contains(key);
  return value != nullptr && !value->is_null();
}

void Facts::refuse(std::string_view key, std::string_view expected) const {
  fail(where_, "what the media worker says of it makes no sense: '{}': expected {}", key, expected);
}

const json::value& Facts::at(std::string_view key, std::string_view expected) const {
  const json::value* value = facts_.if_contains(key);
  if (value == nullptr) refuse(key, expected);
  return *value;
}

double Facts::number(std::string_view key) const {
  const json::value& value = at(key, "a number");
  const double number = value.is_number() ? value.to_number<double>() : std::nan("");
  if (!std::isfinite(number)) refuse(key, "a number");
  return number;
}

int64_t Facts::integer(std::string_view key, int64_t least, int64_t most) const {
  const double value = number(key);
  const bool within = value >= static_cast<double>(least) && value <= static_cast<double>(most);
  if (!within || value != std::floor(value)) refuse(key, fmt::format("a whole number from {} to {}", least, most));
  return static_cast<int64_t>(value);
}

int64_t Facts::count(std::string_view key) const { return integer(key, 0, kMostCounted); }

double Facts::seconds(std::string_view key) const {
  const double value = number(key);
  if (value < 0 || value > kMostSeconds) refuse(key, "a time");
  return value;
}

bool Facts::flag(std::string_view key) const {
  const json::value& value = at(key, "true or false");
  if (!value.is_bool()) refuse(key, "true or false");
  return value.get_bool();
}

std::string_view Facts::text(std::string_view key) const {
  const json::value& value = at(key, "a text");
  if (!value.is_string()) refuse(key, "a text");
  const std::string_view text = value.get_string();
  const bool speaks_to_terminals = std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte >= 0x7f;
  });
  if (speaks_to_terminals || text.size() > kLongestText) refuse(key, "a short text of plain characters");
  return text;
}

Facts Facts::part(std::string_view key) const {
  const json::value& value = at(key, "an object");
  if (!value.is_object()) refuse(key, "an object");
  return {where_, value.get_object()};
}

std::vector<Facts> Facts::list(std::string_view key) const {
  const json::value& value = at(key, "a list of objects");
  if (!value.is_array()) refuse(key, "a list of objects");
  std::vector<Facts> list;
  for (const json::value& each : value.get_array()) {
    if (!each.is_object()) refuse(key, "a list of objects");
    list.emplace_back(where_, each.get_object());
  }
  return list;
}

}  // namespace gemma

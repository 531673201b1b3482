// SPDX-License-Identifier: Apache-2.0
#include "serve/fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "chat/template_value.h"

namespace gemma::serve {

std::string Fields::name_of(std::string_view key) const {
  return where_.empty() ? std::string(key) : fmt::format("{}.{}", where_, key);
}

void Fields::fail(Failure failure) {
  if (!failure_) failure_ = std::move(failure);
}

void Fields::fail(std::string_view key, std::string reason) { fail(Failure{name_of(key), std::move(reason)}); }

const json::value* Fields::any(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  const json::value* value = object_.if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

const json::value* Fields::expect(std::string_view key, bool (*is)(const json::value&), std::string_view what) {
  const json::value* value = any(key);
  if (value == nullptr || is(*value)) return value;
  fail(key, fmt::format("expected {}, found {}", what, kind_of(value)));
  return nullptr;
}

std::optional<std::string> Fields::text(std::string_view key) {
  const json::value* value = expect(key, [](const json::value& v) { return v.is_string(); }, "a string");
  if (value == nullptr) return std::nullopt;
  return std::string(value->get_string());
}

std::optional<bool> Fields::flag(std::string_view key) {
  const json::value* value = expect(key, [](const json::value& v) { return v.is_bool(); }, "true or false");
  if (value == nullptr) return std::nullopt;
  return value->get_bool();
}

std::optional<double> Fields::number(std::string_view key, double low, double high) {
  const json::value* value = expect(key, [](const json::value& v) { return v.is_number(); }, "a number");
  if (value == nullptr) return std::nullopt;
  const auto number = value->to_number<double>();
  if (std::isfinite(number) && number >= low && number <= high) return number;
  fail(key, fmt::format("expected {} to {}, found {}", low, high, number));
  return std::nullopt;
}

std::optional<int64_t> Fields::integer(std::string_view key, int64_t low, int64_t high) {
  const json::value* value = expect(key, [](const json::value& v) { return v.is_number(); }, "an integer");
  if (value == nullptr) return std::nullopt;
  boost::system::error_code error;
  const auto number = value->to_number<int64_t>(error);
  if (!error && number >= low && number <= high) return number;
  fail(key, fmt::format("expected an integer of {} to {}, found {}", low, high, write_json(*value)));
  return std::nullopt;
}

std::optional<std::string> Fields::word(std::string_view key, std::initializer_list<std::string_view> words) {
  std::optional<std::string> found = text(key);
  if (!found || std::find(words.begin(), words.end(), *found) != words.end()) return found;
  fail(key, fmt::format("expected one of {}, found '{}'", fmt::join(words, ", "), *found));
  return std::nullopt;
}

const json::array* Fields::list(std::string_view key) {
  const json::value* value = expect(key, [](const json::value& v) { return v.is_array(); }, "an array");
  return value == nullptr ? nullptr : &value->get_array();
}

const json::object* Fields::object(std::string_view key) {
  const json::value* value = expect(key, [](const json::value& v) { return v.is_object(); }, "an object");
  return value == nullptr ? nullptr : &value->get_object();
}

void Fields::label(std::string_view key) {
  const json::value* value = any(key);
  if (value == nullptr || value->is_string()) return;
  const json::object* object = value->if_object();
  const bool texts = object != nullptr && std::all_of(object->begin(), object->end(), [](const auto& pair) {
                       return pair.value().is_string() || pair.value().is_null();
                     });
  if (!texts) fail(key, fmt::format("expected a string or an object of strings, found {}", kind_of(value)));
}

void Fields::unsupported(std::string_view key, std::string_view why, std::initializer_list<json::value> allowed) {
  const json::value* value = any(key);
  if (value == nullptr || (value->is_bool() && !value->get_bool())) return;
  if (std::find(allowed.begin(), allowed.end(), *value) == allowed.end()) fail(key, std::string(why));
}

std::optional<Failure> Fields::failure() const {
  if (failure_) return failure_;
  for (const auto& pair : object_) {
    const std::string_view key = pair.key();
    if (std::find(known_.begin(), known_.end(), key) != known_.end()) continue;
    return Failure{name_of(key), fmt::format("is not known here: expected one of {}", fmt::join(known_, ", "))};
  }
  return std::nullopt;
}

}  // namespace gemma::serve

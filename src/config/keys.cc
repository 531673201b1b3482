// SPDX-License-Identifier: Apache-2.0
#include "config/keys.h"

#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"

namespace gemma {
namespace {

constexpr size_t kShownValue = 60;  // characters of a wrong value in a message

std::string shown(const json::value* value) {
  if (value == nullptr) return "nothing";
  if (value->is_object()) return "an object";
  if (value->is_array()) return "a list";
  std::string text = write_json(*value);
  if (text.size() <= kShownValue) return text;
  size_t end = kShownValue;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // not inside a character
  return text.substr(0, end) + "...";
}

std::optional<int64_t> whole(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return std::numeric_limits<int64_t>::max();  // beyond any range that is asked for
  return std::nullopt;
}

}  // namespace

Keys::Keys(std::string_view where, const json::value& value) : where_(where), object_(value.if_object()) {
  if (object_ == nullptr) fail(where, "expected a JSON object, found {}", shown(&value));
}

Keys::Keys(std::string where, std::string path, const json::object& object)
    : where_(std::move(where)), path_(std::move(path)), object_(&object) {}

const json::value* Keys::find(std::string_view key) const {
  const json::value* value = object_->if_contains(key);
  return value == nullptr || value->is_null() ? nullptr : value;
}

bool Keys::names(std::string_view key) const { return object_->contains(key); }

void Keys::fail_key(std::string_view key, std::string_view expected, const json::value* found) const {
  fail(where_, "{}{}: expected {}, found {}", path_, key, expected, shown(found));
}

std::optional<int> Keys::integer(std::string_view key, int64_t low, int64_t high) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  const auto n = whole(*value);
  if (!n || *n < low || *n > high) fail_key(key, fmt::format("a whole number from {} to {}", low, high), value);
  return static_cast<int>(*n);
}

std::optional<double> Keys::number(std::string_view key, double low, double high) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  const double x = value->is_number() ? value->to_number<double>() : std::nan("");
  if (!(x >= low && x <= high)) fail_key(key, fmt::format("a number from {} to {}", low, high), value);
  return x;
}

std::optional<bool> Keys::boolean(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_bool()) fail_key(key, "true or false", value);
  return value->get_bool();
}

std::optional<std::string> Keys::string(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail_key(key, "a string", value);
  return std::string(value->get_string());
}

std::optional<Keys> Keys::object(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) fail_key(key, "an object", value);
  return Keys(where_, path_ + std::string(key) + ".", value->get_object());
}

std::optional<std::vector<int32_t>> Keys::ids(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  std::vector<int32_t> ids;
  const auto add = [&](const json::value& v) {
    const auto n = whole(v);
    if (!n || *n < 0 || *n > std::numeric_limits<int32_t>::max()) fail_key(key, "token ids", &v);
    ids.push_back(static_cast<int32_t>(*n));
  };
  if (const json::array* list = value->if_array()) {
    for (const json::value& v : *list) add(v);
  } else {
    add(*value);
  }
  return ids;
}

std::optional<std::vector<std::string>> Keys::strings(std::string_view key) const {
  const json::value* value = find(key);
  if (value == nullptr) return std::nullopt;
  const json::array* list = value->if_array();
  if (list == nullptr) fail_key(key, "a list of strings", value);
  std::vector<std::string> strings;
  for (const json::value& v : *list) {
    if (!v.is_string()) fail_key(key, "a list of strings", &v);
    strings.emplace_back(v.get_string());
  }
  return strings;
}

}  // namespace gemma

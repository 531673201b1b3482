// SPDX-License-Identifier: Apache-2.0
#include "file/metadata.h"

#include <array>

#include "base/error.h"

namespace gemma {
namespace {

constexpr std::array<std::string_view, kMetaTypes> kNames{"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                                          "bool", "string", "array", "u64", "i64", "f64"};

// In the order of MetaValue's alternatives.
constexpr std::array<std::string_view, 8> kKinds{
    "true or false",      "an integer",        "a number",         "a string", "a list of true and false",
    "a list of integers", "a list of numbers", "a list of strings"};
constexpr std::array<MetaType, 8> kDefaults{MetaType::boolean, MetaType::u32, MetaType::f32, MetaType::string,
                                            MetaType::boolean, MetaType::i32, MetaType::f32, MetaType::string};

}  // namespace

std::string_view name_of(MetaType type) { return kNames[static_cast<size_t>(type)]; }

void Metadata::add(std::string where, std::string key, MetaValue value, std::optional<MetaType> type) {
  where_ = std::move(where);
  if (index_.contains(key)) fail(where_, "key '{}' occurs twice", key);
  set(std::move(key), std::move(value), type);
}

void Metadata::set(std::string key, MetaValue value, std::optional<MetaType> type) {
  const MetaType stored = type.value_or(kDefaults[value.index()]);
  const auto found = index_.find(key);
  if (found != index_.end()) {
    Entry& entry = entries_[found->second];
    entry.second = std::move(value);
    entry.type = stored;
    return;
  }
  index_.emplace(key, entries_.size());
  entries_.push_back({std::move(key), std::move(value), stored});
}

void Metadata::erase(std::string_view key) {
  const auto found = index_.find(key);
  if (found == index_.end()) return;
  const size_t at = found->second;
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
  index_.erase(found);
  for (auto& [name, position] : index_) position -= position > at ? 1 : 0;
}

const Metadata::Entry* Metadata::entry(std::string_view key) const {
  const auto found = index_.find(key);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

const MetaValue* Metadata::find(std::string_view key) const {
  const Entry* e = entry(key);
  return e == nullptr ? nullptr : &e->second;
}

void Metadata::fail_type(std::string_view key, std::string_view expected, const MetaValue& found) const {
  fail(where_, "key '{}': expected {}, found {}", key, expected, kKinds[found.index()]);
}

std::optional<bool> Metadata::boolean(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const bool* b = std::get_if<bool>(value)) return *b;
  fail_type(key, "true or false", *value);
}

std::optional<int64_t> Metadata::integer(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const int64_t* i = std::get_if<int64_t>(value)) return *i;
  fail_type(key, "an integer", *value);
}

std::optional<double> Metadata::number(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const double* d = std::get_if<double>(value)) return *d;
  if (const int64_t* i = std::get_if<int64_t>(value)) return static_cast<double>(*i);
  fail_type(key, "a number", *value);
}

std::optional<std::string> Metadata::string(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const std::string* s = std::get_if<std::string>(value)) return *s;
  fail_type(key, "a string", *value);
}

const std::vector<std::string>* Metadata::strings(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return nullptr;
  if (const auto* list = std::get_if<std::vector<std::string>>(value)) return list;
  fail_type(key, "a list of strings", *value);
}

std::optional<std::vector<int64_t>> Metadata::integers(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* list = std::get_if<std::vector<int64_t>>(value)) return *list;
  if (const int64_t* one = std::get_if<int64_t>(value)) return std::vector<int64_t>{*one};
  fail_type(key, "a list of integers", *value);
}

std::optional<std::vector<bool>> Metadata::booleans(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* list = std::get_if<std::vector<bool>>(value)) return *list;
  fail_type(key, "a list of true and false", *value);
}

std::optional<std::vector<double>> Metadata::numbers(std::string_view key) const {
  const MetaValue* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* list = std::get_if<std::vector<double>>(value)) return *list;
  if (const auto* list = std::get_if<std::vector<int64_t>>(value))
    return std::vector<double>(list->begin(), list->end());
  if (const double* d = std::get_if<double>(value)) return std::vector<double>{*d};
  if (const int64_t* i = std::get_if<int64_t>(value)) return std::vector<double>{static_cast<double>(*i)};
  fail_type(key, "a list of numbers", *value);
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// Which grammars are kept; how one is made is in xgrammar_mask.cc.
#include "grammar/grammar.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace gemma {
namespace {

/** Keywords that xgrammar passes over. An answer that does not keep to its schema would be worse than none. */
constexpr std::array<std::string_view, 10> kNotKept{
    "not",         "if",       "then",        "else",       "dependentRequired", "dependentSchemas",
    "uniqueItems", "contains", "minContains", "maxContains"};
constexpr std::array<std::string_view, 4> kNamedSchemas{"properties", "patternProperties", "$defs", "definitions"};
constexpr std::array<std::string_view, 5> kData{"const", "enum", "default", "examples", "required"};

template <size_t N>
bool is_among(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<Failure> not_kept(const json::value& schema, const std::string& where) {
  if (const json::array* list = schema.if_array()) {
    for (size_t i = 0; i < list->size(); ++i) {
      if (auto failure = not_kept((*list)[i], fmt::format("{}[{}]", where, i))) return failure;
    }
  }
  if (!schema.is_object()) return std::nullopt;
  for (const auto& [key, value] : schema.get_object()) {
    const std::string at = fmt::format("{}.{}", where, std::string_view(key));
    if (is_among(kNotKept, key) && value != false) return Failure{at, "a mask cannot keep to this keyword"};
    if (is_among(kData, key)) continue;
    if (!is_among(kNamedSchemas, key)) {
      if (auto failure = not_kept(value, at)) return failure;
    } else if (const json::object* named = value.if_object()) {
      for (const auto& [name, each] : *named) {
        if (auto failure = not_kept(each, fmt::format("{}.{}", at, std::string_view(name)))) return failure;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

Result<std::shared_ptr<const Grammar>> Grammars::json(const json::value& schema, Fence fence) {
  if (!schema.is_object() && !schema.is_bool()) return Failure{"schema", "expected an object"};
  if (auto failure = not_kept(schema, "schema")) return *failure;
  const std::string text = write_json(schema);
  const std::string key = (fence == Fence::none ? "none " : "either ") + text;
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& each) { return each.first == key; });
  if (found != kept_.end()) {
    auto again = std::move(*found);
    kept_.erase(found);
    kept_.push_front(std::move(again));
    return kept_.front().second;
  }
  Result<std::shared_ptr<const Grammar>> made = compile(text, fence);
  if (!made) return made;
  kept_.emplace_front(key, made.value());
  if (kept_.size() > kKept) kept_.pop_back();
  return made;
}

}  // namespace gemma

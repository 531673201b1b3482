// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_merge.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "grammar/schema_walk.h"

namespace gemma {
namespace {

/** The first is about what those that stand beside the second leave. */
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kAboutTheRest{{
    {"additionalProperties", "properties"},
    {"additionalProperties", "patternProperties"},
    {"items", "prefixItems"},
}};

Failure apart(std::string_view keyword) {
  return {std::string(keyword), "a mask cannot keep to it in several schemas of an allOf"};
}

bool add_names(json::value& names, const json::value& more) {
  if (!names.is_array() || !more.is_array()) return false;
  json::array& all = names.get_array();
  for (const json::value& name : more.get_array()) {
    if (std::find(all.begin(), all.end(), name) == all.end()) all.push_back(name);
  }
  return true;
}

bool add_properties(json::value& properties, const json::value& more) {
  if (!properties.is_object() || !more.is_object()) return false;
  return std::all_of(more.get_object().begin(), more.get_object().end(),
                     [&](const auto& each) { return properties.get_object().insert(each).second; });
}

}  // namespace

Result<json::object> merged_schema(const std::vector<json::object>& schemas) {
  json::object out;
  for (const json::object& schema : schemas) {
    for (const auto& [key, value] : schema) {
      const std::string_view name = key;
      const auto found = out.find(name);
      if (found == out.end()) {
        out[name] = value;
      } else if (name == "required") {
        if (!add_names(found->value(), value)) return apart(name);
      } else if (name == "properties") {
        if (!add_properties(found->value(), value)) return apart(name);
      } else if (!is_annotation(name) && found->value() != value) {
        return apart(name);
      }
    }
  }
  for (const auto& [rest, named] : kAboutTheRest) {
    if (!out.contains(rest) || !out.contains(named)) continue;
    const auto has_one = [&](const json::object& schema) { return schema.contains(rest) || schema.contains(named); };
    if (std::count_if(schemas.begin(), schemas.end(), has_one) > 1) return apart(rest);
  }
  return out;
}

}  // namespace gemma

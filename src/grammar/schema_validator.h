// SPDX-License-Identifier: Apache-2.0
// Whether a value fits a JSON schema, for tests: straight from the specification, and nothing shared with the walk that
// makes masks.
#pragma once

#include <algorithm>
#include <cmath>
#include <regex>
#include <string>

#include "base/json.h"

namespace gemma {

class SchemaValidator {
 public:
  explicit SchemaValidator(json::value root) : root_(std::move(root)) {}
  bool fits(const json::value& value) const { return fits(value, root_); }

 private:
  bool fits(const json::value& value, const json::value& schema) const {
    if (schema.is_bool()) return schema.get_bool();
    const json::object& keys = schema.get_object();
    return fits_choices(value, keys) && (!keys.contains("type") || has_type(value, keys.at("type"))) &&
           (!value.is_number() || fits_number(value, keys)) && (!value.is_string() || fits_text(value, keys)) &&
           (!value.is_array() || fits_list(value.get_array(), keys)) &&
           (!value.is_object() || fits_record(value.get_object(), keys));
  }

  bool fits_choices(const json::value& value, const json::object& keys) const {
    if (const auto* ref = keys.if_contains("$ref")) {
      const std::string pointer(ref->get_string());
      if (!fits(value, pointer == "#" ? root_ : root_.at_pointer(pointer.substr(1)))) return false;
    }
    if (const auto* one = keys.if_contains("const"); one != nullptr && !same(*one, value)) return false;
    const auto number = [&](const char* keyword) {
      const json::array& arms = keys.at(keyword).get_array();
      return std::count_if(arms.begin(), arms.end(), [&](const json::value& each) { return fits(value, each); });
    };
    if (const auto* all = keys.if_contains("enum")) {
      const auto equal = [&](const json::value& each) { return same(each, value); };
      if (std::none_of(all->get_array().begin(), all->get_array().end(), equal)) return false;
    }
    return (!keys.contains("anyOf") || number("anyOf") > 0) && (!keys.contains("oneOf") || number("oneOf") == 1) &&
           (!keys.contains("allOf") || number("allOf") == static_cast<long>(keys.at("allOf").get_array().size()));
  }

  static bool same(const json::value& a, const json::value& b) {
    return a.is_number() && b.is_number() ? a.to_number<double>() == b.to_number<double>() : a == b;
  }

  static bool has_type(const json::value& value, const json::value& type) {
    if (const json::array* several = type.if_array()) {
      return std::any_of(several->begin(), several->end(),
                         [&](const json::value& one) { return has_type(value, one); });
    }
    const std::string_view name = type.get_string();
    return (name == "null" && value.is_null()) || (name == "boolean" && value.is_bool()) ||
           (name == "string" && value.is_string()) || (name == "array" && value.is_array()) ||
           (name == "object" && value.is_object()) || (name == "number" && value.is_number()) ||
           (name == "integer" && value.is_number() &&
            value.to_number<double>() == std::floor(value.to_number<double>()));
  }

  static double limit(const json::object& keys, const char* keyword, double otherwise) {
    return keys.contains(keyword) ? keys.at(keyword).to_number<double>() : otherwise;
  }
  static bool within(size_t count, const json::object& keys, const char* least, const char* most) {
    return static_cast<double>(count) >= limit(keys, least, 0) &&
           static_cast<double>(count) <= limit(keys, most, 1e300);
  }

  static bool fits_number(const json::value& value, const json::object& keys) {
    const double number = value.to_number<double>();
    return number >= limit(keys, "minimum", -INFINITY) && number <= limit(keys, "maximum", INFINITY) &&
           (!keys.contains("exclusiveMinimum") || number > limit(keys, "exclusiveMinimum", 0)) &&
           (!keys.contains("exclusiveMaximum") || number < limit(keys, "exclusiveMaximum", 0)) &&
           (!keys.contains("multipleOf") || !value.is_int64() ||
            value.get_int64() % keys.at("multipleOf").to_number<int64_t>() == 0);
  }

  static bool fits_text(const json::value& value, const json::object& keys) {
    const std::string text(value.get_string());
    const auto characters = static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
    return within(characters, keys, "minLength", "maxLength") &&
           (!keys.contains("pattern") || matches(text, keys.at("pattern").get_string()));
  }
  static bool matches(const std::string& text, std::string_view pattern) {
    return std::regex_search(text, std::regex(std::string(pattern)));
  }

  bool fits_list(const json::array& list, const json::object& keys) const {
    const json::array first = keys.contains("prefixItems") ? keys.at("prefixItems").get_array() : json::array();
    for (size_t i = 0; i < list.size(); ++i) {
      if (i < first.size() ? !fits(list[i], first[i]) : keys.contains("items") && !fits(list[i], keys.at("items"))) {
        return false;
      }
    }
    return within(list.size(), keys, "minItems", "maxItems");
  }

  bool fits_record(const json::object& record, const json::object& keys) const {
    if (!within(record.size(), keys, "minProperties", "maxProperties")) return false;
    if (const auto* required = keys.if_contains("required")) {
      for (const json::value& name : required->get_array()) {
        if (!record.contains(name.get_string())) return false;
      }
    }
    return std::all_of(record.begin(), record.end(), [&](const auto& each) {
      const std::string name(each.key());
      if (keys.contains("propertyNames") && !fits(json::value(name), keys.at("propertyNames"))) return false;
      bool known = keys.contains("properties") && keys.at("properties").get_object().contains(name);
      if (known && !fits(each.value(), keys.at("properties").at(name))) return false;
      if (const auto* patterns = keys.if_contains("patternProperties")) {
        for (const auto& one : patterns->get_object()) {
          if (!matches(name, one.key())) continue;
          known = true;
          if (!fits(each.value(), one.value())) return false;
        }
      }
      return known || !keys.contains("additionalProperties") || fits(each.value(), keys.at("additionalProperties"));
    });
  }

  const json::value root_;
};

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// The keywords of each type. What is written is spelled out in full, so that no default of the compiler decides.
#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "grammar/formats.h"
#include "grammar/pattern_lengths.h"
#include "grammar/schema_walk.h"

namespace gemma {
namespace {

constexpr int64_t kMostOfACount = 100'000;
constexpr int64_t kMostMultiple = 1024, kMostMultiples = 10'000;  // the compiler's own
constexpr std::array<std::string_view, 14> kFormats{
    "email", "date", "time",     "date-time",     "duration",     "ipv4",         "ipv6",
    "uuid",  "uri",  "hostname", "uri-reference", "uri-template", "json-pointer", "relative-json-pointer"};

/** Bounds of numbers are compared as decimals of six places. */
bool is_decimal(double value) { return std::abs(value) <= 1e9 && std::round(value * 1e6) / 1e6 == value; }

/** Whether there is a pattern for those of its texts that have such lengths. What is no pattern is refused later. */
bool can_count(const json::object& text, int64_t least, int64_t most) {
  const json::value* pattern = text.if_contains("pattern");
  const json::value* format = text.if_contains("format");
  if (pattern == nullptr && format == nullptr) return true;
  auto parsed =
      parse_regex(pattern != nullptr ? std::string_view(pattern->get_string()) : format_pattern(format->get_string()));
  return !parsed || of_length(without_ends(std::move(parsed).value()), least, most).has_value();
}

}  // namespace

json::object SchemaWalk::kind(const json::object& schema, std::string_view type, Where where) {
  if (failure_) return {};
  if (type == "integer") return integer(schema, where);
  if (type == "number") return number(schema, where);
  if (type == "string") return text(schema, where);
  if (type == "array") return list(schema, where);
  if (type == "object") return record(schema, where);
  return {{"type", type}};
}

int64_t SchemaWalk::count_of(const json::object& schema, std::string_view keyword, int64_t otherwise, Where where) {
  const json::value* given = schema.if_contains(keyword);
  if (given == nullptr) return otherwise;
  if (given->is_int64() && given->get_int64() >= 0 && given->get_int64() <= kMostOfACount) return given->get_int64();
  refuse(below(where, keyword),
         fmt::format("expected a whole number of 0 to {}, found {}", kMostOfACount, write_json(*given)));
  return otherwise;
}

std::optional<json::value> SchemaWalk::bound(const json::object& schema, std::string_view keyword, Where where) {
  const json::value* given = schema.if_contains(keyword);
  if (given == nullptr) return std::nullopt;
  if (given->is_number()) return *given;
  refuse(below(where, keyword), fmt::format("expected a number, found {}", write_json(*given)));
  return std::nullopt;
}

json::object SchemaWalk::integer(const json::object& schema, Where where) {
  std::optional<int64_t> low, high, multiple;
  for (const std::string_view keyword : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf"}) {
    const auto given = bound(schema, keyword, where);
    if (!given) continue;
    const double value = given->to_number<double>();
    if (value != std::floor(value) || std::abs(value) > 9e18) {
      return refuse(below(where, keyword),
                    fmt::format("expected a whole number within ±9e18, found {}", write_json(*given)));
    }
    const int64_t whole = given->is_int64() ? given->get_int64() : static_cast<int64_t>(value);
    const int64_t inner = whole + (keyword == "exclusiveMinimum") - (keyword == "exclusiveMaximum");
    if (keyword == "multipleOf") {
      multiple = whole;
    } else if (keyword.ends_with("inimum")) {
      low = std::max(low.value_or(inner), inner);
    } else {
      high = std::min(high.value_or(inner), inner);
    }
  }
  if (low && high && *low > *high) return refuse(where, "no integer lies between its minimum and maximum");
  json::object out{{"type", "integer"}};
  if (low) out["minimum"] = *low;
  if (high) out["maximum"] = *high;
  if (!multiple) return out;
  const std::string at = below(where, "multipleOf");
  if (*multiple < 1 || *multiple > kMostMultiple) {
    return refuse(at, fmt::format("expected 1 to {}, found {}", kMostMultiple, *multiple));
  }
  if (low.has_value() != high.has_value() || (low && *high / 2 - *low / 2 > kMostMultiples / 2 - 2)) {
    return refuse(
        at, fmt::format("a mask keeps to it without bounds or with both, less than {} apart", kMostMultiples - 5));
  }
  if (low && *low > 0 && *high / *multiple * *multiple < *low) return refuse(at, "no multiple lies between the bounds");
  if (low && *high < 0 && *low / *multiple * *multiple > *high)
    return refuse(at, "no multiple lies between the bounds");
  count(low ? static_cast<size_t>((*high - *low) / *multiple) / 4 : static_cast<size_t>(*multiple), at);
  out["multipleOf"] = *multiple;
  return out;
}

json::object SchemaWalk::number(const json::object& schema, Where where) {
  if (schema.contains("multipleOf")) {
    return refuse(below(where, "multipleOf"), "a mask keeps to it with \"type\":\"integer\" only");
  }
  json::object out{{"type", "number"}};
  double low = -std::numeric_limits<double>::infinity(), high = -low;
  for (const std::string_view keyword : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
    const auto given = bound(schema, keyword, where);
    if (!given) continue;
    const double value = given->to_number<double>();
    if (!is_decimal(value)) {
      return refuse(below(where, keyword),
                    fmt::format("expected at most six decimal places and 1e9, found {}", write_json(*given)));
    }
    (keyword.ends_with("inimum") ? low : high) =
        keyword.ends_with("inimum") ? std::max(low, value) : std::min(high, value);
    out[keyword] = value;
  }
  const bool open = out.contains("exclusiveMinimum") || out.contains("exclusiveMaximum");
  if (low > high || (open && low == high)) return refuse(where, "no number lies between its minimum and maximum");
  return out;
}

json::object SchemaWalk::text(const json::object& schema, Where where) {
  const int64_t least = count_of(schema, "minLength", 0, where), most = count_of(schema, "maxLength", -1, where);
  if (most >= 0 && least > most) return refuse(where, fmt::format("minLength {} is above maxLength {}", least, most));
  json::object out{{"type", "string"}};
  for (const std::string_view keyword : {"pattern", "format"}) {
    const json::value* given = schema.if_contains(keyword);
    if (given == nullptr) continue;
    const std::string at = below(where, keyword);
    if (!given->is_string()) return refuse(at, "expected a string");
    const std::string_view word = given->get_string();
    if (keyword == "format" && std::find(kFormats.begin(), kFormats.end(), word) == kFormats.end()) {
      return refuse(at, fmt::format("a mask keeps to {} only, found {}", joined(kFormats, ", "), write_json(*given)));
    }
    count(word.size() / 16, at);
    if (out.size() > 1) return refuse(at, "a mask cannot keep to it together with pattern");
    out[keyword] = *given;
  }
  if (!can_count(out, least, most)) {
    return refuse(
        where,
        "a mask cannot keep to a pattern or format and to a length together, where more than one of its parts "
        "may be of several lengths, or no text fits both");
  }
  if (least > 0) out["minLength"] = least;
  if (most >= 0) out["maxLength"] = most;
  return out;
}

json::object SchemaWalk::list(const json::object& schema, Where where) {
  json::array first;
  if (const json::value* given = schema.if_contains("prefixItems")) {
    const std::string at = below(where, "prefixItems");
    if (!given->is_array()) return refuse(at, "expected a list of schemas");
    for (const json::value& each : given->get_array()) {
      first.emplace_back(node(each, fmt::format("{}[{}]", at, first.size())));
      if (failure_) return {};
    }
  }
  const int64_t least = count_of(schema, "minItems", 0, where), most = count_of(schema, "maxItems", -1, where);
  const auto leading = static_cast<int64_t>(first.size());
  if (most >= 0 && (least > most || leading > most)) {
    return refuse(below(where, "maxItems"), fmt::format("{} is below minItems or the number of prefixItems", most));
  }
  const json::value* items = schema.if_contains("items");
  const bool none = items == nullptr ? leading > 0 && least <= leading : is_false(items);
  if (none && least > leading)
    return refuse(below(where, "minItems"), "there are fewer prefixItems, and no more items");
  json::object out{{"type", "array"}};
  if (none || items == nullptr) {
    out["items"] = !none;
  } else {
    out["items"] = node(*items, below(where, "items"));
  }
  if (!first.empty()) out["prefixItems"] = std::move(first);
  if (least > 0) out["minItems"] = least;
  if (most >= 0) out["maxItems"] = most;
  return out;
}

json::object SchemaWalk::record(const json::object& schema, Where where) {
  for (const std::string_view keyword : {"properties", "patternProperties"}) {
    const json::value* given = schema.if_contains(keyword);
    if (given != nullptr && !given->is_object()) return refuse(below(where, keyword), "expected an object of schemas");
  }
  json::object out{{"type", "object"}};
  json::object properties = named_properties(schema, where);
  if (failure_) return {};
  const bool by_name = schema.contains("patternProperties") || schema.contains("propertyNames");
  if (by_name) {
    if (schema.contains("properties") || schema.contains("required")) {
      return refuse(where,
                    "a mask cannot keep to patternProperties or propertyNames together with properties or required");
    }
    names_alone(out, schema, where);
  } else if (const json::value* others = schema.if_contains("additionalProperties")) {
    out["additionalProperties"] =
        others->is_bool() ? *others : json::value(node(*others, below(where, "additionalProperties")));
  } else {
    out["additionalProperties"] = properties.empty() && !schema.contains("properties");
  }
  if (!properties.empty()) {
    out["properties"] = std::move(properties);
    if (const json::value* required = schema.if_contains("required")) out["required"] = *required;
  }
  count_properties(out, schema, where);
  return out;
}

json::object SchemaWalk::named_properties(const json::object& schema, Where where) {
  json::object out;
  if (const json::value* given = schema.if_contains("properties")) {
    for (const auto& each : given->get_object()) {
      const std::string at = fmt::format("{}.properties.{}", where, std::string_view(each.key()));
      count(each.key().size() / 16, at);
      out[each.key()] = node(each.value(), at);
      if (failure_) return {};
    }
  }
  add_required(out, schema, where);
  return out;
}

/** A required property that is not among the properties is any other one. */
void SchemaWalk::add_required(json::object& properties, const json::object& schema, Where where) {
  const json::value* required = schema.if_contains("required");
  if (required == nullptr) return;
  const std::string at = below(where, "required");
  if (!required->is_array()) return void(refuse(at, "expected a list of names"));
  std::set<std::string_view> seen;
  for (const json::value& name : required->get_array()) {
    if (!name.is_string()) return void(refuse(at, "expected a list of names"));
    if (!seen.insert(name.get_string()).second) {
      return void(refuse(at, fmt::format("names {} twice", write_json(name))));
    }
    if (properties.contains(name.get_string())) continue;
    const json::value* others = schema.if_contains("additionalProperties");
    if (is_false(others)) {
      return void(refuse(at, fmt::format("{} is not among the properties, and there are no others", write_json(name))));
    }
    properties[name.get_string()] =
        others == nullptr ? json::object() : node(*others, below(where, "additionalProperties"));
    if (failure_) return;
  }
}

/** Where names tell what a property is, a name may fit two patterns: only one of the keywords, once. */
void SchemaWalk::names_alone(json::object& out, const json::object& schema, Where where) {
  const json::value* patterns = schema.if_contains("patternProperties");
  const json::value* names = schema.if_contains("propertyNames");
  const json::value* others = schema.if_contains("additionalProperties");
  if (patterns != nullptr) {
    const std::string at = below(where, "patternProperties");
    if (names != nullptr) return void(refuse(at, "a mask cannot keep to it together with propertyNames"));
    if (patterns->get_object().size() != 1) return void(refuse(at, "a mask keeps to one pattern"));
    if (others != nullptr && !is_false(others)) {
      return void(
          refuse(below(where, "additionalProperties"), "a mask cannot keep to it together with patternProperties"));
    }
    const auto& only = *patterns->get_object().begin();
    out["patternProperties"] = json::object{{only.key(), node(only.value(), below(at, only.key()))}};
    out["additionalProperties"] = false;
    return;
  }
  if (is_false(others)) {
    out["additionalProperties"] = false;  // then there are none, whatever their names
    return;
  }
  const std::string at = below(where, "propertyNames");
  json::object kept = names->is_object() ? node(*names, at, "string") : refuse(at, "expected an object");
  const json::value* type = kept.if_contains("type");
  const json::value* choices = kept.if_contains("enum");
  const bool texts = choices != nullptr && std::all_of(choices->get_array().begin(), choices->get_array().end(),
                                                       [](const json::value& each) { return each.is_string(); });
  if (!texts && (type == nullptr || *type != "string")) {
    return void(refuse(at, "expected keywords of a string, or an enum of strings"));
  }
  out["propertyNames"] = std::move(kept);
  out["additionalProperties"] = others == nullptr || others->is_bool()
                                    ? json::value(true)
                                    : json::value(node(*others, below(where, "additionalProperties")));
}

void SchemaWalk::count_properties(json::object& out, const json::object& schema, Where where) {
  if (failure_) return;
  const int64_t least = count_of(schema, "minProperties", 0, where);
  const int64_t most = count_of(schema, "maxProperties", -1, where);
  const json::value* named = out.if_contains("properties");
  const json::value* required = out.if_contains("required");
  const auto properties = named == nullptr ? 0 : static_cast<int64_t>(named->get_object().size());
  const auto needed = required == nullptr ? 0 : static_cast<int64_t>(required->get_array().size());
  const bool others = out.contains("patternProperties") || !is_false(out.if_contains("additionalProperties"));
  if (most >= 0 && (least > most || needed > most)) {
    return void(
        refuse(below(where, "maxProperties"), fmt::format("{} is below minProperties or the number required", most)));
  }
  if (least > (others ? needed + 1 : properties)) {
    return void(refuse(below(where, "minProperties"),
                       others ? fmt::format("a mask keeps to {} at most here: a free name may come twice", needed + 1)
                              : fmt::format("there are {} properties, and no others", properties)));
  }
  if (least > needed) out["minProperties"] = least;
  if (most >= 0) out["maxProperties"] = most;
  if (least > needed || most >= 0) count(static_cast<size_t>(properties * std::max(least, most)) / 8, where);
}

}  // namespace gemma

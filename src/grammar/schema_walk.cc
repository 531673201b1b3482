// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_walk.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "grammar/schema.h"
#include "grammar/schema_merge.h"

namespace gemma {
namespace {

/** They say nothing about what fits. */
constexpr std::array<std::string_view, 14> kAnnotations{
    "title",   "description", "default",          "examples",        "deprecated", "readOnly",    "writeOnly",
    "$schema", "$comment",    "contentMediaType", "contentEncoding", "$defs",      "definitions", "discriminator"};

struct Keyword {
  std::string_view name, type;
};
/** What narrows values of a type; other values they let pass. */
constexpr std::array<Keyword, 20> kAssertions{{{"minimum", "number"},
                                               {"maximum", "number"},
                                               {"exclusiveMinimum", "number"},
                                               {"exclusiveMaximum", "number"},
                                               {"multipleOf", "number"},
                                               {"minLength", "string"},
                                               {"maxLength", "string"},
                                               {"pattern", "string"},
                                               {"format", "string"},
                                               {"items", "array"},
                                               {"prefixItems", "array"},
                                               {"minItems", "array"},
                                               {"maxItems", "array"},
                                               {"properties", "object"},
                                               {"required", "object"},
                                               {"additionalProperties", "object"},
                                               {"patternProperties", "object"},
                                               {"propertyNames", "object"},
                                               {"minProperties", "object"},
                                               {"maxProperties", "object"}}};
constexpr std::string_view kDefs = "#/$defs/";
constexpr size_t kMostTogether = 32;  // schemas of an allOf, with those that they name
constexpr std::array<std::string_view, 6> kOthers{"$ref", "enum", "const", "anyOf", "oneOf", "allOf"};
constexpr std::array<std::string_view, 7> kTypes{"null", "boolean", "integer", "number", "string", "array", "object"};

template <size_t N>
bool is_among(const std::array<std::string_view, N>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/** The type whose values a keyword narrows; "" where it is no such keyword. */
std::string_view narrows(std::string_view key) {
  const auto found =
      std::find_if(kAssertions.begin(), kAssertions.end(), [&](const Keyword& each) { return each.name == key; });
  return found == kAssertions.end() ? "" : found->type;
}

long double number_of(const json::value& value) {
  if (value.is_int64()) return static_cast<long double>(value.get_int64());
  if (value.is_uint64()) return static_cast<long double>(value.get_uint64());
  return static_cast<long double>(value.get_double());
}

bool is_of_type(const json::value& value, std::string_view type) {
  if (type == "null") return value.is_null();
  if (type == "boolean") return value.is_bool();
  if (type == "string") return value.is_string();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return value.is_number() && (type == "number" || number_of(value) == std::floor(number_of(value)));
}

/** Whether a value fits what `keyword` (a bound or a length) says. */
bool fits_bound(const json::value& value, std::string_view keyword, const json::value& bound) {
  const bool length = keyword.ends_with("Length");
  if (length ? !value.is_string() : !value.is_number()) return true;
  const long double found = length ? static_cast<long double>(characters_of(value.get_string())) : number_of(value);
  const long double limit = number_of(bound);
  if (keyword == "minLength" || keyword == "minimum") return found >= limit;
  if (keyword == "maxLength" || keyword == "maximum") return found <= limit;
  return keyword == "exclusiveMinimum" ? found > limit : found < limit;
}

bool is_bound(std::string_view keyword) {
  return keyword == "minimum" || keyword == "maximum" || keyword == "exclusiveMinimum" ||
         keyword == "exclusiveMaximum" || keyword == "minLength" || keyword == "maxLength";
}

}  // namespace

bool is_annotation(std::string_view key) { return is_among(kAnnotations, key) || key.starts_with("x-"); }

int64_t characters_of(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

json::object SchemaWalk::refuse(std::string where, std::string reason) {
  if (!failure_) failure_ = Failure{std::move(where), std::move(reason)};
  return {};
}

void SchemaWalk::count(size_t parts, Where where) {
  parts_ += parts;
  if (parts_ <= kMostSchemaParts) return;
  refuse(where,
         fmt::format("the schema is too large: more than {} nodes and values (of texts each 16 bytes) up to here",
                     kMostSchemaParts));
}

Result<json::value> SchemaWalk::run() {
  json::object out = node(root_, "schema");
  while (!failure_ && !waiting_.empty()) {
    const std::string pointer = waiting_.back();
    waiting_.pop_back();
    std::string where = "schema" + pointer.substr(1);
    std::replace(where.begin(), where.end(), '/', '.');
    targets_[pointer].kept = node(*target(pointer), where);
  }
  if (!failure_) failure_ = settle_refs(out, targets_);
  if (failure_) return *failure_;
  json::object defs;
  for (auto& [pointer, each] : targets_) defs[each.ref.substr(kDefs.size())] = std::move(each.kept);
  if (!defs.empty()) out["$defs"] = std::move(defs);
  return json::value(std::move(out));
}

json::object SchemaWalk::node(const json::value& schema, Where where, std::string_view default_type) {
  if (failure_) return {};
  count(1, where);
  if (schema.is_bool() && schema.get_bool()) return {};
  if (schema.is_bool()) return refuse(where, "nothing fits 'false'");
  const json::object* keys = schema.if_object();
  if (keys == nullptr) return refuse(where, "expected an object or true");
  if (!keywords_are_known(*keys, where)) return {};
  if (keys->contains("allOf")) return all_of(*keys, where);
  for (const std::string_view keyword : {"$ref", "anyOf", "oneOf"}) {
    if (!keys->contains(keyword)) continue;
    if (!stands_alone(*keys, keyword, where)) return {};
    return keyword == "$ref" ? ref(*keys, where) : choice(*keys, keyword, where);
  }
  if (keys->contains("enum") || keys->contains("const")) return values(*keys, where);
  return types(*keys, where, default_type);
}

bool SchemaWalk::keywords_are_known(const json::object& schema, Where where) {
  for (const auto& [key, value] : schema) {
    const std::string_view name = key;
    if (name == "type" || is_annotation(name) || is_among(kOthers, name) || !narrows(name).empty()) continue;
    if (name == "$id" && where == "schema") continue;
    if (name == "uniqueItems" && is_false(&value)) continue;
    refuse(below(where, name), "a mask cannot keep to this keyword");
    return false;
  }
  return true;
}

/** What fits a choice would have to fit the other keywords as well, and no mask cuts two schemas. */
bool SchemaWalk::stands_alone(const json::object& schema, std::string_view keyword, Where where) {
  for (const auto& each : schema) {
    const std::string_view name = each.key();
    if (name == keyword || is_annotation(name) || name == "$id") continue;
    refuse(below(where, name), fmt::format("a mask cannot keep to it together with {}", keyword));
    return false;
  }
  return true;
}

json::object SchemaWalk::choice(const json::object& schema, std::string_view keyword, Where where) {
  const json::array* arms = schema.at(keyword).if_array();
  const std::string at = below(where, keyword);
  if (arms == nullptr || arms->empty()) return refuse(at, "expected a list of schemas, not empty");
  json::array kept;
  for (size_t i = 0; i < arms->size() && !failure_; ++i) {
    kept.emplace_back(node((*arms)[i], fmt::format("{}[{}]", at, i)));
  }
  return {{keyword, std::move(kept)}, {kPlace, at}};
}

/** They, and what stands beside them, as one schema. */
json::object SchemaWalk::all_of(const json::object& schema, Where where) {
  std::vector<json::object> schemas;
  gather(schema, where, schemas);
  if (failure_) return {};
  const std::string at = below(where, "allOf");
  Result<json::object> merged = merged_schema(schemas);
  if (!merged) return refuse(below(at, merged.failure().field), merged.failure().reason);
  return node(std::move(merged).value(), at);
}

/** A schema without its allOf, and those in it. */
void SchemaWalk::gather(const json::object& schema, Where where, std::vector<json::object>& out) {
  out.push_back(schema);
  const json::value* given = out.back().if_contains("allOf");
  if (given == nullptr) return;
  const std::string at = below(where, "allOf");
  const json::value list = *given;
  out.back().erase("allOf");
  if (!list.is_array() || list.get_array().empty()) {
    refuse(at, "expected a list of schemas, not empty");
    return;
  }
  for (size_t i = 0; i < list.get_array().size() && !failure_; ++i) {
    const json::value* arm = &list.get_array()[i];
    const std::string place = fmt::format("{}[{}]", at, i);
    count(1, place);
    if (const json::object* keys = arm->if_object(); keys != nullptr && keys->contains("$ref")) {
      if (!stands_alone(*keys, "$ref", place)) return;
      arm = target(*keys, place);
    }
    if (failure_) return;
    if (out.size() > kMostTogether) {
      refuse(place, fmt::format("expected at most {} schemas together in an allOf", kMostTogether));
    } else if (arm->is_object()) {
      gather(arm->get_object(), place, out);
    } else if (*arm != true) {
      refuse(place, "expected an object or true");
    }
  }
}

const json::value* SchemaWalk::target(std::string_view pointer) const {
  const json::value* at = &root_;
  std::string_view rest = pointer.substr(1);
  while (!rest.empty()) {
    rest.remove_prefix(1);
    const std::string_view name = rest.substr(0, rest.find('/'));
    const json::object* keys = at->if_object();
    at = keys == nullptr ? nullptr : keys->if_contains(name);
    if (at == nullptr) return nullptr;
    rest.remove_prefix(name.size());
  }
  return at;
}

/** Of a $ref; null where it leads nowhere, which is refused. */
const json::value* SchemaWalk::target(const json::object& schema, Where where) {
  const std::string at = below(where, "$ref");
  const json::string* given = schema.at("$ref").if_string();
  if (given == nullptr) return refuse(at, "expected a string"), nullptr;
  const std::string pointer(*given);
  const bool within = pointer == "#" || pointer.starts_with("#/");
  if (!within || pointer.find_first_of("~%") != std::string::npos || target(pointer) == nullptr) {
    refuse(at, fmt::format("expected '#' or '#/…' that leads through objects of this schema, found '{}'", pointer));
    return nullptr;
  }
  return target(pointer);
}

json::object SchemaWalk::ref(const json::object& schema, Where where) {
  if (target(schema, where) == nullptr) return {};
  const std::string at = below(where, "$ref"), pointer(schema.at("$ref").get_string());
  const auto [found, is_new] =
      targets_.emplace(pointer, SchemaTarget{fmt::format("{}r{}", kDefs, targets_.size()), at, {}});
  if (is_new) waiting_.push_back(pointer);
  return {{"$ref", found->second.ref}};
}

/** Whether the value can be written so that it reads back as it was given. */
bool SchemaWalk::value_is_exact(const json::value& value, Where where) {
  count(1 + (value.is_string() ? value.get_string().size() / 16 : 0), where);
  if (failure_) return false;
  bool exact = true;
  if (value.is_uint64() || (value.is_double() && !std::isfinite(value.get_double()))) exact = false;
  if (const json::array* list = value.if_array()) {
    for (const json::value& each : *list) exact = exact && value_is_exact(each, where);
  } else if (const json::object* keys = value.if_object()) {
    for (const auto& each : *keys) {
      count(1 + each.key().size() / 16, where);
      exact = exact && value_is_exact(each.value(), where);
    }
  }
  if (!exact) refuse(where, "holds a number that 64 bits do not hold");
  return exact;
}

json::object SchemaWalk::values(const json::object& schema, Where where) {
  const bool one = schema.contains("const");
  const std::string at = below(where, one ? "const" : "enum");
  if (one && schema.contains("enum")) return refuse(at, "a mask cannot keep to it together with enum");
  const json::array* given = one ? nullptr : schema.at("enum").if_array();
  if (!one && (given == nullptr || given->empty())) return refuse(at, "expected a list of values, not empty");
  for (const auto& each : schema) {
    const std::string_view name = each.key();
    if (narrows(name).empty()) continue;
    if (!is_bound(name)) return refuse(below(where, name), "a mask cannot keep to it together with enum or const");
    if (!each.value().is_number()) return refuse(below(where, name), "expected a number");
  }
  const std::vector<std::string_view> types = written_types(schema, where);
  json::array kept;
  for (const json::value& value : one ? json::array{schema.at("const")} : *given) {
    if (!value_is_exact(value, at)) return {};
    const bool of_type = types.empty() || std::any_of(types.begin(), types.end(),
                                                      [&](std::string_view type) { return is_of_type(value, type); });
    const bool in_bounds = std::all_of(schema.begin(), schema.end(), [&](const auto& each) {
      return !is_bound(each.key()) || fits_bound(value, each.key(), each.value());
    });
    if (of_type && in_bounds) kept.push_back(value);
  }
  if (kept.empty()) return refuse(at, "no value fits the keywords beside it");
  return {{"enum", std::move(kept)}};
}

/** Empty where none is written. */
std::vector<std::string_view> SchemaWalk::written_types(const json::object& schema, Where where) {
  const json::value* given = schema.if_contains("type");
  if (given == nullptr) return {};
  std::vector<std::string_view> types;
  for (const json::value& each : given->is_array() ? given->get_array() : json::array{*given}) {
    const std::string_view name = each.is_string() ? std::string_view(each.get_string()) : "";
    const auto found = std::find(kTypes.begin(), kTypes.end(), name);
    if (found != kTypes.end()) {
      types.push_back(*found);
    } else {
      refuse(below(where, "type"), fmt::format("expected a JSON type, found {}", write_json(each)));
    }
  }
  if (types.empty()) refuse(below(where, "type"), "expected a JSON type, found none");
  return types;
}

json::object SchemaWalk::types(const json::object& schema, Where where, std::string_view default_type) {
  std::vector<std::string_view> types = written_types(schema, where);
  if (failure_) return {};
  const bool implied = types.empty();
  if (implied) {
    std::set<std::string_view> narrowed{default_type};
    for (const auto& each : schema) narrowed.insert(narrows(each.key()));
    narrowed.erase("");
    if (narrowed.empty()) return {};
    if (narrowed.size() > 1) {
      return refuse(where, fmt::format("name its type: it has keywords of {}", joined(narrowed, " and ")));
    }
    types.push_back(*narrowed.begin());
  }
  if (types.size() == 1) {
    json::object out = kind(schema, types[0], where);
    if (implied) out[kImplied] = true;
    return out;
  }
  json::array kept;
  for (const std::string_view type : types) {
    count(1, where);
    kept.emplace_back(kind(schema, type, where));
  }
  return {{"anyOf", std::move(kept)}};
}

Result<json::value> kept_schema(const json::value& schema) {
  if (!schema.is_object() && !schema.is_bool()) return Failure{"schema", "expected an object"};
  return SchemaWalk(schema).run();
}

}  // namespace gemma

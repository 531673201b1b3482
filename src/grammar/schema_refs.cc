// SPDX-License-Identifier: Apache-2.0
// What only the whole schema tells: whether each recursion has an end, and whether the arms of a oneOf exclude each
// other.
#include <algorithm>
#include <bitset>
#include <set>

#include "grammar/schema_walk.h"

namespace gemma {
namespace {

using Refs = std::set<std::string, std::less<>>;

bool has_ref(const Refs& refs, const json::value& ref) { return refs.contains(std::string_view(ref.get_string())); }

const json::array* arms_of(const json::object& node) {
  for (const std::string_view keyword : {"anyOf", "oneOf"}) {
    if (const json::value* arms = node.if_contains(keyword)) return &arms->get_array();
  }
  return nullptr;
}

/** Whether a value of the node is reached in finitely many steps, where those of `ending` are. */
bool ends(const json::value& value, const Refs& ending) {
  if (!value.is_object()) return true;
  const json::object& node = value.get_object();
  if (const json::value* ref = node.if_contains("$ref")) return has_ref(ending, *ref);
  const auto end = [&](const json::value& each) { return ends(each, ending); };
  if (const json::array* arms = arms_of(node)) return std::any_of(arms->begin(), arms->end(), end);
  if (const json::value* first = node.if_contains("prefixItems")) {
    if (!std::all_of(first->get_array().begin(), first->get_array().end(), end)) return false;
  }
  if (node.contains("minItems") && !end(node.at("items"))) return false;
  const bool some = node.contains("minProperties");
  if (some && !end(node.at("additionalProperties"))) return false;
  if (some && node.contains("patternProperties") && !end(node.at("patternProperties").get_object().begin()->value())) {
    return false;
  }
  if (const json::value* required = node.if_contains("required")) {
    for (const json::value& name : required->get_array()) {
      if (!end(node.at("properties").at(name.get_string()))) return false;
    }
  }
  return !some || !node.contains("properties") ||
         std::all_of(node.at("properties").get_object().begin(), node.at("properties").get_object().end(),
                     [&](const auto& each) { return end(each.value()); });
}

/** Whether something is written before the node comes to itself again, where that is so for those of `written`. */
bool writes(const json::value& value, const Refs& written) {
  const json::object& node = value.get_object();
  if (const json::value* ref = node.if_contains("$ref")) return has_ref(written, *ref);
  const json::array* arms = arms_of(node);
  return arms == nullptr ||
         std::all_of(arms->begin(), arms->end(), [&](const json::value& each) { return writes(each, written); });
}

/** The greatest set of targets that hold when those before them do; the failure names one that never does. */
std::optional<Failure> all_hold(const SchemaTargets& targets, bool (*holds)(const json::value&, const Refs&)) {
  Refs held;
  const SchemaTarget* missing = nullptr;
  for (size_t before = 0; before <= held.size(); ++before) {
    missing = nullptr;
    for (const auto& [pointer, each] : targets) {
      if (held.contains(each.ref)) continue;
      if (holds(each.kept, held)) {
        held.insert(each.ref);
      } else {
        missing = &each;
      }
    }
    if (missing == nullptr) return std::nullopt;
  }
  return Failure{missing->where, "a recursion without an end"};
}

class Arms {
 public:
  explicit Arms(const SchemaTargets& targets) {
    for (const auto& [pointer, each] : targets) by_ref_[each.ref] = &each.kept;
  }
  bool disjoint(const json::value& a, const json::value& b, int depth = 0) const;

 private:
  using Kinds = std::bitset<6>;
  static constexpr int kDeepest = 8;
  static Kinds kinds_of(std::string_view type);
  Kinds kinds(const json::value& value, int depth) const;
  const json::value& behind_refs(const json::value& value) const;
  bool by_property(const json::object& a, const json::object& b, int depth) const;

  std::map<std::string, const json::value*, std::less<>> by_ref_;
};

Arms::Kinds Arms::kinds_of(std::string_view type) {
  for (const auto& [name, bit] : std::initializer_list<std::pair<std::string_view, size_t>>{
           {"null", 0}, {"boolean", 1}, {"integer", 2}, {"number", 2}, {"string", 3}, {"array", 4}, {"object", 5}}) {
    if (name == type) return Kinds().set(bit);
  }
  return Kinds().set();
}

/** Ends, for each recursion writes something. */
const json::value& Arms::behind_refs(const json::value& value) const {
  const json::value* ref = value.get_object().if_contains("$ref");
  return ref == nullptr ? value : behind_refs(*by_ref_.find(std::string_view(ref->get_string()))->second);
}

Arms::Kinds Arms::kinds(const json::value& value, int depth) const {
  const json::object& node = behind_refs(value).get_object();
  Kinds all;
  if (const json::array* arms = arms_of(node)) {
    if (depth > kDeepest) return all.set();
    for (const json::value& each : *arms) all |= kinds(each, depth + 1);
    return all;
  }
  if (const json::value* values = node.if_contains("enum")) {
    for (const json::value& each : values->get_array()) {
      all |= kinds_of(each.is_null()     ? "null"
                      : each.is_bool()   ? "boolean"
                      : each.is_number() ? "number"
                      : each.is_string() ? "string"
                      : each.is_array()  ? "array"
                                         : "object");
    }
    return all;
  }
  if (!node.contains("type") || node.contains(kImplied)) return all.set();
  return kinds_of(node.at("type").get_string());
}

/** Whether no value fits both. False where that is not seen at once. */
bool Arms::disjoint(const json::value& a, const json::value& b, int depth) const {
  if (depth > kDeepest) return false;
  if ((kinds(a, 0) & kinds(b, 0)).none()) return true;
  const json::object &one = behind_refs(a).get_object(), &other = behind_refs(b).get_object();
  if (one.contains("enum") && other.contains("enum")) {
    const json::array &these = one.at("enum").get_array(), &those = other.at("enum").get_array();
    // Lists and objects of numbers may be equal though they are written differently.
    const auto plain = [](const json::value& each) { return each.is_string() || each.is_bool() || each.is_null(); };
    const auto whole = [&](const json::value& each) { return plain(each) || each.is_int64(); };
    return std::all_of(these.begin(), these.end(), whole) && std::all_of(those.begin(), those.end(), whole) &&
           std::none_of(these.begin(), these.end(), [&](const json::value& each) {
             return std::find(those.begin(), those.end(), each) != those.end();
           });
  }
  return by_property(one, other, depth) || by_property(other, one, depth);
}

/** Both require a property that excludes the other's. */
bool Arms::by_property(const json::object& a, const json::object& b, int depth) const {
  if (a.contains(kImplied) || b.contains(kImplied) || !a.contains("required") || !b.contains("required")) return false;
  const json::array &needed = a.at("required").get_array(), &others = b.at("required").get_array();
  return std::any_of(needed.begin(), needed.end(), [&](const json::value& name) {
    if (std::find(others.begin(), others.end(), name) == others.end()) return false;
    const std::string_view key = name.get_string();
    return disjoint(a.at("properties").at(key), b.at("properties").at(key), depth + 1);
  });
}

/** The schemas in a node. */
std::vector<json::value*> parts_of(json::object& node) {
  std::vector<json::value*> parts;
  for (const std::string_view keyword : {"items", "additionalProperties", "propertyNames"}) {
    if (json::value* part = node.if_contains(keyword); part != nullptr && part->is_object()) parts.push_back(part);
  }
  for (const std::string_view keyword : {"anyOf", "oneOf", "prefixItems"}) {
    if (json::value* list = node.if_contains(keyword)) {
      for (json::value& each : list->get_array()) parts.push_back(&each);
    }
  }
  for (const std::string_view keyword : {"properties", "patternProperties"}) {
    if (json::value* named = node.if_contains(keyword)) {
      for (auto& each : named->get_object()) parts.push_back(&each.value());
    }
  }
  return parts;
}

std::optional<Failure> choices_exclude(json::object& node, const Arms& all) {
  for (json::value* part : parts_of(node)) {
    if (auto failure = choices_exclude(part->get_object(), all)) return failure;
  }
  const json::value* one_of = node.if_contains("oneOf");
  if (one_of == nullptr) return std::nullopt;
  const json::array& arms = one_of->get_array();
  for (size_t i = 0; i < arms.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (all.disjoint(arms[j], arms[i])) continue;
      return Failure{std::string(node.at(kPlace).get_string()),
                     fmt::format("[{}] and [{}] are not of different types, values or required properties", j, i)};
    }
  }
  return std::nullopt;
}

/** When no proof needs the difference any more. */
void become_any_of(json::object& node) {
  for (json::value* part : parts_of(node)) become_any_of(part->get_object());
  if (!node.contains("oneOf")) return;
  json::array arms = std::move(node.at("oneOf").get_array());
  node.erase("oneOf");
  node["anyOf"] = std::move(arms);
}

}  // namespace

std::optional<Failure> settle_refs(json::object& root, SchemaTargets& targets) {
  if (auto failure = all_hold(targets, writes)) return failure;
  if (auto failure = all_hold(targets, ends)) return failure;
  const Arms arms(targets);
  if (auto failure = choices_exclude(root, arms)) return failure;
  for (auto& [pointer, each] : targets) {
    if (auto failure = choices_exclude(each.kept.get_object(), arms)) return failure;
  }
  become_any_of(root);
  for (auto& [pointer, each] : targets) become_any_of(each.kept.get_object());
  return std::nullopt;
}

}  // namespace gemma

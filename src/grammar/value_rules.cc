// SPDX-License-Identifier: Apache-2.0
#include "grammar/value_rules.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"
#include "grammar/automaton.h"
#include "grammar/formats.h"
#include "grammar/number_rules.h"
#include "grammar/pattern_lengths.h"
#include "grammar/schema_walk.h"

namespace gemma {
namespace {

constexpr std::string_view kDefs = "#/$defs/";

}  // namespace

void NameTree::add(std::string_view name) {
  if (name.empty()) {
    is_name = true;
    return;
  }
  const auto bytes = static_cast<size_t>(utf8::length(name));
  next[utf8::decode(name)].add(name.substr(bytes));
}

Pattern ValueRules::rule(Pattern body, bool nests) {
  const size_t id = new_rule("", nests);
  out_.rules[id].body = std::move(body);
  return of_rule(id);
}

Pattern ValueRules::refuse(std::string where, std::string reason) {
  if (!failure_) failure_ = Failure{std::move(where), std::move(reason)};
  return {};
}

Pattern ValueRules::all(const json::object& root, Where where) {
  targets_.clear();
  Pattern out = value(root, where);
  while (!failure_ && !waiting_.empty()) {
    const std::string ref = std::move(waiting_.back());
    waiting_.pop_back();
    const size_t id = targets_.at(ref);
    Pattern body = value(root.at("$defs").get_object().at(ref).get_object(), fmt::format("{}.$defs.{}", where, ref));
    out_.rules[id].body = std::move(body);
  }
  return out;
}

Pattern ValueRules::value(const json::object& node, Where where) {
  if (failure_) return {};
  if (const json::value* ref = node.if_contains("$ref")) {
    const std::string target(std::string_view(ref->get_string()).substr(kDefs.size()));
    const auto [found, is_new] = targets_.emplace(target, 0);
    if (is_new) {
      found->second = new_rule(target);
      waiting_.push_back(target);
    }
    return of_rule(found->second);
  }
  if (const json::value* arms = node.if_contains("anyOf")) {
    Pattern out = one_of({});
    for (const json::value& each : arms->get_array()) {
      out.parts.push_back(value(each.get_object(), fmt::format("{}.anyOf[{}]", where, out.parts.size())));
    }
    return out;
  }
  if (const json::value* list = node.if_contains("enum")) return values(list->get_array());
  const json::value* type = node.if_contains("type");
  if (type == nullptr) return anything();
  if (*type == "null") return exactly("null");
  if (*type == "boolean") return one_of({exactly("true"), exactly("false")});
  if (*type == "string") return text(node, where);
  if (*type == "integer") return integer(node);
  if (*type == "number") return number(node);
  return rule(*type == "array" ? list(node, where) : record(node, where), true);
}

Pattern ValueRules::values(const json::array& list) {
  Pattern out = one_of({});
  for (const json::value& each : list) out.parts.push_back(constant(each));
  return rule(std::move(out));
}

Pattern ValueRules::integer(const json::object& node) {
  const json::value* low = node.if_contains("minimum");
  const json::value* high = node.if_contains("maximum");
  const json::value* multiple = node.if_contains("multipleOf");
  if (multiple == nullptr || *multiple == 1) {
    if (low == nullptr && high == nullptr) return shared("integer", any_integer);
    const json::value none;
    return rule(integers_between(low == nullptr ? none : *low, high == nullptr ? none : *high));
  }
  const int64_t by = multiple->get_int64();
  if (low != nullptr) {
    Pattern out = one_of({});
    const int64_t first = low->get_int64(), past = first % by;
    for (int64_t each = past > 0 ? first - past + by : first - past; each <= high->get_int64(); each += by) {
      out.parts.push_back(exactly(std::to_string(each)));
    }
    return rule(std::move(out));
  }
  return multiples(by);
}

/** A rule for each rest of the digits so far. */
Pattern ValueRules::multiples(int64_t by) {
  std::vector<size_t> rests;
  for (int64_t rest = 0; rest < by; ++rest) rests.push_back(new_rule(""));
  for (int64_t rest = 0; rest <= by; ++rest) {  // the last one is the first digit
    const bool first = rest == by;
    Pattern body = one_of({});
    if (rest == 0) body.parts.emplace_back();
    for (int64_t digit = first ? 1 : 0; digit < 10; ++digit) {
      const auto next = static_cast<size_t>(((first ? 0 : rest) * 10 + digit) % by);
      body.parts.push_back(in_sequence({exactly(std::to_string(digit)), of_rule(rests[next])}));
    }
    if (first) return rule(one_of({exactly("0"), in_sequence({times(exactly("-"), 0, 1), std::move(body)})}));
    out_.rules[rests[static_cast<size_t>(rest)]].body = std::move(body);
  }
  return {};
}

Pattern ValueRules::number(const json::object& node) {
  NumberBound low{-std::numeric_limits<double>::infinity()}, high{std::numeric_limits<double>::infinity()};
  bool bounds = false;
  for (const std::string_view keyword : {"minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"}) {
    const json::value* given = node.if_contains(keyword);
    if (given == nullptr) continue;
    const auto value = given->to_number<double>();
    const bool excluded = keyword.starts_with("excl");
    bounds = true;
    if (keyword.ends_with("inimum")) {
      if (value > low.value || (value == low.value && excluded)) low = {value, excluded};
    } else if (value < high.value || (value == high.value && excluded)) {
      high = {value, excluded};
    }
  }
  return bounds ? rule(numbers_between(low, high)) : shared("number", any_number);
}

Pattern ValueRules::text(const json::object& node, Where where) {
  const auto length = [&](const char* keyword, int otherwise) {
    return node.contains(keyword) ? node.at(keyword).to_number<int>() : otherwise;
  };
  const int least = length("minLength", 0), most = length("maxLength", Pattern::kEndless);
  if (const json::value* pattern = node.if_contains("pattern"))
    return text_of(pattern->get_string(), where + ".pattern", least, most);
  if (const json::value* format = node.if_contains("format")) {
    return text_of(format_pattern(format->get_string()), where + ".format", least, most);
  }
  return shared(fmt::format("text {} {}", least, most), [&] { return string_of_length(least, most); });
}

Pattern ValueRules::text_of(std::string_view pattern, Where where, int least, int most) {
  const std::string name = fmt::format("text {} {} of {}", least, most, pattern);
  if (shared_.contains(name)) return of_rule(shared_.at(name));
  Result<Pattern> parsed = parse_regex(pattern);
  if (!parsed) {
    const Failure& failure = parsed.failure();
    return refuse(where, fmt::format("'{}', {}: {}", pattern, failure.field, failure.reason));
  }
  std::optional<Pattern> whole = of_length(without_ends(std::move(parsed).value()), least, most);
  GEMMA_CHECK(whole, "kept_schema refuses what has no such pattern");
  RuleSet alone{{{"", std::move(*whole), false}}, 0};
  std::vector<Counted> counted;
  const auto table = Automaton::of(alone, counted);
  if (!table) return refuse(where, fmt::format("'{}' {}", pattern, table.failure().reason));
  states_ += table.value().states();
  steps_ += table.value().steps();
  if (states_ > Automaton::kMostStatesOfRules || steps_ > Automaton::kMostSteps) {
    return refuse(where, fmt::format("'{}' and the patterns before it take a table of more than {} states, or {} steps "
                                     "to make it",
                                     pattern, Automaton::kMostStatesOfRules, Automaton::kMostSteps));
  }
  const Pattern& inner = alone.rules[0].body;
  return shared(name, [&] { return string_of(inner); });
}

/** open, perhaps with what is in it, close. */
Pattern ValueRules::bracketed(std::string_view open, Pattern inner, bool may_be_empty, std::string_view close) {
  Pattern some = in_sequence({std::move(inner), spaces()});
  return in_sequence(
      {exactly(open), spaces(), may_be_empty ? one_of({std::move(some), {}}) : std::move(some), exactly(close)});
}

Pattern ValueRules::list(const json::object& node, Where where) {
  const auto bound = [&](const char* keyword, int otherwise) {
    return node.contains(keyword) ? node.at(keyword).to_number<int>() : otherwise;
  };
  const int least = bound("minItems", 0), most = bound("maxItems", Pattern::kEndless);
  const json::value* first = node.if_contains("prefixItems");
  const int leading = first == nullptr ? 0 : static_cast<int>(first->get_array().size());
  const bool more = !is_false(node.if_contains("items")) && (most < 0 || most > leading);
  Pattern out;
  if (more) {
    const Pattern item = value_of(node.at("items"), where + ".items");
    // Behind the first ones a comma stands before each; without them the first item has none.
    const int before = std::max(leading, 1);
    out = times(in_sequence({comma(), item}), std::max(least - before, 0), most < 0 ? most : most - before);
    if (leading == 0) out = in_sequence({item, std::move(out)});
  }
  for (int i = leading; i-- > 0;) {
    Pattern item =
        value(first->get_array()[static_cast<size_t>(i)].get_object(), fmt::format("{}.prefixItems[{}]", where, i));
    if (i > 0) item = in_sequence({comma(), std::move(item)});
    out = in_sequence({std::move(item), std::move(out)});
    if (i > 0 && i >= least) out = one_of({std::move(out), {}});
  }
  if (leading == 0 && !more) return in_sequence({exactly("["), spaces(), exactly("]")});
  return bracketed("[", std::move(out), least == 0, "]");
}

/** A member of a name that no pattern gives a meaning, or of one that a pattern or a schema allows; none where there
 * are no such. */
Pattern ValueRules::free_member(const json::object& node, Where where) {
  if (const json::value* patterns = node.if_contains("patternProperties")) {
    const auto& only = *patterns->get_object().begin();
    const std::string at = fmt::format("{}.patternProperties.{}", where, std::string_view(only.key()));
    return member(text_of(only.key(), at), value(only.value().get_object(), at));
  }
  const json::value* others = node.if_contains("additionalProperties");
  Pattern of = others == nullptr ? anything() : value_of(*others, where + ".additionalProperties");
  if (const json::value* names = node.if_contains("propertyNames")) {
    return member(value(names->get_object(), where + ".propertyNames"), std::move(of));
  }
  std::vector<std::string_view> taken;
  if (const json::value* properties = node.if_contains("properties")) {
    for (const auto& each : properties->get_object()) taken.emplace_back(each.key());
  }
  return member(taken.empty() ? shared("any key", [&] { return other_key({}); }) : rule(other_key(taken)),
                std::move(of));
}

Pattern ValueRules::record(const json::object& node, Where where) {
  const auto bound = [&](const char* keyword, int otherwise) {
    return node.contains(keyword) ? node.at(keyword).to_number<int>() : otherwise;
  };
  const int least = bound("minProperties", 0), most = bound("maxProperties", Pattern::kEndless);
  Pattern members{Pattern::Kind::list, {}, {comma()}, std::max(least, 1), most};
  bool needed = least > 0;
  const json::value* required = node.if_contains("required");
  const auto is_required = [&](std::string_view name) {
    return required != nullptr && std::any_of(required->get_array().begin(), required->get_array().end(),
                                              [&](const json::value& each) { return each.get_string() == name; });
  };
  if (const json::value* properties = node.if_contains("properties")) {
    for (const json::key_value_pair* each : in_order(properties->get_object())) {
      const std::string at = fmt::format("{}.properties.{}", where, std::string_view(each->key()));
      Pattern one = member(key(each->key()), value(each->value().get_object(), at));
      const bool must = is_required(each->key());
      needed = needed || must;
      members.parts.push_back(must ? std::move(one) : times(std::move(one), 0, 1));
    }
  }
  if (!is_false(node.if_contains("additionalProperties")) || node.contains("patternProperties")) {
    members.parts.push_back(times(free_member(node, where), 0, Pattern::kEndless));
  }
  if (members.parts.size() == 1 || most == 0) return in_sequence({exactly("{"), spaces(), exactly("}")});
  return bracketed("{", std::move(members), !needed, "}");
}

Pattern ValueRules::anything() {
  return shared("anything", [&] {
    const json::object any_list{{"items", true}};
    return one_of({exactly("null"), exactly("true"), exactly("false"), number({}), text({}, "schema"),
                   rule(list(any_list, "schema"), true), rule(record({}, "schema"), true)});
  });
}

}  // namespace gemma

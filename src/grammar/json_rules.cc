// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_rules.h"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "base/utf8.h"
#include "grammar/automaton.h"
#include "grammar/character_set.h"
#include "grammar/formats.h"
#include "grammar/schema_walk.h"

namespace gemma {
namespace {

constexpr std::string_view kDefs = "#/$defs/";
constexpr char32_t kFirstPlain = 0x20;  // characters below are escaped

CharacterSet plain() { return complement({{0, kFirstPlain - 1}, {'"', '"'}, {'\\', '\\'}}); }
CharacterSet hexadecimals() { return {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}; }

/** The escape \uXXXX, or two of a surrogate pair. */
Pattern code_unit() {
  const Pattern digit = of_set(hexadecimals());
  const auto hex = [&](int count) { return times(digit, count, count); };
  return one_of(
      {in_sequence({of_set({{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}}), hex(3)}),
       in_sequence({of_set({{'D', 'D'}, {'d', 'd'}}), of_set({{'0', '7'}}), hex(2)}),
       in_sequence({of_set({{'D', 'D'}, {'d', 'd'}}), of_set({{'8', '9'}, {'A', 'B'}, {'a', 'b'}}), hex(2),
                    exactly("\\u"), of_set({{'D', 'D'}, {'d', 'd'}}), of_set({{'C', 'F'}, {'c', 'f'}}), hex(2)})});
}

/** One character of a string, escaped or not. */
Pattern letter() {
  return one_of({of_set(plain()), in_sequence({exactly("\\"), one_of({of_set(tidied({{'"', '"'},
                                                                                     {'\\', '\\'},
                                                                                     {'/', '/'},
                                                                                     {'b', 'b'},
                                                                                     {'f', 'f'},
                                                                                     {'n', 'n'},
                                                                                     {'r', 'r'},
                                                                                     {'t', 't'}})),
                                                                      in_sequence({exactly("u"), code_unit()})})})});
}

Pattern quoted(Pattern inner) { return in_sequence({exactly("\""), std::move(inner), exactly("\"")}); }

/** The characters of a set as they stand in a string: plain, or with the shortest escape. */
Pattern set_in_json(const CharacterSet& set) {
  constexpr std::string_view kNamed = "\"\\\b\f\n\r\t", kNames = "\"\\bfnrt";
  const auto has = [&](char32_t c) {
    return std::any_of(set.begin(), set.end(),
                       [&](const auto& range) { return range.first <= c && c <= range.second; });
  };
  CharacterSet bare, named, low, high;
  for (const auto& [first, last] : set) {
    if (last >= kFirstPlain) bare.emplace_back(std::max(first, kFirstPlain), last);
  }
  CharacterSet others = complement(bare);
  others.insert(others.end(), {{'"', '"'}, {'\\', '\\'}});
  for (size_t i = 0; i < kNamed.size(); ++i) {
    const auto name = static_cast<char32_t>(kNames[i]);
    if (has(static_cast<char32_t>(kNamed[i]))) named.emplace_back(name, name);
  }
  for (char32_t c = 0; c < kFirstPlain; ++c) {
    if (!has(c) || kNamed.find(static_cast<char>(c)) != std::string_view::npos) continue;
    const auto digit = static_cast<char32_t>("0123456789abcdef"[c % 16]);
    (c < 16 ? low : high).emplace_back(digit, digit);
  }
  Pattern out = one_of({of_set(complement(others))});
  const auto add = [&](std::string_view before, CharacterSet behind) {
    if (!behind.empty()) out.parts.push_back(in_sequence({exactly(before), of_set(tidied(std::move(behind)))}));
  };
  add("\\", std::move(named));
  add("\\u000", std::move(low));
  add("\\u001", std::move(high));
  return out;
}

bool is_anchor(const Pattern& pattern) {
  return pattern.kind == Pattern::Kind::begin || pattern.kind == Pattern::Kind::end;
}
bool has_anchors(const Pattern& pattern) {
  return is_anchor(pattern) || std::any_of(pattern.parts.begin(), pattern.parts.end(), has_anchors);
}

/** Without what it says at its ends of a whole text. */
Pattern without_ends(Pattern pattern) {
  if (pattern.kind != Pattern::Kind::sequence) return pattern;
  std::vector<Pattern>& parts = pattern.parts;
  if (!parts.empty() && parts.front().kind == Pattern::Kind::begin) parts.erase(parts.begin());
  if (!parts.empty() && parts.back().kind == Pattern::Kind::end) parts.pop_back();
  return pattern;
}

/** The names that others must not have, letter by letter. */
struct NameTree {
  std::map<char32_t, NameTree> next;
  bool is_name = false;

  void add(std::string_view name) {
    if (name.empty()) {
      is_name = true;
      return;
    }
    const auto bytes = static_cast<size_t>(utf8::length(name));
    next[utf8::decode(name)].add(name.substr(bytes));
  }

  /** Other names from here on. What is like a name until here has no escapes: "\u0061" is "a". */
  Pattern others() const {
    CharacterSet taken{{0, kFirstPlain - 1}, {'"', '"'}, {'\\', '\\'}};
    std::vector<Pattern> arms;
    for (const auto& [c, below] : next) {
      if (c < kFirstPlain || c == '"' || c == '\\') continue;
      taken.emplace_back(c, c);
      arms.push_back(in_sequence({of_set({{c, c}}), below.others()}));
    }
    arms.push_back(in_sequence({of_set(complement(taken)), times(letter(), 0, Pattern::kEndless)}));
    if (!is_name) arms.emplace_back();
    return one_of(std::move(arms));
  }
};

class JsonRules {
 public:
  explicit JsonRules(const json::object& root) : root_(root) {}

  Result<RuleSet> make(Fence fence) {
    out_.root = new_rule("root");
    const Pattern all = value(root_, "schema");
    while (!failure_ && !waiting_.empty()) {
      const std::string ref = std::move(waiting_.back());
      waiting_.pop_back();
      const std::string where = fmt::format("schema.$defs.{}", ref);
      Pattern body = value(root_.at("$defs").get_object().at(ref).get_object(), where);
      out_.rules[targets_.at(ref)].body = std::move(body);
    }
    if (failure_) return *failure_;
    std::vector<Pattern> arms{all};
    if (fence == Fence::either) arms.push_back(in_sequence({exactly("```json\n"), all, exactly("\n```")}));
    out_.rules[out_.root].body = one_of(std::move(arms));
    return std::move(out_);
  }

 private:
  using Where = const std::string&;

  size_t new_rule(std::string name) {
    out_.rules.push_back({std::move(name), {}});
    return out_.rules.size() - 1;
  }
  /** A rule for what stands in many places, made once. */
  template <class Make>
  Pattern shared(const std::string& name, const Make& make) {
    const auto [found, is_new] = shared_.emplace(name, 0);
    if (is_new) {
      const size_t id = found->second = new_rule(name);
      Pattern body = make();
      out_.rules[id].body = std::move(body);
    }
    return of_rule(shared_.at(name));
  }
  Pattern rule(Pattern body) {
    const size_t id = new_rule("");
    out_.rules[id].body = std::move(body);
    return of_rule(id);
  }
  Pattern refuse(std::string where, std::string reason) {
    if (!failure_) failure_ = Failure{std::move(where), std::move(reason)};
    return {};
  }

  Pattern spaces() {
    return times(
        shared("spaces",
               [] { return times(of_set({{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}}), 1, Grammars::kMostSpaces); }),
        0, 1);
  }
  Pattern comma() { return in_sequence({exactly(","), spaces()}); }

  Pattern value(const json::object& node, Where where);
  Pattern values(const json::array& list);
  Pattern integer(const json::object& node);
  Pattern number(const json::object& node);
  Pattern text(const json::object& node, Where where);
  Pattern text_of(std::string_view pattern, Where where);
  Pattern list(const json::object& node, Where where);
  Pattern record(const json::object& node, Where where);
  Pattern free_member(const json::object& node, Where where);
  Pattern value_of(const json::value& schema, Where where) {
    return schema.is_object() ? value(schema.get_object(), where) : anything();
  }
  Pattern member(Pattern key, Pattern of) {
    return in_sequence({std::move(key), exactly(":"), spaces(), std::move(of)});
  }
  Pattern bracketed(std::string_view open, Pattern inner, bool may_be_empty, std::string_view close);
  Pattern anything();

  const json::object& root_;
  RuleSet out_;
  std::map<std::string, size_t, std::less<>> shared_, targets_;
  std::vector<std::string> waiting_;  // $refs whose rules are not yet made
  std::optional<Failure> failure_;
};

Pattern JsonRules::value(const json::object& node, Where where) {
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
  return rule(*type == "array" ? list(node, where) : record(node, where));
}

Pattern JsonRules::values(const json::array& list) {
  Pattern out = one_of({});
  for (const json::value& each : list) out.parts.push_back(exactly(write_json(each)));
  return rule(std::move(out));
}

Pattern JsonRules::integer(const json::object& node) {
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
  // A rule for each rest of the digits so far.
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

Pattern JsonRules::number(const json::object& node) {
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

Pattern JsonRules::text(const json::object& node, Where where) {
  if (const json::value* pattern = node.if_contains("pattern"))
    return text_of(pattern->get_string(), where + ".pattern");
  if (const json::value* format = node.if_contains("format")) {
    return text_of(format_pattern(format->get_string()), where + ".format");
  }
  const auto length = [&](const char* keyword, int otherwise) {
    return node.contains(keyword) ? node.at(keyword).to_number<int>() : otherwise;
  };
  const int least = length("minLength", 0), most = length("maxLength", Pattern::kEndless);
  return shared(fmt::format("text {} {}", least, most), [&] { return quoted(times(letter(), least, most)); });
}

Pattern JsonRules::text_of(std::string_view pattern, Where where) {
  const std::string name = fmt::format("text of {}", pattern);
  if (shared_.contains(name)) return of_rule(shared_.at(name));
  Result<Pattern> parsed = parse_regex(pattern);
  if (!parsed) {
    const Failure& failure = parsed.failure();
    return refuse(where, fmt::format("'{}', {}: {}", pattern, failure.field, failure.reason));
  }
  RuleSet alone{{{"", in_json(without_ends(std::move(parsed).value()))}}, 0};
  std::vector<Counted> counted;
  if (const auto table = Automaton::of(alone, counted); !table) {
    return refuse(where, fmt::format("'{}' {}", pattern, table.failure().reason));
  }
  Pattern& inner = alone.rules[0].body;
  // Anchors hold in a rule of its own.
  return shared(name, [&] { return quoted(has_anchors(inner) ? rule(std::move(inner)) : std::move(inner)); });
}

/** open, perhaps with what is in it, close. */
Pattern JsonRules::bracketed(std::string_view open, Pattern inner, bool may_be_empty, std::string_view close) {
  Pattern some = in_sequence({std::move(inner), spaces()});
  return in_sequence(
      {exactly(open), spaces(), may_be_empty ? one_of({std::move(some), {}}) : std::move(some), exactly(close)});
}

Pattern JsonRules::list(const json::object& node, Where where) {
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
Pattern JsonRules::free_member(const json::object& node, Where where) {
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
  NameTree tree;
  if (const json::value* properties = node.if_contains("properties")) {
    for (const auto& each : properties->get_object()) tree.add(each.key());
  }
  if (tree.next.empty() && !tree.is_name) return member(text({}, where), std::move(of));
  return member(rule(quoted(tree.others())), std::move(of));
}

Pattern JsonRules::record(const json::object& node, Where where) {
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
    for (const auto& each : properties->get_object()) {
      const std::string at = fmt::format("{}.properties.{}", where, std::string_view(each.key()));
      Pattern one = member(exactly(write_json(json::value(each.key()))), value(each.value().get_object(), at));
      const bool must = is_required(each.key());
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

Pattern JsonRules::anything() {
  return shared("anything", [&] {
    const json::object any_list{{"items", true}};
    return one_of({exactly("null"), exactly("true"), exactly("false"), number({}), text({}, "schema"),
                   rule(list(any_list, "schema")), rule(record({}, "schema"))});
  });
}

}  // namespace

Pattern in_json(const Pattern& pattern) {
  if (pattern.kind == Pattern::Kind::set) return set_in_json(pattern.set);
  Pattern out{pattern.kind, {}, {}, pattern.least, pattern.most, pattern.id};
  for (const Pattern& part : pattern.parts) out.parts.push_back(in_json(part));
  return out;
}

Result<RuleSet> json_rules(const json::object& kept, Fence fence) { return JsonRules(kept).make(fence); }

}  // namespace gemma

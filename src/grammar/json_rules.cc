// SPDX-License-Identifier: Apache-2.0
#include "grammar/json_rules.h"

#include <algorithm>

#include "grammar/character_set.h"
#include "grammar/value_rules.h"

namespace gemma {
namespace {

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

/** Other names than the tree's from here on. What is like a name until here has no escapes: "\u0061" is "a". */
Pattern others(const NameTree& tree) {
  CharacterSet taken{{0, kFirstPlain - 1}, {'"', '"'}, {'\\', '\\'}};
  std::vector<Pattern> arms;
  for (const auto& [c, below] : tree.next) {
    if (c < kFirstPlain || c == '"' || c == '\\') continue;
    taken.emplace_back(c, c);
    arms.push_back(in_sequence({of_set({{c, c}}), others(below)}));
  }
  arms.push_back(in_sequence({of_set(complement(taken)), times(letter(), 0, Pattern::kEndless)}));
  if (!tree.is_name) arms.emplace_back();
  return one_of(std::move(arms));
}

/** The pattern's texts as they stand in a string of JSON. */
Pattern in_json(const Pattern& pattern) {
  if (pattern.kind == Pattern::Kind::set) return set_in_json(pattern.set);
  Pattern out{pattern.kind, {}, {}, pattern.least, pattern.most, pattern.id};
  for (const Pattern& part : pattern.parts) out.parts.push_back(in_json(part));
  return out;
}

class JsonRules final : public ValueRules {
 public:
  Result<RuleSet> make(const json::object& root, Fence fence) {
    out_.root = new_rule("root");
    const Pattern json = all(root, "schema");
    if (failure_) return *failure_;
    std::vector<Pattern> arms{json};
    if (fence == Fence::either) arms.push_back(in_sequence({exactly("```json\n"), json, exactly("\n```")}));
    out_.rules[out_.root].body = one_of(std::move(arms));
    return std::move(out_);
  }

 private:
  Pattern spaces() override {
    const CharacterSet blanks{{'\t', '\n'}, {'\r', '\r'}, {' ', ' '}};
    return times(shared("spaces", [&] { return times(of_set(blanks), 1, Grammars::kMostSpaces); }), 0, 1);
  }
  /** Anchors hold in a rule of its own. */
  Pattern string_of(const Pattern& pattern) override {
    Pattern inner = in_json(pattern);
    return quoted(has_anchors(inner) ? rule(std::move(inner)) : std::move(inner));
  }
  Pattern string_of_length(int least, int most) override { return quoted(times(letter(), least, most)); }
  Pattern key(std::string_view name) override { return exactly(write_json(json::value(name))); }
  Pattern other_key(const std::vector<std::string_view>& names) override {
    return names.empty() ? string_of_length(0, Pattern::kEndless) : quoted(others(NameTree(names)));
  }
  Pattern constant(const json::value& value) override { return exactly(write_json(value)); }
  std::vector<const json::key_value_pair*> in_order(const json::object& properties) const override {
    std::vector<const json::key_value_pair*> out;
    for (const json::key_value_pair& each : properties) out.push_back(&each);
    return out;
  }
};

}  // namespace

Result<RuleSet> json_rules(const json::object& kept, Fence fence) { return JsonRules().make(kept, fence); }

}  // namespace gemma

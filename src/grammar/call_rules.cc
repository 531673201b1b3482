// SPDX-License-Identifier: Apache-2.0
#include "grammar/call_rules.h"

#include <algorithm>
#include <set>

#include "base/utf8.h"
#include "chat/template_value.h"
#include "grammar/character_set.h"
#include "grammar/schema.h"
#include "grammar/value_rules.h"

namespace gemma {
namespace {

constexpr size_t kLongestName = 256;
constexpr int kDeepestRefs = 64;
constexpr std::string_view kDefs = "#/$defs/";

bool in_name(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
         std::string_view("_-.:/").find(c) != std::string_view::npos;
}

/** The tool's function, where it is one that can be called. */
Result<const json::object*> function_of(const json::value& tool, const std::string& where) {
  const json::object* keys = tool.if_object();
  if (keys == nullptr) return Failure{where, fmt::format("expected an object, found {}", kind_of(&tool))};
  const json::value* type = keys->if_contains("type");
  if (type != nullptr && *type != "function") {
    return Failure{where + ".type", fmt::format("expected \"function\", found {}", write_json(*type))};
  }
  const json::value* function = keys->if_contains("function");
  if (function == nullptr || !function->is_object()) {
    return Failure{where + ".function", fmt::format("expected an object, found {}", kind_of(function))};
  }
  const json::value* name = function->get_object().if_contains("name");
  if (name == nullptr || !name->is_string()) {
    return Failure{where + ".function.name", fmt::format("expected a string, found {}", kind_of(name))};
  }
  const std::string_view letters = name->get_string();
  if (letters.empty() || letters.size() > kLongestName || !std::all_of(letters.begin(), letters.end(), in_name)) {
    return Failure{where + ".function.name", fmt::format("expected 1 to {} letters, digits and _-.:/, found {}",
                                                         kLongestName, write_json(*name))};
  }
  return &function->get_object();
}

/** "schema.properties.x" is "tools[0].function.parameters.properties.x". */
Failure placed(const Failure& failure, const std::string& where) {
  constexpr std::string_view kRoot = "schema";
  return {where + std::string(std::string_view(failure.field).substr(kRoot.size())), failure.reason};
}

/** Whether all that fits a node is objects. */
bool is_record(const json::object& root, const json::object& node, int depth) {
  if (depth == 0) return false;
  if (const json::value* ref = node.if_contains("$ref")) {
    return is_record(
        root, root.at("$defs").get_object().at(std::string_view(ref->get_string()).substr(kDefs.size())).get_object(),
        depth - 1);
  }
  if (const json::value* arms = node.if_contains("anyOf")) {
    return std::all_of(arms->get_array().begin(), arms->get_array().end(),
                       [&](const json::value& arm) { return is_record(root, arm.get_object(), depth - 1); });
  }
  if (const json::value* values = node.if_contains("enum")) {
    return std::all_of(values->get_array().begin(), values->get_array().end(),
                       [](const json::value& each) { return each.is_object(); });
  }
  const json::value* type = node.if_contains("type");
  return type != nullptr && *type == "object";
}

/** Letters of a bare name that end it or are quotes, and white space, which is none at its ends. */
CharacterSet not_in_names() {
  return {{0, ' '},         {'"', '"'},       {',', ','},       {':', ':'},       {'[', '['},
          {']', ']'},       {'{', '{'},       {'}', '}'},       {0x7F, 0xA0},     {0x1680, 0x1680},
          {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
}

class CallRules final : public ValueRules {
 public:
  explicit CallRules(const CallTokens& tokens) : tokens_(tokens) {}

  Result<RuleSet> make(const json::array& tools, const CallOptions& options) {
    out_.root = new_rule("root");
    Pattern calls = one_of({});
    std::set<std::string_view> names;
    for (size_t i = 0; i < tools.size(); ++i) {
      const std::string where = fmt::format("tools[{}]", i);
      const auto function = function_of(tools[i], where);
      if (!function) return function.failure();
      const std::string_view name = function.value()->at("name").get_string();
      if (!names.insert(name).second) {
        return Failure{where + ".function.name", fmt::format("expected each name once, found '{}' again", name)};
      }
      if (!options.name.empty() && name != options.name) continue;
      Pattern of = arguments(*function.value(), where + ".function.parameters");
      if (failure_) return *failure_;
      calls.parts.push_back(in_sequence({exactly(fmt::format("call:{}", name)), std::move(of)}));
    }
    if (calls.parts.empty()) {
      return options.name.empty()
                 ? Failure{"tools", "expected at least one tool, found none"}
                 : Failure{"tool_choice",
                           fmt::format("expected the name of one of the tools, found '{}'", options.name)};
    }
    Pattern call = in_sequence({of_token(tokens_.open), std::move(calls), of_token(tokens_.close)});
    out_.rules[out_.root].body = times(std::move(call), 1, options.parallel ? Pattern::kEndless : 1);
    return std::move(out_);
  }

 private:
  Pattern arguments(const json::object& function, Where where) {
    const json::value* parameters = function.if_contains("parameters");
    if (!is_truthy(parameters)) return exactly("{}");
    const Result<json::value> kept = kept_schema(*parameters);
    if (!kept) {
      const Failure failure = placed(kept.failure(), where);
      return refuse(failure.field, failure.reason);
    }
    const json::object& root = kept.value().get_object();
    if (!is_record(root, root, kDeepestRefs)) {
      return refuse(where, "expected a schema of objects: arguments have names");
    }
    return all(root, where);
  }

  Pattern quoted(Pattern text) {
    return in_sequence({of_token(tokens_.quote), std::move(text), of_token(tokens_.quote)});
  }

  Pattern spaces() override { return {}; }
  /** Anchors hold in a rule of its own. */
  Pattern string_of(const Pattern& pattern) override { return quoted(has_anchors(pattern) ? rule(pattern) : pattern); }
  Pattern string_of_length(int least, int most) override { return quoted(times(any_character(), least, most)); }
  Pattern key(std::string_view name) override { return stands_bare(name) ? exactly(name) : quoted(exactly(name)); }
  Pattern other_key(const std::vector<std::string_view>& names) override {
    NameTree tree;
    for (const std::string_view name : names) {
      if (stands_bare(name)) tree.add(name);
    }
    return others(tree, false, true);
  }
  Pattern constant(const json::value& value) override;
  std::vector<const json::key_value_pair*> in_order(const json::object& properties) const override {
    return sorted_members(properties);
  }

  /** Names that are not in the tree, from here on. Blanks at a name's end are no part of it; ended: what has been read
   * is one of the tree's, but for such. */
  Pattern others(const NameTree& tree, bool ended, bool first) const {
    CharacterSet solid = complement(not_in_names()), blank{{' ', ' '}}, any = solid, taken = not_in_names();
    any.insert(any.end(), blank.begin(), blank.end());
    const Pattern rest = times(of_set(tidied(any)), 0, Pattern::kEndless);
    std::vector<Pattern> arms;
    for (const auto& [c, below] : tree.next) {
      taken.emplace_back(c, c);
      arms.push_back(in_sequence({of_set({{c, c}}), others(below, below.is_name || (c == ' ' && ended), false)}));
    }
    arms.push_back(in_sequence({of_set(complement(taken)), rest}));
    if (!first && !tree.next.contains(' ')) {
      arms.push_back(ended ? in_sequence({times(of_set(blank), 1, Pattern::kEndless), of_set(solid), rest})
                           : in_sequence({of_set(blank), rest}));
    }
    if (!ended && !first) arms.emplace_back();
    return one_of(std::move(arms));
  }

  const CallTokens tokens_;
};

Pattern CallRules::constant(const json::value& value) {
  if (value.is_string()) return quoted(exactly(value.get_string()));
  Pattern out;
  const auto add = [&](Pattern part) {
    if (!out.parts.empty()) out.parts.push_back(exactly(","));
    out.parts.push_back(std::move(part));
  };
  if (const json::array* list = value.if_array()) {
    for (const json::value& each : *list) add(constant(each));
    return in_sequence({exactly("["), std::move(out), exactly("]")});
  }
  if (const json::object* keys = value.if_object()) {
    for (const json::key_value_pair* each : sorted_members(*keys)) {
      add(in_sequence({key(each->key()), exactly(":"), constant(each->value())}));
    }
    return in_sequence({exactly("{"), std::move(out), exactly("}")});
  }
  return exactly(write_json(value));
}

}  // namespace

bool stands_bare(std::string_view key) {
  return !key.empty() && key.find_first_of(std::string_view(":,{}[]\"\r\n\0", 10)) == std::string_view::npos &&
         trim(key) == key;
}

Result<RuleSet> call_rules(const json::array& tools, const CallOptions& options, const CallTokens& tokens) {
  return CallRules(tokens).make(tools, options);
}

}  // namespace gemma

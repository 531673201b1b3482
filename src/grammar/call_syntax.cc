// SPDX-License-Identifier: Apache-2.0
#include "grammar/call_syntax.h"

#include <algorithm>
#include <set>

#include "chat/template_value.h"
#include "grammar/call_values.h"
#include "grammar/schema.h"

namespace gemma {
namespace {

constexpr size_t kLongestName = 256;

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

}  // namespace

Result<CallRules> call_rules(const json::array& tools, std::string_view only, const CallTokens& tokens,
                             const NumberRules& numbers) {
  CallValues values(tokens, numbers);
  std::string calls;
  std::set<std::string_view> names;
  for (size_t i = 0; i < tools.size(); ++i) {
    const std::string where = fmt::format("tools[{}]", i);
    const auto function = function_of(tools[i], where);
    if (!function) return function.failure();
    const std::string_view name = function.value()->at("name").get_string();
    if (!names.insert(name).second) {
      return Failure{where + ".function.name", fmt::format("expected each name once, found '{}' again", name)};
    }
    if (!only.empty() && name != only) continue;
    const json::value* parameters = function.value()->if_contains("parameters");
    std::string arguments = R"("{}")";
    if (is_truthy(parameters)) {
      const std::string at = where + ".function.parameters";
      const Result<json::value> kept = kept_schema(*parameters);
      if (!kept) return placed(kept.failure(), at);
      const Result<std::string> rule = values.arguments(kept.value().get_object(), at);
      if (!rule) return rule.failure();
      arguments = rule.value();
    }
    calls += fmt::format("{}{} {}", calls.empty() ? "" : " | ", literal(fmt::format("call:{}", name)), arguments);
  }
  if (calls.empty()) {
    return only.empty()
               ? Failure{"tools", "expected at least one tool, found none"}
               : Failure{"tool_choice", fmt::format("expected the name of one of the tools, found '{}'", only)};
  }
  CallRules out = std::move(values).take();
  out.text = fmt::format("call ::= Token({}) ({}) Token({})\n{}", tokens.open, calls, tokens.close, out.text);
  return out;
}

}  // namespace gemma

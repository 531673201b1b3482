// SPDX-License-Identifier: Apache-2.0
// The rules of the values in tool calls: one method for each kind of kept schema (schema.h).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "grammar/call_syntax.h"

namespace gemma {

/** A text in the rules' own quotes. */
std::string literal(std::string_view text);
std::string literal_of(char32_t c);
/** One of these. */
std::string joined_arms(const std::vector<std::string>& arms);

class CallValues {
 public:
  CallValues(const CallTokens& tokens, const NumberRules& numbers) : tokens_(tokens), numbers_(numbers) {}

  /** What matches the braces of a call; fails where the schema lets other values than objects fit. */
  Result<std::string> arguments(const json::object& kept, const std::string& where);
  CallRules take() && { return {std::move(rules_), std::move(kinds_)}; }

 private:
  using Where = const std::string&;

  std::string value(const json::object& node, Where where);
  std::string choice(const json::array& arms, Where where);
  std::string values(const json::array& list, Where where);
  std::string constant(const json::value& value, Where where);
  std::string number(const json::object& node);
  std::string text(const json::object& node, Where where);
  std::string pattern_text(std::string_view pattern, Where where);
  std::string quoted(TextKind kind);
  std::string list(const json::object& node, Where where);
  std::string record(const json::object& node, Where where);
  std::string key_rule(std::string_view key);
  std::string by_name(const json::object& node, Where where);
  std::string free_members(const json::object& node, Where where);
  std::string free_key(const std::vector<std::string>& others);
  std::string anything();

  /** Puts a rule down and returns its name. */
  std::string rule(std::string_view body);
  std::string new_name() { return fmt::format("v{}", names_++); }
  std::string refuse(std::string where, std::string reason);
  bool is_record(const json::object& node, int depth) const;

  const CallTokens tokens_;
  const NumberRules& numbers_;
  std::string rules_;
  size_t names_ = 0;
  std::vector<TextKind> kinds_;
  std::map<std::string, size_t, std::less<>> kinds_by_name_;
  std::map<std::string, std::string, std::less<>> shared_;  // rules that others use too, by what they are for
  const json::object* defs_ = nullptr;
  std::map<std::string, std::string, std::less<>> targets_;  // names of the rules of $refs
  std::vector<std::string> waiting_;                         // $refs whose rules are not yet put down
  std::optional<Failure> failure_;
};

}  // namespace gemma

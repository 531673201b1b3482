// SPDX-License-Identifier: Apache-2.0
#include "grammar/rule_checks.h"

#include <algorithm>

namespace gemma {

using Kind = Pattern::Kind;

namespace {

using Flags = std::vector<bool>;  // of each rule

/** Whether the empty text is one of the pattern's, where it is one of the rules of `known`. */
bool may_be_empty(const Pattern& pattern, const Flags& known) {
  const auto each = [&](const Pattern& part) { return may_be_empty(part, known); };
  switch (pattern.kind) {
    case Kind::set:
    case Kind::token:
      return false;
    case Kind::rule:
      return known[static_cast<size_t>(pattern.id)];
    case Kind::choice:
      return std::any_of(pattern.parts.begin(), pattern.parts.end(), each);
    case Kind::repeat:
      return pattern.least == 0 || each(pattern.parts[0]);
    default:
      return std::all_of(pattern.parts.begin(), pattern.parts.end(), each);
  }
}

/** Whether a pattern has a text at all, where the rules of `known` have. */
bool has_text(const Pattern& pattern, const Flags& known) {
  const auto each = [&](const Pattern& part) { return has_text(part, known); };
  switch (pattern.kind) {
    case Kind::set:
      return !pattern.set.empty();
    case Kind::rule:
      return known[static_cast<size_t>(pattern.id)];
    case Kind::choice:
      return std::any_of(pattern.parts.begin(), pattern.parts.end(), each);
    case Kind::repeat:
      return pattern.least == 0 || each(pattern.parts[0]);
    default:
      return std::all_of(pattern.parts.begin(), pattern.parts.end(), each);
  }
}

/** The least set of rules of which `holds` is true, given those of which it is. */
Flags all_that(const RuleSet& rules, bool (*holds)(const Pattern&, const Flags&)) {
  Flags known(rules.rules.size());
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < known.size(); ++i) {
      if (known[i] || !holds(rules.rules[i].body, known)) continue;
      known[i] = true;
      changed = true;
    }
  }
  return known;
}

/** The rules that a pattern may be with nothing before or behind them. */
void alone(const Pattern& pattern, const Flags& empty, std::vector<size_t>& out) {
  switch (pattern.kind) {
    case Kind::rule:
      out.push_back(static_cast<size_t>(pattern.id));
      return;
    case Kind::choice:
    case Kind::repeat:
      for (const Pattern& part : pattern.parts) alone(part, empty, out);
      return;
    case Kind::sequence: {
      const auto stands = [&](const Pattern& part) { return !may_be_empty(part, empty); };
      const auto standing = std::count_if(pattern.parts.begin(), pattern.parts.end(), stands);
      for (const Pattern& part : pattern.parts) {
        if (standing == 0 || (standing == 1 && stands(part))) alone(part, empty, out);
      }
      return;
    }
    default:
      return;
  }
}

void named(const Pattern& pattern, std::vector<size_t>& out) {
  if (pattern.kind == Kind::rule) out.push_back(static_cast<size_t>(pattern.id));
  for (const Pattern& part : pattern.parts) named(part, out);
}

using Edges = std::vector<std::vector<size_t>>;

Flags reached(const Edges& edges, std::vector<size_t> open) {
  Flags out(edges.size());
  while (!open.empty()) {
    const size_t at = open.back();
    open.pop_back();
    if (out[at]) continue;
    out[at] = true;
    open.insert(open.end(), edges[at].begin(), edges[at].end());
  }
  return out;
}

Edges names_of(const RuleSet& rules) {
  Edges out(rules.rules.size());
  for (size_t i = 0; i < out.size(); ++i) named(rules.rules[i].body, out[i]);
  return out;
}

/** The rules that a pattern may begin with. */
void beginnings(const Pattern& pattern, const Flags& empty, std::vector<size_t>& out) {
  if (pattern.kind == Kind::rule) out.push_back(static_cast<size_t>(pattern.id));
  for (const Pattern& part : pattern.parts) {
    beginnings(part, empty, out);
    if (pattern.kind == Kind::sequence && !may_be_empty(part, empty)) return;
  }
}

/** What follows the rule `id` in a pattern that begins with it; null where it does not. */
std::optional<Pattern> behind_rule(const Pattern& pattern, int32_t id) {
  if (pattern.kind == Kind::rule && pattern.id == id) return Pattern{};
  if (pattern.kind != Kind::sequence || pattern.parts.empty()) return std::nullopt;
  std::optional<Pattern> first = behind_rule(pattern.parts[0], id);
  if (!first) return std::nullopt;
  std::vector<Pattern> rest{std::move(*first)};
  rest.insert(rest.end(), pattern.parts.begin() + 1, pattern.parts.end());
  return in_sequence(std::move(rest));
}

}  // namespace

std::optional<Failure> check_rules(const RuleSet& rules) {
  const Flags text = all_that(rules, has_text), empty = all_that(rules, may_be_empty);
  const Flags used = reached(names_of(rules), {rules.root});
  Edges itself(rules.rules.size());
  for (size_t i = 0; i < itself.size(); ++i) alone(rules.rules[i].body, empty, itself[i]);
  for (size_t i = 0; i < used.size(); ++i) {
    if (!used[i]) continue;
    const std::string& name = rules.rules[i].name;
    if (!text[i]) return Failure{"grammar", fmt::format("nothing is a text of the rule '{}'", name)};
    if (reached(itself, itself[i])[i]) {
      return Failure{"grammar",
                     fmt::format("the rule '{}' comes to itself again with nothing before or behind it", name)};
    }
  }
  return std::nullopt;
}

std::optional<Failure> remove_left_recursion(RuleSet& rules) {
  for (size_t i = 0; i < rules.rules.size(); ++i) {
    Pattern& body = rules.rules[i].body;
    Pattern first = one_of({}), again = one_of({});
    for (const Pattern& arm : body.kind == Kind::choice ? body.parts : std::vector<Pattern>{body}) {
      std::optional<Pattern> rest = behind_rule(arm, static_cast<int32_t>(i));
      (rest ? again : first).parts.push_back(rest ? std::move(*rest) : arm);
    }
    if (!again.parts.empty()) body = in_sequence({std::move(first), times(std::move(again), 0, Pattern::kEndless)});
  }
  const Flags empty = all_that(rules, may_be_empty);
  Edges begins(rules.rules.size());
  for (size_t i = 0; i < begins.size(); ++i) beginnings(rules.rules[i].body, empty, begins[i]);
  const Flags used = reached(names_of(rules), {rules.root});
  for (size_t i = 0; i < begins.size(); ++i) {
    if (!used[i] || !reached(begins, begins[i])[i]) continue;
    return Failure{"grammar",
                   fmt::format("the rule '{}' begins with itself by way of other rules; let it repeat (*) or "
                               "come last",
                               rules.rules[i].name)};
  }
  return std::nullopt;
}

}  // namespace gemma

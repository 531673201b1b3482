// SPDX-License-Identifier: Apache-2.0
#include "grammar/rule_checks.h"

#include <algorithm>

namespace gemma {

using Kind = Pattern::Kind;

bool may_be_empty(const Pattern& pattern, const RuleFlags& known) {
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

namespace {

using Flags = RuleFlags;

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

/** Patterns with their parts, each rule with what it stands for. Adds to `size`; stops where that is above `most`. */
Pattern inlined(const RuleSet& rules, const Pattern& pattern, size_t most, size_t& size) {
  if (pattern.kind == Kind::rule) return inlined(rules, rules.rules[static_cast<size_t>(pattern.id)].body, most, size);
  Pattern out{pattern.kind, pattern.set, {}, pattern.least, pattern.most, pattern.id};
  ++size;
  for (const Pattern& part : pattern.parts) {
    if (size > most) break;
    out.parts.push_back(inlined(rules, part, most, size));
  }
  return out;
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

std::optional<Pattern> unfolded(const RuleSet& rules, size_t most) {
  const Edges names = names_of(rules);
  const Flags used = reached(names, {rules.root});
  const RuleFlags again = rules_that_come_again(rules);
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i] && again[i]) return std::nullopt;
  }
  size_t size = 0;
  Pattern out = inlined(rules, rules.rules[rules.root].body, most, size);
  if (size > most) return std::nullopt;
  return out;
}

RuleFlags rules_that_may_be_empty(const RuleSet& rules) { return all_that(rules, may_be_empty); }

RuleFlags rules_that_come_again(const RuleSet& rules) {
  const Edges names = names_of(rules);
  RuleFlags out(names.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = reached(names, names[i])[i];
  return out;
}

}  // namespace gemma

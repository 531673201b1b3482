// SPDX-License-Identifier: Apache-2.0
#include "grammar/rule_writer.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/utf8.h"
#include "grammar/call_values.h"
#include "grammar/rule_checks.h"

namespace gemma {
namespace {

using Kind = Pattern::Kind;

std::string in_set(char32_t c) { return fmt::format("\\U{:08X}", static_cast<uint32_t>(c)); }

std::string set_text(const CharacterSet& set) {
  std::string out;
  for (const auto& [low, high] : set) {
    out += low == high ? in_set(low) : fmt::format("{}-{}", in_set(low), in_set(high));
  }
  return fmt::format("[{}]", out);
}

bool is_letter(const Pattern& pattern) {
  return pattern.kind == Kind::set && pattern.set.size() == 1 && pattern.set[0].first == pattern.set[0].second;
}

class RuleWriter {
 public:
  RuleWriter(const RuleSet& rules, const WriterLimits& limits)
      : rules_(rules), limits_(limits), empty_(rules_that_may_be_empty(rules)), again_(rules_that_come_again(rules)) {}

  Result<std::string> write() {
    std::vector<size_t> open{rules_.root};
    std::vector<bool> done(rules_.rules.size());
    waiting_ = &open;
    out_ = fmt::format("root ::= {}\n", name_of(rules_.root));
    while (!open.empty() && !failure_) {
      const size_t id = open.back();
      open.pop_back();
      if (done[id]) continue;
      done[id] = true;
      put(name_of(id), before(rules_.rules[id].body, ""));
    }
    if (failure_) return *failure_;
    return std::move(out_);
  }

 private:
  static std::string name_of(size_t id) { return fmt::format("r{}", id); }

  std::string refuse(std::string reason) {
    if (!failure_) failure_ = Failure{"grammar", std::move(reason)};
    return R"("")";
  }

  void put(const std::string& name, const std::string& body) { out_ += fmt::format("{} ::= {}\n", name, body); }
  std::string new_name() {
    if (++names_ > limits_.most_rules) refuse("is too large where its repetitions are written out");
    return fmt::format("n{}", names_);
  }
  std::string rule(const std::string& body) {
    std::string name = new_name();
    put(name, body);
    return name;
  }
  static std::string end(const std::string& next) { return next.empty() ? R"("")" : next; }

  /** What matches a pattern and then the rule `next`; "": nothing more. */
  std::string before(const Pattern& pattern, const std::string& next) {
    if (failure_) return R"("")";
    switch (pattern.kind) {
      case Kind::set:
        looks_ += limits_.looks(pattern.set);
        if (looks_ > limits_.most_looks) {
          return refuse(
              "its sets of characters and their counted repetitions {n,m} are too many for rules that come to "
              "themselves again; write * or +");
        }
        return fmt::format("{} {}", set_text(pattern.set), next);
      case Kind::token:
        return fmt::format("Token({}) {}", pattern.id, next);
      case Kind::rule:
        return before_rule(static_cast<size_t>(pattern.id), next);
      case Kind::choice: {
        std::vector<std::string> arms;
        for (const Pattern& part : pattern.parts) arms.push_back(before(part, next));
        return fmt::format("({})", joined_arms(arms));
      }
      case Kind::repeat:
        return before_repeat(pattern, next);
      default:
        return before_sequence(pattern.parts, next);
    }
  }

  std::string before_rule(size_t id, const std::string& next) {
    if (!again_[id]) return before(rules_.rules[id].body, next);
    waiting_->push_back(id);
    return fmt::format("{} {}", name_of(id), next);
  }

  /** Letters behind one another are one text. */
  std::string before_sequence(const std::vector<Pattern>& parts, std::string next) {
    std::string out = end(next);
    for (size_t i = parts.size(); i > 0;) {
      size_t first = i;
      while (first > 0 && is_letter(parts[first - 1])) --first;
      if (first < i) {
        std::string text;
        for (size_t j = first; j < i; ++j) utf8::append(text, parts[j].set[0].first);
        out = fmt::format("{} {}", literal(text), next);
        i = first;
      } else {
        out = before(parts[--i], next);
      }
      if (i > 0) next = rule(out);
    }
    return out;
  }

  std::string before_repeat(const Pattern& pattern, const std::string& next) {
    const Pattern& given = pattern.parts[0];
    // A part that is empty adds nothing, and would lead a rule to itself.
    const bool empty = may_be_empty(given, empty_);
    const Pattern part = empty ? not_empty(given) : given;
    const int least = empty ? 0 : pattern.least;
    std::string out = next;
    if (pattern.most == Pattern::kEndless) {
      out = new_name();
      put(out, fmt::format("{} | {}", before(part, out), end(next)));
    }
    for (int i = least; i < pattern.most && !failure_; ++i) {
      out = rule(fmt::format("{} | {}", before(part, out), end(next)));
    }
    for (int i = 0; i < least && !failure_; ++i) out = rule(before(part, out));
    return end(out);
  }

  /** The pattern's texts but the empty one. */
  Pattern not_empty(const Pattern& pattern) {
    Pattern out{Kind::choice, {}, {}};
    switch (pattern.kind) {
      case Kind::choice:
        for (const Pattern& part : pattern.parts) add_not_empty(part, out.parts);
        return out;
      case Kind::repeat: {
        Pattern rest = pattern;
        rest.least = std::max(rest.least - 1, 0);
        if (rest.most != Pattern::kEndless) rest.most = std::max(rest.most - 1, 0);
        Pattern first{Kind::sequence, {}, {}};
        if (pattern.most != 0) add_not_empty(pattern.parts[0], first.parts);
        if (first.parts.empty()) return out;
        first.parts.push_back(std::move(rest));
        return first;
      }
      case Kind::sequence:
        for (size_t i = 0; i < pattern.parts.size(); ++i) {  // those before it are empty
          Pattern rest{Kind::sequence, {}, {}};
          add_not_empty(pattern.parts[i], rest.parts);
          if (rest.parts.empty()) continue;
          rest.parts.insert(rest.parts.end(), pattern.parts.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                            pattern.parts.end());
          out.parts.push_back(std::move(rest));
          if (!may_be_empty(pattern.parts[i], empty_)) break;
        }
        return out;
      case Kind::rule:
        if (again_[static_cast<size_t>(pattern.id)]) {
          refuse(fmt::format("repeats the rule '{}', which may be empty and comes to itself again",
                             rules_.rules[static_cast<size_t>(pattern.id)].name));
          return out;
        }
        return not_empty(rules_.rules[static_cast<size_t>(pattern.id)].body);
      default:
        return pattern;
    }
  }

  void add_not_empty(const Pattern& part, std::vector<Pattern>& out) {
    Pattern kept = may_be_empty(part, empty_) ? not_empty(part) : part;
    if (kept.kind != Kind::choice || !kept.parts.empty()) out.push_back(std::move(kept));
  }

  const RuleSet& rules_;
  const WriterLimits& limits_;
  const RuleFlags empty_, again_;
  std::string out_;
  std::vector<size_t>* waiting_ = nullptr;
  size_t names_ = 0, looks_ = 0;
  std::optional<Failure> failure_;
};

}  // namespace

Result<std::string> written(const RuleSet& rules, const WriterLimits& limits) {
  return RuleWriter(rules, limits).write();
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// Rules of the values that fit a schema: one method for each kind of kept schema (schema.h). How strings and names are
// written and what stands between the parts is said by those who inherit: JSON's own syntax (json_rules.cc), and that
// of tool calls (call_rules.cc).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "grammar/rule_text.h"

namespace gemma {

/** The names that others must not have, letter by letter. */
struct NameTree {
  std::map<char32_t, NameTree> next;
  bool is_name = false;

  explicit NameTree(const std::vector<std::string_view>& names = {}) {
    for (const std::string_view name : names) add(name);
  }
  void add(std::string_view name);
};

class ValueRules {
 public:
  virtual ~ValueRules() = default;

 protected:
  using Where = const std::string&;

  virtual Pattern spaces() = 0;
  /** A string whose characters are a text of the pattern. */
  virtual Pattern string_of(const Pattern& pattern) = 0;
  virtual Pattern string_of_length(int least, int most) = 0;
  virtual Pattern key(std::string_view name) = 0;
  /** A key that is none of these. */
  virtual Pattern other_key(const std::vector<std::string_view>& names) = 0;
  virtual Pattern constant(const json::value& value) = 0;
  virtual std::vector<const json::key_value_pair*> in_order(const json::object& properties) const = 0;

  /** Of a kept schema, with what its $refs name. */
  Pattern all(const json::object& root, Where where);
  size_t new_rule(std::string name, bool nests = false) {
    out_.rules.push_back({std::move(name), {}, nests});
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
  Pattern rule(Pattern body, bool nests = false);
  Pattern refuse(std::string where, std::string reason);
  Pattern comma() { return in_sequence({exactly(","), spaces()}); }

  RuleSet out_;
  std::optional<Failure> failure_;  // the first one

 private:
  Pattern value(const json::object& node, Where where);
  Pattern values(const json::array& list);
  Pattern integer(const json::object& node);
  Pattern multiples(int64_t by);
  Pattern number(const json::object& node);
  Pattern text(const json::object& node, Where where);
  Pattern text_of(std::string_view pattern, Where where, int least = 0, int most = Pattern::kEndless);
  Pattern list(const json::object& node, Where where);
  Pattern record(const json::object& node, Where where);
  Pattern free_member(const json::object& node, Where where);
  Pattern value_of(const json::value& schema, Where where) {
    return schema.is_object() ? value(schema.get_object(), where) : anything();
  }
  Pattern member(Pattern name, Pattern of) {
    return in_sequence({std::move(name), exactly(":"), spaces(), std::move(of)});
  }
  Pattern bracketed(std::string_view open, Pattern inner, bool may_be_empty, std::string_view close);
  Pattern anything();

  std::map<std::string, size_t, std::less<>> shared_, targets_;
  std::vector<std::string> waiting_;  // $refs whose rules are not yet made
  int states_ = 0;                    // of the tables of all patterns
  int64_t steps_ = 0;                 // that these took
};

}  // namespace gemma

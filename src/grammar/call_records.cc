// SPDX-License-Identifier: Apache-2.0
// The rules of objects in tool calls: named members, those of any other name, and how many there may be.
#include <algorithm>
#include <map>
#include <set>

#include "base/utf8.h"
#include "chat/template_value.h"
#include "grammar/call_values.h"

namespace gemma {
namespace {

/** Letters of a free name: none that end it, and no white space but a blank between two of them. */
constexpr std::string_view kBlankBefore = R"(\U00000020)";
constexpr std::string_view kNotInNames = R"(\U00000020\U00000000-\U0000001F:,{}\[\]"\U0000007F-\U000000A0\U00001680)"
                                         R"(\U00002000-\U0000200A\U00002028\U00002029\U0000202F\U0000205F\U00003000)";

bool is_false(const json::value* value) { return value != nullptr && value->is_bool() && !value->get_bool(); }

/** What of an object has been read: members up to a place, and how many of them were written. */
struct Member {
  std::string rule;
  bool required = false;
};

/** The rules of members one behind the other, each a comma before it but the first. */
class MemberChain {
 public:
  /** free: the rule of a member of another name, "" where there is none. Counts below 0 are endless. */
  MemberChain(std::vector<Member> members, std::string free, int64_t least, int64_t most)
      : members_(std::move(members)), free_(std::move(free)), least_(least), most_(most) {}

  /** "" where no number of members fits. */
  template <class Put>
  std::string begin(const Put& put) {
    return from(0, 0, put);
  }

 private:
  /** More make no difference. */
  int64_t counted() const { return most_ >= 0 ? most_ : std::max<int64_t>(least_, 1); }

  template <class Put>
  std::string from(size_t at, int64_t written, const Put& put) {
    const auto key = std::make_pair(at, written);
    if (const auto found = names_.find(key); found != names_.end()) return found->second;
    std::string name = put.name();
    if (at == members_.size()) names_[key] = name;  // free members come behind one another
    std::vector<std::string> arms;
    const bool room = most_ < 0 || written < most_;
    const int64_t next = std::min(written + 1, counted());
    const auto arm = [&](const std::string& member, size_t place) {
      const std::string rest = from(place, next, put);
      if (!rest.empty()) arms.push_back(fmt::format("{}{} {}", written > 0 ? R"("," )" : "", member, rest));
    };
    if (at < members_.size()) {
      if (room) arm(members_[at].rule, at + 1);
      if (!members_[at].required) {
        if (const std::string rest = from(at + 1, written, put); !rest.empty()) arms.push_back(rest);
      }
    } else {
      if (written >= least_) arms.emplace_back(R"("")");
      if (room && !free_.empty()) arm(free_, at);
    }
    if (arms.empty()) name.clear();
    names_[key] = name;
    if (!name.empty()) put.rule(name, arms);
    return name;
  }

  std::vector<Member> members_;
  std::string free_;
  int64_t least_, most_;
  std::map<std::pair<size_t, int64_t>, std::string> names_;
};

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
};

std::string in_set(char32_t c) { return fmt::format("\\U{:08X}", static_cast<uint32_t>(c)); }

}  // namespace

bool stands_bare(std::string_view key) {
  return !key.empty() && key.find_first_of(std::string_view(":,{}[]\"\r\n\0", 10)) == std::string_view::npos &&
         trim(key) == key;
}

std::string CallValues::key_rule(std::string_view key) {
  if (stands_bare(key)) return literal(std::string(key) + ":");
  const std::string quote = fmt::format("Token({})", tokens_.quote);
  return fmt::format(R"({0} {1} {0} ":")", quote, key.empty() ? R"("")" : literal(key));
}

/** Any name but the others', and the colon. Blanks at its end are no part of it. All of it is one rule, for a mask is
 * slow where a token may run over the end of a rule. */
std::string CallValues::free_key(const std::vector<std::string>& others) {
  const std::string rest = fmt::format(R"([^{}]* ":")", kNotInNames.substr(kBlankBefore.size()));
  const std::string letter = fmt::format("[^{}]", kNotInNames);
  NameTree tree;
  for (const std::string& name : others) {
    if (stands_bare(name)) tree.add(name);
  }
  // ended: what has been read is one of the others, but for blanks at its end.
  const auto put = [&](const auto& self, const NameTree& node, bool ended, bool first) -> std::string {
    std::vector<std::string> arms;
    std::string taken;
    for (const auto& [c, below] : node.next) {
      taken += in_set(c);
      arms.push_back(
          fmt::format("{} {}", literal_of(c), self(self, below, below.is_name || (c == ' ' && ended), false)));
    }
    arms.push_back(fmt::format("[^{}{}] {}", kNotInNames, taken, rest));
    if (!first && !node.next.contains(' ')) {
      arms.push_back(ended ? fmt::format(R"(" " [ ]* {} {})", letter, rest) : fmt::format(R"(" " {})", rest));
    }
    if (!ended && !first) arms.emplace_back(R"(":")");
    return rule(joined_arms(arms));
  };
  return put(put, tree, false, true);
}

std::string CallValues::free_members(const json::object& node, Where where) {
  const json::value* others = node.if_contains("additionalProperties");
  if (is_false(others)) return {};
  const std::string of = others == nullptr || others->is_bool()
                             ? anything()
                             : value(others->get_object(), where + ".additionalProperties");
  std::vector<std::string> names;
  if (const json::value* properties = node.if_contains("properties")) {
    for (const auto& each : properties->get_object()) names.emplace_back(each.key());
  }
  return rule(fmt::format("{} {}", free_key(names), of));
}

/** Members whose names fit a pattern or a schema are quoted: both say which text it is. */
std::string CallValues::by_name(const json::object& node, Where where) {
  if (const json::value* patterns = node.if_contains("patternProperties")) {
    const auto& only = *patterns->get_object().begin();
    const std::string at = fmt::format("{}.patternProperties.{}", where, std::string_view(only.key()));
    return rule(fmt::format(R"({} ":" {})", pattern_text(only.key(), at), value(only.value().get_object(), at)));
  }
  const std::string key = value(node.at("propertyNames").get_object(), where + ".propertyNames");
  const json::value& others = node.at("additionalProperties");
  const std::string of = others.is_bool() ? anything() : value(others.get_object(), where + ".additionalProperties");
  return rule(fmt::format(R"({} ":" {})", key, of));
}

std::string CallValues::record(const json::object& node, Where where) {
  std::vector<Member> members;
  std::set<std::string_view> required;
  if (const json::value* names = node.if_contains("required")) {
    for (const json::value& each : names->get_array()) required.insert(each.get_string());
  }
  if (const json::value* properties = node.if_contains("properties")) {
    for (const json::key_value_pair* each : sorted_members(properties->get_object())) {
      const std::string at = fmt::format("{}.properties.{}", where, std::string_view(each->key()));
      const std::string of = value(each->value().get_object(), at);
      members.push_back({rule(fmt::format("{} {}", key_rule(each->key()), of)), required.contains(each->key())});
    }
  }
  const bool names = node.contains("patternProperties") || node.contains("propertyNames");
  const std::string free = names ? by_name(node, where) : free_members(node, where);
  const auto bound = [&](const char* keyword, int64_t otherwise) {
    return node.contains(keyword) ? node.at(keyword).to_number<int64_t>() : otherwise;
  };
  struct Put {
    CallValues& values;
    std::string name() const { return values.new_name(); }
    void rule(const std::string& name, const std::vector<std::string>& arms) const {
      values.rules_ += fmt::format("{} ::= {}\n", name, joined_arms(arms));
    }
  };
  MemberChain chain(std::move(members), free, bound("minProperties", 0), bound("maxProperties", -1));
  const std::string begin = chain.begin(Put{*this});
  if (begin.empty()) return refuse(where, "no number of properties fits");
  return rule(fmt::format(R"("{{" {} "}}")", begin));
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "grammar/call_values.h"

#include <algorithm>

#include "base/utf8.h"
#include "chat/template_value.h"
#include "grammar/formats.h"

namespace gemma {
namespace {

constexpr int kDeepestRefs = 64;
constexpr std::string_view kDefs = "#/$defs/";

std::string joined_words(const std::vector<std::string>& words, std::string_view between) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : std::string(between)) + word;
  return out;
}

}  // namespace

std::string joined_arms(const std::vector<std::string>& arms) { return joined_words(arms, " | "); }

std::string literal_of(char32_t c) {
  std::string text;
  utf8::append(text, c);
  return literal(text);
}

std::string literal(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto bytes = static_cast<size_t>(std::max(utf8::length(text), 1));
    const char32_t c = utf8::decode(text.substr(0, bytes));
    if (c >= ' ' && c < 0x7F && c != '"' && c != '\\') {
      out += static_cast<char>(c);
    } else {
      out += fmt::format("\\U{:08X}", static_cast<uint32_t>(c));
    }
    text.remove_prefix(bytes);
  }
  return out + '"';
}

std::string CallValues::rule(std::string_view body) {
  std::string name = new_name();
  rules_ += fmt::format("{} ::= {}\n", name, body);
  return name;
}

std::string CallValues::refuse(std::string where, std::string reason) {
  if (!failure_) failure_ = Failure{std::move(where), std::move(reason)};
  return R"("")";
}

bool CallValues::is_record(const json::object& node, int depth) const {
  if (depth == 0) return false;
  if (const json::value* ref = node.if_contains("$ref")) {
    return is_record(defs_->at(std::string_view(ref->get_string()).substr(kDefs.size())).get_object(), depth - 1);
  }
  if (const json::value* arms = node.if_contains("anyOf")) {
    return std::all_of(arms->get_array().begin(), arms->get_array().end(),
                       [&](const json::value& arm) { return is_record(arm.get_object(), depth - 1); });
  }
  if (const json::value* values = node.if_contains("enum")) {
    return std::all_of(values->get_array().begin(), values->get_array().end(),
                       [](const json::value& each) { return each.is_object(); });
  }
  const json::value* type = node.if_contains("type");
  return type != nullptr && *type == "object";
}

Result<std::string> CallValues::arguments(const json::object& kept, const std::string& where) {
  const json::value* defs = kept.if_contains("$defs");
  defs_ = defs == nullptr ? nullptr : &defs->get_object();
  targets_.clear();
  if (!is_record(kept, kDeepestRefs)) return Failure{where, "expected a schema of objects: arguments have names"};
  const std::string out = value(kept, where);
  while (!failure_ && !waiting_.empty()) {
    const std::string ref = std::move(waiting_.back());
    waiting_.pop_back();
    const std::string body = value(defs_->at(ref).get_object(), fmt::format("{}.$defs.{}", where, ref));
    rules_ += fmt::format("{} ::= {}\n", targets_.at(ref), body);
  }
  if (failure_) return *failure_;
  return out;
}

std::string CallValues::value(const json::object& node, Where where) {
  if (failure_) return {};
  if (const json::value* ref = node.if_contains("$ref")) {
    const std::string target(std::string_view(ref->get_string()).substr(kDefs.size()));
    const auto [found, is_new] = targets_.emplace(target, "");
    if (is_new) {
      found->second = new_name();
      waiting_.push_back(target);
    }
    return found->second;
  }
  if (const json::value* arms = node.if_contains("anyOf")) return choice(arms->get_array(), where);
  if (const json::value* list = node.if_contains("enum")) return values(list->get_array(), where);
  const json::value* type = node.if_contains("type");
  if (type == nullptr) return anything();
  if (*type == "null") return R"("null")";
  if (*type == "boolean") return R"(("true" | "false"))";
  if (*type == "string") return text(node, where);
  if (*type == "array") return list(node, where);
  if (*type == "object") return record(node, where);
  return number(node);
}

std::string CallValues::choice(const json::array& arms, Where where) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < arms.size(); ++i) {
    parts.push_back(value(arms[i].get_object(), fmt::format("{}.anyOf[{}]", where, i)));
  }
  return rule(joined_arms(parts));
}

/** The texts among the values are one kind of text. */
std::string CallValues::values(const json::array& list, Where where) {
  std::vector<std::string> parts;
  TextKind texts;
  texts.pattern = Pattern{Pattern::Kind::choice, {}, {}};
  texts.name = "one of";
  texts.where = where;
  for (const json::value& each : list) {
    if (!each.is_string()) {
      parts.push_back(constant(each, where));
      continue;
    }
    texts.pattern->parts.push_back(exactly(each.get_string()));
    texts.name += " " + write_json(each);
  }
  if (!texts.pattern->parts.empty()) parts.push_back(quoted(std::move(texts)));
  return rule(joined_arms(parts));
}

std::string CallValues::constant(const json::value& value, Where where) {
  if (value.is_string()) return values(json::array{value}, where);
  if (const json::array* list = value.if_array()) {
    std::vector<std::string> items;
    for (const json::value& each : *list) items.push_back(constant(each, where));
    return fmt::format(R"("[" {} "]")", joined_words(items, R"( "," )"));
  }
  if (const json::object* keys = value.if_object()) {
    std::vector<std::string> members;
    for (const json::key_value_pair* each : sorted_members(*keys)) {
      members.push_back(fmt::format("{} {}", key_rule(each->key()), constant(each->value(), where)));
    }
    return fmt::format(R"("{{" {} "}}")", joined_words(members, R"( "," )"));
  }
  return literal(write_json(value));
}

/** Numbers are bounded in their digits where they have a point or an exponent, so that a double holds them. */
std::string CallValues::number(const json::object& node) {
  const bool whole = node.at("type") == "integer";
  json::object bounds{{"type", node.at("type")}};
  for (const std::string_view keyword : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}) {
    if (const json::value* bound = node.if_contains(keyword)) bounds[keyword] = *bound;
  }
  std::string& name = shared_[write_json(bounds)];
  if (!name.empty()) return name;
  if (bounds.size() == 1) {
    return name = rule(whole ? R"("-"? ("0" | [1-9] [0-9]*))"
                             : R"("-"? ("0" | [1-9] [0-9]{0,63}) ("." [0-9]{1,64})? ([eE] [+\-]? [0-9]{1,2})?)");
  }
  name = new_name();
  // Of the rules that the compiler makes of a schema those that begin with "root" are the bounds'.
  constexpr std::string_view kRoot = "root";
  const std::string rules = numbers_(bounds);
  for (size_t begin = 0; begin < rules.size();) {
    const size_t end = std::min(rules.find('\n', begin), rules.size());
    std::string line = rules.substr(begin, end - begin);
    begin = end + 1;
    if (!line.starts_with(kRoot)) continue;
    for (size_t at = line.find(kRoot); at != std::string::npos; at = line.find(kRoot, at + name.size())) {
      line.replace(at, kRoot.size(), name);
    }
    rules_ += line + "\n";
  }
  return name;
}

std::string CallValues::text(const json::object& node, Where where) {
  if (const json::value* pattern = node.if_contains("pattern")) {
    return pattern_text(pattern->get_string(), where + ".pattern");
  }
  if (const json::value* format = node.if_contains("format")) {
    return pattern_text(format_pattern(format->get_string()), where + ".format");
  }
  const auto length = [&](const char* keyword, int64_t otherwise) {
    return node.contains(keyword) ? node.at(keyword).to_number<int64_t>() : otherwise;
  };
  TextKind kind;
  kind.least = length("minLength", 0);
  kind.most = length("maxLength", -1);
  kind.name = fmt::format("length {} {}", kind.least, kind.most);
  kind.where = where;
  return quoted(std::move(kind));
}

std::string CallValues::pattern_text(std::string_view pattern, Where where) {
  Result<Pattern> parsed = parse_regex(pattern);
  if (!parsed) {
    const Failure& failure = parsed.failure();
    return refuse(where, fmt::format("'{}', {}: {}", pattern, failure.field, failure.reason));
  }
  TextKind kind;
  kind.pattern = std::move(parsed).value();
  kind.name = fmt::format("pattern {}", pattern);
  kind.where = where;
  return quoted(std::move(kind));
}

std::string CallValues::quoted(TextKind kind) {
  const auto [found, is_new] = kinds_by_name_.emplace(kind.name, kinds_.size());
  if (is_new) {
    if (kinds_.size() == static_cast<size_t>(tokens_.texts)) {
      return refuse(kind.where, fmt::format("expected at most {} kinds of strings in all tools", tokens_.texts));
    }
    kinds_.push_back(std::move(kind));
  }
  std::string& name = shared_[fmt::format("text {}", found->second)];
  if (name.empty()) {
    name = rule(fmt::format("Token({0}) Token({1}) Token({0})", tokens_.quote,
                            tokens_.first_text + static_cast<int32_t>(found->second)));
  }
  return name;
}

std::string CallValues::list(const json::object& node, Where where) {
  const json::value* first = node.if_contains("prefixItems");
  const json::value& items = node.at("items");
  const auto bound = [&](const char* keyword, int64_t otherwise) {
    return node.contains(keyword) ? node.at(keyword).to_number<int64_t>() : otherwise;
  };
  const int64_t least = bound("minItems", 0), most = bound("maxItems", -1);
  const auto leading = first == nullptr ? 0 : static_cast<int64_t>(first->get_array().size());
  std::string rest = R"("")";
  const bool more = !(items.is_bool() && !items.get_bool()) && (most < 0 || most > leading);
  if (more) {
    const std::string item = items.is_bool() ? anything() : value(items.get_object(), where + ".items");
    // Behind the first ones a comma stands before each; without them the first item has none.
    const int64_t before = std::max<int64_t>(leading, 1);
    const std::string behind = fmt::format(R"(("," {}){{{},{}}})", item, std::max<int64_t>(least - before, 0),
                                           most < 0 ? "" : std::to_string(most - before));
    rest = leading > 0 ? behind : fmt::format("{}({} {})", least == 0 ? R"("" | )" : "", item, behind);
  }
  std::string out = rule(rest);
  for (int64_t i = leading; i-- > 0;) {
    const std::string item =
        value(first->get_array()[static_cast<size_t>(i)].get_object(), fmt::format("{}.prefixItems[{}]", where, i));
    out = rule(fmt::format("{}({} {} {})", i >= least ? R"("" | )" : "", i > 0 ? R"(",")" : R"("")", item, out));
  }
  return rule(fmt::format(R"("[" {} "]")", out));
}

std::string CallValues::anything() {
  std::string& name = shared_["anything"];
  if (!name.empty()) return name;
  name = new_name();
  TextKind any;
  any.name = "length 0 -1";
  const std::string text = quoted(std::move(any));
  const std::string decimal = number({{"type", "number"}});
  const std::string key = free_key({});
  rules_ += fmt::format(R"({0} ::= "null" | "true" | "false" | {1} | {2} | "[" ({0} ("," {0})*)? "]" | )"
                        R"("{{" ({3} {0} ("," {3} {0})*)? "}}")"
                        "\n",
                        name, text, decimal, key);
  return name;
}

}  // namespace gemma

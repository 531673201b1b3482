// SPDX-License-Identifier: Apache-2.0
#include "serve/structured_outputs.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "chat/template_value.h"
#include "serve/json_bounds.h"

namespace gemma::serve {
namespace {

/** A text as rules write it. */
std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < ' ') {
      out += fmt::format("\\x{:02X}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

/** One of several texts, as rules. */
std::optional<Constraint> choice_of(Fields& fields, const std::string& key) {
  const json::array* texts = fields.list(key);
  if (texts == nullptr) return std::nullopt;
  std::string rules;
  for (const json::value& each : *texts) {
    const json::string* text = each.if_string();
    if (text == nullptr || text->empty()) {
      fields.fail(key, "expected an array of texts that are not empty");
      return std::nullopt;
    }
    rules += (rules.empty() ? "root ::= " : " | ") + quoted(*text);
  }
  if (rules.empty()) fields.fail(key, "expected at least one text, found none");
  return TextRules{std::move(rules), fields.name_of(key)};
}

/** A schema, or the text of one. */
std::optional<Constraint> schema_of(Fields& fields, const std::string& key) {
  const json::value* given = fields.any(key);
  if (given == nullptr) return std::nullopt;
  if (!given->is_string()) return JsonSchema{*given, fields.name_of(key)};
  auto parsed = BoundedJson().read(given->get_string());
  if (parsed) return JsonSchema{std::move(parsed).value(), fields.name_of(key)};
  fields.fail(key, "expected a schema or the text of one: " + parsed.failure().reason);
  return std::nullopt;
}

/** Keeps the one form there is. */
class OnlyOne {
 public:
  explicit OnlyOne(Fields& fields) : fields_(fields) {}
  void take(std::string_view key, std::optional<Constraint> form) {
    if (form && form_) fields_.fail(key, "is a second form: expected one of them");
    if (form) form_ = std::move(form);
  }
  std::optional<Constraint> form() { return std::move(form_); }

 private:
  Fields& fields_;
  std::optional<Constraint> form_;
};

void read_forms(Fields& fields, const std::string& prefix, OnlyOne& one) {
  const std::string regex = prefix + "regex", grammar = prefix + "grammar";
  one.take(prefix + "json", schema_of(fields, prefix + "json"));
  one.take(prefix + "choice", choice_of(fields, prefix + "choice"));
  if (auto given = fields.text(regex)) one.take(regex, TextPattern{std::move(*given), fields.name_of(regex)});
  if (auto given = fields.text(grammar)) one.take(grammar, TextRules{std::move(*given), fields.name_of(grammar)});
}

}  // namespace

std::optional<Constraint> read_structured_outputs(Fields& fields) {
  OnlyOne one(fields);
  read_forms(fields, "guided_", one);
  if (const json::object* given = fields.object("structured_outputs")) {
    Fields inside(*given, fields.name_of("structured_outputs"));
    OnlyOne within(inside);
    read_forms(inside, "", within);
    if (inside.flag("json_object").value_or(false)) within.take("json_object", AnyJsonObject{});
    auto form = within.form();
    if (!form) inside.fail("json", "is missing, as are regex, choice, grammar and json_object");
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
    one.take("structured_outputs", std::move(form));
  }
  return one.form();
}

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "chat/tool_text.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/utf8.h"
#include "chat/letter_case.h"

namespace gemma {
namespace {

constexpr std::array<std::string_view, 5> kStandardKeys = {"description", "type", "properties", "required", "nullable"};

void write_quoted(PromptWriter& out, std::string_view text) {
  out.put("<|\"|>");
  out.text(text);
  out.put("<|\"|>");
}

std::string type_of(TemplateValue schema) { return upper_case(printed(member(schema, "type"))); }

/** The comma between the entries of a list. */
class Commas {
 public:
  explicit Commas(PromptWriter& out) : out_(out) {}
  void next() {
    if (!first_) out_.put(",");
    first_ = false;
  }

 private:
  PromptWriter& out_;
  bool first_ = true;
};

/** What a loop of the template walks over: the items of an array, the keys of an object, the characters of a string. */
std::optional<std::vector<std::string>> items_of(TemplateValue list) {
  std::vector<std::string> items;
  if (is_array(list)) {
    for (const json::value& item : list->get_array()) items.push_back(printed(&item));
  } else if (is_mapping(list)) {
    for (const json::key_value_pair& pair : list->get_object()) items.emplace_back(pair.key());
  } else if (is_string(list)) {
    for (std::string_view rest = string_of(list); !rest.empty(); rest.remove_prefix(items.back().size())) {
      items.emplace_back(rest.substr(0, static_cast<size_t>(std::max(utf8::length(rest), 1))));
    }
  } else {
    return std::nullopt;
  }
  return items;
}

void write_quoted_items(PromptWriter& out, TemplateValue list, const std::string& field) {
  const auto items = items_of(list);
  if (!items) return out.fail(field, fmt::format("expected an array of names, found {}", kind_of(list)));
  Commas commas(out);
  for (const std::string& item : *items) {
    commas.next();
    write_quoted(out, item);
  }
}

void write_properties(PromptWriter& out, const json::object& properties, bool leave_standard_keys_out,
                      const std::string& field);

/** A type inside "items": one name, or a list of alternatives. */
void write_item_type(PromptWriter& out, TemplateValue type, const std::string& field) {
  out.put("type:");
  if (is_string(type)) return write_quoted(out, upper_case(string_of(type)));
  const auto names = items_of(type);
  if (!names) return out.fail(field, fmt::format("expected a string or an array, found {}", kind_of(type)));
  out.put("[");
  Commas commas(out);
  for (const std::string& name : *names) {
    commas.next();
    write_quoted(out, upper_case(name));
  }
  out.put("]");
}

/** The schema of an array's items: like a property, but every key is printed, sorted, and no type is made up. */
void write_items(PromptWriter& out, const json::object& items, const std::string& field) {
  out.put("items:{");
  Commas commas(out);
  for (const json::key_value_pair* pair : sorted_members(items)) {
    const std::string_view key = pair->key();
    const TemplateValue value = &pair->value();
    if (is_null(value)) continue;
    commas.next();
    if (key == "properties") {
      out.put("properties:{");
      if (is_mapping(value)) write_properties(out, value->get_object(), false, field + ".properties");
      out.put("}");
    } else if (key == "required") {
      out.put("required:[");
      write_quoted_items(out, value, field + ".required");
      out.put("]");
    } else if (key == "type") {
      write_item_type(out, value, field + ".type");
    } else {
      out.text(key);
      out.put(":");
      write_argument(out, value, true);
    }
  }
  out.put("}");
}

/** What an object's schema holds: its properties (or, where it has none, whatever it holds instead), the required. */
void write_object_schema(PromptWriter& out, TemplateValue schema, Commas& commas, const std::string& field) {
  const TemplateValue properties = member(schema, "properties");
  commas.next();
  out.put("properties:{");
  if (is_mapping(properties)) {
    write_properties(out, properties->get_object(), false, field + ".properties");
  } else {
    write_properties(out, schema->get_object(), true, field);
  }
  out.put("}");
  if (const TemplateValue required = member(schema, "required"); is_truthy(required)) {
    commas.next();
    out.put("required:[");
    write_quoted_items(out, required, field + ".required");
    out.put("]");
  }
}

/** "{description:..,enum:[..],nullable:true,type:STRING}" */
void write_schema(PromptWriter& out, TemplateValue schema, const std::string& field) {
  const std::string type = type_of(schema);
  Commas commas(out);
  out.put("{");
  if (const TemplateValue description = member(schema, "description"); is_truthy(description)) {
    commas.next();
    out.put("description:");
    write_quoted(out, printed(description));
  }
  if (const TemplateValue choices = member(schema, "enum"); type == "STRING" && is_truthy(choices)) {
    commas.next();
    out.put("enum:");
    write_argument(out, choices, true);
  }
  if (const TemplateValue items = member(schema, "items"); type == "ARRAY" && is_mapping(items) && is_truthy(items)) {
    commas.next();
    write_items(out, items->get_object(), field + ".items");
  }
  if (is_truthy(member(schema, "nullable"))) {
    commas.next();
    out.put("nullable:true");
  }
  if (type == "OBJECT") write_object_schema(out, schema, commas, field);
  commas.next();
  out.put("type:");
  write_quoted(out, type);
  out.put("}");
}

void write_properties(PromptWriter& out, const json::object& properties, bool leave_standard_keys_out,
                      const std::string& field) {
  Commas commas(out);
  for (const json::key_value_pair* pair : sorted_members(properties)) {
    const std::string_view key = pair->key();
    if (leave_standard_keys_out && std::find(kStandardKeys.begin(), kStandardKeys.end(), key) != kStandardKeys.end()) {
      continue;
    }
    commas.next();
    out.text(key);
    out.put(":");
    write_schema(out, &pair->value(), field + "." + std::string(key));
  }
}

void write_parameters(PromptWriter& out, TemplateValue parameters, const std::string& field) {
  out.put(",parameters:{");
  if (const TemplateValue properties = member(parameters, "properties"); is_truthy(properties)) {
    out.put("properties:{");
    if (is_mapping(properties)) {
      write_properties(out, properties->get_object(), false, field + ".properties");
    } else {
      out.fail(field + ".properties", fmt::format("expected an object, found {}", kind_of(properties)));
    }
    out.put("},");
  }
  if (const TemplateValue required = member(parameters, "required"); is_truthy(required)) {
    out.put("required:[");
    write_quoted_items(out, required, field + ".required");
    out.put("],");
  }
  if (is_truthy(member(parameters, "type"))) {  // without a type the brace stays open: so the template has it
    out.put("type:");
    write_quoted(out, type_of(parameters));
    out.put("}");
  }
}

void write_response_schema(PromptWriter& out, TemplateValue response) {
  out.put(",response:{");
  if (const TemplateValue description = member(response, "description"); is_truthy(description)) {
    out.put("description:");
    write_quoted(out, printed(description));
    out.put(",");
  }
  if (const std::string type = type_of(response); type == "OBJECT") {
    out.put("type:");
    write_quoted(out, type);
    out.put("}");
  }
}

}  // namespace

void write_declaration(PromptWriter& out, TemplateValue tool, const std::string& field) {
  const TemplateValue function = member(tool, "function");
  if (!is_mapping(function)) {
    return out.fail(field + ".function", fmt::format("expected an object, found {}", kind_of(function)));
  }
  out.put("declaration:");
  out.text(printed(member(function, "name")));
  out.put("{description:");
  write_quoted(out, printed(member(function, "description")));
  if (const TemplateValue parameters = member(function, "parameters"); is_truthy(parameters)) {
    write_parameters(out, parameters, field + ".function.parameters");
  }
  if (const TemplateValue response = member(function, "response")) write_response_schema(out, response);
  out.put("}");
}

void write_members(PromptWriter& out, const json::object& object, bool quote_keys) {
  Commas commas(out);
  for (const json::key_value_pair* pair : sorted_members(object)) {
    commas.next();
    if (quote_keys) {
      write_quoted(out, pair->key());
    } else {
      out.text(pair->key());
    }
    out.put(":");
    write_argument(out, &pair->value(), quote_keys);
  }
}

void write_argument(PromptWriter& out, TemplateValue value, bool quote_keys) {
  if (is_null(value)) {
    out.put("null");
  } else if (is_string(value)) {
    write_quoted(out, string_of(value));
  } else if (value && value->is_bool()) {
    out.put(value->get_bool() ? "true" : "false");
  } else if (is_mapping(value)) {
    out.put("{");
    write_members(out, value->get_object(), quote_keys);
    out.put("}");
  } else if (!value || is_array(value)) {  // to the template the undefined is an empty list
    out.put("[");
    Commas commas(out);
    for (const json::value& item : value ? value->get_array() : json::array()) {
      commas.next();
      write_argument(out, &item, quote_keys);
    }
    out.put("]");
  } else {
    out.text(printed(value));
  }
}

void write_response(PromptWriter& out, std::string_view tool, TemplateValue response) {
  out.put("<|tool_response>response:");
  out.text(tool);
  out.put("{");
  if (is_mapping(response)) {
    write_members(out, response->get_object(), false);
  } else {
    out.put("value:");
    write_argument(out, response, false);
  }
  out.put("}<tool_response|>");
}

void write_text_response(PromptWriter& out, std::string_view tool, std::string_view response) {
  out.put("<|tool_response>response:");
  out.text(tool);
  out.put("{value:");
  write_quoted(out, response);
  out.put("}<tool_response|>");
}

}  // namespace gemma

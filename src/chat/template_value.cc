// SPDX-License-Identifier: Apache-2.0
#include "chat/template_value.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "base/utf8.h"
#include "chat/letter_case.h"

namespace gemma {
namespace {

std::string printed_double(double value) {
  std::string text = fmt::format("{}", value);  // the shortest digits, exponents where Python has them
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

/** Characters that repr() writes as escapes, beyond ASCII: separators, controls, formats. (Python also escapes
 *  characters that Unicode has not assigned; those stay as they are here.) */
bool is_unprintable(char32_t c) {
  static constexpr std::pair<char32_t, char32_t> kRanges[] = {
      {0x80, 0xA0},       {0xAD, 0xAD},       {0x600, 0x605},     {0x61C, 0x61C},     {0x6DD, 0x6DD},
      {0x70F, 0x70F},     {0x890, 0x891},     {0x8E2, 0x8E2},     {0x1680, 0x1680},   {0x180E, 0x180E},
      {0x2000, 0x200F},   {0x2028, 0x202F},   {0x205F, 0x2064},   {0x2066, 0x206F},   {0x3000, 0x3000},
      {0xE000, 0xF8FF},   {0xFEFF, 0xFEFF},   {0xFFF9, 0xFFFB},   {0x110BD, 0x110BD}, {0x110CD, 0x110CD},
      {0x13430, 0x13438}, {0x1BCA0, 0x1BCA3}, {0x1D173, 0x1D17A}, {0xE0001, 0xE0001}, {0xE0020, 0xE007F},
      {0xF0000, 0x10FFFF}};
  return std::any_of(std::begin(kRanges), std::end(kRanges),
                     [c](const auto& range) { return c >= range.first && c <= range.second; });
}

void append_escaped(std::string& out, char32_t c, char quote) {
  const auto code = static_cast<uint32_t>(c);
  if (c == '\\' || c == static_cast<char32_t>(quote)) {
    out += '\\';
    out += static_cast<char>(c);
  } else if (c == '\n' || c == '\r' || c == '\t') {
    out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
  } else if (c < 0x20 || c == 0x7F || (c < 0x100 && is_unprintable(c))) {
    out += fmt::format("\\x{:02x}", code);
  } else if (is_unprintable(c)) {
    out += c < 0x10000 ? fmt::format("\\u{:04x}", code) : fmt::format("\\U{:08x}", code);
  } else {
    utf8::append(out, c);
  }
}

/** repr() of a string. */
std::string quoted(std::string_view text) {
  const bool single = text.find('\'') == std::string_view::npos || text.find('"') != std::string_view::npos;
  const char quote = single ? '\'' : '"';
  std::string out(1, quote);
  while (!text.empty()) {
    const auto bytes = static_cast<size_t>(utf8::length(text));
    if (bytes == 0) {
      out += text.front();
    } else {
      append_escaped(out, utf8::decode(text), quote);
    }
    text.remove_prefix(std::max<size_t>(bytes, 1));
  }
  return out + quote;
}

/** repr(): as str(), but strings are quoted. */
std::string representation(const json::value& value) {
  if (is_string(&value)) return quoted(string_of(&value));
  if (const json::array* array = value.if_array()) {
    std::string out = "[";
    for (const json::value& item : *array) out += (out.size() > 1 ? ", " : "") + representation(item);
    return out + "]";
  }
  if (const json::object* object = value.if_object()) {
    std::string out = "{";
    for (const auto& [key, item] : *object) {
      out += (out.size() > 1 ? ", " : "") + quoted(key) + ": " + representation(item);
    }
    return out + "}";
  }
  return printed(&value);
}

/** A number or a boolean as Python compares it; nullptr-free values only. */
bool is_number(const json::value& value) { return value.is_number() || value.is_bool(); }

bool equal_numbers(const json::value& a, const json::value& b) {
  if (a.is_bool()) return equal_numbers(json::value(static_cast<int64_t>(a.get_bool())), b);
  if (b.is_bool()) return equal_numbers(a, json::value(static_cast<int64_t>(b.get_bool())));
  if (a.is_double() || b.is_double()) return a.to_number<double>() == b.to_number<double>();
  return a == b;
}

}  // namespace

TemplateValue member(TemplateValue value, std::string_view key) {
  if (!is_mapping(value)) return nullptr;
  return value->get_object().if_contains(key);
}

bool is_truthy(TemplateValue value) {
  if (!value) return false;
  switch (value->kind()) {
    case json::kind::null:
      return false;
    case json::kind::bool_:
      return value->get_bool();
    case json::kind::int64:
      return value->get_int64() != 0;
    case json::kind::uint64:
      return value->get_uint64() != 0;
    case json::kind::double_:
      return value->get_double() != 0;
    case json::kind::string:
      return !value->get_string().empty();
    case json::kind::array:
      return !value->get_array().empty();
    case json::kind::object:
      return !value->get_object().empty();
  }
  return false;
}

bool is_string(TemplateValue value) { return value && value->is_string() && !digits_of_big_integer(*value); }
bool is_mapping(TemplateValue value) { return value && value->is_object(); }
bool is_array(TemplateValue value) { return value && value->is_array(); }
bool is_null(TemplateValue value) { return value && value->is_null(); }

std::string_view string_of(TemplateValue value) {
  GEMMA_CHECK(is_string(value), "a string");
  return value->get_string();
}

bool is_text(TemplateValue value, std::string_view text) { return is_string(value) && string_of(value) == text; }

std::string printed(TemplateValue value) {
  if (!value) return "";
  switch (value->kind()) {
    case json::kind::null:
      return "None";
    case json::kind::bool_:
      return value->get_bool() ? "True" : "False";
    case json::kind::int64:
      return fmt::format("{}", value->get_int64());
    case json::kind::uint64:
      return fmt::format("{}", value->get_uint64());
    case json::kind::double_:
      return printed_double(value->get_double());
    case json::kind::string:
      if (const auto digits = digits_of_big_integer(*value)) return std::string(*digits);
      return std::string(string_of(value));
    default:
      return representation(*value);
  }
}

bool equal(TemplateValue a, TemplateValue b) {
  const bool no_a = !a || a->is_null(), no_b = !b || b->is_null();
  if (no_a || no_b) return no_a && no_b;
  if (is_number(*a) && is_number(*b)) return equal_numbers(*a, *b);
  return *a == *b;
}

size_t white_space(std::string_view text) {
  if (text.empty()) return 0;
  const auto first = static_cast<unsigned char>(text.front());
  if (first < 0x80) return (first >= 0x09 && first <= 0x0D) || (first >= 0x1C && first <= 0x20) ? 1 : 0;
  const auto bytes = static_cast<size_t>(utf8::length(text));
  if (bytes == 0) return 0;
  const char32_t c = utf8::decode(text);
  const bool white = c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
                     c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
  return white ? bytes : 0;
}

std::string_view trim(std::string_view text) {
  while (const size_t bytes = white_space(text)) text.remove_prefix(bytes);
  while (!text.empty()) {
    size_t last = text.size() - 1;  // where the last character starts
    while (last > 0 && text.size() - last < 4 && (static_cast<unsigned char>(text[last]) & 0xC0) == 0x80) --last;
    const size_t bytes = white_space(text.substr(last));
    if (bytes == 0 || last + bytes != text.size()) break;
    text.remove_suffix(bytes);
  }
  return text;
}

std::vector<const json::key_value_pair*> sorted_members(const json::object& object) {
  std::vector<std::pair<std::string, const json::key_value_pair*>> keyed;
  keyed.reserve(object.size());
  for (const json::key_value_pair& pair : object) keyed.emplace_back(lower_case(pair.key()), &pair);
  std::sort(keyed.begin(), keyed.end());  // equal keys by their place in the object, which is one array
  std::vector<const json::key_value_pair*> members;
  members.reserve(keyed.size());
  for (const auto& [key, pair] : keyed) members.push_back(pair);
  return members;
}

std::string_view kind_of(TemplateValue value) {
  if (!value) return "nothing";
  if (digits_of_big_integer(*value)) return "a number";
  switch (value->kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a boolean";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

}  // namespace gemma

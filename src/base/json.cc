// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/utf8.h"

namespace gemma {
namespace {

constexpr char kBigIntegerMark = '\xff';

/** The nearest double of a JSON number; Boost 1.81's own are off by one bit once in six. */
double exact_double(const std::string& spelled, double boost) {
  double value = 0;
  const auto [end, error] = std::from_chars(spelled.data(), spelled.data() + spelled.size(), value);
  return error == std::errc() && end == spelled.data() + spelled.size() ? value : boost;  // too large or too small
}

/** Builds the value from what the parser meets. */
class Builder {
 public:
  static constexpr size_t max_object_size = json::object::max_size();
  static constexpr size_t max_array_size = json::array::max_size();
  static constexpr size_t max_key_size = json::string::max_size();
  static constexpr size_t max_string_size = json::string::max_size();
  using Code = boost::system::error_code;
  using Text = json::string_view;

  explicit Builder(BigIntegers big) : big_(big) { stack_.reset(); }
  json::value release() { return stack_.release(); }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(size_t n, Code&) { return stack_.push_object(n), true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(size_t n, Code&) { return stack_.push_array(n), true; }
  bool on_key_part(Text part, size_t, Code&) { return stack_.push_chars(part), true; }
  bool on_key(Text part, size_t, Code&) { return stack_.push_key(part), true; }
  bool on_string_part(Text part, size_t, Code&) { return stack_.push_chars(part), true; }
  bool on_string(Text part, size_t, Code&) { return stack_.push_string(part), true; }
  bool on_number_part(Text part, Code&) { return number_.append(part.data(), part.size()), true; }
  bool on_int64(int64_t value, Text, Code&) { return number_.clear(), stack_.push_int64(value), true; }
  bool on_uint64(uint64_t value, Text, Code&) { return number_.clear(), stack_.push_uint64(value), true; }
  bool on_double(double value, Text part, Code&) {
    number_.append(part.data(), part.size());
    const bool integer = number_.find_first_of(".eE") == std::string::npos;
    if (integer && big_ == BigIntegers::keep) {
      stack_.push_string(kBigIntegerMark + number_);
    } else {
      stack_.push_double(exact_double(number_, value));
    }
    number_.clear();
    return true;
  }
  bool on_bool(bool value, Code&) { return stack_.push_bool(value), true; }
  bool on_null(Code&) { return stack_.push_null(), true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

 private:
  json::value_stack stack_;
  std::string number_;  // the parts of a number so far
  BigIntegers big_;
};

std::string place_of(std::string_view text, size_t offset) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const size_t line_start = before.rfind('\n');
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t column = line_start == std::string_view::npos ? offset + 1 : offset - line_start;
  return fmt::format("line {}, column {}", line, column);
}

void write_number(std::string& out, double value) {
  if (!std::isfinite(value)) {
    out += "null";  // JSON has no word for it
    return;
  }
  const size_t start = out.size();
  fmt::format_to(std::back_inserter(out), "{}", value);
  if (out.find_first_of(".e", start) == std::string::npos) out += ".0";  // stays a real number when read again
}

/** A string in quotes. Characters that some readers of JSON lines take for the end of a line are escaped; names of
 * files may be no UTF-8, which no reader takes. */
void write_string(std::string& out, const json::string& text) {
  static constexpr std::pair<std::string_view, std::string_view> kLineEnds[] = {
      {"\xC2\x85", "\\u0085"}, {"\xE2\x80\xA8", "\\u2028"}, {"\xE2\x80\xA9", "\\u2029"}};
  std::string quoted = json::serialize(utf8::valid(text) ? text : json::string(utf8::replace_invalid(text)));
  for (const auto& [character, escape] : kLineEnds) {
    for (size_t at = quoted.find(character); at != std::string::npos; at = quoted.find(character, at)) {
      quoted.replace(at, character.size(), escape);
    }
  }
  out += quoted;
}

class Writer {
 public:
  Writer(std::string& out, int indent) : out_(out), indent_(indent) {}

  void write(const json::value& value, int level) {
    switch (value.kind()) {
      case json::kind::object:
        return write_object(value.get_object(), level);
      case json::kind::array:
        return write_array(value.get_array(), level);
      case json::kind::double_:
        return write_number(out_, value.get_double());
      case json::kind::string:
        if (const auto digits = digits_of_big_integer(value)) {
          out_ += *digits;
          return;
        }
        return write_string(out_, value.get_string());
      default:
        out_ += json::serialize(value);
    }
  }

 private:
  void line(int level) {
    if (indent_ == 0) return;
    out_ += '\n';
    out_.append(static_cast<size_t>(indent_) * static_cast<size_t>(level), ' ');
  }

  void write_object(const json::object& object, int level) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, value] : object) {
      if (!first) out_ += indent_ ? "," : ", ";
      first = false;
      line(level + 1);
      write_string(out_, json::string(key));
      out_ += ": ";
      write(value, level + 1);
    }
    if (!object.empty()) line(level);
    out_ += '}';
  }

  void write_array(const json::array& array, int level) {
    out_ += '[';
    bool first = true;
    for (const json::value& value : array) {
      if (!first) out_ += indent_ ? "," : ", ";
      first = false;
      line(level + 1);
      write(value, level + 1);
    }
    if (!array.empty()) line(level);
    out_ += ']';
  }

  std::string& out_;
  int indent_;
};

}  // namespace

Result<json::value> parse_json(std::string_view text, int depth, BigIntegers big) {
  json::parse_options options;
  options.max_depth = static_cast<size_t>(depth);
  json::basic_parser<Builder> parser(options, big);
  boost::system::error_code error;
  const size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (!error) {
    const size_t rest = text.find_first_not_of(" \t\r\n", used);
    if (rest != std::string_view::npos) {
      return Failure{"", fmt::format("{}: expected the end of the JSON text, found more", place_of(text, rest))};
    }
    return parser.handler().release();
  }
  if (error == json::error::too_deep) {
    return Failure{"", fmt::format("{}: JSON is nested deeper than {} levels", place_of(text, used), depth)};
  }
  return Failure{"", fmt::format("{}: not valid JSON ({})", place_of(text, used), error.message())};
}

json::value parse_json_or_fail(std::string_view where, std::string_view text, int depth) {
  Result<json::value> value = parse_json(text, depth);
  if (!value) fail(where, "{}", value.failure().reason);
  return std::move(value).value();
}

json::value big_integer(std::string_view digits) { return json::string(kBigIntegerMark + std::string(digits)); }

std::optional<std::string_view> digits_of_big_integer(const json::value& value) {
  const json::string* text = value.if_string();
  if (!text || text->empty() || text->front() != kBigIntegerMark) return std::nullopt;
  const std::string_view digits = std::string_view(*text).substr(1);
  const bool negative = digits.starts_with('-');  // checked, so that ill-formed text is never taken for a number
  if (digits.size() <= negative || digits.find_first_not_of("0123456789", negative) != std::string_view::npos) {
    return std::nullopt;
  }
  return digits;
}

std::string write_json(const json::value& value, int indent) {
  std::string out;
  Writer(out, indent).write(value, 0);
  return out;
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <algorithm>
#include <cmath>

namespace gemma {
namespace {

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

class Writer {
 public:
  Writer(std::string& out, int indent) : out_(out), indent_(indent) {}

  void write(const json::value& value, int level) {
    switch (value.kind()) {
      case json::kind::object: return write_object(value.get_object(), level);
      case json::kind::array: return write_array(value.get_array(), level);
      case json::kind::double_: return write_number(out_, value.get_double());
      default: out_ += json::serialize(value);
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
      out_ += json::serialize(json::string(key));
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

Result<json::value> parse_json(std::string_view text, int depth) {
  json::parse_options options;
  options.max_depth = static_cast<size_t>(depth);
  json::stream_parser parser({}, options);
  boost::system::error_code error;
  const size_t used = parser.write_some(text.data(), text.size(), error);
  if (!error && !parser.done()) parser.finish(error);  // a number ends only where the text does
  if (!error) {
    const size_t rest = text.find_first_not_of(" \t\r\n", used);
    if (rest != std::string_view::npos) {
      return Failure{"", fmt::format("{}: expected the end of the JSON text, found more", place_of(text, rest))};
    }
    return parser.release();
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

std::string write_json(const json::value& value, int indent) {
  std::string out;
  Writer(out, indent).write(value, 0);
  return out;
}

}  // namespace gemma

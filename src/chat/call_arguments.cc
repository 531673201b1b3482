// SPDX-License-Identifier: Apache-2.0
#include "chat/call_arguments.h"

#include <cmath>

#include "chat/template_value.h"

namespace gemma {
namespace {

constexpr int kDepth = 128;  // levels of lists and objects

/** Reads values off a sequence of pieces. A nullopt means malformed, and ends everything. */
class Reader {
 public:
  explicit Reader(const std::vector<PromptPiece>& pieces) : pieces_(pieces) { settle(); }

  std::optional<json::value> value(int depth) {
    skip_blanks();
    if (at_quote()) return delimited_string();
    switch (peek()) {
      case '{':
        return depth > 0 ? object(depth - 1) : std::nullopt;
      case '[':
        return depth > 0 ? array(depth - 1) : std::nullopt;
      case '"':
        return json_string();
      default:
        return word();
    }
  }

  bool at_end() {
    skip_blanks();
    return piece_ == pieces_.size();
  }

 private:
  /** The next character of text; '\0' at a control token and at the end. */
  char peek() const { return piece_ < pieces_.size() && !control() ? pieces_[piece_].text[offset_] : '\0'; }
  bool control() const { return piece_ < pieces_.size() && pieces_[piece_].control; }
  bool at_quote() const { return control() && pieces_[piece_].text == kQuote; }

  void settle() {
    while (piece_ < pieces_.size() && !control() && offset_ >= pieces_[piece_].text.size()) next_piece();
  }
  void next_piece() {
    ++piece_;
    offset_ = 0;
  }
  char take() {
    const char c = peek();
    ++offset_;
    settle();
    return c;
  }
  bool take_if(char c) {
    if (peek() != c) return false;
    take();
    return true;
  }
  void skip_blanks() {
    while (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') take();
  }

  /** Between two <|"|>: whatever stands there, other control tokens by their spelling. */
  std::optional<std::string> quoted() {
    next_piece();
    settle();
    std::string text;
    for (; piece_ < pieces_.size(); settle()) {
      const bool end = at_quote();
      if (!end) text += std::string_view(pieces_[piece_].text).substr(offset_);
      next_piece();
      if (!end) continue;
      settle();
      return text;
    }
    return std::nullopt;
  }

  std::optional<json::value> delimited_string() {
    const std::optional<std::string> text = quoted();
    if (!text) return std::nullopt;
    return json::string(*text);
  }

  /** A string in JSON's own quotes, with its escapes. */
  std::optional<json::value> json_string() {
    std::string literal(1, take());
    for (bool escaped = false; piece_ < pieces_.size() && !at_quote();) {
      if (control()) {
        literal += pieces_[piece_].text;
        next_piece();
        settle();
        continue;
      }
      const char c = take();
      literal += c;
      if (c == '"' && !escaped) return parsed(literal);
      escaped = c == '\\' && !escaped;
    }
    return std::nullopt;
  }

  /** A number, true, false, null. */
  std::optional<json::value> word() {
    std::string literal;
    for (char c = peek(); c != '\0' && std::string_view(",:{}[]\" \t\r\n").find(c) == std::string_view::npos;
         c = peek()) {
      literal += take();
    }
    std::optional<json::value> value = parsed(literal);
    if (value && value->is_double() && !std::isfinite(value->get_double())) return std::nullopt;
    return value;
  }

  static std::optional<json::value> parsed(std::string_view literal) {
    Result<json::value> value = parse_json(literal, 1, BigIntegers::keep);
    if (!value) return std::nullopt;
    return std::move(value).value();
  }

  std::optional<json::value> array(int depth) {
    json::array items;
    take();
    skip_blanks();
    if (take_if(']')) return items;
    for (;;) {
      std::optional<json::value> item = value(depth);
      if (!item) return std::nullopt;
      items.push_back(*std::move(item));
      skip_blanks();
      if (take_if(']')) return items;
      if (!take_if(',')) return std::nullopt;
    }
  }

  std::optional<json::value> object(int depth) {
    json::object members;
    take();
    skip_blanks();
    if (take_if('}')) return members;
    for (;;) {
      const std::optional<std::string> name = key();
      if (!name || !take_if(':')) return std::nullopt;
      std::optional<json::value> member = value(depth);
      if (!member) return std::nullopt;
      members.insert_or_assign(*name, *std::move(member));
      skip_blanks();
      if (take_if('}')) return members;
      if (!take_if(',')) return std::nullopt;
    }
  }

  /** A key, quoted either way or bare; up to the colon. */
  std::optional<std::string> key() {
    skip_blanks();
    std::optional<std::string> name;
    if (at_quote()) {
      name = quoted();
    } else if (peek() == '"') {
      if (const std::optional<json::value> text = json_string()) name = std::string(string_of(&*text));
    } else {
      name = bare_key();
    }
    skip_blanks();
    return name;
  }

  std::optional<std::string> bare_key() {
    std::string name;
    for (char c = peek(); c != '\0' && std::string_view(":,{}[]\"\r\n").find(c) == std::string_view::npos; c = peek()) {
      name += take();
    }
    const std::string_view kept = trim(name);
    if (kept.empty()) return std::nullopt;
    return std::string(kept);
  }

  const std::vector<PromptPiece>& pieces_;
  size_t piece_ = 0;  // never a text that has been read to its end
  size_t offset_ = 0;
};

}  // namespace

std::optional<json::object> parse_call_arguments(const std::vector<PromptPiece>& pieces) {
  Reader reader(pieces);
  std::optional<json::value> arguments = reader.value(kDepth);
  if (!arguments || !arguments->is_object() || !reader.at_end()) return std::nullopt;
  return std::move(arguments->get_object());
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "chat/call_arguments.h"

#include <cmath>

#include "base/utf8.h"
#include "chat/channel.h"
#include "chat/template_value.h"

namespace gemma {
namespace {

constexpr size_t kDepth = 128;  // levels of lists and objects
constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kEndsWord(",:{}[]\" \t\r\n\0", 12);
constexpr std::string_view kEndsName(":,{}[]\"\r\n\0", 10);

bool is_one_of(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }

std::optional<json::value> parsed(std::string_view literal) {
  Result<json::value> value = parse_json(literal, 1, BigIntegers::keep);
  if (!value) return std::nullopt;
  return std::move(value).value();
}

/** JSON of what somebody has written, whole characters of it. */
std::string quoted(std::string_view text) { return write_json(json::string(utf8::replace_invalid(text))); }

}  // namespace

void CallArguments::text(std::string_view bytes) {
  for (; !bytes.empty(); bytes.remove_prefix(1)) {
    if (expects_ == Expects::quoted) return read_quoted(bytes);
    read(bytes.front());
  }
}

void CallArguments::control(std::string_view piece) {
  const bool quote = piece == kQuote;
  switch (expects_) {
    case Expects::quoted:
      return quote ? end_quoted() : read_quoted(piece);  // another token in a text is its spelling
    case Expects::literal:
      read_ += piece;
      if (quote) expects_ = Expects::nothing;
      return;
    case Expects::value:
    case Expects::value_or_end:
    case Expects::name:
    case Expects::name_or_end:
      if (quote && !open_.empty()) return begin_text(Expects::quoted);
      break;
    default:
      break;
  }
  expects_ = Expects::nothing;
}

std::optional<json::object> CallArguments::take() && {
  if (expects_ != Expects::over) return std::nullopt;
  return std::move(whole_.get_object());
}

void CallArguments::read(char c) {
  if (expects_ == Expects::literal) return read_literal(c);
  if (expects_ == Expects::word || expects_ == Expects::bare) {
    const bool word = expects_ == Expects::word;
    if (!is_one_of(word ? kEndsWord : kEndsName, c)) {
      read_ += c;
      return;
    }
    word ? end_word() : end_name(trim(read_));
  }
  if (is_one_of(kBlanks, c)) return;
  switch (expects_) {
    case Expects::value:
    case Expects::value_or_end:
      return begin_value(c);
    case Expects::name:
    case Expects::name_or_end:
      return begin_name(c);
    case Expects::colon:
      expects_ = c == ':' ? Expects::value : Expects::nothing;
      return;
    case Expects::separator:
      return separate(c);
    default:
      expects_ = Expects::nothing;
  }
}

void CallArguments::begin_value(char c) {
  if (c == ']' && expects_ == Expects::value_or_end) return close(c);
  if (c == '"' && !open_.empty()) return begin_text(Expects::literal);
  const bool opens = c == '{' || (c == '[' && !open_.empty());
  if (opens ? open_.size() == kDepth : open_.empty() || is_one_of(kEndsWord, c)) {
    expects_ = Expects::nothing;
    return;
  }
  next_in_list();
  if (!opens) {
    expects_ = Expects::word;
    read_ = c;
    return;
  }
  json_ += c;
  const bool list = c == '[';
  open_.push_back({list ? json::value(json::array()) : json::value(json::object()), {}});
  expects_ = list ? Expects::value_or_end : Expects::name_or_end;
}

void CallArguments::begin_name(char c) {
  if (c == '}' && expects_ == Expects::name_or_end) return close(c);
  if (c == '"') return begin_text(Expects::literal);
  expects_ = is_one_of(kEndsName, c) ? Expects::nothing : Expects::bare;
  read_ = c;
}

void CallArguments::begin_text(Expects how) {
  is_name_ = expects_ == Expects::name || expects_ == Expects::name_or_end;
  expects_ = how;
  read_ = how == Expects::literal ? "\"" : "";
  escaped_ = false;
  said_ = 0;
  if (is_name_) return;
  next_in_list();
  if (how == Expects::quoted) json_ += '"';
}

void CallArguments::read_literal(char c) {
  read_ += c;
  if (c != '"' || escaped_) {
    escaped_ = c == '\\' && !escaped_;
    return;
  }
  std::optional<json::value> text = parsed(read_);
  if (!text) {
    expects_ = Expects::nothing;
  } else if (is_name_) {
    end_name(string_of(&*text));
  } else {
    json_ += write_json(*text);
    add(*std::move(text));
  }
}

void CallArguments::read_quoted(std::string_view bytes) {
  read_ += bytes;
  if (!is_name_) say_text(read_.size() - incomplete_tail(std::string_view(read_).substr(said_)));
}

void CallArguments::end_quoted() {
  if (is_name_) return end_name(read_);
  say_text(read_.size());
  json_ += '"';
  add(json::string(utf8::replace_invalid(read_)));
}

void CallArguments::say_text(size_t end) {
  const std::string more = quoted(std::string_view(read_).substr(said_, end - said_));
  json_.append(more, 1, more.size() - 2);
  said_ = end;
}

void CallArguments::end_word() {
  std::optional<json::value> value = parsed(read_);
  if (!value || (value->is_double() && !std::isfinite(value->get_double()))) {
    expects_ = Expects::nothing;
    return;
  }
  json_ += write_json(*value);
  add(*std::move(value));
}

void CallArguments::end_name(std::string_view name) {
  if (name.empty() && expects_ == Expects::bare) {
    expects_ = Expects::nothing;
    return;
  }
  Level& level = open_.back();
  if (!level.values.get_object().empty()) json_ += ", ";
  json_ += quoted(name) + ": ";
  level.name = utf8::replace_invalid(name);
  expects_ = Expects::colon;
}

/** What comes behind a value. */
void CallArguments::separate(char c) {
  const bool list = open_.back().values.is_array();
  if (c == (list ? ']' : '}')) return close(c);
  expects_ = c != ',' ? Expects::nothing : list ? Expects::value : Expects::name;
}

void CallArguments::next_in_list() {
  const json::array* list = open_.empty() ? nullptr : open_.back().values.if_array();
  if (list != nullptr && !list->empty()) json_ += ", ";
}

void CallArguments::close(char c) {
  json_ += c;
  json::value values = std::move(open_.back().values);
  open_.pop_back();
  add(std::move(values));
}

void CallArguments::add(json::value value) {
  expects_ = open_.empty() ? Expects::over : Expects::separator;
  if (open_.empty()) {
    whole_ = std::move(value);
  } else if (json::array* list = open_.back().values.if_array()) {
    list->push_back(std::move(value));
  } else {
    open_.back().values.get_object().insert_or_assign(open_.back().name, std::move(value));
  }
}

}  // namespace gemma

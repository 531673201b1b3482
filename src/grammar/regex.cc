// SPDX-License-Identifier: Apache-2.0
#include "grammar/regex.h"

#include <algorithm>
#include <optional>
#include <string>

#include "base/utf8.h"
#include "grammar/character_set.h"

namespace gemma {
namespace {

constexpr int kDeepest = 100;       // groups within one another
constexpr int kMostTimes = 10'000;  // of a repetition

/** Recursive descent. After a failure everything returns at once, and what it returns is not looked at. */
class RegexParser {
 public:
  explicit RegexParser(std::string_view text) {
    for (std::string_view rest = text; !rest.empty();) {
      const int bytes = utf8::length(rest);
      if (bytes == 0) {
        refuse("expected UTF-8, found another byte", characters_.size());
        return;
      }
      characters_.push_back(utf8::decode(rest));
      rest.remove_prefix(static_cast<size_t>(bytes));
    }
  }

  Result<Pattern> parse() {
    Pattern out = choice(kDeepest);
    if (!failure_ && !at_end()) refuse("expected the end or an opening '(' before it, found ')'", at_);
    if (failure_) return *failure_;
    return out;
  }

 private:
  bool at_end() const { return failure_.has_value() || at_ == characters_.size(); }
  char32_t peek() const { return at_end() ? 0 : characters_[at_]; }
  bool next_is(std::string_view text) const {
    if (failure_ || characters_.size() - at_ < text.size()) return false;
    for (size_t i = 0; i < text.size(); ++i) {
      if (characters_[at_ + i] != static_cast<unsigned char>(text[i])) return false;
    }
    return true;
  }
  bool take_if(std::string_view text) {
    if (!next_is(text)) return false;
    at_ += text.size();
    return true;
  }
  std::string found() const {
    if (at_ >= characters_.size()) return "the end";
    std::string out;
    utf8::append(out, characters_[at_]);
    return fmt::format("'{}'", out);
  }

  Pattern refuse(std::string reason, size_t at) {
    if (!failure_) failure_ = Failure{fmt::format("character {}", at + 1), std::move(reason)};
    return {};
  }

  Pattern choice(int depth) {
    Pattern out{Pattern::Kind::choice, {}, {}};
    do {
      out.parts.push_back(sequence(depth));
    } while (take_if("|"));
    return out.parts.size() == 1 ? std::move(out.parts[0]) : out;
  }

  Pattern sequence(int depth) {
    Pattern out;
    while (!at_end() && peek() != '|' && peek() != ')') {
      const size_t begin = at_;
      Pattern part = atom(depth);
      const bool anchor = part.kind == Pattern::Kind::begin || part.kind == Pattern::Kind::end;
      out.parts.push_back(repeated(std::move(part), anchor, begin));
    }
    return out.parts.size() == 1 ? std::move(out.parts[0]) : out;
  }

  Pattern atom(int depth) {
    const size_t begin = at_;
    const char32_t c = characters_[at_++];
    switch (c) {
      case '^':
        return {Pattern::Kind::begin, {}, {}};
      case '$':
        return {Pattern::Kind::end, {}, {}};
      case '.':
        return of_set(dot_set());
      case '(':
        return group(depth, begin);
      case '[':
        return of_set(bracket(begin));
      case '\\':
        return of_set(escape(begin, false));
      case '*':
      case '+':
      case '?':
        return refuse("expected something to repeat before it", begin);
      case '{':
        return refuse("expected '\\{' for the character itself", begin);
      default:
        return of_set({{c, c}});
    }
  }

  Pattern group(int depth, size_t begin) {
    if (depth == 0) return refuse(fmt::format("expected no more than {} groups within one another", kDeepest), begin);
    for (const std::string_view look : {"?=", "?!", "?<=", "?<!"}) {
      if (next_is(look)) return refuse("no mask keeps to a look ahead or behind", begin);
    }
    if (take_if("?<")) {
      while (!at_end() && peek() != '>') ++at_;
      if (!take_if(">")) return refuse("expected '>' behind the group's name", at_);
    } else if (next_is("?") && !take_if("?:")) {
      return refuse("expected '(', '(?:' or '(?<name>'", begin);
    }
    Pattern inner = choice(depth - 1);
    if (failure_) return {};
    if (!take_if(")")) return refuse(fmt::format("expected ')' for the '(' at {}, found the end", begin + 1), at_);
    return inner;
  }

  Pattern repeated(Pattern part, bool anchor, size_t begin) {
    const size_t at = at_;
    int least = 0, most = Pattern::kEndless;
    if (take_if("*")) {
    } else if (take_if("+")) {
      least = 1;
    } else if (take_if("?")) {
      most = 1;
    } else if (!take_if("{")) {
      return part;
    } else if (!counts(least, most)) {
      return {};
    }
    take_if("?");  // the shortest or the longest: the same texts
    if (anchor) return refuse("expected something to repeat, found an anchor", begin);
    if (next_is("*") || next_is("+") || next_is("?") || next_is("{")) {
      return refuse("expected one repetition, found two", at_);
    }
    if (most != Pattern::kEndless && most < least) {
      return refuse(fmt::format("expected the smaller number first, found {} and {}", least, most), at);
    }
    Pattern out{Pattern::Kind::repeat, {}, {}, least, most};
    out.parts.push_back(std::move(part));
    return out;
  }

  /** Behind the brace. */
  bool counts(int& least, int& most) {
    const size_t begin = at_ - 1;
    const std::optional<int> first = number();
    if (!first) return false;
    least = most = *first;
    if (take_if(",")) {
      most = Pattern::kEndless;
      if (peek() != '}') {
        const std::optional<int> last = number();
        if (!last) return false;
        most = *last;
      }
    }
    if (!take_if("}")) refuse(fmt::format("expected '}}' for the '{{' at {}, found {}", begin + 1, found()), at_);
    return !failure_;
  }

  std::optional<int> number() {
    const size_t begin = at_;
    int value = 0;
    while (!at_end() && peek() >= '0' && peek() <= '9' && value <= kMostTimes) {
      value = value * 10 + static_cast<int>(characters_[at_++] - '0');
    }
    if (at_ == begin) return refuse(fmt::format("expected a number, found {}", found()), at_), std::nullopt;
    if (value > kMostTimes) return refuse(fmt::format("expected at most {} times", kMostTimes), begin), std::nullopt;
    return value;
  }

  /** Behind the opening bracket. */
  CharacterSet bracket(size_t begin) {
    const bool others = take_if("^");
    CharacterSet set;
    while (!at_end() && peek() != ']') {
      const size_t at = at_;
      const CharacterSet low = in_bracket();
      if (failure_) return {};
      const bool range = next_is("-") && at_ + 1 < characters_.size() && characters_[at_ + 1] != ']';
      if (!range) {
        set.insert(set.end(), low.begin(), low.end());
        continue;
      }
      ++at_;
      const CharacterSet high = in_bracket();
      if (failure_) return {};
      if (!is_one(low) || !is_one(high)) {  // a hyphen beside \d is one
        set.emplace_back('-', '-');
        set.insert(set.end(), low.begin(), low.end());
        set.insert(set.end(), high.begin(), high.end());
        continue;
      }
      if (low[0].first > high[0].first) {
        refuse("expected a range from a character to a later one", at);
        return {};
      }
      set.emplace_back(low[0].first, high[0].first);
    }
    if (!take_if("]")) {
      refuse(fmt::format("expected ']' for the '[' at {}, found the end", begin + 1), at_);
      return {};
    }
    return others ? complement(set) : tidied(std::move(set));
  }

  static bool is_one(const CharacterSet& set) { return set.size() == 1 && set[0].first == set[0].second; }

  CharacterSet in_bracket() {
    const char32_t c = characters_[at_++];
    if (c == '\\') return escape(at_ - 1, true);
    return {{c, c}};
  }

  /** Behind the backslash. */
  CharacterSet escape(size_t begin, bool in_bracket) {
    if (at_end()) {
      refuse("expected a character behind '\\', found the end", begin);
      return {};
    }
    const char32_t c = characters_[at_++];
    if (CharacterSet named = named_set(c); !named.empty()) return named;
    constexpr std::string_view kLetters = "tnvfr", kMeant = "\t\n\v\f\r";
    if (const size_t letter = kLetters.find(static_cast<char>(c)); c < 0x80 && letter != std::string_view::npos) {
      return one(static_cast<unsigned char>(kMeant[letter]));
    }
    if (c == 'b' && in_bracket) return one('\b');
    if (c == '0' && !(peek() >= '0' && peek() <= '9')) return one(0);
    if (c == 'x') return one(hexadecimal(2, begin));
    if (c == 'u') return one(code_unit(begin));
    if (c == 'c' && peek() < 0x80 && named_letter(peek())) return one(characters_[at_++] % 32);
    const bool letter_or_digit = c < 0x80 && (named_letter(c) || (c >= '0' && c <= '9'));
    if (!letter_or_digit) return one(c);
    refuse(c == 'b' || c == 'B'   ? "no mask keeps to a border of words"
           : c >= '1' && c <= '9' ? "no mask keeps to what a group has matched"
           : c == 'p' || c == 'P' ? "a mask does not know the properties of Unicode"
                                  : "expected a known escape",
           begin);
    return {};
  }

  static bool named_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
  static CharacterSet one(char32_t c) { return {{c, c}}; }

  char32_t code_unit(size_t begin) {
    if (take_if("{")) {
      char32_t value = 0;
      const size_t digits = at_;
      while (!at_end() && peek() != '}' && value <= kLastCharacter) value = value * 16 + hexadecimal(1, begin);
      if (at_ == digits || !take_if("}") || value > kLastCharacter) {
        refuse("expected '\\u{...}' with the number of a character", begin);
      }
      return value;
    }
    const char32_t first = hexadecimal(4, begin);
    if (first < 0xD800 || first > 0xDBFF || !take_if("\\u")) return first;
    const char32_t second = hexadecimal(4, begin);
    if (second < 0xDC00 || second > 0xDFFF) refuse("expected the other half of a character behind '\\uD8..'", begin);
    return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
  }

  char32_t hexadecimal(int digits, size_t begin) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char32_t c = peek();
      const int digit = c >= '0' && c <= '9'   ? static_cast<int>(c - '0')
                        : c >= 'a' && c <= 'f' ? static_cast<int>(c - 'a') + 10
                        : c >= 'A' && c <= 'F' ? static_cast<int>(c - 'A') + 10
                                               : -1;
      if (digit < 0) return refuse(fmt::format("expected {} hexadecimal digits in the escape", digits), begin), 0;
      value = value * 16 + static_cast<char32_t>(digit);
      ++at_;
    }
    return value;
  }

  std::vector<char32_t> characters_;
  size_t at_ = 0;
  std::optional<Failure> failure_;
};

}  // namespace

Result<Pattern> parse_regex(std::string_view text) { return RegexParser(text).parse(); }

Pattern of_set(CharacterSet set) { return {Pattern::Kind::set, std::move(set), {}}; }
Pattern in_sequence(std::vector<Pattern> parts) { return {Pattern::Kind::sequence, {}, std::move(parts)}; }
Pattern one_of(std::vector<Pattern> parts) { return {Pattern::Kind::choice, {}, std::move(parts)}; }
Pattern of_rule(size_t id) { return {Pattern::Kind::rule, {}, {}, 0, 0, static_cast<int32_t>(id)}; }

Pattern of_token(int32_t id) { return {Pattern::Kind::token, {}, {}, 0, 0, id}; }

bool has_anchors(const Pattern& pattern) {
  return pattern.kind == Pattern::Kind::begin || pattern.kind == Pattern::Kind::end ||
         std::any_of(pattern.parts.begin(), pattern.parts.end(), has_anchors);
}

Pattern without_ends(Pattern pattern) {
  if (pattern.kind != Pattern::Kind::sequence) return pattern;
  std::vector<Pattern>& parts = pattern.parts;
  if (!parts.empty() && parts.front().kind == Pattern::Kind::begin) parts.erase(parts.begin());
  if (!parts.empty() && parts.back().kind == Pattern::Kind::end) parts.pop_back();
  return pattern;
}

Pattern times(Pattern part, int least, int most) {
  Pattern out{Pattern::Kind::repeat, {}, {}, least, most};
  out.parts.push_back(std::move(part));
  return out;
}

Pattern exactly(std::string_view text) {
  Pattern out;
  while (!text.empty() && utf8::length(text) > 0) {
    const char32_t c = utf8::decode(text);
    out.parts.push_back(of_set({{c, c}}));
    text.remove_prefix(static_cast<size_t>(utf8::length(text)));
  }
  return out;
}

Pattern any_character() { return of_set(complement({})); }

}  // namespace gemma

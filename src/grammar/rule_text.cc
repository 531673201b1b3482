// SPDX-License-Identifier: Apache-2.0
#include "grammar/rule_text.h"

#include <algorithm>
#include <map>

#include "base/utf8.h"
#include "grammar/character_set.h"
#include "grammar/rule_checks.h"

namespace gemma {
namespace {

constexpr int kDeepest = 100;       // brackets within one another
constexpr int kMostTimes = 10'000;  // of a repetition
constexpr size_t kMostRules = 2000;

bool in_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

/** Recursive descent over bytes. After a failure everything returns at once. */
class RuleParser {
 public:
  RuleParser(std::string_view text, const TokenByName& tokens) : text_(text), tokens_(tokens) {}

  Result<RuleSet> parse() {
    if (text_.size() > kMostRuleBytes) {
      return Failure{"grammar", fmt::format("expected at most {} bytes, found {}", kMostRuleBytes, text_.size())};
    }
    if (const size_t bad = utf8::first_invalid(text_); bad < text_.size())
      refuse("expected UTF-8, found another byte", bad);
    skip_blanks();
    while (!at_end()) rule();
    const auto root = ids_.find("root");
    if (!failure_ && (root == ids_.end() || !root->second.defined)) refuse("expected a rule 'root'", text_.size());
    for (const auto& [name, place] : ids_) {
      if (!place.defined) refuse(fmt::format("there is no rule '{}'", name), place.first_use);
    }
    if (failure_) return *failure_;
    out_.root = root->second.id;
    if (auto failure = check_rules(out_)) return *failure;
    if (auto failure = remove_left_recursion(out_)) return *failure;
    return std::move(out_);
  }

 private:
  struct Place {
    size_t id = 0;
    bool defined = false;
    size_t first_use = 0;
  };

  bool at_end() const { return failure_.has_value() || at_ >= text_.size(); }
  char peek(size_t ahead = 0) const { return failure_ || at_ + ahead >= text_.size() ? '\0' : text_[at_ + ahead]; }
  bool next_is(std::string_view word) const { return !failure_ && text_.substr(at_).starts_with(word); }
  bool take_if(std::string_view word) {
    if (!next_is(word)) return false;
    at_ += word.size();
    return true;
  }
  void skip_blanks() {
    while (!at_end()) {
      if (peek() == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (peek() == ' ' || peek() == '\t' || peek() == '\n' || peek() == '\r') {
        ++at_;
      } else {
        return;
      }
    }
  }
  std::string found() const {
    if (at_ >= text_.size()) return "the end";
    return fmt::format("'{}'", text_.substr(at_, static_cast<size_t>(std::max(utf8::length(text_.substr(at_)), 1))));
  }

  Pattern refuse(std::string_view reason, size_t at) {
    if (failure_) return {};
    failure_ = Failure{"grammar", fmt::format("{}: {}", place(at), reason)};
    return {};
  }

  std::string place(size_t at) const {
    const std::string_view before = text_.substr(0, at);
    const auto line = std::count(before.begin(), before.end(), '\n') + 1;
    const size_t begin = before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1;
    return fmt::format("line {}, column {}", line, at - begin + 1);
  }

  std::string_view name() {
    const size_t begin = at_;
    while (!at_end() && in_name(peek())) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  size_t id_of(std::string_view name, size_t at, bool defines) {
    const auto [found, is_new] = ids_.emplace(std::string(name), Place{out_.rules.size(), false, at});
    if (is_new) out_.rules.push_back({std::string(name), {}, false});
    if (defines && found->second.defined) refuse(fmt::format("there is a rule '{}' already", name), at);
    found->second.defined = found->second.defined || defines;
    if (out_.rules.size() > kMostRules) refuse(fmt::format("expected at most {} rules", kMostRules), at);
    return found->second.id;
  }

  /** Whether a rule begins here. */
  bool at_rule() const {
    size_t at = at_;
    while (at < text_.size() && in_name(text_[at])) ++at;
    if (at == at_) return false;
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t')) ++at;
    return text_.substr(at).starts_with("::=");
  }

  void rule() {
    const size_t begin = at_;
    const std::string_view word = name();
    if (word.empty()) return void(refuse(fmt::format("expected the name of a rule, found {}", found()), at_));
    skip_blanks();
    if (!take_if("::=")) return void(refuse(fmt::format("expected '::=' behind '{}', found {}", word, found()), at_));
    const size_t id = id_of(word, begin, true);
    skip_blanks();
    Pattern body = choice(kDeepest);
    if (!failure_ && peek() == ')') refuse("expected an opening '(' before it, found ')'", at_);
    out_.rules[id].body = std::move(body);
  }

  Pattern choice(int depth) {
    Pattern out{Pattern::Kind::choice, {}, {}};
    do {
      skip_blanks();
      out.parts.push_back(sequence(depth));
    } while (take_if("|"));
    return out.parts.size() == 1 ? std::move(out.parts[0]) : out;
  }

  Pattern sequence(int depth) {
    Pattern out;
    while (!at_end() && peek() != '|' && peek() != ')' && !at_rule()) {
      Pattern part = element(depth);
      skip_blanks();
      out.parts.push_back(repeated(std::move(part)));
      skip_blanks();
    }
    if (!failure_ && out.parts.empty()) refuse(fmt::format("expected something to match, found {}", found()), at_);
    return out.parts.size() == 1 ? std::move(out.parts[0]) : out;
  }

  Pattern element(int depth) {
    const size_t begin = at_;
    if (take_if("(=")) return refuse("no mask keeps to a look ahead", begin);
    if (take_if("(")) {
      if (depth == 0)
        return refuse(fmt::format("expected no more than {} brackets within one another", kDeepest), begin);
      skip_blanks();
      if (take_if(")")) return {};
      Pattern inner = choice(depth - 1);
      if (!failure_ && !take_if(")")) {
        return refuse(fmt::format("expected ')' for the '(' of {}, found {}", place(begin), found()), at_);
      }
      return inner;
    }
    if (peek() == '"') return exactly(quoted());
    if (peek() == '[') return bracket();
    if (take_if(".")) return any_character();
    const std::string_view word = name();
    if (word.empty()) return refuse(fmt::format("expected a text, a set, a name or '(', found {}", found()), begin);
    if (peek() == '(') return function(word, begin);
    return rule_named(word, begin);
  }

  Pattern rule_named(std::string_view word, size_t begin) {
    Pattern out{Pattern::Kind::rule, {}, {}};
    out.id = static_cast<int32_t>(id_of(word, begin, false));
    return out;
  }

  /** Token("<|tool_call>") */
  Pattern function(std::string_view word, size_t begin) {
    if (word != "Token") return refuse(fmt::format("expected Token(\"<name>\"), found {}(", word), begin);
    if (!tokens_) return refuse("no control tokens may be named here", begin);
    take_if("(");
    skip_blanks();
    const size_t at = at_;
    if (peek() != '"') return refuse(fmt::format("expected a token's name in quotes, found {}", found()), at);
    const std::string piece = quoted();
    skip_blanks();
    if (!failure_ && !take_if(")")) return refuse(fmt::format("expected ')', found {}", found()), at_);
    const std::optional<int32_t> id = failure_ ? std::nullopt : tokens_(piece);
    if (!id)
      return refuse(
          fmt::format("expected a control token of this model that does not end an answer, found '{}'", piece), at);
    Pattern out{Pattern::Kind::token, {}, {}};
    out.id = *id;
    return out;
  }

  Pattern repeated(Pattern part) {
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
    skip_blanks();
    if (peek() == '*' || peek() == '+' || peek() == '?' || peek() == '{') {
      return refuse("expected one repetition, found two", at_);
    }
    if (most != Pattern::kEndless && most < least) {
      return refuse(fmt::format("expected the smaller number first, found {} and {}", least, most), at);
    }
    Pattern out{Pattern::Kind::repeat, {}, {}, least, most};
    out.parts.push_back(std::move(part));
    return out;
  }

  bool counts(int& least, int& most) {
    skip_blanks();
    const std::optional<int> first = number();
    if (!first) return false;
    least = most = *first;
    skip_blanks();
    if (take_if(",")) {
      skip_blanks();
      most = Pattern::kEndless;
      if (peek() != '}') {
        const std::optional<int> last = number();
        if (!last) return false;
        most = *last;
      }
      skip_blanks();
    }
    if (!take_if("}")) refuse(fmt::format("expected '}}', found {}", found()), at_);
    return !failure_;
  }

  std::optional<int> number() {
    const size_t begin = at_;
    int value = 0;
    while (peek() >= '0' && peek() <= '9' && value <= kMostTimes) value = value * 10 + (text_[at_++] - '0');
    if (at_ == begin) return refuse(fmt::format("expected a number, found {}", found()), at_), std::nullopt;
    if (value > kMostTimes) return refuse(fmt::format("expected at most {} times", kMostTimes), begin), std::nullopt;
    return value;
  }

  /** One character, escaped or not. */
  char32_t character() {
    const size_t begin = at_;
    if (at_end()) return refuse("expected a character, found the end", at_), 0;
    const auto bytes = static_cast<size_t>(std::max(utf8::length(text_.substr(at_)), 1));
    const char32_t c = utf8::decode(text_.substr(at_, bytes));
    at_ += bytes;
    if (c != '\\') return c;
    const char letter = peek();
    ++at_;
    constexpr std::string_view kLetters = "tnrvf0ab", kMeant("\t\n\r\v\f\0\a\b", 8);
    if (const size_t known = kLetters.find(letter); known != std::string_view::npos) {
      return static_cast<unsigned char>(kMeant[known]);
    }
    const int digits = letter == 'x' ? 2 : letter == 'u' ? 4 : letter == 'U' ? 8 : 0;
    if (digits > 0) return hexadecimal(digits, begin);
    const bool sign = letter > ' ' && letter < 0x7F && !in_name(letter);
    if (!sign && letter != '-' && letter != '.') refuse("expected a known escape", begin);
    return static_cast<unsigned char>(letter);
  }

  char32_t hexadecimal(int digits, size_t begin) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i) {
      const char c = peek();
      const int digit = c >= '0' && c <= '9'   ? c - '0'
                        : c >= 'a' && c <= 'f' ? c - 'a' + 10
                        : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                               : -1;
      if (digit < 0) return refuse(fmt::format("expected {} hexadecimal digits in the escape", digits), begin), 0;
      value = value * 16 + static_cast<char32_t>(digit);
      ++at_;
    }
    const bool surrogate = value >= 0xD800 && value <= 0xDFFF;
    if (value > kLastCharacter || surrogate) return refuse("expected the number of a character", begin), 0;
    return value;
  }

  std::string quoted() {
    const size_t begin = at_++;
    std::string out;
    while (!at_end() && peek() != '"' && peek() != '\n') utf8::append(out, character());
    if (!failure_ && !take_if("\"")) refuse("expected '\"' at the end of the text", begin);
    return out;
  }

  Pattern bracket() {
    const size_t begin = at_++;
    const bool others = take_if("^");
    CharacterSet set;
    while (!at_end() && peek() != ']' && peek() != '\n') {
      const size_t at = at_;
      if (peek() == '\\') {
        if (CharacterSet named = named_set(static_cast<unsigned char>(peek(1))); !named.empty()) {
          at_ += 2;
          set.insert(set.end(), named.begin(), named.end());
          continue;
        }
      }
      const char32_t low = character();
      char32_t high = low;
      if (peek() == '-' && peek(1) != ']') {
        ++at_;
        high = character();
      }
      if (low > high) return refuse("expected a range from a character to a later one", at);
      set.emplace_back(low, high);
    }
    if (!failure_ && !take_if("]")) return refuse("expected ']' at the end of the set", begin);
    return {Pattern::Kind::set, others ? complement(set) : tidied(std::move(set)), {}};
  }

  const std::string_view text_;
  const TokenByName& tokens_;
  size_t at_ = 0;
  RuleSet out_;
  std::map<std::string, Place, std::less<>> ids_;
  std::optional<Failure> failure_;
};

}  // namespace

Result<RuleSet> parse_rules(std::string_view text, const TokenByName& tokens) {
  return RuleParser(text, tokens).parse();
}

}  // namespace gemma

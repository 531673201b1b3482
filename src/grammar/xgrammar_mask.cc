// SPDX-License-Identifier: Apache-2.0
// TokenMask by xgrammar; the one file that includes it. It reports by exceptions and a log, which end here: an
// exception while a schema is compiled becomes the Failure, and so does a warning, for it says that a part of the
// schema would not be kept to.
#include <dlpack/dlpack.h>
#include <xgrammar/compiler.h>
#include <xgrammar/grammar.h>
#include <xgrammar/matcher.h>
#include <xgrammar/tokenizer_info.h>

#include <algorithm>
#include <exception>

#include "base/thread_pool.h"
#include "grammar/rule_compiler.h"

namespace gemma {
namespace {

thread_local std::string warning;  // the last one of this thread

/** A line of `text` that is a rule of `body` gets the other body. Names of rules are the library's own. */
void replace_rules(std::string& text, std::string_view body, std::string_view by) {
  const std::string end = fmt::format(" ::= {}\n", body);
  for (size_t at = text.find(end); at != std::string::npos; at = text.find(end, at)) {
    const size_t line = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    const bool rule = text.find_first_of(" \"", line) == at;
    if (rule) text.replace(at + 5, body.size(), by);
    at += rule ? 5 + by.size() : 1;
  }
}

/** No double holds 1E400. */
void shorten_exponents(std::string& text) {
  constexpr std::string_view kExponent = R"( ::= ("" | ([eE] )", kAny = "_digits{1, -1}))", kTwo = "_digits{1, 2}))";
  for (size_t at = text.find(kExponent); at != std::string::npos; at = text.find(kExponent, at + 1)) {
    const size_t end = text.find('\n', at);
    if (std::string_view(text).substr(0, end).ends_with(kAny)) text.replace(end - kAny.size(), kAny.size(), kTwo);
  }
}

/** A name that is none of the properties' may have escapes behind the place where it differs from them, not before it:
 *  "\u0061" is "a". */
void without_escapes_in_other_names(std::string& text) {
  constexpr std::string_view kEscape = R"( | ("\\" basic_escape basic_string_sub))";
  for (size_t at = text.find(kEscape); at != std::string::npos; at = text.find(kEscape, at + 1)) {
    const size_t line = text.rfind('\n', at) + 1;
    const std::string_view rule = std::string_view(text).substr(line, text.find(' ', line) - line);
    if (rule.find("_addl_key") != std::string_view::npos) text.erase(at, kEscape.size());
  }
}

/** The library's strings are wider than JSON's: half of a surrogate pair may be escaped, and where a length is asked
 * for control characters may stand in them, but no escapes. Its numbers have exponents of any length. */
xgrammar::Grammar as_json_is(const xgrammar::Grammar& grammar) {
  std::string text = grammar.ToString();
  replace_rules(text, R"((([\"\\/bfnrt]) | ("u" [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9])))",
                R"((([\"\\/bfnrt]) | ("u" [A-Ca-cEFef0-9] [A-Fa-f0-9] [A-Fa-f0-9] [A-Fa-f0-9]))"
                R"( | ("u" [Dd] [0-7] [A-Fa-f0-9] [A-Fa-f0-9]) | ("u" [Dd] [89ABab] [A-Fa-f0-9] [A-Fa-f0-9])"
                R"( "\\u" [Dd] [C-Fc-f] [A-Fa-f0-9] [A-Fa-f0-9])))");
  replace_rules(text, R"((([^\"\\\r\n])))", R"((([^\0-\x1f\"\\]) | ("\\" basic_escape)))");
  shorten_exponents(text);
  without_escapes_in_other_names(text);
  return xgrammar::Grammar::FromEBNF(text);
}

xgrammar::Grammar grammar_of(const std::string& schema, Fence fence) {
  using xgrammar::Grammar;
  const Grammar bare =
      as_json_is(Grammar::FromJSONSchema(schema, true, std::nullopt, std::nullopt, true, Grammars::kMostSpaces));
  if (fence == Fence::none) return bare;
  const Grammar fenced =
      Grammar::Concat({Grammar::FromEBNF("root ::= \"```json\\n\""), bare, Grammar::FromEBNF("root ::= \"\\n```\"")});
  return Grammar::Union({bare, fenced});
}

constexpr std::string_view kLibrary = "xgrammar: ";

std::string one_line(std::string_view text) {
  if (text.starts_with(kLibrary)) text.remove_prefix(kLibrary.size());
  std::string line;
  for (char c : text) line += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  while (!line.empty() && (line.back() == ' ' || line.back() == '.')) line.pop_back();
  return line;
}

/** What the ids stand for in running text: nothing where they cannot come in one. A tokenizer may have pieces beyond
 * the head's rows. Control pieces and the ids for texts get one that no text has, for the library lets no token without
 * a text come by its id. */
std::vector<std::string> texts_of(const Tokenizer& tokenizer, int vocab, int32_t first_text) {
  constexpr std::string_view kNoText = "\xFF";  // in no UTF-8
  std::vector<std::string> texts(static_cast<size_t>(first_text + RuleCompiler::kTexts));
  for (int32_t id = 0; id < std::min(vocab, tokenizer.size()); ++id) {
    const PieceKind kind = tokenizer.kind(id);
    std::string& text = texts[static_cast<size_t>(id)];
    if (kind == PieceKind::control) {
      text = fmt::format("{}{}", kNoText, tokenizer.piece(id));
    } else if (kind == PieceKind::normal || kind == PieceKind::user_defined || kind == PieceKind::byte) {
      text = tokenizer.bytes(id);
    }
  }
  for (auto id = static_cast<size_t>(first_text); id < texts.size(); ++id) texts[id] = fmt::format("{}{}", kNoText, id);
  return texts;
}

/** Of UTF-8's three bytes ED A0..BF xx, which are surrogates and no characters, the library takes the last two. Only
 *  byte pieces can spell them. */
struct Surrogates {
  explicit Surrogates(const Tokenizer& tokenizer) : lead(tokenizer.find("<0xED>").value_or(-1)) {
    for (int byte = 0xA0; byte <= 0xBF; ++byte) {
      if (const auto id = tokenizer.find(fmt::format("<0x{:02X}>", byte))) trail.push_back(*id);
    }
  }
  int32_t lead;                // ED
  std::vector<int32_t> trail;  // A0 .. BF
};

void clear_bit(std::vector<uint32_t>& bits, int32_t id) {
  bits[static_cast<size_t>(id / 32)] &= ~(uint32_t{1} << (id % 32));
}

class XgrammarMask final : public TokenMask {
 public:
  XgrammarMask(const xgrammar::CompiledGrammar& grammar, std::shared_ptr<const Surrogates> surrogates)
      : matcher_(grammar), surrogates_(std::move(surrogates)) {
    bits_.resize(static_cast<size_t>(xgrammar::GetBitmaskSize(grammar.GetTokenizerInfo().GetVocabSize())));
  }

  void fill(std::span<uint32_t> bits) override {
    GEMMA_CHECK(bits.size() <= bits_.size(),
                "a mask has a bit for each row of the head, and for the texts behind them");
    if (!filled_) fill_own();
    std::copy_n(bits_.begin(), bits.size(), bits.begin());
  }

  bool accept(int32_t token) override {
    if (matcher_.IsTerminated() || makes_surrogate(token) || !matcher_.AcceptToken(token)) return false;
    taken_.push_back(token);
    filled_ = false;
    return true;
  }

  void rollback(int tokens) override {
    GEMMA_CHECK(tokens >= 0 && static_cast<size_t>(tokens) <= taken_.size(), "no more is undone than was accepted");
    if (tokens == 0) return;
    matcher_.Rollback(tokens);
    taken_.resize(taken_.size() - static_cast<size_t>(tokens));
    filled_ = false;
  }

  bool finished() const override {
    if (matcher_.IsTerminated()) return true;
    if (!matcher_.IsCompleted()) return false;
    if (!filled_) fill_own();
    return stops_only_;
  }

  bool free() const override { return false; }

 private:
  bool after_lead() const { return !taken_.empty() && taken_.back() == surrogates_->lead; }
  bool makes_surrogate(int32_t token) const {
    return after_lead() &&
           std::find(surrogates_->trail.begin(), surrogates_->trail.end(), token) != surrogates_->trail.end();
  }

  /** Also where finished() asks what may come: the bits are kept for fill(). */
  void fill_own() const {
    std::fill(bits_.begin(), bits_.end(), 0u);
    if (matcher_.IsTerminated()) return;
    auto size = static_cast<int64_t>(bits_.size());
    DLTensor tensor{bits_.data(), {kDLCPU, 0}, 1, xgrammar::GetBitmaskDLType(), &size, nullptr, 0};
    if (!matcher_.FillNextTokenBitmask(&tensor)) std::fill(bits_.begin(), bits_.end(), ~uint32_t{0});
    if (after_lead()) {
      for (const int32_t id : surrogates_->trail) clear_bit(bits_, id);
    }
    filled_ = true;
    if (!matcher_.IsCompleted()) return;
    std::vector<uint32_t> rest = bits_;
    for (const int32_t stop : matcher_.GetStopTokenIds()) clear_bit(rest, stop);
    stops_only_ = std::all_of(rest.begin(), rest.end(), [](uint32_t word) { return word == 0; });
  }

  mutable xgrammar::GrammarMatcher matcher_;
  const std::shared_ptr<const Surrogates> surrogates_;
  std::vector<int32_t> taken_;
  mutable std::vector<uint32_t> bits_;
  mutable bool filled_ = false, stops_only_ = false;
};

}  // namespace

struct RuleCompiler::Vocabulary {
  Vocabulary(const Tokenizer& tokenizer, int vocab, int32_t first_text, const std::vector<int32_t>& stop_ids)
      : compiler(xgrammar::TokenizerInfo(texts_of(tokenizer, vocab, first_text), xgrammar::VocabType::RAW,
                                         first_text + kTexts, stop_ids),
                 physical_cores(), false),
        surrogates(std::make_shared<const Surrogates>(tokenizer)) {}

  /** xgrammar's grammar, made by `make`, compiled. */
  template <class Make>
  Result<Compiled> compiled(std::string_view field, const Make& make) const {
    warning.clear();
    try {
      const xgrammar::Grammar grammar = make();
      if (!warning.empty()) return Failure{std::string(field), warning};
      xgrammar::CompiledGrammar rules = compiler.CompileGrammar(grammar);
      return Compiled{[rules, surrogates = surrogates] { return std::make_unique<XgrammarMask>(rules, surrogates); },
                      rules.MemorySizeBytes()};
    } catch (const std::exception& error) {
      return Failure{std::string(field), one_line(error.what())};
    }
  }

  mutable xgrammar::GrammarCompiler compiler;  // keeps nothing, so that several threads may use it
  std::shared_ptr<const Surrogates> surrogates;
};

bool has_grammars() { return true; }

RuleCompiler::RuleCompiler(const Tokenizer& tokenizer, int vocab, const std::vector<int32_t>& stop_ids)
    : first_text_((vocab + 31) / 32 * 32) {  // a word of a mask has tokens or these
  vocabulary_ = std::make_unique<const Vocabulary>(tokenizer, vocab, first_text_, stop_ids);
}
RuleCompiler::~RuleCompiler() = default;

Result<RuleCompiler::Compiled> RuleCompiler::json(const std::string& schema, Fence fence) const {
  return vocabulary_->compiled("schema", [&] { return grammar_of(schema, fence); });
}

Result<RuleCompiler::Compiled> RuleCompiler::rules(const std::string& text) const {
  return vocabulary_->compiled("grammar", [&] { return xgrammar::Grammar::FromEBNF(text); });
}

std::string RuleCompiler::rules_of(const std::string& schema) const {
  return grammar_of(schema, Fence::none).ToString();
}

}  // namespace gemma

// The library's log, as its header declares it for those who bring their own.
namespace xgrammar {

[[noreturn]] void LogFatalImpl(const std::string&, int, const std::string& message);
void LogMessageImpl(const std::string&, int, int, const std::string& message);

void LogFatalImpl(const std::string&, int, const std::string& message) { gemma::fail_message("xgrammar", message); }
void LogMessageImpl(const std::string&, int, int, const std::string& message) {
  gemma::warning = gemma::one_line(message);
}

}  // namespace xgrammar

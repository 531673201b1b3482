// SPDX-License-Identifier: Apache-2.0
// What each kind of grammar is made from: all become rules, and these a table (rule_table.h).
#include "grammar/grammar.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/guarded.h"
#include "grammar/call_mask.h"
#include "grammar/call_rules.h"
#include "grammar/json_rules.h"
#include "grammar/rule_mask.h"
#include "grammar/rule_text.h"
#include "grammar/schema.h"

namespace gemma {
namespace {

/** A control piece by its name; -1 where the tokenizer has none. */
int32_t control(const Tokenizer& tokenizer, std::string_view piece) {
  const auto id = tokenizer.find(piece);
  return id && tokenizer.kind(*id) == PieceKind::control ? *id : -1;
}

void add_tokens(const Pattern& pattern, std::vector<int32_t>& out) {
  if (pattern.kind == Pattern::Kind::token) out.push_back(pattern.id);
  for (const Pattern& part : pattern.parts) add_tokens(part, out);
}

/** What a request had in it may be in what is said of it, but not its line ends and other control characters. */
Failure in_a_line(const Failure& failure) {
  const auto escaped = [](const std::string& text) {
    std::string out;
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      out += byte < ' ' || byte == 127 ? fmt::format("\\x{:02x}", byte) : std::string(1, c);
    }
    return out;
  };
  return {escaped(failure.field), escaped(failure.reason)};
}

}  // namespace

struct Grammars::Shared {
  Shared(std::shared_ptr<const Tokenizer> pieces, int rows, std::vector<int32_t> ends)
      : tokenizer(std::move(pieces)), vocab(rows), stop_ids(std::move(ends)) {}

  const std::shared_ptr<const Tokenizer> tokenizer;
  const int vocab;
  const std::vector<int32_t> stop_ids;

  /** Made with the first grammar: tenths of a second. */
  std::shared_ptr<const TokenTexts> texts() {
    return texts_.with([&](std::shared_ptr<const TokenTexts>& made) {
      if (made == nullptr) made = std::make_shared<const TokenTexts>(*tokenizer, vocab);
      return made;
    });
  }
  std::shared_ptr<RepeatStore> repeats() {
    auto all = texts();
    return repeats_.with([&](std::shared_ptr<RepeatStore>& made) {
      if (made == nullptr) made = std::make_shared<RepeatStore>(std::move(all));
      return made;
    });
  }

 private:
  Guarded<std::shared_ptr<const TokenTexts>> texts_;
  Guarded<std::shared_ptr<RepeatStore>> repeats_;
};

Grammars::Grammars(std::shared_ptr<const Tokenizer> tokenizer, int vocab, std::vector<int32_t> stop_ids)
    : shared_(std::make_unique<Shared>(std::move(tokenizer), vocab, std::move(stop_ids))), memo_(kKept, kKeptBytes) {}
Grammars::~Grammars() = default;

Grammars::Made Grammars::kept(const std::string& key, const std::function<Result<Parts>()>& make) {
  const auto timed = [&]() -> Made {
    const auto begin = Clock::now();
    Result<Parts> parts = make();
    if (!parts) return in_a_line(parts.failure());
    return std::make_shared<const Grammar>(std::move(parts.value().mask), parts.value().bytes, seconds_since(begin));
  };
  return memo_.get(key, timed, [](const Grammar& grammar) { return grammar.bytes(); });
}

Grammars::Made Grammars::json(const json::value& schema, Fence fence) {
  const Result<json::value> kept_part = kept_schema(schema);
  if (!kept_part) return in_a_line(kept_part.failure());
  const std::string text = write_json(kept_part.value());
  return kept((fence == Fence::none ? "json " : "fenced json ") + text, [&]() -> Result<Parts> {
    const auto rules = json_rules(kept_part.value().get_object(), fence);
    if (!rules) return rules.failure();
    return rule_parts(rules.value(), "schema", {});
  });
}

Result<Grammars::Parts> Grammars::rule_parts(const RuleSet& rules, const std::string& where,
                                             std::vector<int32_t> controls) {
  auto table = RuleTable::of(rules);
  if (!table) return Failure{where, table.failure().reason};
  const auto plan = std::make_shared<const RulePlan>(std::move(table).value(), shared_->texts(), shared_->repeats(),
                                                     shared_->stop_ids, std::move(controls));
  plan->prepare();
  return Parts{[plan] { return std::make_unique<RuleMask>(plan); }, plan->bytes()};
}

Grammars::Made Grammars::tool_calls(const json::array& tools, const CallOptions& options) {
  const std::string key = fmt::format("calls {} {} {} {}", static_cast<int>(options.calls), options.parallel,
                                      options.name, write_json(tools));
  return kept(key, [&] { return make_calls(tools, options); });
}

Result<Grammars::Parts> Grammars::make_calls(const json::array& tools, const CallOptions& options) {
  const Tokenizer& tokenizer = *shared_->tokenizer;
  const CallTokens tokens{control(tokenizer, "<|tool_call>"), control(tokenizer, "<tool_call|>"),
                          control(tokenizer, "<|\"|>")};
  if (tokens.open < 0 || tokens.close < 0 || tokens.quote < 0) {
    return Failure{"tools", "this model's tokenizer has no tokens of tool calls: <|tool_call>, <tool_call|>, <|\"|>"};
  }
  const auto rules = call_rules(tools, options, tokens);
  if (!rules) return rules.failure();
  auto parts = rule_parts(rules.value(), "tools", {tokens.open, tokens.close, tokens.quote});
  if (!parts || options.calls == Calls::required) return parts;
  return Parts{[calls = parts.value().mask, open = tokens.open, stop_ids = shared_->stop_ids] {
                 return std::make_unique<CallMask>(calls(), open, stop_ids);
               },
               parts.value().bytes};
}

Grammars::Made Grammars::regex(std::string_view pattern) {
  return kept(fmt::format("regex {}", pattern), [&] { return make_regex(pattern); });
}

Result<Grammars::Parts> Grammars::make_regex(std::string_view text) {
  auto pattern = parse_regex(text);
  if (!pattern) return Failure{"pattern", fmt::format("{}: {}", pattern.failure().field, pattern.failure().reason)};
  return rule_parts({{{"root", std::move(pattern).value(), false}}, 0}, "pattern", {});
}

Grammars::Made Grammars::ebnf(std::string_view rules, Tokens tokens) {
  return kept(fmt::format("rules {} {}", static_cast<int>(tokens), rules), [&] { return make_rules(rules, tokens); });
}

Result<Grammars::Parts> Grammars::make_rules(std::string_view text, Tokens tokens) {
  TokenByName by_name;
  if (tokens == Tokens::by_name) {
    by_name = [&](std::string_view piece) {
      const int32_t id = control(*shared_->tokenizer, piece);
      const std::vector<int32_t>& ends = shared_->stop_ids;
      const bool known = id >= 0 && id < shared_->vocab && std::find(ends.begin(), ends.end(), id) == ends.end();
      return known ? std::optional(id) : std::nullopt;
    };
  }
  const auto rules = parse_rules(text, by_name);
  if (!rules) return rules.failure();
  std::vector<int32_t> named;
  for (const Rule& rule : rules.value().rules) add_tokens(rule.body, named);
  std::sort(named.begin(), named.end());
  named.erase(std::unique(named.begin(), named.end()), named.end());
  return rule_parts(rules.value(), "grammar", std::move(named));
}

}  // namespace gemma

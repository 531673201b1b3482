// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <utility>

#include "grammar/after_thought.h"
#include "serve/generation.h"

namespace gemma::serve {
namespace {

constexpr int kTokensToEnd = 256;  // of max_tokens, in which an answer is brought to its end

ThoughtPlace thought_of(const Tokenizer& tokenizer, bool may_open) {
  ThoughtPlace place;
  place.open = tokenizer.find("<|channel>").value_or(-1);
  place.close = tokenizer.find("<channel|>").value_or(-1);
  place.may_open = may_open && place.open >= 0 && place.close >= 0;
  return place;
}

Result<std::shared_ptr<const Grammar>> grammar_of(const Constraint& constraint, ServedModel& model) {
  const std::lock_guard lock(model.grammars_mutex);
  if (const auto* schema = std::get_if<JsonSchema>(&constraint)) {
    auto grammar = model.grammars.json(schema->schema, Fence::none);
    if (grammar) return grammar;
    const Failure& failure = grammar.failure();
    return Failure{fmt::format("{}: {}", schema->where, failure.field), failure.reason};
  }
  return model.grammars.json(json::object{{"type", "object"}}, Fence::none);
}

}  // namespace

std::optional<Failure> hold_to(const Constraint& constraint, ServedModel& model, AnswerOptions& answer) {
  auto grammar = grammar_of(constraint, model);
  if (!grammar) return grammar.failure();
  const int after = answer.max_tokens > 0 ? std::max(answer.max_tokens / 2, answer.max_tokens - kTokensToEnd)
                                          : std::numeric_limits<int>::max();
  answer.mask = [grammar = grammar.value(), place = thought_of(*model.tokenizer, answer.think), ends = model.ends,
                 after](std::unique_ptr<TokenMask> budget) {
    auto mask = std::make_unique<AfterThought>(grammar->mask(), place, std::move(budget));
    return std::make_unique<Hurry>(std::move(mask), after, ends);
  };
  return std::nullopt;
}

}  // namespace gemma::serve

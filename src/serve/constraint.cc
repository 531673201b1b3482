// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "grammar/answer_mask.h"
#include "serve/generation.h"

namespace gemma::serve {
namespace {

Grammars::Made grammar_of(const Ask& ask, ServedModel& model) {
  if (!ask.constraint) return model.grammars.tool_calls(ask.answer.tools, ask.calls);
  const auto* schema = std::get_if<JsonSchema>(&*ask.constraint);
  if (schema == nullptr) return model.grammars.json(json::object{{"type", "object"}}, Fence::none);
  auto grammar = model.grammars.json(schema->schema, Fence::none);
  if (grammar) return grammar;
  return Failure{fmt::format("{}: {}", schema->where, grammar.failure().field), grammar.failure().reason};
}

}  // namespace

std::optional<Failure> hold_to_form(Ask& ask, ServedModel& model) {
  if (!ask.constraint && ask.answer.tools.empty()) return std::nullopt;
  auto grammar = grammar_of(ask, model);
  if (!grammar) return grammar.failure();
  ask.answer.mask = [grammar = grammar.value(),
                     place = thought_place(*model.tokenizer, model.speaker.config.special.eos, ask.answer.think),
                     ends = model.ends](std::unique_ptr<TokenMask> budget, int room, bool thinks) {
    ThoughtPlace here = place;
    here.begins_open = thinks;
    return answer_mask(*grammar, here, std::move(budget), ends, 0, room);
  };
  return std::nullopt;
}

}  // namespace gemma::serve

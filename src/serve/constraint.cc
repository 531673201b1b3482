// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "base/clock.h"
#include "engine/thought_budget.h"
#include "grammar/answer_mask.h"
#include "grammar/call_mask.h"
#include "serve/generation.h"

namespace gemma::serve {
namespace {

/** With the request's name for what is wrong. */
Grammars::Made named(Grammars::Made made, const std::string& where) {
  if (made) return made;
  return Failure{where, made.failure().reason};
}

Grammars::Made form_of(const Constraint& constraint, Grammars& grammars) {
  if (const auto* pattern = std::get_if<TextPattern>(&constraint)) {
    return named(grammars.regex(pattern->regex), pattern->where);
  }
  if (const auto* rules = std::get_if<TextRules>(&constraint)) return named(grammars.ebnf(rules->ebnf), rules->where);
  const auto* schema = std::get_if<JsonSchema>(&constraint);
  if (schema == nullptr) return grammars.json(json::object{{"type", "object"}}, Fence::none);
  auto grammar = grammars.json(schema->schema, Fence::none);
  if (grammar) return grammar;
  return Failure{fmt::format("{}: {}", schema->where, grammar.failure().field), grammar.failure().reason};
}

/** Counts the grammars that a request gets. */
struct Count {
  Metrics& metrics;
  bool compiled = false;  // one of them, for this request
  Grammars::Made operator()(Grammars::Made made) {
    if (made.ok() && metrics.grammar(made.value())) compiled = true;
    return made;
  }
};

Grammars::Made grammar_of(const Ask& ask, ServedModel& model, Count& count) {
  if (!ask.constraint) return count(model.grammars.tool_calls(ask.answer.tools, ask.calls));
  auto form = count(form_of(*ask.constraint, model.grammars));
  if (!form || ask.answer.tools.empty()) return form;
  auto calls =
      count(model.grammars.tool_calls(ask.answer.tools, {Calls::required, ask.calls.name, ask.calls.parallel}));
  if (!calls || ask.calls.calls == Calls::required) return calls;
  return calls_or_form(calls.value(), form.value(), model.tokenizer->find("<|tool_call>").value_or(-1));
}

/** The same, with what the log says of it. */
Grammars::Made logged_grammar(const Ask& ask, ServedModel& model, Metrics& metrics) {
  if (ask.forced) return ask.forced;
  const auto begun = Clock::now();
  Count count{metrics};
  auto made = grammar_of(ask, model, count);
  if (ask.log) {
    ask.log->set("grammar", !made.ok() ? "refused" : count.compiled ? "compiled" : "found");
    ask.log->set("grammar_seconds", seconds_since(begun));
  }
  return made;
}

}  // namespace

std::optional<Failure> hold_to_form(Ask& ask, ServedModel& model, Metrics& metrics) {
  if (!ask.forced && !ask.constraint && ask.answer.tools.empty()) return std::nullopt;
  auto grammar = logged_grammar(ask, model, metrics);
  if (!grammar) return grammar.failure();
  const bool forced = ask.forced != nullptr;  // its thought, too: one that the prompt has opened is closed at once
  ask.answer.mask =
      [grammar = grammar.value(), ends = model.ends, forced,
       place = thought_place(*model.tokenizer, model.speaker.config.special.eos, ask.answer.think && !forced)](
          std::unique_ptr<TokenMask> budget, int room, bool thinks) {
        ThoughtPlace here = place;
        here.begins_open = thinks;
        if (forced) budget = thinks ? std::make_unique<ThoughtBudget>(0, here.open, here.close, true) : nullptr;
        return answer_mask(*grammar, here, std::move(budget), ends, 0, room);
      };
  return std::nullopt;
}

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "gemma4/schema.h"

#include "base/file.h"
#include "gemma4/terminal.h"
#include "grammar/answer_mask.h"
#include "grammar/schema.h"
#include "grounding/box_order.h"
#include "grounding/findings.h"

namespace gemma::app {

json::value read_schema(const std::string& given) {
  if (given.empty()) fail_usage("--schema", "expected a file or '{{...}}', found nothing");
  const size_t first = given.find_first_not_of(" \t\n");
  const bool inline_json = first != std::string::npos && given[first] == '{';
  json::value schema = parse_json_or_fail(inline_json ? "--schema" : given, inline_json ? given : read_file(given));
  if (const auto kept = kept_schema(schema); !kept) fail(kept.failure().field, "{}", kept.failure().reason);
  return schema;
}

namespace {

std::shared_ptr<const Grammar> grammar_of(const Session& session, const json::value& schema, Fence fence) {
  const Config& config = session.model->config;
  Grammars grammars(session.tokenizer, config.vocab, config.special.eos);
  const auto make = [&] {
    const InterruptGuard::AtOnce nothing_to_lose;
    return grammars.json(schema, fence);
  };
  auto grammar = make();
  if (!grammar) fail(grammar.failure().field, "{}", grammar.failure().reason);
  return std::move(grammar).value();
}

void hold_to(AnswerOptions& answer, const Session& session, std::shared_ptr<const Grammar> grammar) {
  const Config& config = session.model->config;
  const ThoughtPlace place = thought_place(*session.tokenizer, config.special.eos, answer.think);
  const auto ends = std::make_shared<const JsonEnds>(*session.tokenizer, config.vocab, config.special.eos);
  answer.mask = [grammar = std::move(grammar), place, ends](std::unique_ptr<TokenMask> budget, int room, bool thinks) {
    ThoughtPlace here = place;
    here.begins_open = thinks;
    return answer_mask(*grammar, here, std::move(budget), ends, 0, room);
  };
}

}  // namespace

void hold_to_schema(AnswerOptions& answer, const Session& session, const json::value& schema, Fence fence) {
  hold_to(answer, session, grammar_of(session, schema, fence));
}

void hold_to_boxes(AnswerOptions& answer, const Session& session, int most) {
  auto grammar = grammar_of(session, parse_json(grounding::box_schema(most)).value(), Fence::either);
  hold_to(answer, session,
          grounding::with_ordered_boxes(std::move(grammar), session.tokenizer, session.model->config.vocab));
}

void hold_to_points(AnswerOptions& answer, const Session& session, int most) {
  hold_to_schema(answer, session, parse_json(grounding::point_schema(most)).value(), Fence::either);
}

}  // namespace gemma::app

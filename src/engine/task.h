// SPDX-License-Identifier: Apache-2.0
// A request on its way, for the engine's own files only.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "engine/answer_text.h"
#include "engine/engine.h"
#include "engine/loop_detector.h"
#include "engine/places.h"
#include "engine/speculation.h"

namespace gemma {

struct Task {
  Ticket ticket = 0;
  Request request;
  std::function<void(const Event&)> on_event;

  std::vector<int32_t> tokens;  // prompt and answer
  std::vector<PrefixMedia> media;
  std::vector<int64_t> places;  // where its prompt may be gone on from
  std::vector<int32_t> stop_ids;
  std::optional<AnswerText> text;
  LoopDetector loop;
  Guessing guessing;
  std::vector<Likelihood> prompt_logprobs;
  std::vector<Event> drawn;          // not delivered yet
  bool admitted = false;             // it has run, or does
  bool started = false;              // the first event is out
  int64_t reused = 0;                // tokens of the prompt that were known when it was first admitted
  std::optional<Finish> finished;    // the last event is out, or drawn
  std::optional<SeqId> sequence;     // while it runs
  std::optional<Encoding> encoding;  // of its next picture or clip

  int64_t prompt_size() const { return static_cast<int64_t>(request.prompt.size()); }
  int64_t answer_size() const { return static_cast<int64_t>(tokens.size()) - prompt_size(); }
  PrefixView text_so_far() const { return {tokens, media, request.salt}; }
};

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// What an engine is asked for, and what it tells of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/sampler.h"
#include "engine/token_mask.h"
#include "model/encoding.h"
#include "model/model.h"

namespace gemma {

enum class Finish : uint8_t {
  stop,     // a stop id, a stop string, or a mask that is satisfied
  length,   // max_tokens
  context,  // the context is full
  loop,     // the answer repeats itself (loop_detector.h)
  late,     // it had not begun at its deadline
  cancelled,
  error,  // Event::error says what
};
std::string_view name_of(Finish);

struct Request {
  std::vector<int32_t> prompt;
  std::vector<MediaRows> media;    // first_row counts in the prompt; rising
  std::vector<MediaInput> inputs;  // of media[i] without an embedding inputs[i] is encoded; else may be fewer or empty
  Sampling sampling;
  int max_tokens = 0;  // 0: up to the context
  /** Strings that end the answer, across token borders; not part of it. One that is the name of a control piece
   *  ("<turn|>") means that token. */
  std::vector<std::string> stop;
  bool logprobs = false;  // of the answer's tokens: another look at all logits, which few need
  int top_logprobs = 0;   // alternatives beside each, which ask for it too
  bool prompt_logprobs = false;
  bool loop_stop = true;  // end with Finish::loop; never under a mask
  std::unique_ptr<TokenMask> mask;
  uint64_t salt = 0;  // requests share cached prefixes with those of the same salt only
  /** Whose it is. Those of different keys share the machine evenly, however many requests each of them has. */
  uint64_t key = 0;
  std::optional<Clock::time_point> deadline;  // Finish::late when it has not begun to run by then
};

struct Event {
  int32_t token = -1;  // -1: none in this event (the end of what was held back, or an error)
  /** Whole characters; what may be the beginning of a stop string is held back. Comes before `token` where that is a
   *  control piece. */
  std::string text;
  float logprob = 0;
  std::vector<Alternative> top;
  std::optional<Finish> finish;             // the last event of a request
  std::vector<Likelihood> prompt_logprobs;  // in the first event, when asked for: of tokens 1 .. n - 1
  int64_t reused = 0;                       // in the first event: tokens of the prompt that were known from before
  std::string error;                        // one line, with Finish::error
  std::string stop;                         // with Finish::stop: the one of Request::stop that ended it, "" for none
  /** With finish: guesses of the whole answer that were checked, and were right. These alone depend on the clock. */
  int64_t drafted = 0, accepted = 0;
};

}  // namespace gemma

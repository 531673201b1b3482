// SPDX-License-Identifier: Apache-2.0
// Reply: how one protocol says an answer. Called by a Generation on the engine's thread, one call at a time: `started`,
// then `piece`s of all choices, each choice's `finished`, `done`; or `refused` and nothing else.
#pragma once

#include "exchange/exchange.h"
#include "serve/refusal.h"

namespace gemma::serve {

class Reply {
 public:
  virtual ~Reply() = default;
  /** The prompt is taken: `answer` knows how many tokens it has. */
  virtual void started(const Answer& answer) = 0;
  /** `so_far`: all of the choice, this piece included. */
  virtual void piece(int choice, const ChatEvent& event, const Answer& so_far) = 0;
  /** Also of a choice that ended in Finish::error. */
  virtual void finished(int choice, const Answer& answer) = 0;
  virtual void done() = 0;
  virtual void refused(const Refusal& refusal) = 0;
};

}  // namespace gemma::serve

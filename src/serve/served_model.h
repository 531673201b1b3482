// SPDX-License-Identifier: Apache-2.0
// A model as a server has it: an engine, and what is known beside it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "exchange/exchange.h"
#include "exchange/media_model.h"
#include "grammar/grammar.h"
#include "grammar/hurry.h"
#include "serve/ask.h"
#include "serve/engine_thread.h"

namespace gemma::serve {

struct ServedModel {
  std::string name;  // its own; clients may call it otherwise
  Speaker speaker;
  MediaModel media;
  ModelFacts facts;
  std::shared_ptr<const Tokenizer> tokenizer;

  Grammars grammars;
  std::shared_ptr<const JsonEnds> ends;
  std::shared_ptr<void> owner;           // of what `speaker` refers to
  std::shared_ptr<EngineThread> thread;  // steps the engine as long as this is there

  ServedModel(std::string model_name, Speaker who, MediaModel encoders, Sampling defaults,
              std::shared_ptr<const Tokenizer> pieces, std::shared_ptr<void> keeper,
              std::shared_ptr<EngineThread> engines);
  /** Not on that thread. */
  ~ServedModel() { thread->remove(speaker.engine); }
  ServedModel(const ServedModel&) = delete;
  ServedModel& operator=(const ServedModel&) = delete;
};

}  // namespace gemma::serve

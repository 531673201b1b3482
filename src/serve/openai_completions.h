// SPDX-License-Identifier: Apache-2.0
// OpenAI's /v1/completions: text that goes on, without a conversation.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "serve/ask.h"
#include "serve/http/message.h"
#include "serve/reply.h"
#include "serve/served_model.h"

namespace gemma::serve {

struct CompletionRequest {
  Ask ask;
  bool stream = false, include_usage = false;
  bool echo = false;         // the prompt stands before what follows it
  bool prompt_only = false;  // max_tokens 0: only with echo
};

/** Prompts are texts or ids of tokens, one or several. "suffix" is refused: Gemma fills no gaps. */
Result<CompletionRequest> read_completion_request(const json::object& body, const ModelFacts& model);

std::shared_ptr<Reply> completion_reply(std::shared_ptr<Responder> responder, const CompletionRequest& request,
                                        std::string model, const ServedModel& served);

}  // namespace gemma::serve

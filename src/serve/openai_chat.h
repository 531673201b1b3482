// SPDX-License-Identifier: Apache-2.0
// OpenAI's /v1/chat/completions.
#pragma once

#include <memory>
#include <string>

#include "serve/ask.h"
#include "serve/file_part.h"
#include "serve/http/message.h"
#include "serve/reply.h"
#include "serve/served_model.h"

namespace gemma::serve {

struct ChatRequest {
  Ask ask;
  bool stream = false, include_usage = false;
};

/** Every field is honoured or refused by its name; beside OpenAI's there are top_k, min_p, repetition_penalty, a
 *  picture's "budget" and "chat_template_kwargs": {"enable_thinking": true}. `files`: that parts may name by their ids.
 */
Result<ChatRequest> read_chat_request(const json::object& body, const ModelFacts& model, const FileFinder& files);

/** `model`: the name that the client gave. */
std::shared_ptr<Reply> chat_reply(std::shared_ptr<Responder> responder, const ChatRequest& request, std::string model,
                                  const ServedModel& served);

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
// Ollama's /api/chat and /api/generate, which its many local apps speak.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "serve/ask.h"
#include "serve/http/message.h"
#include "serve/refusal.h"
#include "serve/reply.h"
#include "serve/served_model.h"

namespace gemma::serve {

enum class OllamaWay : uint8_t { chat, generate };

struct OllamaRequest {
  OllamaWay way = OllamaWay::chat;
  Ask ask;
  bool stream = true;
  std::optional<Clock::duration> keep_alive;  // how long the model stays when nobody asks; the longest: for ever
  std::string idle;                           // why there is nothing to answer: "load", "unload"
};

/** Every field is honoured or refused by its name. */
Result<OllamaRequest> read_ollama_request(const json::object& body, const ModelFacts& model, OllamaWay way);

/** `model`: the name that the client gave. */
std::shared_ptr<Reply> ollama_reply(std::shared_ptr<Responder> responder, const OllamaRequest& request,
                                    std::string model, const ServedModel& served);
/** What is said to a request that is idle. */
HttpResponse ollama_idle(const OllamaRequest& request, const std::string& model);

struct OllamaConversation {
  json::array messages;
  std::vector<MediaSource> media;
  std::string begun;  // of the answer, by a last message of the model's
};
Result<OllamaConversation> read_ollama_messages(const json::array& messages);

/** {"error": "..."}. */
HttpResponse ollama_error(const Refusal& refusal);

/** "2026-01-31T12:00:00.123456Z": of now, or of so many seconds since 1970. */
std::string time_text();
std::string time_text(int64_t seconds);

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
// Anthropic's /v1/messages.
#pragma once

#include <memory>
#include <string>

#include "serve/ask.h"
#include "serve/fields.h"
#include "serve/file_part.h"
#include "serve/http/message.h"
#include "serve/refusal.h"
#include "serve/reply.h"

namespace gemma::serve {

struct MessagesRequest {
  Ask ask;
  bool stream = false;
  bool hide_thoughts = false;  // they go out in the signature only
};

/** What the request is for. */
enum class Purpose : uint8_t { answer, count };

/** Every field is honoured or refused by its name; beside Anthropic's there are those of read_sampling and a picture's
 *  "budget". */
Result<MessagesRequest> read_messages_request(const json::object& body, const ModelFacts& model, Purpose purpose,
                                              const FileFinder& files);

/** `model`: the name that the client gave. */
std::shared_ptr<Reply> messages_reply(std::shared_ptr<Responder> responder, const MessagesRequest& request,
                                      std::string model);

struct AnthropicConversation {
  json::array messages;
  std::vector<MediaSource> media;
  std::string begun;  // of the answer, by a last message of the model's
};

/** `system`: may be null. `files`: that pictures may name by their ids. */
Result<AnthropicConversation> read_anthropic_messages(const json::array& messages, const json::value* system,
                                                      const FileFinder& files = {});

/** {name, description, input_schema} each, as the templates take them; tools that run at Anthropic's are refused. */
Result<json::array> read_anthropic_tools(const json::array& tools, const std::string& field);

/** {"type": "error", "error": {type, message}}. */
HttpResponse anthropic_error(const Refusal& refusal);
json::object anthropic_error_object(const Refusal& refusal);

/** Checks a {"type": "ephemeral", ...}, which changes nothing: what was read is kept as long as memory allows. */
void read_cache_control(Fields& fields);

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
// OpenAI's /v1/responses.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/ask.h"
#include "serve/fields.h"
#include "serve/file_part.h"
#include "serve/http/message.h"
#include "serve/reply.h"
#include "serve/response_desk.h"
#include "serve/served_model.h"

namespace gemma::serve {

/** A function of a namespace has both as its name in prompts: "crm.find", which no function's own name can be. */
std::string qualified_name(std::string_view space, std::string_view name);

/** How thoughts, log-probabilities and calls go out. */
struct OutputForm {
  bool logprobs = false;
  bool encrypted = false;  // the thought also in its item's "encrypted_content", for who keeps nothing here
  bool summary = false;    // the thought as its own summary, for who asks for one
  /** Functions of namespaces by their names in the prompt. */
  struct InSpace {
    std::string space, name;
  };
  std::map<std::string, InSpace, std::less<>> spaces = {};
};

struct ResponsesRequest {
  Ask ask;
  OutputForm form;
  bool stream = false, store = true, background = false;
  bool leaves_out_search = false;  // a tool that the model is not told of: nothing here searches the web
  std::string previous;            // the response that it goes on from
  json::object said;               // what the response repeats of the request
  json::array input;               // the request's own items, each with an id
};

enum class ResponsesPurpose : uint8_t { answer, count };

/** Every field is honoured or refused by its name. The conversation is not made yet: read_responses_input does. */
Result<ResponsesRequest> read_responses_request(const json::object& body, const ModelFacts& model,
                                                ResponsesPurpose purpose);

/** The messages of `request`, behind `instructions` and the items before. `files`: that items may name by their ids. */
std::optional<Failure> read_responses_input(ResponsesRequest& request, const json::array& before,
                                            const FileFinder& files = {});

/** Items of input as they are kept: a text as a message, and each with an id. */
Result<json::array> items_of_input(const json::value& input);

/** What an answer is as items of output, and the events that say so. */
class ResponseOutput {
 public:
  using Say = std::function<void(std::string_view type, json::object event)>;
  ResponseOutput(OutputForm form, std::shared_ptr<const Tokenizer> tokenizer, Say say)
      : form_(form), tokenizer_(std::move(tokenizer)), say_(std::move(say)) {}

  void piece(const ChatEvent& event, const Answer& so_far);
  /** `whole`: the answer has come to its end. */
  void finish(const Answer& answer, bool whole);
  const json::array& items() const { return items_; }

 private:
  void open(const ChatEvent& event);
  void close(bool whole);
  void open_part(std::string_view type);
  void message_delta(const std::string& text, const Answer& so_far);
  void thought_delta(const std::string& text);
  bool in_call() const;
  void end_call();
  void say(std::string_view type, json::object event);
  json::object item(std::string_view status) const;
  const std::string& name_of(const CallDelta& call) const;
  json::array new_logprobs(const Answer& so_far);

  const OutputForm form_;
  const std::shared_ptr<const Tokenizer> tokenizer_;
  const Say say_;
  json::array items_;
  std::optional<ChatEvent> part_;  // that is open, all of it
  std::string id_;                 // of its item
  json::array logprobs_;           // of its text
  size_t logprobs_said_ = 0;       // of the answer
};

/** How a response is answered: whole, as a stream, or in the background. */
std::shared_ptr<Reply> responses_reply(std::shared_ptr<Responder> responder, const ResponsesRequest& request,
                                       const ServedModel& served, std::shared_ptr<ResponseDesk> desk,
                                       StoredResponse stored);

/** A response before anything has been answered. */
json::object response_object(const ResponsesRequest& request, const std::string& model, std::string_view status);

}  // namespace gemma::serve

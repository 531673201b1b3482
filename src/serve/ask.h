// SPDX-License-Identifier: Apache-2.0
// Ask: what a request comes to, whatever protocol it came by.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "exchange/exchange.h"
#include "grammar/grammar.h"
#include "media/prepare.h"
#include "serve/log_entry.h"

namespace gemma::serve {

/** A picture, sound or film as it came, not yet decoded. */
struct MediaSource {
  media::Kind kind = media::Kind::image;
  std::string name;          // for messages: the field it came in
  std::string bytes;         // of the file
  int budget = 0;            // soft tokens of a picture; 0: the model's; media::kAutoBudget
  std::string address = {};  // where the bytes are to be fetched from, instead of them
  bool any_kind = false;     // with an address: `kind` is what the bytes say when they have come
};

/** What an answer must keep to, where it is not calls. */
struct JsonSchema {
  json::value schema;
  std::string where;  // the field it came in
};
struct AnyJsonObject {};
struct TextPattern {
  std::string regex, where;
};
struct TextRules {
  std::string ebnf, where;
};
using Constraint = std::variant<AnyJsonObject, JsonSchema, TextPattern, TextRules>;

/** A prompt without a conversation: text, or tokens as they are. */
struct PlainPrompt {
  std::string text;
  std::vector<int32_t> tokens;         // instead of the text, where there are any
  Specials specials = Specials::text;  // what control tokens' names are in the text
};

/** What of a model a request is read by. */
struct ModelFacts {
  std::string name = {};
  Sampling sampling;  // where a request says nothing else
  int vocab = 0, context = 0;
  bool chat_template = false;
  bool thinks = false, tools = false;  // its template has a place for them
  bool adds_bos = false;               // its tokenizer begins a prompt with it
};

struct Ask {
  json::array messages;              // as the chat templates take them
  std::vector<PlainPrompt> prompts;  // or these
  std::vector<MediaSource> media;    // of the messages' parts, in their order
  AnswerOptions answer;
  int choices = 1;  // of each prompt: number p * choices + i is the i-th of prompt p
  std::optional<Constraint> constraint;
  std::shared_ptr<const Grammar> forced;  // what all of the answer is, whatever is asked for: an alias for tests
  std::string turn;                       // whose turn it takes where the server's threads are shared
  std::shared_ptr<LogEntry> log = {};     // what is to be said of it; null: nothing
  CallOptions calls;                      // of answer.tools, where there are any
};

}  // namespace gemma::serve

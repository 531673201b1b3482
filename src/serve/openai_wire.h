// SPDX-License-Identifier: Apache-2.0
// Shapes that OpenAI's APIs share.
#pragma once

#include <string>
#include <string_view>

#include "exchange/exchange.h"
#include "serve/http/message.h"
#include "serve/refusal.h"

namespace gemma::serve {

/** "chatcmpl-" and letters that no other answer of this process has. */
std::string new_id(std::string_view prefix);
int64_t seconds_now();

/** "data: {...}\n\n", and with an event's name "event: ...\n" before it. */
std::string sse(const json::value& data, std::string_view event = {});
/** The head of a stream of such. */
HttpResponse sse_head();

/** {"error": {message, type, param, code}}. */
HttpResponse openai_error(const Refusal& refusal);
json::object openai_error_object(const Refusal& refusal);

/** "stop", "length" or "tool_calls". */
std::string_view openai_finish(const Answer& answer);
json::object openai_usage(const Answer& answer);
/** Adds `more`'s tokens of an answer to the same prompt. */
void add_usage(Answer& sum, const Answer& more);

/** {token, logprob, bytes, top_logprobs}: of `answer`'s tokens from number `from` on that stand in its text. */
json::array openai_logprobs(const Answer& answer, size_t from, const Tokenizer& tokenizer);

}  // namespace gemma::serve

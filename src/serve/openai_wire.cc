// SPDX-License-Identifier: Apache-2.0
#include "serve/openai_wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <ctime>
#include <random>

#include "base/utf8.h"

namespace gemma::serve {
namespace {

std::string_view type_of(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 429:
      return "rate_limit_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

json::object logprob_of(int32_t token, float logprob, const Tokenizer& tokenizer) {
  const std::string bytes = tokenizer.bytes(token);
  json::array numbers;
  for (const char c : bytes) numbers.push_back(static_cast<int64_t>(static_cast<unsigned char>(c)));
  // Half a character is said in its bytes.
  return {{"token", utf8::valid(bytes) ? bytes : std::string(tokenizer.piece(token))},
          {"logprob", std::max(logprob, -9999.0F)},
          {"bytes", std::move(numbers)}};
}

}  // namespace

std::string new_id(std::string_view prefix) {
  static const uint64_t process = [] {
    std::random_device device;
    return uint64_t{device()} << 32 | device();
  }();
  static std::atomic<uint64_t> count{0};
  return fmt::format("{}{:016x}{:08x}", prefix, process, count.fetch_add(1));
}

int64_t seconds_now() { return static_cast<int64_t>(std::time(nullptr)); }

std::string sse(const json::value& data, std::string_view event) {
  const std::string name = event.empty() ? std::string() : fmt::format("event: {}\n", event);
  return fmt::format("{}data: {}\n\n", name, write_json(data));
}

HttpResponse sse_head() {
  HttpResponse head;
  head.type = "text/event-stream";
  head.headers = {{"cache-control", "no-cache"}, {"x-accel-buffering", "no"}};
  head.keep_alive = ": keep-alive\n\n";
  return head;
}

json::object openai_error_object(const Refusal& refusal) {
  const std::string& field = refusal.failure.field;
  const json::value param = field.empty() ? json::value() : json::value(field);
  return {
      {"message", refusal.failure.message()}, {"type", type_of(refusal.status)}, {"param", param}, {"code", nullptr}};
}

HttpResponse openai_error(const Refusal& refusal) {
  HttpResponse response;
  response.status = refusal.status;
  response.body = write_json(json::object{{"error", openai_error_object(refusal)}});
  if (refusal.retry_after > 0) response.headers.emplace_back("retry-after", std::to_string(refusal.retry_after));
  return response;
}

std::string_view openai_finish(const Answer& answer) {
  if (answer.finish == Finish::length || answer.finish == Finish::context) return "length";
  return answer.tool_calls.empty() ? "stop" : "tool_calls";
}

json::object openai_usage(const Answer& answer) {
  return {{"prompt_tokens", answer.prompt_tokens},
          {"completion_tokens", answer.tokens},
          {"total_tokens", answer.prompt_tokens + answer.tokens},
          {"prompt_tokens_details", json::object{{"cached_tokens", answer.reused_tokens}}},
          {"completion_tokens_details", json::object{{"reasoning_tokens", answer.thought_tokens}}}};
}

void add_usage(Answer& sum, const Answer& more) {
  sum.prompt_tokens = more.prompt_tokens;
  sum.tokens += more.tokens;
  sum.reused_tokens = std::max(sum.reused_tokens, more.reused_tokens);
  sum.thought_tokens += more.thought_tokens;
}

json::array openai_logprobs(const Answer& answer, size_t from, const Tokenizer& tokenizer) {
  json::array out;
  for (size_t i = from; i < answer.logprobs.size(); ++i) {
    const TokenLogprob& each = answer.logprobs[i];
    if (!each.in_text) continue;
    json::object entry = logprob_of(each.token, each.logprob, tokenizer);
    json::array top;
    for (const Alternative& other : each.top) top.push_back(logprob_of(other.token, other.logprob, tokenizer));
    entry["top_logprobs"] = std::move(top);
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
// Bodies of requests, as far as they are read without a model: what is taken has passed every check.
// Links: serve
#include <string_view>
#include <utility>

#include "fuzz/fuzz.h"
#include "serve/anthropic.h"
#include "serve/base64.h"
#include "serve/http/message.h"
#include "serve/multipart.h"
#include "serve/ollama.h"
#include "serve/openai_chat.h"
#include "serve/openai_completions.h"
#include "serve/responses.h"
#include "serve/transcription.h"

namespace gemma::serve {
namespace {

void check_chat(const Ask& ask, const ModelFacts& model) {
  GEMMA_CHECK(ask.media.size() == media_in(ask.messages).size(), "a source for each part");
  GEMMA_CHECK(ask.choices >= 1 && ask.answer.max_tokens <= model.context, "within bounds");
  GEMMA_CHECK(!problem_with(ask.answer.sampling, model.vocab), "settings that the engine takes");
}

void read_other_protocols(const json::object& body, const ModelFacts& model) {
  for (const Purpose purpose : {Purpose::answer, Purpose::count}) {
    if (const auto messages = read_messages_request(body, model, purpose, {})) check_chat(messages.value().ask, model);
  }
  if (const auto chat = read_ollama_request(body, model, OllamaWay::chat)) check_chat(chat.value().ask, model);
  if (const auto prompt = read_ollama_request(body, model, OllamaWay::generate)) {
    const Ask& ask = prompt.value().ask;
    GEMMA_CHECK(!prompt.value().idle.empty() || ask.messages.empty() != ask.prompts.empty(), "one of them");
  }
}

/** Behind itself, too, as one that goes on from a response that was kept. */
void read_responses(const json::object& body, const ModelFacts& model) {
  for (const ResponsesPurpose purpose : {ResponsesPurpose::answer, ResponsesPurpose::count}) {
    const auto request = read_responses_request(body, model, purpose);
    if (!request) continue;
    for (const json::array& before : {json::array(), request.value().input}) {
      ResponsesRequest whole = request.value();
      if (read_responses_input(whole, before)) continue;
      check_chat(whole.ask, model);
      GEMMA_CHECK(!whole.ask.messages.empty(), "a conversation");
      write_json(response_object(whole, model.name, "queued"));
    }
  }
}

void read_transcription(std::string_view text, const ModelFacts& model) {
  HttpRequest request;
  request.headers.emplace_back("content-type", "multipart/form-data; boundary=X");
  request.body = text;
  for (const SpeechWay way : {SpeechWay::transcribe, SpeechWay::translate}) {
    auto form = read_transcription_form(request);
    if (!form) return;
    const auto asked = read_transcription_request(std::move(form).value(), model, way);
    if (!asked) continue;
    GEMMA_CHECK(text.find(asked.value().sound.bytes) != std::string_view::npos, "the file of the form");
    GEMMA_CHECK(!problem_with(asked.value().answer.sampling, model.vocab), "settings that the engine takes");
  }
}

}  // namespace
}  // namespace gemma::serve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  gemma::serve::base64_decoded(text);
  gemma::serve::percent_decoded(text);
  const auto form = gemma::serve::read_form("multipart/form-data; boundary=X", text);
  for (size_t i = 0; form && i < form.value().size(); ++i) {
    GEMMA_CHECK(text.find(form.value()[i].bytes) != std::string_view::npos, "a part of the body");
  }
  gemma::serve::query_value(text, "a");
  gemma::serve::ModelFacts model;
  model.vocab = 1000;
  model.context = 512;
  model.thinks = model.tools = model.chat_template = true;
  gemma::serve::read_transcription(text, model);
  const auto body = gemma::parse_json(text, 128);
  if (!body || !body.value().is_object()) return 0;
  const auto chat = gemma::serve::read_chat_request(body.value().get_object(), model, {});
  if (chat) gemma::serve::check_chat(chat.value().ask, model);
  gemma::serve::read_other_protocols(body.value().get_object(), model);
  gemma::serve::read_responses(body.value().get_object(), model);
  const auto completion = gemma::serve::read_completion_request(body.value().get_object(), model);
  if (completion) {
    const auto& ask = completion.value().ask;
    GEMMA_CHECK(!ask.prompts.empty() && ask.answer.max_tokens >= 1, "within bounds");
    GEMMA_CHECK(!problem_with(ask.answer.sampling, model.vocab), "settings that the engine takes");
  }
  return 0;
}

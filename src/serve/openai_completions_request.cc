// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "chat/template_value.h"
#include "serve/openai_completions.h"
#include "serve/sampling_fields.h"
#include "serve/structured_outputs.h"

namespace gemma::serve {
namespace {

constexpr int kMostPrompts = 64, kMostChoices = 8, kMostTopLogprobs = 20, kUsualTokens = 16;

bool are_numbers(const json::array& list) {
  return !list.empty() && std::all_of(list.begin(), list.end(), [](const json::value& v) { return v.is_number(); });
}

std::optional<PlainPrompt> prompt_of_tokens(Fields& fields, const json::array& list, const std::string& where,
                                            int vocab) {
  PlainPrompt prompt;
  for (size_t i = 0; i < list.size(); ++i) {
    boost::system::error_code error;
    const auto id = list[i].to_number<int64_t>(error);
    if (error || id < 0 || id >= vocab) {
      fields.fail(
          Failure{fmt::format("{}[{}]", where, i), fmt::format("expected the id of a token, 0 to {}", vocab - 1)});
      return std::nullopt;
    }
    prompt.tokens.push_back(static_cast<int32_t>(id));
  }
  return prompt;
}

std::vector<PlainPrompt> read_prompts(Fields& fields, int vocab) {
  const json::value* given = fields.any("prompt");
  if (given == nullptr) return fields.fail("prompt", "is missing"), std::vector<PlainPrompt>();
  const json::array one{*given};
  const json::array& all = given->is_array() && !are_numbers(given->get_array()) ? given->get_array() : one;
  if (all.empty() || all.size() > kMostPrompts) {
    fields.fail("prompt", fmt::format("expected 1 to {} prompts, found {}", kMostPrompts, all.size()));
    return {};
  }
  std::vector<PlainPrompt> prompts;
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string where = &all == &one ? "prompt" : fmt::format("prompt[{}]", i);
    if (all[i].is_string()) {
      prompts.push_back({std::string(all[i].get_string()), {}});
    } else if (all[i].is_array() && are_numbers(all[i].get_array())) {
      auto prompt = prompt_of_tokens(fields, all[i].get_array(), where, vocab);
      if (!prompt) return {};
      prompts.push_back(std::move(*prompt));
    } else {
      fields.fail(Failure{where, fmt::format("expected text or ids of tokens, found {}", kind_of(&all[i]))});
      return {};
    }
  }
  return prompts;
}

/** Numbers of answers and tokens, and what is said of each token. */
void read_counts(Fields& fields, CompletionRequest& request, int context) {
  Ask& ask = request.ask;
  ask.choices = static_cast<int>(fields.integer("n", 1, kMostChoices).value_or(1));
  const auto best = fields.integer("best_of", 1, kMostChoices);
  if (best && *best != ask.choices) fields.fail("best_of", "expected what \"n\" says: no answers are thrown away here");
  request.echo = fields.flag("echo").value_or(false);
  const auto most = fields.integer("max_tokens", 0, int64_t{1} << 31).value_or(kUsualTokens);
  request.prompt_only = most == 0;
  if (request.prompt_only && !request.echo) fields.fail("max_tokens", "0 is for \"echo\": true");
  ask.answer.max_tokens = static_cast<int>(std::clamp<int64_t>(most, 1, context));
  if (const auto top = fields.integer("logprobs", 0, kMostTopLogprobs)) {
    ask.answer.logprobs = true;
    ask.answer.top_logprobs = static_cast<int>(*top);
    ask.answer.prompt_logprobs = request.echo;
  }
}

}  // namespace

Result<CompletionRequest> read_completion_request(const json::object& body, const ModelFacts& model) {
  Fields fields(body);
  CompletionRequest request;
  Ask& ask = request.ask;
  const int vocab = model.vocab;
  fields.text("model");
  ask.prompts = read_prompts(fields, vocab);
  ask.answer.sampling = model.sampling;
  if (!model.chat_template) ask.answer.sampling.temperature = 1;  // greedy is for its frame of questions
  ask.answer.keep_whole = true;
  ask.answer.loop_stop = false;
  read_sampling(fields, ask.answer.sampling, vocab);
  ask.answer.stop = read_stops(fields);
  read_counts(fields, request, model.context);
  ask.constraint = read_structured_outputs(fields);
  if (ask.constraint && !ask.answer.stop.empty()) {
    fields.fail("stop", "an answer that keeps to a form ends where the form does");
  }
  request.stream = fields.flag("stream").value_or(false);
  if (const json::object* options = fields.object("stream_options")) {
    Fields inside(*options, "stream_options");
    request.include_usage = inside.flag("include_usage").value_or(false);
    inside.flag("include_obfuscation");
    if (!request.stream) fields.fail("stream_options", "needs \"stream\": true");
    if (auto failure = inside.failure()) fields.fail(std::move(*failure));
  }
  fields.unsupported("suffix", "is not supported: this model fills no gaps", {""});
  fields.label("user");
  if (auto failure = fields.failure()) return *failure;
  return request;
}

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "serve/openai_completions.h"

#include <algorithm>
#include <utility>

#include "base/utf8.h"
#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

struct Options {
  std::shared_ptr<Responder> responder;
  std::string id = new_id("cmpl-"), model;
  int64_t created = seconds_now();
  bool include_usage = false, echo = false, prompt_only = false, logprobs = false;
  int choices = 1;
  std::vector<PlainPrompt> prompts;
  std::shared_ptr<const Tokenizer> tokenizer;

  json::object head() const {
    return {{"id", id}, {"object", "text_completion"}, {"created", created}, {"model", model}};
  }
  const PlainPrompt& prompt_of(int choice) const { return prompts[static_cast<size_t>(choice / choices)]; }
  std::string prompt_text(int choice) const {
    const PlainPrompt& prompt = prompt_of(choice);
    if (prompt.tokens.empty()) return prompt.text;
    std::string text;
    for (const int32_t token : prompt.tokens) text += tokenizer->bytes(token);
    return utf8::replace_invalid(text);
  }
};

/** Tokens with their log-probabilities and where they begin, as this API lists them: side by side. */
class LogprobLists {
 public:
  explicit LogprobLists(const Tokenizer& tokenizer, int64_t offset) : tokenizer_(tokenizer), offset_(offset) {}

  /** said: null for a token that nothing stands before. */
  void add(int32_t token, const Likelihood* said) {
    const std::string text = text_of(token);
    tokens_.emplace_back(text);
    logprobs_.push_back(said != nullptr ? json::value(said->logprob) : json::value());
    tops_.push_back(said != nullptr && !said->top.empty() ? json::value(tops(text, *said)) : json::value());
    offsets_.push_back(offset_);
    for (size_t at = 0; at < text.size(); at += static_cast<size_t>(std::max(1, utf8::length(text.substr(at)))))
      ++offset_;
  }
  int64_t offset() const { return offset_; }
  json::object object() && {
    return {{"tokens", std::move(tokens_)},
            {"token_logprobs", std::move(logprobs_)},
            {"top_logprobs", std::move(tops_)},
            {"text_offset", std::move(offsets_)}};
  }

 private:
  /** The best, and the token itself. Of several with one text (parts of characters) the best stands for all. */
  json::object tops(std::string_view text, const Likelihood& said) const {
    json::object out;
    for (const Alternative& each : said.top) out.emplace(text_of(each.token), each.logprob);
    out.emplace(text, said.logprob);
    return out;
  }
  std::string text_of(int32_t token) const { return utf8::replace_invalid(tokenizer_.bytes(token)); }
  const Tokenizer& tokenizer_;
  int64_t offset_;
  json::array tokens_, logprobs_, tops_, offsets_;
};

/** Says pieces of choices, whole ones being a piece each. */
class Completion final : public Reply {
 public:
  Completion(Options options, bool stream) : options_(std::move(options)), stream_(stream) {
    choices_.resize(options_.prompts.size() * static_cast<size_t>(options_.choices));
  }

  void started(const Answer&) override {
    if (stream_) options_.responder->begin(sse_head());
  }

  void piece(int choice, const ChatEvent& event, const Answer& so_far) override {
    const auto* text = std::get_if<TextDelta>(&event);
    if (text == nullptr) return;
    if (stream_ && !options_.prompt_only) write(choice, echoed(choice) + text->text, so_far, nullptr);
  }

  void finished(int choice, const Answer& answer) override {
    if (answer.finish == Finish::error) error_ = answer.error;
    usage_.tokens += options_.prompt_only ? 0 : answer.tokens;
    if (choice % options_.choices == 0) {
      usage_.prompt_tokens += answer.prompt_tokens;
      usage_.reused_tokens += answer.reused_tokens;
    }
    const json::value why = options_.prompt_only ? json::value("length") : json::value(openai_finish(answer));
    const std::string text = options_.prompt_only || stream_ ? std::string() : answer.text;
    if (stream_) {
      write(choice, echoed(choice), answer, why);
    } else {
      whole_.push_back(choice_object(choice, echoed(choice) + text, answer, why));
    }
  }

  void done() override {
    if (stream_) return end_stream();
    if (!error_.empty()) return refused(Refusal(500, {"", error_}));
    json::object out = options_.head();
    std::sort(whole_.begin(), whole_.end(), [](const json::value& a, const json::value& b) {
      return a.at("index").as_int64() < b.at("index").as_int64();
    });
    out["choices"] = std::move(whole_);
    out["usage"] = openai_usage(usage_);
    HttpResponse response;
    response.body = write_json(out);
    options_.responder->respond(std::move(response));
  }

  void refused(const Refusal& refusal) override { options_.responder->respond(openai_error(refusal)); }

 private:
  struct Choice {
    bool echoed = false;
    size_t said = 0;  // log-probabilities that are out
    int64_t offset = 0;
  };

  /** The prompt, the first time. */
  std::string echoed(int choice) {
    bool& done = choices_[static_cast<size_t>(choice)].echoed;
    return options_.echo && !std::exchange(done, true) ? options_.prompt_text(choice) : std::string();
  }

  void end_stream() {
    if (!error_.empty()) {
      options_.responder->write(sse(json::object{{"error", openai_error_object(Refusal(500, {"", error_}))}}));
    } else if (options_.include_usage) {
      json::object out = options_.head();
      out["choices"] = json::array();
      out["usage"] = openai_usage(usage_);
      options_.responder->write(sse(out));
    }
    options_.responder->write("data: [DONE]\n\n");
    options_.responder->end();
  }

  void write(int choice, std::string text, const Answer& answer, json::value finish) {
    json::object out = options_.head();
    out["choices"] = json::array{choice_object(choice, std::move(text), answer, std::move(finish))};
    if (options_.include_usage) out["usage"] = nullptr;
    options_.responder->write(sse(out));
  }

  json::object choice_object(int choice, std::string text, const Answer& answer, json::value finish) {
    return {{"text", std::move(text)},
            {"index", choice},
            {"logprobs", options_.logprobs ? logprobs(choice, answer) : json::value()},
            {"finish_reason", std::move(finish)}};
  }

  json::value logprobs(int choice, const Answer& answer) {
    Choice& c = choices_[static_cast<size_t>(choice)];
    LogprobLists lists(*options_.tokenizer, c.offset);
    if (options_.echo && c.said == 0 && c.offset == 0) add_prompt(lists, options_.prompt_of(choice), answer);
    const size_t end = options_.prompt_only ? 0 : answer.logprobs.size();
    for (; c.said < end; ++c.said) {
      const TokenLogprob& each = answer.logprobs[c.said];
      const Likelihood said{each.logprob, each.top};
      if (each.in_text) lists.add(each.token, &said);
    }
    c.offset = lists.offset();
    return std::move(lists).object();
  }

  void add_prompt(LogprobLists& lists, const PlainPrompt& prompt, const Answer& answer) const {
    const std::vector<int32_t> ids =
        prompt.tokens.empty() ? options_.tokenizer->encode(prompt.text, Specials::text) : prompt.tokens;
    const size_t before = answer.prompt_tokens > static_cast<int>(ids.size()) ? 1 : 0;  // the beginning-of-text id
    for (size_t i = 0; i < ids.size(); ++i) {
      const bool known = i + before > 0 && i + before <= answer.prompt_logprobs.size();
      lists.add(ids[i], known ? &answer.prompt_logprobs[i + before - 1] : nullptr);
    }
  }

  Options options_;
  const bool stream_;
  std::vector<Choice> choices_;
  json::array whole_;
  Answer usage_;
  std::string error_;
};

}  // namespace

std::shared_ptr<Reply> completion_reply(std::shared_ptr<Responder> responder, const CompletionRequest& request,
                                        std::string model, const ServedModel& served) {
  Options options;
  options.responder = std::move(responder);
  options.model = std::move(model);
  options.include_usage = request.include_usage;
  options.echo = request.echo;
  options.prompt_only = request.prompt_only;
  options.logprobs = request.ask.answer.logprobs;
  options.choices = request.ask.choices;
  options.prompts = request.ask.prompts;
  options.tokenizer = served.tokenizer;
  return std::make_shared<Completion>(std::move(options), request.stream);
}

}  // namespace gemma::serve

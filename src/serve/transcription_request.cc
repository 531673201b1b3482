// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "exchange/languages.h"
#include "serve/sampling_fields.h"
#include "serve/transcription.h"

namespace gemma::serve {
namespace {

constexpr size_t kLongestLanguage = 40;

/** By its code, or as it is called. */
std::string read_language(Fields& fields) {
  const std::string given = fields.text("language").value_or("");
  if (const std::string_view name = language_of_code(given); !name.empty()) return std::string(name);
  const bool word =
      given.size() != 2 && given.size() <= kLongestLanguage && std::all_of(given.begin(), given.end(), [](char c) {
        return c == ' ' || c == '-' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
      });
  if (!word) fields.fail("language", fmt::format("expected a code (de) or a name (German), found '{}'", given));
  return given;
}

void read_granularities(Fields& fields, TranscriptForm form) {
  const json::array* wanted = fields.list("timestamp_granularities");
  if (wanted == nullptr) return;
  for (size_t i = 0; i < wanted->size(); ++i) {
    if ((*wanted)[i] == "segment") continue;
    fields.fail(Failure{fmt::format("timestamp_granularities[{}]", i),
                        "expected segment: the model does not say when a word was spoken"});
  }
  if (form != TranscriptForm::verbose_json) {
    fields.fail("timestamp_granularities", "needs \"response_format\": verbose_json");
  }
}

TranscriptForm read_form_of_answer(Fields& fields) {
  const std::string word =
      fields.word("response_format", {"json", "text", "srt", "verbose_json", "vtt"}).value_or("json");
  if (word == "text") return TranscriptForm::text;
  if (word == "srt") return TranscriptForm::srt;
  if (word == "vtt") return TranscriptForm::vtt;
  return word == "verbose_json" ? TranscriptForm::verbose_json : TranscriptForm::json;
}

/** What translations do not have. */
void read_transcription_fields(Fields& fields, TranscriptionRequest& request) {
  request.task.language = read_language(fields);
  request.stream = fields.flag("stream").value_or(false);
  if (request.stream && request.form != TranscriptForm::json) {
    fields.fail("stream", "needs \"response_format\": json");
  }
  read_granularities(fields, request.form);
  fields.unsupported("chunking_strategy", "expected auto: sound is cut at its pauses", {"auto"});
  fields.unsupported("include", "is not supported: pieces that overlap have no log-probabilities of the whole");
  fields.unsupported("known_speaker_names", "is not supported: speakers are not told apart");
  fields.unsupported("known_speaker_references", "is not supported: speakers are not told apart");
}

}  // namespace

Result<Form> read_transcription_form(const HttpRequest& request) {
  return read_form_fields(request, {"temperature", "top_p", "min_p", "top_k", "seed", "frequency_penalty",
                                    "presence_penalty", "repetition_penalty", "logit_bias", "stream"});
}

Result<TranscriptionRequest> read_transcription_request(Form form, const ModelFacts& model, SpeechWay way) {
  Fields fields(form.fields);
  TranscriptionRequest request;
  request.way = way;
  fields.text("model");
  request.answer.sampling = model.sampling;
  request.answer.sampling.temperature = 0;
  read_sampling(fields, request.answer.sampling, model.vocab);
  request.form = read_form_of_answer(fields);
  request.answer.logprobs = request.form == TranscriptForm::verbose_json;
  request.before = fields.text("prompt").value_or("");
  if (way == SpeechWay::translate) {
    request.task.to = "English";
  } else {
    read_transcription_fields(fields, request);
  }
  const FormPart* sound = form.file("file", fields);
  if (auto failure = fields.failure()) return *failure;
  if (!model.chat_template) {
    return Failure{"model", fmt::format("the model '{}' has no chat template: it answers no questions", model.name)};
  }
  const auto at = static_cast<size_t>(sound - form.files.data());
  request.sound = {media::Kind::audio, "file", std::move(form.files[at].bytes), 0};
  return request;
}

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "serve/transcription.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

ModelFacts facts() {
  ModelFacts out;
  out.chat_template = true;
  out.vocab = 100;
  return out;
}

Form form_of(json::object fields) {
  Form form;
  form.fields = std::move(fields);
  if (!form.fields.contains("file")) form.fields["file"] = "a.wav";
  form.files.push_back({"file", "a.wav", "bytes"});
  return form;
}
Result<TranscriptionRequest> read(json::object fields, SpeechWay way = SpeechWay::transcribe) {
  return read_transcription_request(form_of(std::move(fields)), facts(), way);
}
std::string fault(json::object fields, SpeechWay way = SpeechWay::transcribe) {
  const auto request = read(std::move(fields), way);
  return request ? "" : request.failure().message();
}

TEST(TranscriptionRequest, WhatIsAskedFor) {
  auto request = read({{"language", "de"}, {"prompt", "before"}, {"response_format", "srt"}, {"temperature", 0.5}});
  ASSERT_TRUE(request.ok()) << request.failure().message();
  EXPECT_EQ(request.value().task.language, "German");
  EXPECT_EQ(request.value().task.to, "");
  EXPECT_EQ(request.value().before, "before");
  EXPECT_EQ(request.value().form, TranscriptForm::srt);
  EXPECT_EQ(request.value().answer.sampling.temperature, 0.5F);
  EXPECT_EQ(request.value().sound.bytes, "bytes");
  auto plain = read({});
  EXPECT_EQ(plain.value().answer.sampling.temperature, 0);
  EXPECT_EQ(read({}, SpeechWay::translate).value().task.to, "English");
}

TEST(TranscriptionRequest, WhatIsWrongIsNamed) {
  EXPECT_EQ(fault({{"language", "xx"}}), "language: expected a code (de) or a name (German), found 'xx'");
  EXPECT_EQ(fault({{"language", "x\" y"}}), "language: expected a code (de) or a name (German), found 'x\" y'");
  EXPECT_TRUE(fault({{"language", "de"}}, SpeechWay::translate).starts_with("language: is not known here"));
  EXPECT_EQ(fault({{"response_format", "xml"}}),
            "response_format: expected one of json, text, srt, verbose_json, vtt, found 'xml'");
  EXPECT_EQ(fault({{"response_format", "verbose_json"}, {"timestamp_granularities", json::array{"segment", "word"}}}),
            "timestamp_granularities[1]: expected segment: the model does not say when a word was spoken");
  EXPECT_EQ(fault({{"timestamp_granularities", json::array{"segment"}}}),
            "timestamp_granularities: needs \"response_format\": verbose_json");
  EXPECT_EQ(fault({{"stream", true}, {"response_format", "vtt"}}), "stream: needs \"response_format\": json");
  const auto base = read_transcription_request(form_of({}), ModelFacts(), SpeechWay::transcribe);
  EXPECT_EQ(base.failure().field, "model");
}

/** Sound of two pieces that has been heard. */
SpeechRun heard(const SpeechTask& task) {
  auto media = std::make_shared<Media>();
  json::array clips;
  for (int i = 0; i < 2; ++i) {
    media->item.blocks.emplace_back().medium = Medium::audio;
    media->inputs.emplace_back();
    media->contents.push_back(1);
    clips.push_back(json::object{{"begin", 5.0 * i},
                                 {"end", 5.0 * i + 5},
                                 {"heard_begin", 5.0 * i + 1},
                                 {"heard_end", 5.0 * i + 4},
                                 {"overlaps", false},
                                 {"silent", false}});
  }
  media->facts = {{"seconds", 9.5}, {"clips", std::move(clips)}};
  SpeechRun run(task, media, "", false);
  for (const char* text : {"One.", "Two."}) {
    Answer answer;
    answer.text = text;
    answer.finish = Finish::stop;
    run.next();
    run.hear(answer);
  }
  return run;
}

TEST(TranscriptionResponse, Forms) {
  TranscriptionRequest request;
  request.task.language = "German";
  HeardPieces pieces;
  pieces.pieces = {{{7, 8}, -0.5}, {{9}, -1}};
  pieces.sum.prompt_tokens = 10, pieces.sum.tokens = 4;
  pieces.audio_tokens = 6;
  const auto body = [&](TranscriptForm form) {
    request.form = form;
    return transcription_response(request, heard(request.task), pieces).body;
  };
  EXPECT_EQ(body(TranscriptForm::json),
            R"({"text": "One. Two.", "usage": {"type": "tokens", "input_tokens": 10, "input_token_details": )"
            R"({"audio_tokens": 6, "text_tokens": 4}, "output_tokens": 4, "total_tokens": 14}})");
  EXPECT_EQ(body(TranscriptForm::text), "One. Two.\n");
  EXPECT_TRUE(body(TranscriptForm::srt).starts_with("1\n00:00:01,000 --> 00:00:04,000\nOne.\n"));
  EXPECT_TRUE(body(TranscriptForm::vtt).starts_with("WEBVTT\n"));
  const json::object whole = parse_json(body(TranscriptForm::verbose_json)).value().as_object();
  EXPECT_EQ(whole.at("language"), "German");
  EXPECT_EQ(whole.at("duration"), 9.5);
  EXPECT_EQ(write_json(whole.at("segments").at(1)),
            R"({"id": 1, "seek": 500, "start": 6.0, "end": 9.0, "text": "Two.", "tokens": [9], "temperature": 1.0, )"
            R"("avg_logprob": -1.0})");
  EXPECT_EQ(whole.at("usage").at("seconds"), 10);
  EXPECT_FALSE(whole.contains("warnings"));
  pieces.warnings.push_back("0.0 s to 5.0 s: no room");
  for (const TranscriptForm form : {TranscriptForm::json, TranscriptForm::verbose_json}) {
    EXPECT_EQ(parse_json(body(form)).value().at("warnings"), pieces.warnings);
  }
}

}  // namespace
}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <utility>

#include "exchange/subtitles.h"
#include "serve/openai_wire.h"
#include "serve/sampling_fields.h"
#include "serve/transcription.h"

namespace gemma::serve {
namespace {

constexpr double kSeekRate = 100;  // places a second, as OpenAI counts them

json::array segments_of(const TranscriptionRequest& request, const Transcript& transcript,
                        const std::vector<HeardPiece>& pieces) {
  json::array segments;
  for (const SpeechSegment& segment : transcript.segments()) {
    const HeardPiece& piece = pieces[segments.size()];
    segments.push_back({{"id", static_cast<int64_t>(segments.size())},
                        {"seek", std::llround(segment.begin * kSeekRate)},
                        {"start", segment.heard_begin},
                        {"end", segment.heard_end},
                        {"text", segment.words()},
                        {"tokens", json::array(piece.tokens.begin(), piece.tokens.end())},
                        {"temperature", as_written(request.answer.sampling.temperature)},
                        {"avg_logprob", piece.mean_logprob}});
  }
  return segments;
}

}  // namespace

HttpResponse transcription_response(const TranscriptionRequest& request, const SpeechRun& run,
                                    const HeardPieces& heard) {
  const Transcript& transcript = run.transcript();
  const std::string text = transcript.words(transcript.segments().size());
  HttpResponse response;
  if (request.form == TranscriptForm::json) {
    response.body = write_json(transcript_object(run, heard));
  } else if (request.form == TranscriptForm::verbose_json) {
    const std::string& language = request.task.to.empty() ? request.task.language : request.task.to;
    json::object out{{"task", request.way == SpeechWay::transcribe ? "transcribe" : "translate"},
                     {"language", language},
                     {"duration", run.seconds()},
                     {"text", text},
                     {"segments", segments_of(request, transcript, heard.pieces)}};
    if (!heard.warnings.empty()) out["warnings"] = heard.warnings;
    out["usage"] = json::object{{"type", "duration"}, {"seconds", std::llround(std::ceil(run.seconds()))}};
    response.body = write_json(out);
  } else {
    const bool srt = request.form == TranscriptForm::srt, vtt = request.form == TranscriptForm::vtt;
    response.type = vtt ? "text/vtt; charset=utf-8" : "text/plain; charset=utf-8";
    response.body = srt ? as_srt(transcript.cues()) : vtt ? as_vtt(transcript.cues()) : text + "\n";
  }
  return response;
}

json::object transcript_object(const SpeechRun& run, const HeardPieces& heard, std::string_view type) {
  json::object out;
  if (!type.empty()) out["type"] = type;
  out["text"] = run.transcript().words(heard.pieces.size());
  if (!heard.warnings.empty()) out["warnings"] = heard.warnings;
  const int64_t prompt = heard.sum.prompt_tokens;
  out["usage"] = {{"type", "tokens"},
                  {"input_tokens", prompt},
                  {"input_token_details",
                   json::object{{"audio_tokens", heard.audio_tokens}, {"text_tokens", prompt - heard.audio_tokens}}},
                  {"output_tokens", heard.sum.tokens},
                  {"total_tokens", prompt + heard.sum.tokens}};
  return out;
}

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
// OpenAI's /v1/audio/transcriptions and /v1/audio/translations: sound of any length, piece by piece, between the
// answers of others.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "exchange/speech_run.h"
#include "serve/generation.h"
#include "serve/http/message.h"
#include "serve/multipart_form.h"

namespace gemma::serve {

enum class SpeechWay : uint8_t { transcribe, translate };
enum class TranscriptForm : uint8_t { json, text, srt, verbose_json, vtt };

struct TranscriptionRequest {
  SpeechWay way = SpeechWay::transcribe;
  SpeechTask task;
  std::string before;  // words that may have come before the sound
  MediaSource sound;
  AnswerOptions answer;
  TranscriptForm form = TranscriptForm::json;
  bool stream = false;
  std::vector<std::shared_ptr<const Grammar>> forced;  // what is heard, piece by piece, whatever is said: for tests
};

/** Every field is honoured or refused by its name; beside OpenAI's there are those of read_sampling. */
Result<TranscriptionRequest> read_transcription_request(Form form, const ModelFacts& model, SpeechWay way);
Result<Form> read_transcription_form(const HttpRequest& request);

/** A piece's answer with the tokens of its text. */
struct HeardPiece {
  std::vector<int32_t> tokens;
  double mean_logprob = 0;
};

/** What the pieces of a transcript came to. */
struct HeardPieces {
  std::vector<HeardPiece> pieces;
  Answer sum;                // of their tokens
  int64_t audio_tokens = 0;  // of their prompts'
  json::array warnings;      // of those that went wrong: when they were said, and why
};

/** What a transcript is in the form that was asked for; forms of JSON have the warnings. */
HttpResponse transcription_response(const TranscriptionRequest& request, const SpeechRun& run,
                                    const HeardPieces& heard);

/** Its words, what it took, what went wrong: the last event of a stream, with its type, and the form json. */
json::object transcript_object(const SpeechRun& run, const HeardPieces& heard, std::string_view type = {});

/** A sound on its way to text: decoded on the thread that calls begin, asked about on the engine's. */
class Transcribing : public std::enable_shared_from_this<Transcribing> {
 public:
  /** intake and metrics outlive it. */
  Transcribing(std::shared_ptr<ServedModel> model, TranscriptionRequest request, std::shared_ptr<Responder> responder,
               MediaIntake& intake, Metrics& metrics)
      : model_(std::move(model)),
        request_(std::move(request)),
        responder_(std::move(responder)),
        intake_(intake),
        metrics_(metrics) {}

  void begin();
  /** Any thread. Nothing is said any more. */
  void cancel();

 private:
  void next();
  void ask();
  AnswerOptions options_of_piece() const;
  void begin_stream();
  void heard();
  void take(const Answer& answer);
  void say_settled(size_t segments);
  void finish();
  void give_up(const Refusal& refusal);

  const std::shared_ptr<ServedModel> model_;
  TranscriptionRequest request_;
  const std::shared_ptr<Responder> responder_;
  MediaIntake& intake_;
  Metrics& metrics_;
  std::atomic<bool> cancelled_{false};

  // Of the engine's thread.
  std::unique_ptr<SpeechRun> run_;
  std::unique_ptr<Exchange> exchange_;
  HeardPieces heard_;
  std::optional<Failure> failure_;  // of the first piece that could not be asked about
  size_t said_ = 0;                 // bytes of the text, in a stream
  bool streaming_ = false;
};

}  // namespace gemma::serve

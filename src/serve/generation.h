// SPDX-License-Identifier: Apache-2.0
// The way of a request: media are decoded, grammars compiled, prompts rendered, on threads for that, then it is
// answered on the engine's.
//
//   auto generation = std::make_shared<Generation>(model, std::move(ask), reply, intake, metrics);
//   responder->when_gone([generation] { generation->cancel(); });
//   if (generation->take_media() && generation->take_form()) generation->begin();        // on workers' threads
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "serve/ask.h"
#include "serve/media_intake.h"
#include "serve/metrics.h"
#include "serve/reply.h"
#include "serve/served_model.h"

namespace gemma::serve {

class Generation : public std::enable_shared_from_this<Generation> {
 public:
  /** intake and metrics outlive it. */
  Generation(std::shared_ptr<ServedModel> model, Ask ask, std::shared_ptr<Reply> reply, MediaIntake& intake,
             Metrics& metrics)
      : model_(std::move(model)), ask_(std::move(ask)), reply_(std::move(reply)), intake_(intake), metrics_(metrics) {}

  /** Whether taking its media may take as long as others like. */
  bool waits_for_others() const { return intake_.waits_for_others(ask_.media); }
  /** Whether taking its form means compiling a grammar. */
  bool compiles() const { return ask_.constraint || !ask_.answer.tools.empty(); }
  const std::string& turn() const { return ask_.turn; }

  /** False: it is refused, since it asks for more answers than may ever wait. */
  bool fits(int64_t most);
  /** False: it is refused, or nobody waits for it any more. */
  bool take_media();
  bool take_form();
  /** Renders its prompts, which may take a second for each ten megabytes, and gives them to the engine. */
  void begin();
  /** Any thread. The reply hears nothing more, and what is held for the request is let go within a step. */
  void cancel();

 private:
  using Exchanges = std::vector<std::unique_ptr<Exchange>>;
  void refuse(Refusal refusal);
  void log_prompt() const;
  void log_answers() const;
  Result<Exchanges> render() const;
  void start();
  Result<std::unique_ptr<Exchange>> exchange_of(const PlainPrompt* prompt, AnswerOptions options) const;
  bool submit(int choice);
  void begun(int choice);  // or over
  void say_started();
  void end_late();
  void end(int choice);

  std::shared_ptr<ServedModel> model_;
  Ask ask_;
  std::shared_ptr<Reply> reply_;
  MediaIntake& intake_;
  Metrics& metrics_;
  std::atomic<bool> cancelled_{false};

  MediaList media_;
  Exchanges rendered_;       // until the engine's thread takes them
  Exchanges exchanges_;      // of the engine's thread
  std::vector<bool> waits_;  // of each choice: it has not begun
  int running_ = 0;
  bool started_ = false;
};

/** What is said when nobody can be served. */
Refusal queue_is_full();
/** The same of a request that has waited until its deadline. */
Refusal waited_too_long();

/** Sets AnswerOptions::mask so that the answer keeps to the constraint, or its calls to the tools' schemas, behind its
 *  thought. How long the grammar took is counted, and said in the request's entry of the log. */
std::optional<Failure> hold_to_form(Ask& ask, ServedModel& model, Metrics& metrics);

}  // namespace gemma::serve

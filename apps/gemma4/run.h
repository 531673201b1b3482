// SPDX-License-Identifier: Apache-2.0
// The three ways of `gemma4 run`: one answer, many from a file, a conversation in the terminal.
#pragma once

#include <string>

#include "gemma4/media_inputs.h"
#include "gemma4/session.h"

namespace gemma::app {

struct RunOptions {
  SessionOptions session;
  AnswerOptions answer;
  MediaInputs inputs;
  MediaList media;  // inputs.files, read
  std::string prompt, system, jsonl;
  bool raw = false, json = false, control_specials = false, quiet = false;
};

/** The first messages of a conversation: the system turn, if there is one. */
json::array opening(const std::string& system);
/** What --json prints of an answer. */
json::object to_json(const Session& session, const Answer& answer, const AnswerOptions& options);

/** Says on stderr what is to be known of a session: its memory, and, where one is used, the model's template. */
void say_notes(const Session& session, bool with_template);
/** The same of media (notes_of). */
void say_notes(const MediaList& media);
/** Facts of each. */
json::array to_json(const MediaList& media);

/** Return the exit status. */
int run_once(Session& session, const RunOptions& options);
int run_jsonl(Session& session, const RunOptions& options);
int run_chat(Session& session, RunOptions options);

}  // namespace gemma::app

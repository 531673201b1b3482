// SPDX-License-Identifier: Apache-2.0
// What commands about files have in common (caption, watch, transcribe, ...): a model that is asked the same of one
// file after another. Greedy unless --temperature is given, so that a file has one answer.
//
//   TaskOptions options;
//   add_task_options(command, options, {Medium::image});
//   Task task(options, {Medium::image});               // knows the model, reads no weights yet
//   task.for_each(files, [&](const MediaFile& file, const auto& media) {
//     const Answer answer = task.ask({media}, "What is this?", task.answer_options(), sink);
//     ...
//   });
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gemma4/media_inputs.h"
#include "gemma4/session.h"
#include "gemma4/terminal.h"

namespace gemma::app {

struct TaskOptions {
  SessionOptions session;
  MediaSettings media;
  std::optional<double> temperature;
  std::optional<int64_t> seed, context, max_tokens, think;  // think: thought tokens, 0: no limit
  bool json = false;
};

/** -m, --mmproj, --json, -n, --temperature, --seed, --think, -c, --template, those of the machine, and of files of
 *  `kinds`. `options` lives as long as the command. */
void add_task_options(CLI::App& command, TaskOptions& options, const std::vector<Medium>& kinds);

class Task {
 public:
  /** Fails when no model is named, or when it cannot take files of `kinds`. */
  Task(const TaskOptions& options, const std::vector<Medium>& kinds);

  /** Does work that is about one of several files. What is wrong there is said, once and unless Ctrl-C was pressed, and
   *  the exit status tells; the others go on. */
  void attempt(const std::function<void()>& work);

  using Visitor = std::function<void(const MediaFile&, const std::shared_ptr<const Media>&)>;
  /** Reads file after file, the first before any weights, and hands each over. What is wrong with one is said, and the
   *  others go on; Ctrl-C ends it. Sets the exit status. */
  void for_each(const std::vector<MediaFile>& files, const Visitor& visit);

  /** The answer to a question about media, its text streamed to `sink`. Fails when there is none. */
  Answer ask(const MediaList& media, std::string_view question, const AnswerOptions& options, Exchange::Sink sink = {});

  /** The same; what is wrong is in the answer, with Finish::error, and in the exit status. Fails when the model cannot
   *  be loaded. */
  Answer try_to_ask(const MediaList& media, std::string_view question, const AnswerOptions& options,
                    Exchange::Sink sink = {});

  /** The same question about each file: answers on stdout as they come, below the file's name where there are several;
   *  with --json a line each: file, answer, facts. */
  void answer_each(const std::vector<MediaFile>& files, std::string_view question);

  const AnswerOptions& answer_options() const { return answer_; }
  const ModelFiles& files() const { return files_; }
  /** Reads a file as the settings say. */
  MediaReader reader() const { return {files_, settings_}; }
  /** The model with its weights, which are loaded when they are asked for first, with encoders for those kinds. */
  Session& session();

 private:
  InterruptGuard guard_;
  SessionOptions options_;
  MediaSettings settings_;
  AnswerOptions answer_;
  ModelFiles files_;
  Senses senses_;
  bool interrupted() const { return stopped_ || InterruptGuard::interrupted(); }

  bool json_, failed_ = false, stopped_ = false;
  std::unique_ptr<Session> session_;
};

/** The name of one of several files, above its answer. */
void print_heading(const std::string& name);
/** Streams an answer's text to stdout; nothing with --json. */
Exchange::Sink streamed(bool json);
/** Says on stderr why an answer about `name` has no end. */
void say_if_stopped(const std::string& name, const Answer& answer);
/** How an answer ended, what it took and facts of what it is about, as --json of every such command ends. */
void add_end(json::object& out, const Answer& answer, const Media& media);

/** Whether a word can be meant as a file only: with an ending or a folder, and without a blank. */
bool names_file(const std::string& word);
/** The last word where it is no file: what is asked. Wrong usage of `command` where another is none either. */
std::optional<std::string> take_phrase(std::string_view command, std::vector<std::string>& words);
/** Wrong usage of `command`, whose question is its own, where a question stands among its files. */
void refuse_question(std::string_view command, Medium kind, const std::vector<std::string>& words);
/** Fails where standard input is among them twice. */
std::vector<MediaFile> files_of(Medium kind, const std::vector<std::string>& paths);

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// gemma4 watch: a question about a film.
#include <memory>
#include <utility>

#include "base/error.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/task.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 watch goal.mp4 "Who scores, and when?" -m model-folder
  gemma4 watch day1.mkv day2.mkv "List what happens, with the times." --json
  gemma4 watch lecture.mp4 "What is on the slides?" --fps 0.2 --max-frames 120 --frame-budget 140
The last word is the question; without one: what happens.)";

constexpr const char* kQuestion = "What happens in this film? Answer with the times at which it happens.";

struct WatchOptions {
  TaskOptions task;
  std::vector<std::string> words;
};

void run(WatchOptions options) {
  std::optional<std::string> asked = take_phrase("watch", options.words);
  if (asked && names_file(*asked)) options.words.push_back(*std::exchange(asked, std::nullopt));
  if (options.words.empty()) {
    fail_usage("watch", "expected a film, and a question behind it; no such file: '{}'", *asked);
  }
  const std::string question = asked.value_or(kQuestion);
  Task(options.task, {Medium::video}).answer_each(files_of(Medium::video, options.words), question);
}

}  // namespace

void add_watch(CLI::App& app) {
  auto options = std::make_shared<WatchOptions>();
  CLI::App* command = app.add_subcommand("watch", "Answer a question about films");
  command->add_option("words", options->words, "Films, and the question in quotes")
      ->option_text("VIDEO... [QUESTION]")
      ->required()
      ->check(not_empty());
  add_task_options(*command, options->task, {Medium::video});
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

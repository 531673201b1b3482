// SPDX-License-Identifier: Apache-2.0
// gemma4 caption: what is to be seen, in words.
#include <map>
#include <memory>

#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/task.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 caption bike.jpg -m model-folder
  gemma4 caption *.jpg --length short --json > captions.jsonl
  gemma4 caption bike.jpg --length long --language Italian
  cat bike.jpg | gemma4 caption -)";

struct CaptionOptions {
  TaskOptions task;
  std::vector<std::string> files;
  std::string length = "medium", language;
};

std::string question(const CaptionOptions& options) {
  static const std::map<std::string, const char*> kQuestions{
      {"short", "Write a single short caption for this image."},
      {"medium", "Describe this image in two or three sentences."},
      {"long", "Write single detailed caption for this image."}};  // as announced (docs/grounding.md)
  std::string text = kQuestions.at(options.length);
  if (!options.language.empty()) text += fmt::format(" Answer in {}.", options.language);
  return text + " Only output the description.";
}

void run(const CaptionOptions& options) {
  refuse_question("caption", Medium::image, options.files);
  Task(options.task, {Medium::image}).answer_each(files_of(Medium::image, options.files), question(options));
}

}  // namespace

void add_caption(CLI::App& app) {
  auto options = std::make_shared<CaptionOptions>();
  CLI::App* command = app.add_subcommand("caption", "Describe pictures");
  command->add_option("IMAGE", options->files, "Pictures; - is standard input")->required()->check(not_empty());
  command->add_option("--length", options->length, "short, medium or long")
      ->check(CLI::IsMember({"short", "medium", "long"}))
      ->capture_default_str();
  command->add_option("--language", options->language, "Of the description: Italian")->check(not_empty());
  add_task_options(*command, options->task, {Medium::image});
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// gemma4 html: a page that looks like a picture.
#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/error.h"
#include "gemma4/child.h"
#include "gemma4/command.h"
#include "gemma4/task.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExamples = R"(Examples:
  gemma4 html screen.png -m model-folder > screen.html
  gemma4 html sketch.jpg -o page.html --render page.png
--render shows the page by chromium, without a window and beside the picture: page.png is what it looks like.)";

constexpr const char* kQuestion = "Write HTML code for this page, with its styles within. Only output the HTML.";
constexpr int kMostTokens = 16384;  // of a page, where --max-tokens does not say

struct HtmlOptions {
  TaskOptions task;
  std::string file, out, render;
};

/** What stands in the answer's fence, or all of it. */
std::string page_of(const std::string& answer) {
  size_t begin = answer.find("```");
  if (begin == std::string::npos) return answer;
  begin = answer.find('\n', begin);
  if (begin == std::string::npos) return answer;
  const size_t end = answer.find("\n```", begin);
  return answer.substr(begin + 1, end == std::string::npos ? end : end - begin);
}

/** No scripts, no addresses: what a model wrote is looked at, not trusted. */
void render(const HtmlOptions& options, const json::object& facts) {
  const auto size = [&](std::string_view key) { return static_cast<int>(facts.at(key).to_number<double>()); };
  const int status = run_child(
      {"chromium", "--headless", "--disable-gpu", "--hide-scrollbars", "--blink-settings=scriptEnabled=false",
       "--proxy-server=127.0.0.1:9", fmt::format("--window-size={},{}", size("width"), size("height")),
       "--screenshot=" + fs::absolute(options.render).string(), "file://" + fs::absolute(options.out).string()},
      "chromium");
  if (status != 0 || !fs::exists(options.render)) fail(options.render, "chromium ended with status {}", status);
}

void run(const HtmlOptions& options) {
  if (!options.render.empty() && options.out.empty()) fail_usage("--render", "needs the page in a file: -o PAGE.html");
  Task task(options.task, {Medium::image});
  AnswerOptions answer_options = task.answer_options();
  if (answer_options.max_tokens == 0) answer_options.max_tokens = kMostTokens;
  task.for_each({{Medium::image, options.file}}, [&](const MediaFile& file, const auto& media) {
    const Answer answer = task.ask({media}, kQuestion, answer_options);
    const std::string page = page_of(answer.text);
    if (!options.out.empty()) write_text(options.out, page);
    if (options.task.json) {
      fmt::print("{}\n", write_json(json::object{{"file", file.path},
                                                 {"html", page},
                                                 {"finish", answer.finish ? name_of(*answer.finish) : ""},
                                                 {"prompt_tokens", answer.prompt_tokens},
                                                 {"tokens", answer.tokens},
                                                 {"seconds", answer.seconds}}));
    } else if (options.out.empty()) {
      fmt::print("{}\n", page);
    }
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the page");
    if (answer.finish == Finish::length) {
      fmt::print(stderr, "gemma4: {}: stopped after {} tokens (--max-tokens)\n", file.path, answer.tokens);
    }
    if (!options.render.empty()) render(options, media->facts);
  });
}

}  // namespace

void add_html(CLI::App& app) {
  auto options = std::make_shared<HtmlOptions>();
  CLI::App* command = app.add_subcommand("html", "Write a picture of a page as HTML");
  command->add_option("IMAGE", options->file, "A picture; - is standard input")->required();
  command->add_option("-o,--out", options->out, "Writes the page there (default: standard output)")->type_name("FILE");
  command->add_option("--render", options->render, "Shows the page by chromium as a picture of the same size")
      ->type_name("FILE.png");
  add_task_options(*command, options->task, {Medium::image});
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

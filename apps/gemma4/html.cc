// SPDX-License-Identifier: Apache-2.0
// gemma4 html: pages that look like pictures.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "gemma4/beside.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/pixels.h"
#include "gemma4/targets.h"
#include "gemma4/task.h"
#include "grounding/page.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 html screen.png -m model-folder > screen.html
  gemma4 html sketch.jpg -o page.html --render page.png
  gemma4 html screens/*.png -o pages/ --render pages/ --think 0
  gemma4 html screen.png --page page.html --render page.png      no model: a page that is there already
--render shows the page by chromium beside the picture: page.png has the picture on the left, what the page looks like
on the right.)";

// As the announcement of Gemma 4 has it (docs/grounding.md), where the model was let think.
constexpr const char* kQuestion = "Write HTML code for this page.";
constexpr int kMostTokens = 16384;  // of a page, where --max-tokens does not say

struct HtmlOptions {
  TaskOptions task;
  std::vector<std::string> files;
  std::string out, render, page;
};

class PageWriter {
 public:
  explicit PageWriter(const HtmlOptions& options) : options_(options) {
    refuse_question("html", Medium::image, options.files);
    if (!options.out.empty()) pages_ = Targets("-o", options.out, options.files, ".html");
    if (!options.render.empty()) pictures_ = Targets("--render", options.render, options.files, ".png");
    pictures_.keep_apart(pages_);
    if (!pictures_.empty()) check_render();
    if (options.page.empty()) return;
    if (pictures_.empty() || !pages_.empty()) fail_usage("--page", "expected --render FILE.png beside it, and no -o");
    if (options.files.size() > 1) fail_usage("--page", "is the page of one picture, found {}", options.files.size());
  }

  void run() {
    if (!options_.page.empty()) return render_page();
    Task task(options_.task, {Medium::image});
    pages_.prepare(task.files());
    pictures_.prepare(task.files());
    AnswerOptions answer = task.answer_options();
    if (answer.max_tokens == 0) answer.max_tokens = kMostTokens;
    task.for_each(files_of(Medium::image, options_.files), [&](const MediaFile& file, const auto& media) {
      write(file.path, *media, task.ask({media}, kQuestion, answer));
    });
  }

 private:
  /** One that is there already. */
  void render_page() const {
    const InterruptGuard guard;
    const std::string& file = options_.files[0];
    const std::string page = read_file(options_.page);
    if (same_file(options_.render, file) || same_file(options_.render, options_.page)) {
      fail_usage("--render", "{} is a file that is read; another name is needed", options_.render);
    }
    check_writable(pictures_.of(file));
    const media::Prepared picture = prepare_file(file, options_.task.media.of(Medium::image));
    draw_beside(pictures_.of(file), shown_file(file, picture.facts, options_.task.media).picture(), page);
  }

  void check_render() const {
    for (const std::string& file : options_.files) {
      if (pictures_.of(file).ends_with(".png")) continue;
      fail_usage("--render", "expected a name in .png, or a folder ('out/'), found '{}'", options_.render);
    }
    find_browser();  // now, not after the answers
    if (std::count(options_.files.begin(), options_.files.end(), "-") > 0) {
      fail_usage("--render", "reads the picture again: standard input cannot be");
    }
  }

  void write(const std::string& file, const Media& media, const Answer& answer) {
    const std::string page = grounding::page_of(answer.text);
    if (!pages_.empty()) write_text(pages_.of(file), page);
    if (options_.task.json) {
      fmt::print("{}\n", write_json(json_of(file, media, page, answer)));
    } else if (pages_.empty()) {
      if (options_.files.size() > 1) fmt::print("<!-- {} -->\n", file);
      fmt::print("{}\n", page);
    }
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the page");
    say_if_stopped(media.name, answer);
    if (pictures_.empty()) return;
    const ShownFile shown = shown_file(file, media.facts, options_.task.media);
    draw_beside(pictures_.of(file), shown.picture(), page);
  }

  json::object json_of(const std::string& file, const Media& media, const std::string& page,
                       const Answer& answer) const {
    json::object out{{"file", file}, {"html", page}};
    if (!pages_.empty()) out["output"] = pages_.of(file);
    if (!pictures_.empty()) out["render"] = pictures_.of(file);
    add_end(out, answer, media);
    return out;
  }

  const HtmlOptions& options_;
  Targets pages_, pictures_;
};

}  // namespace

void add_html(CLI::App& app) {
  auto options = std::make_shared<HtmlOptions>();
  CLI::App* command = app.add_subcommand("html", "Write pictures of pages as HTML");
  command->add_option("IMAGE", options->files, "Pictures; - is standard input")->required()->check(not_empty());
  command->add_option("-o,--out", options->out, "Writes the page there (default: standard output)")
      ->check(not_empty())
      ->type_name("FILE|FOLDER/");
  command->add_option("--render", options->render, "Shows picture and page side by side, by chromium")
      ->check(not_empty())
      ->type_name("FILE.png|FOLDER/");
  command->add_option("--page", options->page, "Renders this page instead of asking a model for one")
      ->check(not_empty())
      ->type_name("FILE.html");
  add_task_options(*command, options->task, {Medium::image});
  command->footer(kExamples);
  command->callback([options] { PageWriter(*options).run(); });
}

}  // namespace gemma::app

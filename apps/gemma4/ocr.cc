// SPDX-License-Identifier: Apache-2.0
// gemma4 ocr: the text in pictures and on the pages of PDFs.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "base/error.h"
#include "exchange/media_facts.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/pdf.h"
#include "gemma4/run.h"
#include "gemma4/task.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 ocr page.png -m model-folder
  gemma4 ocr scan.pdf --pages 2-5,9 > scan.txt
  gemma4 ocr *.jpg --json --image-budget 1120
Pages of a PDF become pictures by pdftoppm (Debian: poppler-utils). Unless --image-budget says a number, a picture has
as many soft tokens as leave its text 12 pixels high.)";

constexpr const char* kQuestion =
    "Extract all text from this image, in reading order, line by line. Only output the text.";
constexpr int kMostTokens = 8192;  // of a page, where --max-tokens does not say

struct OcrOptions {
  TaskOptions task;
  std::vector<std::string> files;
  std::string pages;
  int dpi = 150;
};

class TextReader {
 public:
  explicit TextReader(const OcrOptions& options)
      : options_(options),
        ranges_(options.pages.empty() ? std::vector<std::pair<int, int>>() : page_ranges(options.pages)),
        task_(options.task, {Medium::image}),
        answer_(task_.answer_options()) {
    if (answer_.max_tokens == 0) answer_.max_tokens = kMostTokens;
  }

  void run() {
    for (const MediaFile& each : files_of(Medium::image, options_.files)) {
      task_.attempt([&] {
        const std::string& path = each.path;
        const File file = open_file(path, options_.task.media.limits);
        if (is_pdf(file)) {
          read_pages(file, path);
        } else {
          read(file, path, 0, options_.files.size() > 1);
        }
      });
      if (InterruptGuard::interrupted()) return;
    }
    if (!options_.pages.empty() && !any_pdf_) {
      note(fmt::format("--pages {}: none of the files is a PDF", options_.pages));
    }
  }

 private:
  /** Each is drawn just before it is asked about. */
  void read_pages(const File& file, const std::string& path) {
    any_pdf_ = true;
    const Pdf pdf(file, options_.task.media.limits);
    const std::vector<int> pages = pages_named(ranges_, file.path(), pdf.pages());
    const bool named = options_.files.size() > 1 || pages.size() > 1;
    for (const int page : pages) {
      const int dpi = pdf.dpi_of(page, options_.dpi);
      if (dpi < options_.dpi) {
        note(fmt::format("{}, page {}: is large and drawn with {} dots an inch", file.path(), page, dpi));
      }
      task_.attempt([&] { read(pdf.page(page, options_.dpi), path, page, named); });
      if (InterruptGuard::interrupted()) break;
    }
  }

  /** page: 0 of a picture. */
  void read(const File& picture, const std::string& path, int page, bool named) {
    const auto media = task_.reader().read(Medium::image, picture);
    for (const std::string& line : notes_of(*media, media->name)) note(line);
    task_.session();  // its notes come before the name
    if (named && !options_.task.json) print_heading(media->name);
    const Answer answer = task_.ask({media}, kQuestion, answer_, streamed(options_.task.json));
    if (!options_.task.json) {
      if (answer.text.empty() || answer.text.back() != '\n') fmt::print("\n");
    } else if (answer.finish != Finish::cancelled) {
      print_json(path, page, *media, answer);
    }
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the answer");
    say_if_stopped(media->name, answer);
  }

  static void print_json(const std::string& path, int page, const Media& media, const Answer& answer) {
    json::object out{{"file", path}};
    if (page > 0) out["page"] = page;
    out["text"] = answer.text;
    out["budget"] = Facts(path, media.facts).count("budget");
    add_end(out, answer, media);
    fmt::print("{}\n", write_json(out));
  }

  const OcrOptions& options_;
  std::vector<std::pair<int, int>> ranges_;
  bool any_pdf_ = false;
  Task task_;
  AnswerOptions answer_;
};

}  // namespace

void add_ocr(CLI::App& app) {
  auto options = std::make_shared<OcrOptions>();
  CLI::App* command = app.add_subcommand("ocr", "Read the text in pictures and PDFs");
  command->add_option("FILE", options->files, "Pictures and PDFs; - is one on standard input")
      ->required()
      ->check(not_empty());
  command->add_option("--pages", options->pages, "Of PDFs: 3, 2-5, 7- or 1,4-6 (default: all)")
      ->check(not_empty())
      ->type_name("N-M");
  command->add_option("--dpi", options->dpi, "Of PDFs: pixels an inch")->check(whole(20, 1200))->capture_default_str();
  options->task.media.image.budget = media::kAutoBudget;  // text has to be seen
  add_task_options(*command, options->task, {Medium::image});
  command->footer(kExamples);
  command->callback([options] {
    refuse_question("ocr", Medium::image, options->files);
    TextReader(*options).run();
  });
}

}  // namespace gemma::app

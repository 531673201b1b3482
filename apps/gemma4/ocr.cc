// SPDX-License-Identifier: Apache-2.0
// gemma4 ocr: the text in pictures and on the pages of PDFs.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>

#include "base/error.h"
#include "gemma4/child.h"
#include "gemma4/command.h"
#include "gemma4/task.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExamples = R"(Examples:
  gemma4 ocr page.png -m model-folder
  gemma4 ocr scan.pdf --pages 2-5 > scan.txt
  gemma4 ocr *.jpg --json --image-budget 1120
Pages of a PDF become pictures by pdftoppm (Debian: poppler-utils).)";

constexpr const char* kQuestion =
    "Extract all text from this image, in reading order, line by line. Only output the text.";
constexpr int kMostTokens = 8192;  // of a page, where --max-tokens does not say

struct OcrOptions {
  TaskOptions task;
  std::vector<std::string> files;
  std::string pages;
  int dpi = 150;
};

struct Page {
  std::string file;
  int number = 0;  // 0: no page of a PDF
};

/** A folder that is gone when this is. */
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "gemma4-ocr-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) fail(name, "cannot make a folder");
    path_ = name;
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

bool is_pdf(const std::string& path) {
  std::string ending = fs::path(path).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".pdf";
}

/** "3" or "2-5". */
std::pair<int, int> page_range(const std::string& text) {
  int first = 0, last = 0, used = 0;
  const int read = std::sscanf(text.c_str(), "%d%n-%d%n", &first, &used, &last, &used);
  if (read == 1) last = first;
  if (read < 1 || used != static_cast<int>(text.size()) || first < 1 || last < first) {
    fail_usage("--pages", "expected a page or a range such as 2-5, found '{}'", text);
  }
  return {first, last};
}

/** The pages of a PDF as pictures in a folder, by their paths in order. */
std::map<std::string, Page> pages_of(const std::string& pdf, const OcrOptions& options, const fs::path& folder) {
  if (!fs::exists(pdf)) fail(pdf, "cannot open: no such file");
  std::vector<std::string> command{"pdftoppm", "-q", "-png", "-r", std::to_string(options.dpi)};
  if (!options.pages.empty()) {
    const auto [first, last] = page_range(options.pages);
    command.insert(command.end(), {"-f", std::to_string(first), "-l", std::to_string(last)});
  }
  command.insert(command.end(), {"--", pdf, (folder / "page").string()});
  if (run_child(command, "poppler-utils") != 0) fail(pdf, "pdftoppm cannot read it");
  std::map<std::string, Page> pages;  // names have their numbers in digits of equal count
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string stem = entry.path().stem().string();
    pages[entry.path().string()] = {pdf, std::atoi(stem.substr(stem.rfind('-') + 1).c_str())};
  }
  if (pages.empty()) fail(pdf, "has no such page");
  return pages;
}

void print(const Page& page, const Answer& answer, bool json, bool named) {
  const std::string name = page.number > 0 ? fmt::format("{}, page {}", page.file, page.number) : page.file;
  if (json) {
    json::object out{{"file", page.file}};
    if (page.number > 0) out["page"] = page.number;
    out["text"] = answer.text;
    out["finish"] = answer.finish ? name_of(*answer.finish) : "";
    out["prompt_tokens"] = answer.prompt_tokens;
    out["tokens"] = answer.tokens;
    out["seconds"] = answer.seconds;
    fmt::print("{}\n", write_json(out));
  } else {
    if (named) fmt::print("{}\n", bold(name + ":", STDOUT_FILENO));
    fmt::print("{}\n", answer.text);
  }
  if (std::fflush(stdout) != 0) fail("stdout", "cannot write the answer");
  if (answer.finish == Finish::loop) fmt::print(stderr, "gemma4: {}: stopped: the text repeats itself\n", name);
  if (answer.finish == Finish::length) {
    fmt::print(stderr, "gemma4: {}: stopped after {} tokens (--max-tokens)\n", name, answer.tokens);
  }
}

void run(const OcrOptions& options) {
  if (!options.pages.empty()) page_range(options.pages);
  Task task(options.task, {Medium::image});
  std::vector<std::unique_ptr<TemporaryFolder>> folders;
  std::map<std::string, Page> pages;
  std::vector<std::string> pictures;
  for (const std::string& file : options.files) {
    if (!is_pdf(file)) {
      pages[file] = {file, 0};
      pictures.push_back(file);
      continue;
    }
    folders.push_back(std::make_unique<TemporaryFolder>());
    for (const auto& [picture, page] : pages_of(file, options, folders.back()->path())) {
      pages[picture] = page;
      pictures.push_back(picture);
    }
  }
  AnswerOptions answer = task.answer_options();
  if (answer.max_tokens == 0) answer.max_tokens = kMostTokens;
  task.for_each(files_of(Medium::image, pictures), [&](const MediaFile& file, const auto& media) {
    print(pages.at(file.path), task.ask({media}, kQuestion, answer), options.task.json, pictures.size() > 1);
  });
}

}  // namespace

void add_ocr(CLI::App& app) {
  auto options = std::make_shared<OcrOptions>();
  CLI::App* command = app.add_subcommand("ocr", "Read the text in pictures and PDFs");
  command->add_option("FILE", options->files, "Pictures and PDFs; - is a picture on standard input")->required();
  command->add_option("--pages", options->pages, "Of PDFs: a page, or a range")->type_name("N-M");
  command->add_option("--dpi", options->dpi, "Of PDFs: pixels an inch")
      ->check(CLI::Range(20, 1200))
      ->capture_default_str();
  add_task_options(*command, options->task, {Medium::image});
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

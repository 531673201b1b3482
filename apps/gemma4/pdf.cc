// SPDX-License-Identifier: Apache-2.0
#include "gemma4/pdf.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "base/memory.h"
#include "gemma4/child.h"

namespace gemma::app {
namespace {

constexpr const char* kPackage = "poppler-utils";
constexpr int64_t kMostFacts = 50'000'000;  // bytes of what pdfinfo says
constexpr double kMostPixels = 50e6;        // of a page; a model sees 2.6 million at most
constexpr double kPointsOfAnInch = 72;

/** A positive number at the beginning of `text`, which loses it; 0 where there is none. */
double take_number(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_of("0123456789"), text.size()));
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return 0;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

/** What poppler complained of, without its own words about where. */
std::string reason_of(const ChildEnd& end, int64_t seconds) {
  if (end.too_long || end.status == 128 + SIGXCPU || end.status == 128 + SIGALRM || end.status == 128 + SIGKILL) {
    return fmt::format("it takes more than {} seconds (--max-cpu)", seconds);
  }
  if (end.status > 128) {
    return fmt::format(
        "poppler was ended by signal {}: the file is damaged or hostile, or needs more memory (--max-memory)",
        end.status - 128);
  }
  if (end.complaint.find("ncorrect password") != std::string::npos) {
    return "it is encrypted, and a password would be needed: save it without one first";
  }
  if (end.complaint.find("rong page range") != std::string::npos) return "this PDF has no pages";
  std::string_view text = end.complaint;
  for (const std::string_view begin : {"Command Line Error: ", "Syntax Error: ", "Internal Error: ", "Error: "}) {
    if (text.starts_with(begin)) text.remove_prefix(begin.size());
  }
  if (text.empty()) return fmt::format("poppler cannot read it and ends with status {}", end.status);
  return fmt::format("poppler cannot read it: {}", text);
}

}  // namespace

bool is_pdf(const File& file) {
  std::array<char, 1024> begin{};  // other bytes may come before it, as readers have it
  const size_t size = std::min<size_t>(begin.size(), static_cast<size_t>(file.size()));
  file.read(0, std::as_writable_bytes(std::span(begin.data(), size)));
  return std::string_view(begin.data(), size).find("%PDF-") != std::string_view::npos;
}

Pdf::Pdf(const File& file, const MediaLimits& limits) : file_(file), limits_(limits) {
  const MemoryFile out("pdfinfo");
  const std::string wrong = run({"pdfinfo", "-f", "1", "-l", "1000000", "-"}, out.descriptor());
  if (!wrong.empty()) fail(file_.path(), "{}", wrong);
  const std::string facts = out.text(kMostFacts);
  for (std::string_view rest = facts; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    if (!line.starts_with("Page ") || line.find(" size:") == std::string_view::npos) continue;
    const double number = take_number(line), width = take_number(line), height = take_number(line);
    if (number == static_cast<double>(sizes_.size() + 1)) sizes_.emplace_back(width, height);
  }
  if (sizes_.empty()) fail(file_.path(), "this PDF has no pages");
}

std::string Pdf::run(const std::vector<std::string>& words, int output) const {
  const int64_t memory = limits_.max_memory.empty() ? media::WorkerOptions().memory : *parse_bytes(limits_.max_memory);
  const int64_t seconds = limits_.cpu_seconds;
  std::vector<std::string> command = words;
  command[0] = find_program({words[0]}, kPackage);
  ChildOptions options;
  options.input = file_.descriptor();
  options.output = output;
  options.seconds = 4 * seconds;
  options.environment = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8"};
  lseek(options.input, 0, SEEK_SET);  // where the one before it has stopped
  const ChildEnd end = run_child(confined(command, memory + file_.size(), seconds), options);
  if (end.status != 0 || end.too_long) return reason_of(end, seconds);
  return "";
}

int Pdf::dpi_of(int page, int dpi) const {
  const auto [width, height] = sizes_[static_cast<size_t>(page - 1)];
  const double inches = width / kPointsOfAnInch * (height / kPointsOfAnInch);
  return std::max(1, static_cast<int>(std::min<double>(dpi, std::sqrt(kMostPixels / std::max(inches, 1e-9)))));
}

File Pdf::page(int number, int dpi) const {
  const std::string name = fmt::format("{}, page {}", file_.path(), number);
  const MemoryFile picture("page");
  const std::string page = std::to_string(number);
  const std::string wrong = run(
      {"pdftoppm", "-q", "-png", "-singlefile", "-r", std::to_string(dpi_of(number, dpi)), "-f", page, "-l", page, "-"},
      picture.descriptor());
  if (!wrong.empty()) fail(name, "{}", wrong);
  if (picture.size() == 0) fail(name, "poppler makes no picture of it");
  return File::adopt(fcntl(picture.descriptor(), F_DUPFD_CLOEXEC, 0), name);
}

std::vector<std::pair<int, int>> page_ranges(const std::string& text) {
  std::vector<std::pair<int, int>> ranges;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find(',', at), text.size());
    const std::string part = text.substr(at, end - at);
    int first = 0, last = 0, used = 0;
    const int read = std::sscanf(part.c_str(), "%9d%n-%n%9d%n", &first, &used, &used, &last, &used);
    const bool open = read == 1 && part.ends_with('-');
    if (read == 1 && !open) last = first;
    const bool whole = used == static_cast<int>(part.size()) && std::isdigit(static_cast<unsigned char>(part[0]));
    if (read < 1 || !whole || first < 1 || (!open && last < first)) {
      fail_usage("--pages", "expected pages such as 3, 2-5, 7- or 1,4-6, found '{}'", text);
    }
    ranges.emplace_back(first, last);
    at = end + 1;
  }
  return ranges;
}

std::vector<int> pages_named(const std::vector<std::pair<int, int>>& ranges, const std::string& file, int pages) {
  std::vector<int> out;
  for (const auto& [first, last] : ranges.empty() ? std::vector<std::pair<int, int>>{{1, 0}} : ranges) {
    if (first > pages) fail(file, "has {} page{}, and --pages asks for {}", pages, pages == 1 ? "" : "s", first);
    for (int page = first; page <= (last == 0 ? pages : std::min(last, pages)); ++page) out.push_back(page);
  }
  return out;
}

}  // namespace gemma::app

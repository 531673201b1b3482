// SPDX-License-Identifier: Apache-2.0
#include "gemma4/beside.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/base64.h"
#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"
#include "gemma4/child.h"
#include "gemma4/targets.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

constexpr int kLeastWidth = 320, kMostWidth = 1280, kMostHeight = 4096;  // of a page, in its own pixels
constexpr int kGap = 16;
constexpr int64_t kSeconds = 60;
constexpr std::string_view kPngBegin = "\x89PNG";

/** In an attribute between double quotes. */
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : utf8::replace_invalid(text)) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c != '\0') {
      out += c;
    }
  }
  return out;
}

std::vector<std::string> command_for(const fs::path& folder, int width, int height) {
  std::vector<std::string> command{find_browser(),
                                   "--headless",
                                   "--disable-gpu",
                                   "--hide-scrollbars",
                                   "--host-resolver-rules=MAP * ~NOTFOUND",
                                   "--proxy-server=127.0.0.1:9",
                                   "--disable-background-networking",
                                   "--disable-component-update",
                                   "--disable-extensions",
                                   "--disable-sync",
                                   "--disable-breakpad",
                                   "--no-first-run",
                                   "--no-default-browser-check",
                                   "--user-data-dir=" + (folder / "profile").string(),
                                   fmt::format("--window-size={},{}", width, height),
                                   "--screenshot=" + (folder / "page.png").string(),
                                   "file://" + (folder / "page.html").string()};
  // It refuses to run as root with its sandbox; for everybody else the sandbox stays.
  if (geteuid() == 0) command.insert(command.begin() + 1, "--no-sandbox");
  return command;
}

}  // namespace

std::string find_browser() {
  return find_program({"chromium", "chromium-browser", "google-chrome-stable", "google-chrome"}, "chromium");
}

std::string_view type_of_picture(std::string_view format) {
  if (format == "JPEG") return "image/jpeg";
  if (format == "PNG") return "image/png";
  if (format == "WebP") return "image/webp";
  if (format == "GIF") return "image/gif";
  return format == "BMP" ? "image/bmp" : "";
}

std::string beside(const ShownPicture& picture, std::string_view page, int width, int height) {
  return fmt::format(
      "<!doctype html>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; font-src data:; "
      "style-src 'unsafe-inline'\">\n"
      "<style>body {{ margin: 0; background: #808080; overflow: hidden }}\n"
      "img, iframe {{ position: absolute; top: 0; left: 0; width: {0}px; height: {1}px; border: 0; object-fit: contain "
      "}}\n"
      "iframe {{ left: {2}px; background: #fff }}</style>\n"
      "<img alt=\"\" src=\"data:{3};base64,{4}\">\n<iframe sandbox srcdoc=\"{5}\"></iframe>\n",
      width, height, width + kGap, picture.type, base64(picture.bytes), escaped(page));
}

void draw_beside(const std::string& path, const ShownPicture& picture, std::string_view page) {
  const double shape = static_cast<double>(picture.height) / picture.width;
  const int width = std::clamp(picture.width, kLeastWidth, kMostWidth);
  const int height = std::clamp(static_cast<int>(std::lround(width * shape)), 1, kMostHeight);
  // In the folder of what is made, not in /tmp: a packaged chromium may have one of its own.
  const fs::path place = fs::absolute(path).parent_path();
  const TemporaryFolder folder(place);
  write_text((folder.path() / "page.html").string(), beside(picture, page, width, height));
  ChildOptions options;
  options.seconds = kSeconds;
  options.environment = plain_environment();
  const ChildEnd end = run_child(command_for(folder.path(), 2 * width + kGap, height), options);
  if (end.too_long) fail(path, "chromium has not shown the page after {} seconds", kSeconds);
  const fs::path made = folder.path() / "page.png";
  std::error_code error;
  const bool whole = fs::exists(made, error) && read_file(made.string()).starts_with(kPngBegin);
  if (end.status != 0 || !whole) {
    fail(path, "chromium ended with status {} without a picture: {}", end.status, end.complaint);
  }
  fs::rename(made, path, error);
  if (error) fail(path, "cannot write: {}", error.message());
}

}  // namespace gemma::app

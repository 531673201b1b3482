// SPDX-License-Identifier: Apache-2.0
#include "gemma4/terminal.h"

#include <fmt/format.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "base/one_line.h"
#include "base/utf8.h"

namespace gemma::app {
namespace {

std::atomic<int> interrupts{0}, most_interrupts{1};  // one more ends the program
struct sigaction previous_action;

void on_interrupt(int) {
  if (interrupts.fetch_add(1) >= most_interrupts.load()) _exit(kInterrupted);
}

int width_of(char32_t point) { return std::max(0, ::wcwidth(static_cast<wchar_t>(point))); }

}  // namespace

bool is_terminal(int descriptor) { return ::isatty(descriptor) == 1; }

int terminal_width() {
  struct winsize size = {};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

int display_width(std::string_view text) {
  int columns = 0;
  while (!text.empty()) {
    const int n = std::max(1, utf8::length(text));
    columns += utf8::length(text) > 0 ? width_of(utf8::decode(text)) : 1;
    text.remove_prefix(static_cast<size_t>(n));
  }
  return columns;
}

std::string_view cut_to_width(std::string_view text, int columns) {
  size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    const int n = std::max(1, utf8::length(rest));
    columns -= utf8::length(rest) > 0 ? width_of(utf8::decode(rest)) : 1;
    if (columns < 0) break;
    at += static_cast<size_t>(n);
  }
  return text.substr(0, at);
}

bool styled(int descriptor) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  return is_terminal(descriptor) && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
         std::string_view(term) != "dumb";
}

std::string dim(std::string_view text, int descriptor) {
  return styled(descriptor) ? fmt::format("\x1b[2m{}\x1b[22m", text) : std::string(text);
}

std::string bold(std::string_view text, int descriptor) {
  return styled(descriptor) ? fmt::format("\x1b[1m{}\x1b[22m", text) : std::string(text);
}

void note(std::string_view line) {
  const std::string whole = fmt::format("gemma4: {}\n", one_line(line));
  std::fwrite(whole.data(), 1, whole.size(), stderr);
}

InterruptGuard::InterruptGuard() {
  clear();
  struct sigaction action = {};
  action.sa_handler = on_interrupt;  // no SA_RESTART: a read that waits for a line returns
  ::sigaction(SIGINT, &action, &previous_action);
}

InterruptGuard::~InterruptGuard() { ::sigaction(SIGINT, &previous_action, nullptr); }

bool InterruptGuard::interrupted() { return interrupts.load() > 0; }
void InterruptGuard::clear() { interrupts.store(0); }

InterruptGuard::AtOnce::AtOnce() {
  most_interrupts.store(0);
  if (interrupted()) _exit(kInterrupted);
}
InterruptGuard::AtOnce::~AtOnce() { most_interrupts.store(1); }

}  // namespace gemma::app

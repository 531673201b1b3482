// SPDX-License-Identifier: Apache-2.0
#include "gemma4/line_reader.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cwchar>
#include <filesystem>
#include <utility>

#include "gemma4/settings.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr int kPollMilliseconds = 50;  // a Ctrl-C between the look at its flag and the wait is seen so soon

constexpr auto kInvalid = static_cast<size_t>(-1), kBegun = static_cast<size_t>(-2);  // what mbrtowc returns

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t") == std::string::npos; }

/** What all of `words` begin with beyond `typed`, where they begin with that. */
std::string rest_of(const std::vector<std::string>& words, std::string_view typed) {
  std::string rest;
  int found = 0;
  for (const std::string& word : words) {
    if (!word.starts_with(typed)) continue;
    const std::string more = word.substr(typed.size());
    const auto differs = std::mismatch(rest.begin(), rest.end(), more.begin(), more.end()).first;
    rest = found++ == 0 ? more : rest.substr(0, static_cast<size_t>(differs - rest.begin()));
  }
  return rest;
}

/** The names of a folder, folders with a slash behind; those that begin with a dot are for who asks for them. */
std::vector<std::string> names_in(const std::string& folder, bool hidden) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder.empty() ? "." : folder, error)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with('.') != hidden) continue;
    names.push_back(entry.is_directory(error) ? name + "/" : std::move(name));
  }
  return names;
}

}  // namespace

LineReader::LineReader(std::vector<std::string> commands)
    : history_(::history_init()), edit_(::el_init("gemma4", stdin, stdout, stderr)), commands_(std::move(commands)) {
  HistEvent event;
  ::history(history_, &event, H_SETSIZE, 1000);
  ::history(history_, &event, H_SETUNIQUE, 1);
  const std::string folder = state_folder();
  if (!folder.empty()) file_ = folder + "/history";
  if (!file_.empty()) ::history(history_, &event, H_LOAD, file_.c_str());
  ::el_set(edit_, EL_CLIENTDATA, this);
  ::el_set(edit_, EL_PROMPT_ESC, &LineReader::prompt, '\1');
  ::el_set(edit_, EL_EDITOR, "emacs");
  ::el_set(edit_, EL_SIGNAL, 0);
  ::el_set(edit_, EL_HIST, ::history, history_);
  ::el_set(edit_, EL_GETCFN, &LineReader::read_character);
  ::el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  ::el_set(edit_, EL_ADDFN, "gemma4-complete", "Complete a command or a path", &LineReader::complete);
  ::el_set(edit_, EL_BIND, "^I", "gemma4-complete", nullptr);
  ::el_source(edit_, nullptr);  // the user's own ~/.editrc
}

LineReader::~LineReader() {
  ::el_end(edit_);
  ::history_end(history_);
}

std::optional<std::string> LineReader::read(bool continued) {
  prompt_ = continued ? ". " : styled(STDOUT_FILENO) ? "\1\x1b[1m\1> \1\x1b[22m\1" : "> ";
  columns_ = terminal_width();
  int count = 0;
  const char* line = ::el_gets(edit_, &count);
  if (InterruptGuard::interrupted()) return interrupted();
  interrupts_on_empty_ = 0;
  if (line == nullptr || count <= 0) return std::nullopt;
  std::string text(line, static_cast<size_t>(count));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  if (!is_blank(text)) {
    HistEvent event;
    ::history(history_, &event, H_ENTER, text.c_str());
    if (!file_.empty()) ::history(history_, &event, H_SAVE, file_.c_str());
  }
  return text;
}

std::optional<std::string> LineReader::interrupted() {
  InterruptGuard::clear();
  ::el_reset(edit_);
  interrupts_on_empty_ = was_empty_ ? interrupts_on_empty_ + 1 : 0;
  if (left_by_interrupt()) return std::nullopt;
  fmt::print("^C{}\n", was_empty_ ? dim(" Once more, or Ctrl-D, to leave.", STDOUT_FILENO) : "");
  return "";
}

void LineReader::follow_width() {
  const int columns = terminal_width();
  if (columns == columns_) return;
  columns_ = columns;
  ::el_resize(edit_);
  ::el_set(edit_, EL_REFRESH);
}

unsigned char LineReader::complete(EditLine* edit, int) {
  LineReader* self = nullptr;
  ::el_get(edit, EL_CLIENTDATA, &self);
  const LineInfo* line = ::el_line(edit);
  const std::string_view typed(line->buffer, static_cast<size_t>(line->cursor - line->buffer));
  std::string rest;
  if (typed.starts_with('/') && typed.find_first_of(" /", 1) == std::string_view::npos) {
    rest = rest_of(self->commands_, typed);
    const auto whole = std::find(self->commands_.begin(), self->commands_.end(), std::string(typed) + rest);
    if (whole != self->commands_.end()) rest += ' ';
  } else {  // a path, which is all of the line or all behind a command
    const size_t blank = typed.find(' ');
    const bool behind = typed.starts_with('/') && typed.find('/', 1) > blank;
    const std::string_view path = behind ? typed.substr(blank + 1) : typed;
    const std::string_view name = path.substr(path.rfind('/') + 1);
    rest = rest_of(names_in(std::string(path.substr(0, path.size() - name.size())), name.starts_with('.')), name);
  }
  return !rest.empty() && ::el_insertstr(edit, rest.c_str()) == 0 ? CC_REFRESH : CC_ERROR;
}

char* LineReader::prompt(EditLine* edit) {
  LineReader* self = nullptr;
  ::el_get(edit, EL_CLIENTDATA, &self);
  return self->prompt_.data();
}

/** libedit's own reader goes on after the first signal; this one ends the line (-1). 1: a character, 0: no more. */
int LineReader::read_character(EditLine* edit, wchar_t* character) {
  LineReader* self = nullptr;
  ::el_get(edit, EL_CLIENTDATA, &self);
  std::mbstate_t state = {};
  while (true) {
    if (InterruptGuard::interrupted()) {
      const LineInfo* line = ::el_line(edit);
      self->was_empty_ = line->lastchar == line->buffer;
      return -1;
    }
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (::poll(&input, 1, kPollMilliseconds) <= 0) {
      self->follow_width();
      continue;
    }
    char byte;
    const ssize_t n = ::read(STDIN_FILENO, &byte, 1);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n <= 0) return 0;
    size_t length = std::mbrtowc(character, &byte, 1, &state);
    if (length == kInvalid) {  // what came before is left out; this byte may begin a character or be one
      state = {};
      length = std::mbrtowc(character, &byte, 1, &state);
    }
    if (length == kInvalid) state = {};
    if (length != kInvalid && length != kBegun) return 1;
  }
}

}  // namespace gemma::app

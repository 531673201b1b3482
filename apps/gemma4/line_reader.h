// SPDX-License-Identifier: Apache-2.0
// Lines from a terminal with editing, history and completion, by libedit.
#pragma once

#include <histedit.h>

#include <optional>
#include <string>
#include <vector>

namespace gemma::app {

class LineReader {
 public:
  /** `commands`: "/help" and the like, which Tab completes at the start of a line; elsewhere it completes paths. */
  explicit LineReader(std::vector<std::string> commands);
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  /** A line without its end; nullopt at the end of input or when the user leaves by Ctrl-C. A line that Ctrl-C threw
   *  away is "". `continued`: it goes on with the one before. */
  std::optional<std::string> read(bool continued);

  /** Whether Ctrl-C was pressed twice on an empty line: the user wants to leave. */
  bool left_by_interrupt() const { return interrupts_on_empty_ >= 2; }

 private:
  static char* prompt(EditLine* edit);
  static int read_character(EditLine* edit, wchar_t* character);
  static unsigned char complete(EditLine* edit, int);
  std::optional<std::string> interrupted();
  /** A window that was made wider or narrower: the line is drawn anew. */
  void follow_width();

  History* history_;
  EditLine* edit_;
  std::vector<std::string> commands_;
  std::string file_, prompt_;
  bool was_empty_ = true;  // when Ctrl-C came
  int interrupts_on_empty_ = 0, columns_ = 0;
};

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// What the program knows of the terminal it runs in, and Ctrl-C.
#pragma once

#include <string>
#include <string_view>

namespace gemma::app {

bool is_terminal(int descriptor);
/** Columns of the terminal behind stderr, else 80. */
int terminal_width();
/** Columns that `text` takes (wide characters count two, combining ones none). */
int display_width(std::string_view text);
/** `text` cut to `columns`, whole characters. */
std::string_view cut_to_width(std::string_view text, int columns);

/** `text` in a style where `descriptor` is a terminal that shows it (NO_COLOR unset, TERM not "dumb"); else as it is.
 */
std::string dim(std::string_view text, int descriptor);
std::string bold(std::string_view text, int descriptor);
bool styled(int descriptor);

/** Says a line on stderr, behind the program's name: whatever the files are called that it speaks of, it stays a line,
 *  and whatever stderr is, it ends no program. */
void note(std::string_view line);

/** The exit status of a program that Ctrl-C has ended. */
inline constexpr int kInterrupted = 130;

/** While one lives, Ctrl-C sets a flag instead of ending the program. A second Ctrl-C that nobody has taken yet ends
 * the program with status 130. */
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  static bool interrupted();
  static void clear();

  /** While one lives, Ctrl-C ends the program at once: nothing is lost by that. */
  class AtOnce {
   public:
    AtOnce();
    ~AtOnce();
    AtOnce(const AtOnce&) = delete;
    AtOnce& operator=(const AtOnce&) = delete;
  };
};

}  // namespace gemma::app

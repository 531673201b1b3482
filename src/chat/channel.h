// SPDX-License-Identifier: Apache-2.0
// One stream of text that is given out without the white space at its two ends, whole UTF-8 characters at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma {

/** Bytes at the end of `text` that may still become a character. */
size_t incomplete_tail(std::string_view text);

class TextChannel {
 public:
  /** What can be given out now that `bytes` have come: all but white space that may turn out to be the end, and a
   *  character that is not complete. */
  std::string push(std::string_view bytes);
  /** A control token stands here: a character that is not complete never will be, and is given out. */
  std::string settle();
  /** The rest: bytes of a character that stays incomplete; white space at the end is dropped. */
  std::string finish();
  /** Whether anything has been given out. */
  bool started() const { return started_; }

 private:
  std::string held_;
  bool started_ = false;
};

}  // namespace gemma

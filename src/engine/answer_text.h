// SPDX-License-Identifier: Apache-2.0
// The text of an answer while its tokens come: whole characters, and stop strings that may begin in one token and end
// in another. Text that could be the beginning of a stop string is held back, and no more than that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace gemma {

class AnswerText {
 public:
  /** No tokenizer: no text. Stop strings are not empty. */
  AnswerText(const Tokenizer* tokenizer, std::vector<std::string> stop);

  /** What is certain now. After a control piece nothing of what came before it is held back: a stop string does not
   *  reach across one. */
  std::string push(int32_t token);
  /** What was held back, at the end of an answer that no stop string has ended. */
  std::string finish();
  /** Whether a stop string has come; what stood before it has been given out. */
  bool stopped() const { return !stopped_by_.empty(); }
  const std::string& stopped_by() const { return stopped_by_; }

 private:
  std::string release(std::string_view text);

  const Tokenizer* tokenizer_;
  std::optional<Tokenizer::Stream> stream_;
  std::vector<std::string> stop_;
  std::string held_;
  std::string stopped_by_;
};

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "chat/prompt_writer.h"

#include <utility>

#include "chat/spelling.h"

namespace gemma {

void PromptWriter::put(std::string_view literal) {
  for (const Spelled& part : split_controls(literal, controls_)) {
    if (part.control) {
      pieces_.push_back({std::string(part.text), true});
    } else {
      text(part.text);
    }
  }
}

void PromptWriter::text(std::string_view words) {
  if (words.empty()) return;
  if (pieces_.empty() || pieces_.back().control) pieces_.emplace_back();
  pieces_.back().text += words;
}

void PromptWriter::fail(std::string field, std::string reason) {
  if (!failure_) failure_ = Failure{std::move(field), std::move(reason)};
}

Result<std::vector<PromptPiece>> PromptWriter::finish() && {
  if (failure_) return *std::move(failure_);
  return std::move(pieces_);
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// How a text is cut for measuring. A window is `context` tokens that are read from nothing; where the tokenizer puts
// <bos> before a text, its first token is <bos>, as llama.cpp's perplexity does it. Row i of a window (from 0) predicts
// the window's token i + 1. The first `skip` rows see too little to be fair and do not count; nor does what an earlier
// window counted, where windows overlap. A last window that is not full is left out.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace gemma {

struct WindowOptions {
  int context = 512;
  int skip = 256;    // rows of each window that do not count
  int stride = 512;  // from the begin of a window to that of the next: less than `context` overlaps, more samples
  bool operator==(const WindowOptions&) const = default;
};

struct Window {
  int64_t begin = 0;  // its first token in the text
  int first_row = 0;  // rows first_row .. context - 2 count
};

/** A text and how it is read. */
struct WindowPlan {
  std::vector<int32_t> tokens;
  std::optional<int32_t> bos;  // stands for the first token of each window
  WindowOptions options;
  std::vector<Window> windows;

  int rows(const Window& window) const { return options.context - 1 - window.first_row; }
  int64_t rows() const;  // that count, of all windows
};

/** Which option makes no sense (its field is "context", "skip" or "stride"), and why. */
std::optional<Failure> fault_in(const WindowOptions& options);

/** Options without a fault. Fails, with `where`, when the text does not fill one window. */
WindowPlan plan_windows(std::string_view where, std::vector<int32_t> tokens, std::optional<int32_t> bos,
                        WindowOptions options);

}  // namespace gemma

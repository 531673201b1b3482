// SPDX-License-Identifier: Apache-2.0
// Files of kept logits: what is accepted can be read to the end and is what its header says.
// Links: eval
#include "eval/logits_file.h"

#include "fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return gemma::fuzz::refuses_or_reads([&] {
    gemma::LogitsReader reader(gemma::memory_source("x.logits", gemma::fuzz::bytes(data, size)));
    const gemma::WindowPlan& plan = reader.plan();
    int64_t rows = 0;
    for (const gemma::Window& window : plan.windows) {
      for (int row = window.first_row; row < plan.options.context - 1; ++row, ++rows) {
        const gemma::KeptLogits kept = reader.next(window.begin + row + 1);
        if (kept.ids.size() != static_cast<size_t>(reader.kept()) || kept.values.size() != kept.ids.size()) {
          __builtin_trap();
        }
      }
    }
    if (rows != reader.rows()) __builtin_trap();
  });
}

// SPDX-License-Identifier: Apache-2.0
// What `gemma4 perplexity` found, for people and for programs.
#pragma once

#include <optional>
#include <string>

#include "base/json.h"
#include "eval/measure.h"

namespace gemma::app {

/** A model as it was measured. */
struct MeasuredSide {
  std::string model;      // as named, or the file of logits
  std::string dtype, kv;  // "" for a file of logits
};

struct PerplexityReport {
  MeasuredSide side;
  std::optional<MeasuredSide> reference;
  int kept = 0;  // logits of the reference that a file kept; 0: all
  std::string text;
  int64_t text_bytes = 0;
  const WindowPlan* plan = nullptr;
  double seconds = 0;
  Measured measured;

  std::string for_people() const;
  json::object for_programs() const;
};

}  // namespace gemma::app

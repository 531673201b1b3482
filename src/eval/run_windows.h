// SPDX-License-Identifier: Apache-2.0
// Runs the windows of a text through one or more models in lockstep, and hands out their logits block by block: what
// two models say of a token is in memory at the same time, and never more than a block of it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "eval/windows.h"
#include "kv/kv_cache.h"
#include "model/model.h"

namespace gemma {

inline constexpr int kLogitRows = 24;  // rows of logits at a time: a multiple of what the kernels take at once

/** A model and the settings it is measured with. */
struct Side {
  const Model* model = nullptr;
  KvOptions kv;
};

/** Rows of logits that count, in the order of the text. */
struct LogitBlock {
  std::span<const int64_t> targets;         // for each row, the token that it should predict, by index in the text
  std::vector<std::span<const float>> all;  // for each side [rows, vocab]

  std::span<const float> row(size_t side, size_t i) const {
    const size_t vocab = all[side].size() / targets.size();
    return all[side].subspan(i * vocab, vocab);
  }
};

struct RunWindows {
  int batch = 512;  // rows of one forward pass; several windows at a time where they fit
  std::function<void(const LogitBlock&)> block;
  std::function<bool(int64_t tokens)> go_on;  // after each pass of so many tokens; false: stop
};

/** Whether all windows were run. The sides have one vocabulary. */
bool run_windows(const WindowPlan& plan, std::span<const Side> sides, Ops& ops, const RunWindows& how);

/** The memory that a side takes beside its weights, in bytes. */
int64_t bytes_of_side(const WindowOptions& windows, const Config& config, const KvOptions& kv, int batch);

}  // namespace gemma

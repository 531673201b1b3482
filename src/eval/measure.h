// SPDX-License-Identifier: Apache-2.0
// Perplexity of a model on a text and, where there is a reference, how far its predictions are from the reference's.
//
//   WindowPlan plan = plan_windows("text", tokens, bos, {});
//   const Side sides[] = {{model.get(), {}}, {reference.get(), {.types = *cache_types_named("f32")}}};
//   const Measured m = measure(plan, bytes_of_tokens, sides, *ops, pool, {});
//   Summary::perplexity(m.summary.nll), m.summary.kl.value()
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "base/thread_pool.h"
#include "eval/logits_file.h"
#include "eval/run_windows.h"
#include "eval/summary.h"

namespace gemma {

struct MeasureOptions {
  int batch = 512;
  LogitsReader* reference = nullptr;               // instead of a second side
  LogitsWriter* save = nullptr;                    // keeps the first side's logits
  std::function<bool(int64_t tokens)> go_on = {};  // after each pass; false: stop
};

struct Measured {
  Summary summary;
  bool whole = false;  // every window was run
};

/** sides: the model, then its reference if that runs, too. token_bytes: bytes of text of each token of the plan. Fails
 *  when a logit is not finite. Scores do not depend on the number of threads. */
Measured measure(const WindowPlan& plan, std::span<const int32_t> token_bytes, std::span<const Side> sides, Ops& ops,
                 ThreadPool& threads, const MeasureOptions& options);

}  // namespace gemma

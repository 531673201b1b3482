// SPDX-License-Identifier: Apache-2.0
// The forward pass of every Gemma: one function for the command line, the server, training and the browser.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.h"
#include "kv/batch.h"
#include "kv/kv_cache.h"
#include "model/weights.h"
#include "tensor/ops.h"

namespace gemma {

/** A checkpoint ready to run. */
struct Model {
  Config config;
  Weights weights;

  using Options = WeightOptions;  // widen: the embedding scale is not rounded, too: the mode in which goldens are met
  static std::shared_ptr<const Model> load(const std::string& path, Ops& ops, Options options);
  static std::shared_ptr<const Model> load(std::shared_ptr<const ModelFile> file, Ops& ops, Options options);
  /** With a config other than the file's own. */
  static std::shared_ptr<const Model> load(std::shared_ptr<const ModelFile> file, Config config, Ops& ops,
                                           Options options);
};

/** Lists that a step fills, kept for the next: a context that is used again allocates nothing. */
struct StepLists {
  std::vector<int32_t> positions;     // of the rows that are left
  std::vector<int32_t> rows;          // which of the batch they are; empty: all of them
  std::vector<int32_t> table_ids;     // of the per-layer table
  std::vector<int32_t> table_places;  // 0, 1, ...
  AttentionPlan plan;                 // of the layer that runs
  Routing routing;
};

/** What one step works with. */
struct Context {
  Ops& ops;
  const Config& config;
  const Weights& weights;
  KvCache& cache;  // reserve(batch) has been called; the caller commits
  StepLists lists = {};
};

/** The final-norm state of batch.wanted rows, [wanted, dim]. Rows nobody asks for stop once the last layer that writes
 *  K and V has written them. */
Tensor forward(Context& context, const Batch& batch);

/** Soft-capped logits of states [rows, dim] -> [rows, vocab]. */
Tensor logits(Ops& ops, const Config& config, const Weights& weights, const Tensor& state);

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// The drafter of multi-token prediction (spec section 13): a small stack that guesses the tokens after the target's
// last one. It has no cache: its queries read the target's keys and values.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/drafter_config.h"
#include "model/model.h"

namespace gemma {

struct Drafter {
  DrafterConfig config;
  Linear pre_projection, post_projection;  // [h, 2 B], [B, h]; B: width of the target
  Weights weights;                         // embedding (as the head), layers, norm
  Tensor centroids;                        // [C, h], with ordered embeddings
  std::vector<int32_t> token_ordering;     // [vocab]: the tokens of centroid c, one after another, are c * vocab / C on

  /** Fails with name, expected and found; also when the drafter does not fit `target`. */
  static std::shared_ptr<const Drafter> load(const std::string& path, const Config& target, Ops& ops,
                                             Model::Options options);
  static std::shared_ptr<const Drafter> load(const ModelFile& file, const Config& target, Ops& ops,
                                             Model::Options options);
};

/** One drafted token and what it was chosen from. */
struct Draft {
  int32_t token = 0;
  Tensor logits;  // [1, vocab], where they are kept
  Tensor state;   // [1, B], in the space of the target's final states
};

enum class DraftLogits : uint8_t { drop, keep };

/** Drafts `count` tokens after `token`, the target's choice for the position after all that `cache` holds of
 *  `sequence`. `state`: the target's final-norm state [1, B] that chose it. `position`: its position id. Logits are
 *  kept for comparing; to choose a token not all of them are needed. */
std::vector<Draft> draft(Ops& ops, const Drafter& drafter, const Model& target, KvCache& cache, SeqId sequence,
                         int32_t token, Tensor state, int32_t position, int count,
                         DraftLogits keep = DraftLogits::drop);

}  // namespace gemma

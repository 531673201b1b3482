// SPDX-License-Identifier: Apache-2.0
// One sequence by itself, without scheduler or sampler: what parity checks and the forward command run.
//
//   SingleSequence s(*model, ops, {.types = *cache_types_named("f32")});
//   Tensor state = s.feed(batch_rows(ids));       // final-norm state of every row
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "model/model.h"

namespace gemma {

/** Rows of the one sequence: positions from `first` on, all of them wanted. */
Batch batch_rows(std::span<const int32_t> tokens, int32_t first = 0);

class SingleSequence {
 public:
  SingleSequence(const Model& model, Ops& ops, KvOptions options);

  /** Continues the sequence by the rows of the batch (its segments are set here): the state of the wanted ones. */
  Tensor feed(Batch batch);
  Tensor logits(const Tensor& state) const;

  KvCache& cache() { return cache_; }
  SeqId id() const { return id_; }

 private:
  const Model& model_;
  Ops& ops_;
  KvCache cache_;
  SeqId id_;
};

/** The id of the largest logit that is not suppressed; the lower id on ties. */
int32_t greedy_choice(std::span<const float> logits, std::span<const int32_t> suppressed);

/** Keeps what passes of `ops` name while it lives, in the reference's shapes ([heads, rows, head_dim] for q, k, v). */
class Trace {
 public:
  using Wanted = std::function<bool(std::string_view name)>;
  Trace(Ops& ops, Wanted wanted);
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  /** In the order they came; host tensors. */
  std::vector<std::pair<std::string, Tensor>>& tensors() { return tensors_; }
  const Tensor* find(std::string_view name) const;

 private:
  Ops& ops_;
  std::vector<std::pair<std::string, Tensor>> tensors_;
};

}  // namespace gemma

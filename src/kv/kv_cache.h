// SPDX-License-Identifier: Apache-2.0
// KvCache decides which pages hold the keys and values of which sequence; the bytes are written and read by ops. It runs
// on the engine's thread only.
//
// No rings: every layer that owns a cache keeps a list of counted pages per sequence. A windowed layer drops pages that
// left its window after a step (commit), so that a long chunk loses nothing it still has to see. Forks share pages; a
// shared last page is copied before it is written to. Layers that share an earlier layer's cache own nothing.
//
// A step: reserve(batch) -> plan(layer, ...) for each layer while the forward pass runs -> commit(batch).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "kv/batch.h"
#include "tensor/attention_plan.h"
#include "tensor/ops.h"

namespace gemma {

struct KvOptions {
  DType dtype = DType::bf16;  // f32 or bf16
  int page_size = 64;         // keys per page: also the block of attention's merge order
  int64_t byte_limit = 0;     // 0: none; pools grow up to it
};

/** What distinguishes prompts beyond their token ids when pages are shared by content (architecture page, kv). */
struct PrefixKey {
  std::vector<int32_t> tokens;
  std::vector<uint64_t> media;  // content hash per media row run, in order
  uint64_t salt = 0;            // adapter, key of the caller
};

class KvCache {
 public:
  KvCache(const Config& config, KvOptions options, Ops& ops);
  ~KvCache();

  SeqId create();
  void release(SeqId sequence);
  /** `to` becomes what `from` is; pages are shared. */
  void fork(SeqId from, SeqId to);
  /** Forgets all beyond `length` tokens. Returns the length it could keep: smaller when a window has moved on, and the
   *  caller feeds the rest again. */
  int truncate(SeqId sequence, int length);
  int length(SeqId sequence) const;

  /** Pages for the rows of the batch; false (and nothing changed) when the byte limit leaves too few. */
  bool reserve(const Batch& batch);
  /** For q rows `rows` of the batch (rising; all rows: empty span). `writes`: whether slots are wanted (layer owns its
   *  cache). */
  AttentionPlan plan(int layer, const Batch& batch, std::span<const int32_t> rows) const;
  /** After the forward pass: lengths move on, pages out of every window go back. */
  void commit(const Batch& batch);

  /** Remembers the pages of `sequence` under its tokens, and finds them again for another prompt: shares what matches
   *  into `sequence` (empty) and returns the number of tokens it holds then. */
  void remember(const PrefixKey& key, SeqId sequence);
  int match_prefix(const PrefixKey& key, SeqId sequence);

  int64_t bytes_used() const;
  int64_t bytes_allocated() const;
  /** Bytes that one sequence of `tokens` tokens takes. */
  static int64_t bytes_for(const Config& config, const KvOptions& options, int64_t tokens);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma

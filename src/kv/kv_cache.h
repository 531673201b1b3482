// SPDX-License-Identifier: Apache-2.0
// KvCache decides which pages hold the keys and values of which sequence; the bytes are written and read by ops. It
// runs on the engine's thread only.
//
// No rings: a sequence is a list of counted pages for each group of layers (page_pool.h). A windowed group drops pages
// that left its window before the next step (reserve), so that a long chunk loses nothing it still has to see, and so
// that all of it can be remembered; it keeps a page's worth of keys behind the window, so that a sequence can go back
// to its last page border. Forks share pages; a shared page is copied before it is written to. Layers that share an
// earlier layer's cache own nothing.
//
// A step: reserve(batch) -> plan(layer, ...) for each layer while the forward pass runs -> commit(batch) -> remember.
//
// Prefixes are found again (prefix_tree.h) from chosen places on; which places, is for those to say who know the text.
//
// Rows of a bidirectional block depend on one another, so no length that ends inside one is ever kept or matched.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fingerprint.h"
#include "base/function_ref.h"
#include "config/config.h"
#include "kv/batch.h"
#include "kv/cache_folder.h"
#include "kv/prefix_key.h"
#include "tensor/attention_plan.h"
#include "tensor/ops.h"

namespace gemma {

struct KvOptions {
  CacheTypes types;
  int page_size = 64;          // keys per page: also the block of attention's merge order
  int64_t byte_limit = 0;      // 0: none; pools grow up to it, what they need while growing included
  int remembered = 64;         // places kept for prefix reuse; they give way when pages run out
  bool media_overlay = false;  // the other rule of spec/gemma4_unified.md section 8: blocks see all of themselves on
                               // every layer, windows do not cut them

  std::shared_ptr<CacheFolder> folder = {};  // where what is remembered is kept over restarts; null: nowhere
  Fingerprint origin = {};                   // of all else that decides what pages hold: weights, kernels, program

  /** Of the layers whose cache serves a window of so many keys, 0: all. */
  KvTypes types_of(int window) const { return window > 0 ? types.windowed : types.full; }
};

class KvCache {
 public:
  /** config and ops outlive the cache. */
  KvCache(const Config& config, KvOptions options, Ops& ops);
  ~KvCache();

  SeqId create();
  void release(SeqId sequence);
  /** `to` becomes what `from` is; pages are shared. */
  void fork(SeqId from, SeqId to);
  /** Forgets all beyond `length` tokens. Returns the length it could keep: smaller when `length` cuts a bidirectional
   *  block (its start) or a window has moved on (0), and the caller feeds the rest again. */
  int truncate(SeqId sequence, int length);
  int length(SeqId sequence) const;

  /** Pages for the rows of the batch; false, and no sequence changed, when the byte limit leaves too few. */
  bool reserve(const Batch& batch);
  /** For q rows `rows` of the batch (rising; empty: all of them). Slots are those of all rows of the batch, whatever
   *  `rows`; none where the layer shares a cache. Plans hold until commit. */
  void plan(int layer, const Batch& batch, std::span<const int32_t> rows, AttentionPlan& plan) const;
  AttentionPlan plan(int layer, const Batch& batch, std::span<const int32_t> rows = {}) const {
    AttentionPlan result;
    plan(layer, batch, rows, result);
    return result;
  }
  /** For one row that writes nothing and sees the last `window` keys (0: all) that `sequence` holds: a drafter's. */
  AttentionPlan plan_last(int layer, SeqId sequence, int window) const;
  /** After the forward pass: lengths move on. */
  void commit(const Batch& batch);

  /** Makes `places` (rising lengths of `text`) such that a prompt which begins alike can be gone on with there, or at
   *  any other token of the same pages. Only those that `sequence` holds now, which is a beginning of `text`, and that
   * it still has the keys for: those passed since the step before the last one. */
  void remember(const PrefixView& text, SeqId sequence, std::span<const int64_t> places);
  /** Of its end. */
  void remember(const PrefixView& text, SeqId sequence);

  struct Known {
    int usable = 0;    // tokens of a prompt that need not be fed
    int familiar = 0;  // that were fed before: more where a place is missing
  };
  /** Fewer than text.tokens.size() both: one row at least is left to feed, whose state somebody wants. */
  Known known_prefix(const PrefixView& text) const;
  /** Shares the usable prefix of `text` with what is remembered into `sequence` (which forgets what it held); its
   *  length. */
  int match_prefix(const PrefixView& text, SeqId sequence);
  void forget_remembered();

  // ---- with KvOptions::folder ----
  /** Brings from disk what is there of `text` and not remembered here, if it is a page or more; so many tokens. */
  int restore(const PrefixView& text);
  bool unsaved() const;
  /** Writes what was used since the last time, until `interrupted`; what was begun is then written the next time. */
  void save(FunctionRef<bool()> interrupted);
  int64_t bytes_on_disk() const;

  /** Another byte limit, for what pools grow to from here on. */
  void limit(int64_t bytes);
  /** The same, kept at once: what is remembered gives way, pools shrink. False where sequences hold more than that:
   *  they have to go, and it has to be called again. */
  bool shrink_to(int64_t bytes);
  int64_t bytes_used() const;        // pages somebody refers to
  int64_t bytes_remembered() const;  // of them those that are kept for prefixes, whoever else uses them
  int64_t bytes_allocated() const;   // pools
  /** Whether a new sequence of `tokens` tokens that begins with `text` fits beside all others: what is remembered
   * aside, but for what it would share. */
  bool has_room(const PrefixView& text, int64_t tokens, int step_rows);
  bool has_room(int64_t tokens, int step_rows) { return has_room({}, tokens, step_rows); }
  /** The byte limit that one sequence of `tokens` tokens, fed at most `step_rows` at a time, needs. */
  static int64_t bytes_for(const Config& config, const KvOptions& options, int64_t tokens, int step_rows = 512);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma

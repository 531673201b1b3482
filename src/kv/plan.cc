// SPDX-License-Identifier: Apache-2.0
// What each row of a step sees, and where its own key and value go.
#include <algorithm>

#include "kv/kv_state.h"

namespace gemma {
namespace {

/** What decides a row's keys on one layer. */
struct Visibility {
  int window = 0;        // 0: all
  bool blocks = false;   // rows of a bidirectional block see one another
  bool overlay = false;  // and their block's first rows even when the window has left them

  /** For the row with index `row` in its sequence; `block` is empty outside of bidirectional blocks. */
  KeyRange of(int32_t row, KeyRange block) const {
    KeyRange keys{window > 0 ? std::max(0, row - window + 1) : 0, row + 1};
    if (!blocks || block.begin == block.end) return keys;
    keys.end = block.end;
    if (overlay) keys.begin = std::min(keys.begin, block.begin);
    return keys;
  }
};

Visibility visibility(const Config& config, int layer, bool overlay) {
  const LayerConfig& l = config.layers[static_cast<size_t>(layer)];
  if (!overlay) return {l.window, l.bidirectional_media, false};
  const bool any = std::any_of(config.layers.begin(), config.layers.end(),
                               [](const LayerConfig& each) { return each.bidirectional_media; });
  return {l.window, any, any};
}

/** The bidirectional block of a row of the batch, as rows of the batch; empty where there is none. */
KeyRange block_of(const Batch& batch, int64_t row) {
  for (const MediaRows& media : batch.media) {
    if (!media.bidirectional || row < media.first_row || row >= media.first_row + media.rows) continue;
    return {static_cast<int32_t>(media.first_row), static_cast<int32_t>(media.first_row + media.rows)};
  }
  return {};
}

}  // namespace

void KvCache::State::describe(int layer, AttentionPlan& plan) const {
  const LayerConfig& l = config.layers[static_cast<size_t>(layer)];
  const PagePool& pool = pools[static_cast<size_t>(groups.group_of[static_cast<size_t>(layer)])];
  const int slot = groups.slot_of[static_cast<size_t>(layer)];
  plan.keys = pool.keys(slot);
  plan.values = pool.values(slot);
  plan.types = pool.types();
  plan.key_balance = {};
  plan.page_size = options.page_size;
  plan.kv_heads = l.kv_heads;
  plan.head_dim = l.head_dim;
  plan.scale = l.attention_scale;
  plan.segments.clear();
  plan.visible.clear();
  plan.slots.clear();
}

void KvCache::plan(int layer, const Batch& batch, std::span<const int32_t> rows, AttentionPlan& plan) const {
  const State& s = *state_;
  const LayerConfig& l = s.config.layers[static_cast<size_t>(layer)];
  const auto group = static_cast<size_t>(s.groups.group_of[static_cast<size_t>(layer)]);
  const bool owns = l.kv_source == layer;
  const Visibility sees = visibility(s.config, layer, s.options.media_overlay);
  const int page_size = s.options.page_size;
  s.describe(layer, plan);
  size_t next = 0;  // of `rows`
  for (const Segment& segment : batch.segments) {
    const CachedSequence& sequence = s.at(segment.sequence);
    const HeldPages& held = sequence.groups[group];
    const int64_t shift = sequence.length - segment.first_row;  // index in the sequence - row of the batch
    AttentionSegment out{static_cast<int64_t>(plan.visible.size()), 0, held.pages, held.first_page};
    for (int64_t row = segment.first_row; row < segment.first_row + segment.rows; ++row) {
      const auto index = static_cast<int32_t>(row + shift);
      if (owns) {
        const auto page = held.pages[static_cast<size_t>(index / page_size - held.first_page)];
        plan.slots.push_back(int64_t{page} * page_size + index % page_size);
      }
      if (!rows.empty() && (next == rows.size() || rows[next] != row)) continue;
      ++next;
      KeyRange block = block_of(batch, row);
      if (block.begin != block.end) block = {int32_t(block.begin + shift), int32_t(block.end + shift)};
      plan.visible.push_back(sees.of(index, block));
      ++out.rows;
    }
    if (out.rows > 0) plan.segments.push_back(out);
  }
  GEMMA_CHECK(rows.empty() || next == rows.size(), "rows of the batch, rising");
}

AttentionPlan KvCache::plan_last(int layer, SeqId id, int window) const {
  const State& s = *state_;
  const auto group = static_cast<size_t>(s.groups.group_of[static_cast<size_t>(layer)]);
  const CachedSequence& sequence = s.at(id);
  const HeldPages& held = sequence.groups[group];
  GEMMA_CHECK(sequence.length > 0, "keys to see");
  const int first_held = held.first_page * s.options.page_size;
  AttentionPlan plan;
  s.describe(layer, plan);
  plan.segments.push_back({0, 1, held.pages, held.first_page});
  plan.visible.push_back({std::max(first_held, window > 0 ? sequence.length - window : 0), sequence.length});
  return plan;
}

}  // namespace gemma

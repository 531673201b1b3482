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

/** The bidirectional block of each row of the batch, as rows of the batch; empty where there is none. */
std::vector<KeyRange> blocks_of(const Batch& batch) {
  std::vector<KeyRange> blocks(batch.tokens.size());
  for (const MediaRows& media : batch.media) {
    if (!media.bidirectional) continue;
    const KeyRange block{static_cast<int32_t>(media.first_row), static_cast<int32_t>(media.first_row + media.rows)};
    std::fill_n(blocks.begin() + media.first_row, media.rows, block);
  }
  return blocks;
}

}  // namespace

AttentionPlan KvCache::plan(int layer, const Batch& batch, std::span<const int32_t> rows) const {
  const State& s = *state_;
  const LayerConfig& l = s.config.layers[static_cast<size_t>(layer)];
  const auto group = static_cast<size_t>(s.groups.group_of[static_cast<size_t>(layer)]);
  const int slot = s.groups.slot_of[static_cast<size_t>(layer)];
  const bool owns = l.kv_source == layer;
  const Visibility sees = visibility(s.config, layer, s.options.media_overlay);
  const std::vector<KeyRange> blocks = blocks_of(batch);
  const int page_size = s.options.page_size;

  AttentionPlan plan{s.pools[group].keys(slot),
                     s.pools[group].values(slot),
                     s.pools[group].types(),
                     {},
                     page_size,
                     l.kv_heads,
                     l.head_dim,
                     l.attention_scale,
                     {},
                     {},
                     {}};
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
      KeyRange block = blocks[static_cast<size_t>(row)];
      if (block.begin != block.end) block = {int32_t(block.begin + shift), int32_t(block.end + shift)};
      plan.visible.push_back(sees.of(index, block));
      ++out.rows;
    }
    if (out.rows > 0) plan.segments.push_back(std::move(out));
  }
  GEMMA_CHECK(rows.empty() || next == rows.size(), "rows of the batch, rising");
  return plan;
}

AttentionPlan KvCache::plan_last(int layer, SeqId id, int window) const {
  const State& s = *state_;
  const LayerConfig& l = s.config.layers[static_cast<size_t>(layer)];
  const auto group = static_cast<size_t>(s.groups.group_of[static_cast<size_t>(layer)]);
  const int slot = s.groups.slot_of[static_cast<size_t>(layer)];
  const CachedSequence& sequence = s.at(id);
  const HeldPages& held = sequence.groups[group];
  GEMMA_CHECK(sequence.length > 0, "keys to see");
  const int first_held = held.first_page * s.options.page_size;
  const int first = std::max(first_held, window > 0 ? sequence.length - window : 0);
  return {s.pools[group].keys(slot),
          s.pools[group].values(slot),
          s.pools[group].types(),
          {},
          s.options.page_size,
          l.kv_heads,
          l.head_dim,
          l.attention_scale,
          {{0, 1, held.pages, held.first_page}},
          {{first, sequence.length}},
          {}};
}

}  // namespace gemma

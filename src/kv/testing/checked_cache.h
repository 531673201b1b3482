// SPDX-License-Identifier: Apache-2.0
// A cache of a small model whose every key is checked wherever a row sees it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <utility>
#include <vector>

#include "kv/kv_cache.h"
#include "kv/testing/cache_ops.h"

namespace gemma::testing_kv {

inline LayerConfig layer_of(int window, int kv_heads, int head_dim, int source) {
  LayerConfig l;
  l.global = window == 0;
  l.window = window;
  l.heads = l.kv_heads = kv_heads;
  l.head_dim = head_dim;
  l.kv_source = source;
  l.bidirectional_media = window > 0;
  return l;
}

/** Two windowed layers, a full one, and two that share. */
inline Config small_config(int window = 6) {
  Config c;
  c.layers = {layer_of(window, 2, 3, 0), layer_of(window, 2, 3, 1), layer_of(0, 1, 5, 2), layer_of(window, 2, 3, 1),
              layer_of(0, 1, 5, 2)};
  return c;
}

inline KvOptions small_options(int64_t limit = 0) {
  KvOptions o;
  o.types = *cache_types_named("f32");
  o.page_size = 4;
  o.byte_limit = limit;
  return o;
}

/** A cache beside plain lists of what each sequence holds. Keys written are functions of (token, layer). */
class Checked {
 public:
  explicit Checked(const Config& model, KvOptions options) : config(model), cache(config, options, ops) {}

  SeqId create() {
    const SeqId id = cache.create();
    held[id] = {};
    return id;
  }

  Batch batch(const std::vector<std::pair<SeqId, int>>& parts) {
    Batch b;
    for (const auto& [id, rows] : parts) {
      b.segments.push_back({id, static_cast<int64_t>(b.tokens.size()), rows});
      for (int i = 0; i < rows; ++i) b.tokens.push_back(next_token++);
    }
    return b;
  }

  /** Feeds the rows and checks every key that each row sees on every layer. */
  bool step(const Batch& b) {
    if (!cache.reserve(b)) return false;
    for (const Segment& s : b.segments) {
      auto& tokens = held[s.sequence];
      tokens.insert(tokens.end(), b.tokens.begin() + s.first_row, b.tokens.begin() + s.first_row + s.rows);
    }
    for (int layer = 0; layer < static_cast<int>(config.layers.size()); ++layer) {
      AttentionPlan plan = cache.plan(layer, b);
      write(layer, plan, b);
      check(layer, plan, b);
    }
    cache.commit(b);
    return true;
  }

  bool feed(SeqId id, int rows) { return step(batch({{id, rows}})); }

  PrefixKey key(SeqId id) const { return {held.at(id), {}, 0}; }

  static float value(int32_t token, int layer) { return static_cast<float>(token * 8 + layer); }

  Config config;
  CacheOps ops;
  KvCache cache;
  std::map<SeqId, std::vector<int32_t>> held;
  int32_t next_token = 1;

 private:
  void write(int layer, AttentionPlan& plan, const Batch& b) {
    const bool owns = config.layers[static_cast<size_t>(layer)].kv_source == layer;
    ASSERT_EQ(plan.slots.size(), owns ? b.tokens.size() : 0u);
    for (size_t row = 0; row < plan.slots.size(); ++row) {
      for (int head = 0; head < plan.kv_heads; ++head) {
        plan.keys.data_mutable<float>()[at(plan, plan.slots[row] / plan.page_size, head, plan.slots[row])] =
            value(b.tokens[row], layer);
        plan.values.data_mutable<float>()[at(plan, plan.slots[row] / plan.page_size, head, plan.slots[row])] =
            -value(b.tokens[row], layer);
      }
    }
  }

  static size_t at(const AttentionPlan& plan, int64_t page, int head, int64_t slot) {
    const int64_t row = (page * plan.kv_heads + head) * plan.page_size + slot % plan.page_size;
    return static_cast<size_t>(row * plan.head_dim);
  }

  void check(int layer, const AttentionPlan& plan, const Batch& b) const {
    const int source = config.layers[static_cast<size_t>(layer)].kv_source;
    ASSERT_EQ(plan.visible.size(), b.tokens.size());
    ASSERT_EQ(plan.segments.size(), b.segments.size());
    for (size_t i = 0; i < plan.segments.size(); ++i) {
      const AttentionSegment& s = plan.segments[i];
      const auto& tokens = held.at(b.segments[i].sequence);
      for (int64_t row = s.first_row; row < s.first_row + s.rows; ++row) {
        const KeyRange keys = plan.visible[static_cast<size_t>(row)];
        ASSERT_LT(keys.begin, keys.end);
        for (int32_t key = keys.begin; key < keys.end; ++key) {
          const int32_t ordinal = key / plan.page_size - s.first_page;
          ASSERT_GE(ordinal, 0);
          ASSERT_LT(ordinal, static_cast<int32_t>(s.pages.size()));
          for (int head = 0; head < plan.kv_heads; ++head) {
            const size_t place = at(plan, s.pages[static_cast<size_t>(ordinal)], head, key);
            ASSERT_EQ(plan.keys.data<float>()[place], value(tokens[static_cast<size_t>(key)], source)) << "key " << key;
            ASSERT_EQ(plan.values.data<float>()[place], -value(tokens[static_cast<size_t>(key)], source));
          }
        }
      }
    }
  }
};

}  // namespace gemma::testing_kv

// SPDX-License-Identifier: Apache-2.0
// Attention over pages. A tile is some rows of one sequence with the query heads of one key/value head: keys and values
// are read once for all of them. For a row the order of arithmetic is fixed by the sequence alone: pages are blocks of
// an online softmax, kSpanPages pages (by ordinal in the sequence) are a span that starts afresh, and spans are merged
// in order. So it does not matter which rows share a tile, where a prompt was cut, or whether spans of a long context
// run on several threads.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "base/error.h"
#include "base/thread_pool.h"
#include "cpu/attention_pages.h"
#include "cpu/cache_codec.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/kernels.h"
#include "cpu/scratch.h"
#include "tensor/attention_plan.h"
#include "tensor/tensor.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kSpanPages = 4;
constexpr float kNone = -std::numeric_limits<float>::infinity();
constexpr int64_t kTileVectors = 48;  // query vectors in a tile: eight register tiles, and their state fits the cache

constexpr int64_t kSmallProducts = 65536;  // multiply-adds below which waking another thread costs more

/** Rows of one segment that are computed together. */
struct Tile {
  const AttentionSegment* segment;
  int64_t first_row, rows;
  int64_t first_span, spans;
  int64_t keys;  // from the first to the last that any of its rows sees
};

/** Running softmax of the vectors of a tile, in memory that somebody else owns. */
struct State {
  float *max, *sum, *acc;  // [vectors], [vectors], [vectors, head_dim]
  static int64_t floats(int64_t vectors, int64_t dim) { return (vectors * (dim + 2) + 15) / 16 * 16; }
  State(float* memory, int64_t vectors, int64_t dim) : max(memory + vectors * dim), sum(max + vectors), acc(memory) {}
  void clear(int64_t vectors, int64_t dim) {
    std::fill_n(max, vectors, kNone);
    std::fill_n(sum, vectors, 0.0f);
    std::fill_n(acc, vectors * dim, 0.0f);
  }
};

class Attention {
 public:
  /** `tiles`: memory for its list. */
  Attention(const Kernels& kernels, CacheCodecs& codecs, const Tensor& q, const AttentionPlan& plan, float* out,
            std::vector<Tile>& tiles);

  const std::vector<Tile>& tiles() const { return tiles_; }
  int64_t vectors(const Tile& tile) const { return tile.rows * group_; }
  int64_t width() const { return values_.width(); }
  /** The whole of a tile for one key/value head. */
  void run(const Tile& tile, int64_t kv_head) const;
  /** One span of it alone. */
  void run_span(const Tile& tile, int64_t kv_head, int64_t span, State& state) const;
  void merge(State& total, const State& part, int64_t vectors) const;
  void finish(const Tile& tile, int64_t kv_head, const State& state) const;

 private:
  void add_tiles(const AttentionSegment& segment);
  /** Floats to work in, beside states: queries as they come and as pages want them, scores. */
  int64_t work_floats(const Tile& tile) const {
    return vectors(tile) * (dim_ + page_) + keys_.prepared_floats(vectors(tile));
  }
  void load_queries(const Tile& tile, int64_t kv_head, float* work, float* prepared) const;
  void attend_span(const Tile& tile, int64_t kv_head, int64_t span, const float* q, float* scores, State& state) const;
  void attend_page(const Tile& tile, int64_t kv_head, int64_t ordinal, const float* q, float* scores,
                   State& state) const;
  /** The keys of page `ordinal` that a row sees, as slots of the page. */
  KeyRange slots(int64_t row, int64_t ordinal) const;
  int64_t page_of(const Tile& tile, int64_t ordinal) const {
    return tile.segment->pages[static_cast<size_t>(ordinal - tile.segment->first_page)];
  }
  /** Vectors first .. first + n - 1 of a tile, all of which see keys of page `ordinal`. */
  void add_values(const Tile& tile, int64_t kv_head, int64_t ordinal, int64_t first, int64_t n, float* scores,
                  State& state) const;

  const Kernels& kernels_;
  const AttentionPlan& plan_;
  const float* q_;
  float* out_;
  int64_t dim_, heads_, group_, page_;
  KeyPages keys_;
  ValuePages values_;
  std::vector<Tile>& tiles_;
};

Attention::Attention(const Kernels& kernels, CacheCodecs& codecs, const Tensor& q, const AttentionPlan& plan,
                     float* out, std::vector<Tile>& tiles)
    : kernels_(kernels),
      plan_(plan),
      q_(q.data<float>().data()),
      out_(out),
      dim_(plan.head_dim),
      heads_(q.cols() / plan.head_dim),
      group_(heads_ / plan.kv_heads),
      page_(plan.page_size),
      keys_(kernels, plan, codecs),
      values_(kernels, plan, codecs),
      tiles_(tiles) {
  tiles_.clear();
  for (const AttentionSegment& segment : plan.segments) add_tiles(segment);
}

void Attention::add_tiles(const AttentionSegment& segment) {
  const int64_t height = std::max<int64_t>(1, kTileVectors / group_);
  for (int64_t r = 0; r < segment.rows; r += height) {
    Tile tile{&segment, segment.first_row + r, std::min(height, segment.rows - r), 0, 0, 0};
    int64_t begin = std::numeric_limits<int64_t>::max(), end = 0;
    for (int64_t i = tile.first_row; i < tile.first_row + tile.rows; ++i) {
      const KeyRange& range = plan_.visible[static_cast<size_t>(i)];
      GEMMA_CHECK(range.begin >= 0 && range.begin < range.end, "every row sees a key");
      begin = std::min<int64_t>(begin, range.begin);
      end = std::max<int64_t>(end, range.end);
    }
    GEMMA_CHECK(begin / page_ >= segment.first_page &&
                    (end - 1) / page_ < segment.first_page + static_cast<int64_t>(segment.pages.size()),
                "the pages of all visible keys");
    tile.keys = end - begin;
    tile.first_span = begin / page_ / kSpanPages;
    tile.spans = (end - 1) / page_ / kSpanPages - tile.first_span + 1;
    tiles_.push_back(tile);
  }
}

KeyRange Attention::slots(int64_t row, int64_t ordinal) const {
  const KeyRange& range = plan_.visible[static_cast<size_t>(row)];
  const int64_t begin = range.begin - ordinal * page_, end = range.end - ordinal * page_;
  return {static_cast<int32_t>(std::clamp<int64_t>(begin, 0, page_)),
          static_cast<int32_t>(std::clamp<int64_t>(end, 0, page_))};
}

void Attention::load_queries(const Tile& tile, int64_t kv_head, float* work, float* prepared) const {
  const int64_t n = group_ * dim_;
  for (int64_t i = 0; i < tile.rows; ++i) {
    kernels_.scale(q_ + (tile.first_row + i) * heads_ * dim_ + kv_head * n, plan_.scale, n, work + i * n);
  }
  keys_.prepare(work, vectors(tile), prepared);
}

void Attention::add_values(const Tile& tile, int64_t kv_head, int64_t ordinal, int64_t first, int64_t n, float* scores,
                           State& state) const {
  float correction[kTileVectors];
  KeyRange ranges[kTileVectors];
  for (int64_t v = 0; v < n; ++v) {
    ranges[v] = slots(tile.first_row + (first + v) / group_, ordinal);
    kernels_.online_softmax(scores + (first + v) * page_ + ranges[v].begin, page_, 1, ranges[v].end - ranges[v].begin,
                            state.max + first + v, state.sum + first + v, correction + v);
  }
  values_.add(page_of(tile, ordinal), kv_head, scores + first * page_, ranges, correction, n,
              state.acc + first * width());
}

void Attention::attend_page(const Tile& tile, int64_t kv_head, int64_t ordinal, const float* q, float* scores,
                            State& state) const {
  int32_t begin = static_cast<int32_t>(page_), end = 0;
  for (int64_t i = 0; i < tile.rows; ++i) {
    const KeyRange range = slots(tile.first_row + i, ordinal);
    if (range.begin >= range.end) continue;
    begin = std::min(begin, range.begin);
    end = std::max(end, range.end);
  }
  if (begin >= end) return;
  keys_.scores(page_of(tile, ordinal), kv_head, begin, end, q, vectors(tile), scores);
  for (int64_t i = 0, next; i < tile.rows; i = next) {  // rows that see keys of this page go together
    const KeyRange range = slots(tile.first_row + i, ordinal);
    const auto joins = [&](const KeyRange& other) {
      return values_.mixes_ranges() ? (other.begin < other.end) == (range.begin < range.end) : other == range;
    };
    next = i + 1;
    while (next < tile.rows && joins(slots(tile.first_row + next, ordinal))) ++next;
    if (range.begin >= range.end) continue;
    for (int64_t first = i * group_; first < next * group_; first += kTileVectors) {
      add_values(tile, kv_head, ordinal, first, std::min(kTileVectors, next * group_ - first), scores, state);
    }
  }
}

void Attention::attend_span(const Tile& tile, int64_t kv_head, int64_t span, const float* q, float* scores,
                            State& state) const {
  const int64_t first = std::max<int64_t>(span * kSpanPages, tile.segment->first_page);
  const int64_t last = std::min<int64_t>((span + 1) * kSpanPages,
                                         tile.segment->first_page + static_cast<int64_t>(tile.segment->pages.size()));
  for (int64_t ordinal = first; ordinal < last; ++ordinal) attend_page(tile, kv_head, ordinal, q, scores, state);
}

void Attention::merge(State& total, const State& part, int64_t vectors) const {
  for (int64_t v = 0; v < vectors; ++v) {
    if (part.max[v] == kNone && part.sum[v] == 0.0f) continue;  // no key of this span is visible
    float *acc = total.acc + v * width(), *more = part.acc + v * width();
    if (total.max[v] == kNone && total.sum[v] == 0.0f) {
      std::copy_n(more, width(), acc);
      total.max[v] = part.max[v];
      total.sum[v] = part.sum[v];
      continue;
    }
    const float max = std::max(total.max[v], part.max[v]);
    const float before = std::exp(total.max[v] - max), now = std::exp(part.max[v] - max);
    kernels_.combine(acc, before, more, now, width(), acc);
    total.sum[v] = total.sum[v] * before + part.sum[v] * now;
    total.max[v] = max;
  }
}

void Attention::finish(const Tile& tile, int64_t kv_head, const State& state) const {
  for (int64_t i = 0; i < tile.rows; ++i) {
    for (int64_t g = 0; g < group_; ++g) {
      const int64_t v = i * group_ + g;
      float* y = out_ + (tile.first_row + i) * heads_ * dim_ + (kv_head * group_ + g) * dim_;
      values_.restore(state.acc + v * width());
      kernels_.scale(state.acc + v * width(), 1.0f / state.sum[v], dim_, y);
    }
  }
}

void Attention::run_span(const Tile& tile, int64_t kv_head, int64_t span, State& state) const {
  static thread_local Scratch scratch;
  const int64_t n = vectors(tile);
  float *scores = scratch.floats(work_floats(tile)), *work = scores + n * page_, *q = work + n * dim_;
  load_queries(tile, kv_head, work, q);
  state.clear(n, width());
  attend_span(tile, kv_head, span, q, scores, state);
}

void Attention::run(const Tile& tile, int64_t kv_head) const {
  static thread_local Scratch scratch;
  const int64_t n = vectors(tile), size = State::floats(n, width());
  float* memory = scratch.floats(2 * size + work_floats(tile));
  float *scores = memory + 2 * size, *work = scores + n * page_, *q = work + n * dim_;
  load_queries(tile, kv_head, work, q);
  State total(memory, n, width()), part(memory + size, n, width());
  total.clear(n, width());
  attend_span(tile, kv_head, tile.first_span, q, scores, total);
  for (int64_t s = 1; s < tile.spans; ++s) {
    part.clear(n, width());
    attend_span(tile, kv_head, tile.first_span + s, q, scores, part);
    merge(total, part, n);
  }
  finish(tile, kv_head, total);
}

/** Few tiles with long contexts: the spans of all tiles at once, each into a state of its own, then merged in order. */
template <class MakeFloats>
void attend_by_span(ThreadPool& threads, const Attention& work, int64_t kv_heads, MakeFloats make) {
  struct Item {
    const Tile* tile;
    int64_t kv_head, span, at;  // at: of its state
  };
  static thread_local std::vector<Item> kept;
  std::vector<Item>& items = kept;  // other threads read this one's
  items.clear();
  int64_t size = 0;
  for (const Tile& tile : work.tiles()) {
    for (int64_t i = 0; i < kv_heads * tile.spans; ++i) {
      items.push_back({&tile, i / tile.spans, i % tile.spans, size});
      size += State::floats(work.vectors(tile), work.width());
    }
  }
  Tensor memory = make(size);
  float* floats = memory.template data_mutable<float>().data();
  const auto state_of = [&](const Item& item) {
    return State(floats + item.at, work.vectors(*item.tile), work.width());
  };
  threads.parallel_claim(static_cast<int64_t>(items.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Item& item = items[static_cast<size_t>(i)];
      State state = state_of(item);
      work.run_span(*item.tile, item.kv_head, item.tile->first_span + item.span, state);
    }
  });
  for (const Item *item = items.data(), *end = item + items.size(); item != end;) {
    const Tile& tile = *item->tile;
    State total = state_of(*item);
    for (int64_t s = 1; s < tile.spans; ++s) work.merge(total, state_of(item[s]), work.vectors(tile));
    work.finish(tile, item->kv_head, total);
    item += tile.spans;
  }
}

}  // namespace

Tensor CpuOps::attention(const Tensor& q, const AttentionPlan& plan) {
  check_plan(plan);
  GEMMA_CHECK(q.dtype() == DType::f32 && q.cols() % (plan.kv_heads * plan.head_dim) == 0,
              "whole groups of query heads");
  GEMMA_CHECK(static_cast<int64_t>(plan.visible.size()) == q.rows(), "visible keys for every row");
  Tensor y = make(DType::f32, q.shape());
  static thread_local std::vector<Tile> tiles;
  const Attention work(kernels_, *codecs_, q, plan, y.data_mutable<float>().data(), tiles);
  const int64_t heads = plan.kv_heads, items = static_cast<int64_t>(work.tiles().size()) * heads;
  const bool long_tiles = std::ranges::any_of(work.tiles(), [](const Tile& tile) { return tile.spans > 1; });
  if (long_tiles && threads_.size() > 1 && items < 4 * threads_.size()) {
    attend_by_span(threads_, work, heads, [this](int64_t floats) { return make(1, floats); });
    return y;
  }
  int64_t products = 0;
  for (const Tile& tile : work.tiles()) products += work.vectors(tile) * tile.keys * work.width() * heads;
  threads_.parallel_claim(items, products < kSmallProducts ? items : 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) work.run(work.tiles()[static_cast<size_t>(i / heads)], i % heads);
  });
  return y;
}

}  // namespace gemma::cpu

// SPDX-License-Identifier: Apache-2.0
#include "kv/kv_cache.h"

#include <algorithm>

#include "kv/kv_state.h"

namespace gemma {

namespace {

std::vector<PagePool> make_pools(const PageGroups& groups, const KvOptions& options, Ops& ops) {
  GEMMA_CHECK(options.page_size > 0, "a page has keys");
  std::vector<PagePool> pools;
  for (const PageGroup& group : groups.groups) {
    const KvTypes types = options.types_of(group.window);
    GEMMA_CHECK(fits_page(types.keys, options.page_size) && fits_page(types.values, options.page_size),
                "a page that coded keys and values can fill");
    pools.emplace_back(group, types, options.page_size, ops);
  }
  return pools;
}

std::vector<CountedPages*> addresses(std::vector<PagePool>& pools) {
  std::vector<CountedPages*> all;
  for (PagePool& pool : pools) all.push_back(&pool);
  return all;
}

}  // namespace

KvCache::State::State(const Config& model_config, KvOptions kv_options, Ops& ops)
    : config(model_config),
      options(std::move(kv_options)),
      groups(PageGroups::of(model_config)),
      pools(make_pools(groups, options, ops)),
      remembered(groups, options.page_size, addresses(pools)) {
  if (options.folder != nullptr) store = std::make_unique<PrefixStore>(groups, form(), options.folder);
}

CachedSequence& KvCache::State::at(SeqId id) {
  const auto it = sequences.find(id);
  GEMMA_CHECK(it != sequences.end(), "the sequence exists");
  return it->second;
}

const CachedSequence& KvCache::State::at(SeqId id) const { return const_cast<State*>(this)->at(id); }

CachedSequence KvCache::State::share(const CachedSequence& from) {
  CachedSequence to = from;
  const int32_t end = (from.length + options.page_size - 1) / options.page_size;
  for (size_t g = 0; g < pools.size(); ++g) {
    HeldPages& held = to.groups[g];
    if (held.end_page() > end) held.pages.resize(static_cast<size_t>(std::max(0, end - held.first_page)));
    for (int32_t page : held.pages) pools[g].share(page);
  }
  return to;
}

void KvCache::State::clear(CachedSequence& sequence) {
  for (size_t g = 0; g < pools.size(); ++g) {
    // Dropped from the back, so that the next sequence takes them in the order this one had them.
    std::vector<int32_t>& pages = sequence.groups[g].pages;
    for (size_t i = pages.size(); i-- > 0;) pools[g].drop(pages[i]);
    sequence.groups[g] = {};
  }
  sequence.length = 0;
  sequence.spans.clear();
}

int KvCache::State::keepable(const CachedSequence& sequence, int length) const {
  int keep = std::clamp(length, 0, sequence.length);
  for (const KeyRange& span : sequence.spans) {
    if (span.begin < keep && keep < span.end) keep = span.begin;
  }
  for (size_t g = 0; g < pools.size(); ++g) {
    const int window = groups.groups[g].window;
    const int32_t first_key = sequence.groups[g].first_page * options.page_size;
    if (first_key > 0 && first_key > keep - window + 1) return 0;  // the next row would miss keys
  }
  return keep;
}

int KvCache::State::truncate(CachedSequence& sequence, int length) {
  const int keep = keepable(sequence, length);
  if (keep == 0) {
    clear(sequence);
    return 0;
  }
  const int32_t end = (keep + options.page_size - 1) / options.page_size;
  for (size_t g = 0; g < pools.size(); ++g) {
    HeldPages& held = sequence.groups[g];
    for (; held.end_page() > end; held.pages.pop_back()) pools[g].drop(held.pages.back());
  }
  std::erase_if(sequence.spans, [keep](const KeyRange& span) { return span.begin >= keep; });
  sequence.length = keep;
  return keep;
}

void KvCache::State::drop_left_of_window(CachedSequence& sequence) {
  for (size_t g = 0; g < pools.size(); ++g) {
    const int window = groups.groups[g].window;
    if (window == 0) continue;
    // The next row sees keys from length - window + 1. A page more stays, so that the sequence can go back to its last
    // page border, take back drafted tokens, and be read by a drafter whose window is one key wider.
    const int64_t first_key = int64_t{sequence.length} - window + 1 - options.page_size;
    HeldPages& held = sequence.groups[g];
    const auto gone = std::clamp<int64_t>(first_key / options.page_size - held.first_page, 0,
                                          static_cast<int64_t>(held.pages.size()));
    if (first_key <= 0 || gone == 0) continue;
    for (int64_t i = 0; i < gone; ++i) pools[g].drop(held.pages[static_cast<size_t>(i)]);
    held.pages.erase(held.pages.begin(), held.pages.begin() + gone);
    held.first_page += static_cast<int32_t>(gone);
  }
}

void KvCache::State::drop_left_of_windows() {
  for (auto& [id, sequence] : sequences) drop_left_of_window(sequence);
}

int64_t KvCache::State::pages_wanted(const CachedSequence& sequence, size_t group, int64_t rows) const {
  const HeldPages& held = sequence.groups[group];
  const int64_t end = (sequence.length + rows + options.page_size - 1) / options.page_size;
  int64_t wanted = std::max<int64_t>(0, end - held.end_page());
  for (int32_t page = sequence.length / options.page_size; page < held.end_page(); ++page) {
    wanted += pools[group].refs(held.pages[static_cast<size_t>(page - held.first_page)]) > 1;
  }
  return wanted;
}

void KvCache::State::extend(CachedSequence& sequence, size_t group, int64_t rows) {
  HeldPages& held = sequence.groups[group];
  PagePool& pool = pools[group];
  for (int32_t page = sequence.length / options.page_size; page < held.end_page(); ++page) {
    int32_t& number = held.pages[static_cast<size_t>(page - held.first_page)];
    number = pool.make_private(number);
  }
  const int64_t end = (sequence.length + rows + options.page_size - 1) / options.page_size;
  while (held.end_page() < end) held.pages.push_back(pool.take());
}

KvCache::KvCache(const Config& config, KvOptions options, Ops& ops)
    : state_(std::make_unique<State>(config, options, ops)) {}
KvCache::~KvCache() = default;

SeqId KvCache::create() {
  const SeqId id = state_->next_id++;
  state_->sequences[id].groups.resize(state_->pools.size());
  return id;
}

void KvCache::release(SeqId sequence) {
  state_->clear(state_->at(sequence));
  state_->sequences.erase(sequence);
}

void KvCache::fork(SeqId from, SeqId to) {
  if (from == to) return;
  CachedSequence shared = state_->share(state_->at(from));
  state_->clear(state_->at(to));
  state_->at(to) = std::move(shared);
}

int KvCache::truncate(SeqId sequence, int length) { return state_->truncate(state_->at(sequence), length); }
int KvCache::length(SeqId sequence) const { return state_->at(sequence).length; }

bool KvCache::reserve(const Batch& batch) {
  state_->drop_left_of_windows();
  std::vector<int64_t>& needed = state_->needed;
  needed.assign(state_->pools.size(), 0);
  for (const Segment& segment : batch.segments) {
    for (size_t g = 0; g < needed.size(); ++g) {
      needed[g] += state_->pages_wanted(state_->at(segment.sequence), g, segment.rows);
    }
  }
  if (!state_->make_room()) return false;
  for (const Segment& segment : batch.segments) {
    for (size_t g = 0; g < needed.size(); ++g) state_->extend(state_->at(segment.sequence), g, segment.rows);
  }
  return true;
}

void KvCache::commit(const Batch& batch) {
  for (const Segment& segment : batch.segments) {
    CachedSequence& sequence = state_->at(segment.sequence);
    for (const MediaRows& media : batch.media) {
      if (!media.bidirectional || media.first_row < segment.first_row ||
          media.first_row >= segment.first_row + segment.rows) {
        continue;
      }
      const auto begin = static_cast<int32_t>(sequence.length + media.first_row - segment.first_row);
      sequence.spans.push_back({begin, static_cast<int32_t>(begin + media.rows)});
    }
    sequence.length += static_cast<int>(segment.rows);
  }
}

}  // namespace gemma

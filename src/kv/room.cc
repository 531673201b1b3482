// SPDX-License-Identifier: Apache-2.0
// Bytes: how pools grow, and how the byte limit is kept. A pool is replaced tensor by tensor, so while it is resized
// one old tensor is alive beside the new ones. The limit therefore holds for all pools plus the largest single tensor;
// then no resize, up or down, passes it.
#include <algorithm>
#include <array>
#include <cmath>
#include <ranges>

#include "kv/kv_state.h"

namespace gemma {
namespace {

constexpr int64_t kSmallPool = 16;  // pages; below this, growth by a share of the pool would be too little

int64_t bytes_with_spare(std::span<const int64_t> capacities, const auto& page_bytes, const auto& tensor_page_bytes) {
  int64_t bytes = 0, largest = 0;
  for (size_t g = 0; g < capacities.size(); ++g) {
    bytes += capacities[g] * page_bytes(g);
    largest = std::max(largest, capacities[g] * tensor_page_bytes(g));
  }
  return bytes + largest;
}

}  // namespace

bool KvCache::State::fits(const std::vector<int64_t>& capacities) const {
  const int64_t bytes = bytes_with_spare(
      capacities, [&](size_t g) { return pools[g].page_bytes(); },
      [&](size_t g) { return pools[g].tensor_page_bytes(); });
  return byte_limit <= 0 || bytes <= byte_limit;
}

bool KvCache::State::make_room() {
  const auto has_room = [&](size_t g) { return pools[g].used() + needed[g] <= pools[g].capacity(); };
  if (std::ranges::all_of(std::views::iota(size_t{0}, pools.size()), has_room)) return true;
  // Growing copies a pool, so it is done seldom: by half, or by as much of that as the limit allows.
  constexpr std::array<double, 6> kSpare{0.5, 0.25, 0.125, 1.0 / 16, 1.0 / 32, 0};
  const auto attempt = [&](bool shrink_others) {
    for (double spare : kSpare) {
      std::vector<int64_t> capacities(pools.size());
      for (size_t g = 0; g < pools.size(); ++g) {
        const int64_t least = pools[g].used() + needed[g];
        const bool keep = least <= pools[g].capacity() && !shrink_others;
        const auto extra = static_cast<int64_t>(std::ceil(static_cast<double>(least + kSmallPool) * spare));
        capacities[g] = keep ? pools[g].capacity() : least + extra;
      }
      if (!fits(capacities)) continue;
      for (size_t g = 0; g < pools.size(); ++g)
        if (capacities[g] < pools[g].capacity()) resize(g, capacities[g]);
      for (size_t g = 0; g < pools.size(); ++g)
        if (capacities[g] > pools[g].capacity()) resize(g, capacities[g]);
      return true;
    }
    return false;
  };
  do {
    if (attempt(false)) return true;
  } while (forget_oldest());
  return attempt(true);
}

void KvCache::State::resize(size_t group, int64_t capacity) {
  const std::vector<int32_t> moved = pools[group].resize(static_cast<int>(capacity));
  const auto renumber = [&](CachedSequence& sequence) {
    for (int32_t& page : sequence.groups[group].pages) page = moved[static_cast<size_t>(page)];
  };
  for (auto& [id, sequence] : sequences) renumber(sequence);
  remembered.renumber(group, moved);
}

int64_t KvCache::bytes_used() const {
  int64_t bytes = 0;
  for (const PagePool& pool : state_->pools) bytes += pool.used() * pool.page_bytes();
  return bytes;
}

void KvCache::limit(int64_t bytes) { state_->byte_limit = bytes; }

bool KvCache::shrink_to(int64_t bytes) {
  State& s = *state_;
  s.byte_limit = bytes;
  std::vector<int64_t> capacities(s.pools.size());
  const auto fits = [&](auto pages_of) {
    std::ranges::transform(s.pools, capacities.begin(), pages_of);
    return s.fits(capacities);
  };
  if (fits(&PagePool::capacity)) return true;
  s.drop_left_of_windows();
  do {
    if (!fits(&PagePool::used)) continue;
    for (size_t g = 0; g < s.pools.size(); ++g) s.resize(g, capacities[g]);
    return true;
  } while (s.forget_oldest());
  return false;
}

int64_t KvCache::bytes_allocated() const {
  int64_t bytes = 0;
  for (const PagePool& pool : state_->pools) bytes += pool.capacity() * pool.page_bytes();
  return bytes;
}

int64_t KvCache::bytes_remembered() const { return state_->remembered.bytes(); }

bool KvCache::has_room(const PrefixView& text, int64_t tokens, int step_rows) {
  State& s = *state_;
  s.drop_left_of_windows();
  const PrefixTree::Found shared = s.remembered.find(text);
  std::vector<int64_t> capacities(s.pools.size());
  for (size_t g = 0; g < s.pools.size(); ++g) {
    std::vector<bool> live(static_cast<size_t>(s.pools[g].capacity()));
    for (const auto& [id, sequence] : s.sequences) {
      for (int32_t page : sequence.groups[g].pages) live[static_cast<size_t>(page)] = true;
    }
    s.remembered.for_pages(shared, g, [&](int32_t page) { live[static_cast<size_t>(page)] = true; });
    const PageGroup& group = s.groups.groups[g];
    // Whole pages of the prefix are never written to; those of a window are soon left behind.
    const int64_t whole = group.window > 0 ? 0 : shared.length / s.options.page_size;
    capacities[g] =
        std::count(live.begin(), live.end(), true) + group.pages_for(tokens, s.options.page_size, step_rows) - whole;
  }
  return s.fits(capacities);
}

int64_t KvCache::bytes_for(const Config& config, const KvOptions& options, int64_t tokens, int step_rows) {
  const PageGroups groups = PageGroups::of(config);
  std::vector<int64_t> capacities;
  capacities.reserve(groups.groups.size());
  for (const PageGroup& group : groups.groups) {
    capacities.push_back(group.pages_for(tokens, options.page_size, step_rows));
  }
  const auto types = [&](size_t g) { return options.types_of(groups.groups[g].window); };
  return bytes_with_spare(
      capacities, [&](size_t g) { return groups.groups[g].page_bytes(types(g), options.page_size); },
      [&](size_t g) { return groups.groups[g].tensor_page_bytes(types(g), options.page_size); });
}

}  // namespace gemma

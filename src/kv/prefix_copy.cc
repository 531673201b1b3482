// SPDX-License-Identifier: Apache-2.0
// Places of one tree made in another, whose pages are somewhere else: in memory and on disk.
#include <algorithm>

#include "base/error.h"
#include "kv/kv_state.h"
#include "kv/prefix_index.h"
#include "kv/prefix_tree.h"

namespace gemma {
namespace {

/** Runs that go on from a page to the next are on both. */
void append(PrefixKey& text, std::span<const int32_t> tokens, std::span<const PrefixMedia> media) {
  text.tokens.insert(text.tokens.end(), tokens.begin(), tokens.end());
  for (const PrefixMedia& each : media) {
    if (text.media.empty() || text.media.back().first < each.first) text.media.push_back(each);
  }
}

/** use(group, page) of those that are there. */
void each_page(const CachedSequence& sequence, auto&& use) {
  for (size_t g = 0; g < sequence.groups.size(); ++g) {
    for (const int32_t page : sequence.groups[g].pages) {
      if (page >= 0) use(g, page);
    }
  }
}

}  // namespace

PrefixKey PrefixTree::text_of(const PrefixNode& node) const {
  std::vector<const PrefixNode*> path;
  for (const PrefixNode* each = &node; each != nullptr; each = each->parent) path.push_back(each);
  PrefixKey text;
  text.salt = path.back()->salt;
  for (size_t i = path.size() - 1; i-- > 0;) append(text, path[i]->tokens, path[i]->media);
  return text;
}

std::vector<const PrefixNode*> PrefixTree::places_since(int64_t time) const {
  std::vector<const PrefixNode*> places;
  for (const PrefixNode* place : by_age_) {
    if (place->last_use > time) places.push_back(place);
  }
  return places;
}

std::vector<const PrefixNode*> PrefixTree::nodes() const {
  std::vector<const PrefixNode*> ordered;
  for (const auto& [salt, root] : roots_) ordered.insert(ordered.end(), root->children.begin(), root->children.end());
  for (size_t i = 0; i < ordered.size(); ++i) {
    const std::vector<PrefixNode*>& behind = ordered[i]->children;
    ordered.insert(ordered.end(), behind.begin(), behind.end());
  }
  return ordered;
}

CachedSequence PrefixTree::pages_of(const PrefixKey& text) const {
  const auto end = (std::ssize(text.tokens) + page_size_ - 1) / page_size_;
  CachedSequence held;
  held.length = static_cast<int>(text.tokens.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    const int32_t first = first_seen(g, static_cast<int32_t>(end - 1) * page_size_);
    held.groups.push_back({first, std::vector<int32_t>(static_cast<size_t>(end - first), -1)});
  }
  const auto root = roots_.find(text.salt);
  const PrefixNode* at = root == roots_.end() ? nullptr : root->second;
  while (at != nullptr && at->index + 1 < end) {
    const int64_t size = std::min<int64_t>(page_size_, std::ssize(text.tokens) - int64_t{at->index + 1} * page_size_);
    const auto same = std::ranges::find_if(at->children, [&](const PrefixNode* child) {
      return std::ssize(child->tokens) == size && common(*child, text) == size;
    });
    at = same == at->children.end() ? nullptr : *same;
    for (size_t g = 0; at != nullptr && g < groups_.size(); ++g) {
      HeldPages& pages = held.groups[g];
      if (at->index >= pages.first_page) {
        pages.pages[static_cast<size_t>(at->index - pages.first_page)] = at->groups[g].page;
      }
    }
  }
  return held;
}

std::vector<int64_t> PrefixTree::missing(const PrefixTree& from, const PrefixNode& node) const {
  std::vector<int64_t> counts;
  for (const HeldPages& held : pages_of(from.text_of(node)).groups) {
    counts.push_back(std::ranges::count(held.pages, -1));
  }
  return counts;
}

bool PrefixTree::copy_place(const PrefixTree& from, const PrefixNode& node,
                            FunctionRef<int32_t(size_t, int32_t)> copy) {
  const PrefixKey text = from.text_of(node);
  CachedSequence sequence = pages_of(text);
  // Held first: room for a copy may be made by giving up places.
  each_page(sequence, [&](size_t g, int32_t page) { pools_[g]->share(page); });
  bool whole = true;
  for (const PrefixNode* at = &node; whole && at->parent != nullptr; at = at->parent) {
    for (size_t g = 0; whole && g < groups_.size(); ++g) {
      HeldPages& held = sequence.groups[g];
      if (at->index < held.first_page) continue;
      int32_t& page = held.pages[static_cast<size_t>(at->index - held.first_page)];
      if (page < 0) page = copy(g, at->groups[g].page);
      whole = page >= 0;
    }
  }
  const int64_t end = sequence.length;
  if (whole) remember(text, sequence, std::span(&end, 1));
  each_page(sequence, [&](size_t g, int32_t page) { pools_[g]->drop(page); });
  return whole;
}

int64_t PrefixTree::plant(std::span<const StoredNode> nodes) {
  std::vector<const StoredNode*> places;
  for (const StoredNode& node : nodes) {
    if (node.age >= 0) places.push_back(&node);
  }
  std::ranges::stable_sort(places, {}, [](const StoredNode* place) { return place->age; });
  int64_t planted = 0;
  for (const StoredNode* place : places) {
    std::vector<const StoredNode*> path{place};
    while (path.back()->parent >= 0) path.push_back(&nodes[static_cast<size_t>(path.back()->parent)]);
    std::ranges::reverse(path);
    PrefixKey text;
    text.salt = path.front()->salt;
    for (const StoredNode* node : path) append(text, node->tokens, node->media);
    CachedSequence sequence;
    sequence.length = static_cast<int>(text.tokens.size());
    bool whole = true;
    for (size_t g = 0; g < groups_.size(); ++g) {
      HeldPages held{first_seen(g, static_cast<int32_t>(path.size() - 1) * page_size_), {}};
      for (size_t i = static_cast<size_t>(held.first_page); i < path.size(); ++i) {
        held.pages.push_back(path[i]->pages[g].page);
        whole = whole && held.pages.back() >= 0;
      }
      sequence.groups.push_back(std::move(held));
    }
    if (!whole) continue;
    ++planted;
    each_page(sequence, [&](size_t g, int32_t page) { pools_[g]->share(page); });
    const int64_t end = sequence.length;
    remember(text, sequence, std::span(&end, 1));
    each_page(sequence, [&](size_t g, int32_t page) { pools_[g]->drop(page); });
  }
  return planted;
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_tree.h"

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "kv/kv_state.h"

namespace gemma {

bool PrefixTree::Older::operator()(const PrefixNode* a, const PrefixNode* b) const {
  return std::tie(a->last_use, a->index) < std::tie(b->last_use, b->index);  // one node a page is used at a time
}

int PrefixTree::common(const PrefixNode& node, const PrefixView& text) const {
  return static_cast<int>(common_tokens(node.tokens, node.media, text, begin_of(node)));
}

int32_t PrefixTree::first_seen(size_t group, int32_t length) const {
  const int window = groups_[group].window;
  return window == 0 ? 0 : std::max(0, length - window + 1) / page_size_;
}

PrefixTree::Found PrefixTree::find(const PrefixView& text) const {
  Found found;
  const auto root = roots_.find(text.salt);
  if (root == roots_.end()) return found;
  const int64_t most = static_cast<int64_t>(text.tokens.size()) - 1;
  std::vector<int32_t> missing(groups_.size(), -1);  // by group, the last page on the way that is not kept
  for (PrefixNode* at = root->second; at != nullptr && static_cast<int64_t>(at->index + 1) * page_size_ <= most;) {
    PrefixNode* behind = nullptr;
    for (PrefixNode* child : at->children) {
      const int tokens = common(*child, text);
      const auto length =
          static_cast<int>(before_block(text.media, std::min<int64_t>(most, begin_of(*child) + tokens)));
      found.familiar = std::max(found.familiar, length);
      if (tokens == page_size_) behind = child;
      if (length < begin_of(*child) || length <= found.length || !usable(*child, missing)) continue;
      found.node = child;
      found.length = length;
    }
    at = behind;
    for (size_t g = 0; at != nullptr && g < groups_.size(); ++g) {
      if (at->groups[g].page < 0) missing[g] = at->index;
    }
  }
  return found;
}

bool PrefixTree::usable(const PrefixNode& node, std::span<const int32_t> missing) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (node.groups[g].page < 0 || missing[g] >= first_seen(g, begin_of(node))) return false;
  }
  return true;
}

void PrefixTree::for_pages(const Found& found, size_t group, FunctionRef<void(int32_t)> each) const {
  const int32_t first = first_seen(group, found.length), end = (found.length + page_size_ - 1) / page_size_;
  for (const PrefixNode* node = found.node; node != nullptr && node->index >= first; node = node->parent) {
    if (node->index < end) each(node->groups[group].page);  // else the text goes on at its very beginning
  }
}

void PrefixTree::take(const Found& found, const PrefixView& text, CachedSequence& sequence) {
  if (found.node == nullptr) return;
  for (size_t g = 0; g < groups_.size(); ++g) {
    HeldPages& held = sequence.groups[g];
    held.first_page = first_seen(g, found.length);
    for_pages(found, g, [&](int32_t page) {
      GEMMA_CHECK(page >= 0, "the pages that a place needs");
      pools_[g]->share(page);
      held.pages.push_back(page);
    });
    std::ranges::reverse(held.pages);
  }
  sequence.length = found.length;
  for (const PrefixMedia& media : text.media) {
    if (!media.bidirectional || media.first >= found.length) continue;
    sequence.spans.push_back({static_cast<int32_t>(media.first), static_cast<int32_t>(media.first + media.rows)});
  }
  ++clock_;
  make_place(*found.node, sequence);
}

void PrefixTree::remember(const PrefixView& text, CachedSequence& sequence, std::span<const int64_t> places) {
  int64_t length = std::min<int64_t>(sequence.length, static_cast<int64_t>(text.tokens.size()));
  for (const PrefixMedia& media : text.media) {
    if (media.content == 0) length = std::min(length, media.first);  // nobody will find what is behind it
  }
  const auto end = std::upper_bound(places.begin(), places.end(), length);
  if (end == places.begin()) return;
  const PrefixView known{text.tokens.first(static_cast<size_t>(length)), text.media, text.salt};
  ++clock_;
  PrefixNode* at = &root(text.salt);
  for (auto next = places.begin(); next != end;) {
    at = &child(*at, known, sequence);
    adopt(*at, known, sequence);
    const int64_t behind = begin_of(*at) + page_size_;
    if (*next > behind) continue;
    while (next != end && *next <= behind) ++next;
    if (at->place || can_be_place(*at, sequence)) make_place(*at, sequence);
  }
  prune(at);
}

PrefixNode& PrefixTree::root(uint64_t salt) {
  PrefixNode*& root = roots_[salt];
  if (root == nullptr) {
    nodes_.emplace_front();
    root = &nodes_.front();
    root->self = nodes_.begin();
    root->salt = salt;
  }
  return *root;
}

/** The node of the next page of `text`; made from what the sequence holds where there is none. */
PrefixNode& PrefixTree::child(PrefixNode& parent, const PrefixView& text, const CachedSequence& sequence) {
  const int64_t left = static_cast<int64_t>(text.tokens.size()) - int64_t{parent.index + 1} * page_size_;
  const bool whole = left >= page_size_;
  for (PrefixNode* each : parent.children) {
    if (common(*each, text) < std::min<int64_t>(left, page_size_)) continue;
    // A page that goes on behind the text's end will do, if the text can be gone on with there.
    if (whole || each->place || can_be_place(*each, sequence)) return *each;
  }
  return add_child(parent, text, sequence);
}

PrefixNode& PrefixTree::add_child(PrefixNode& parent, const PrefixView& text, const CachedSequence& sequence) {
  nodes_.emplace_front();
  PrefixNode& node = nodes_.front();
  node.self = nodes_.begin();
  node.parent = &parent;
  node.index = parent.index + 1;
  const int64_t begin = begin_of(node);
  const int64_t end = std::min<int64_t>(begin + page_size_, static_cast<int64_t>(text.tokens.size()));
  node.tokens.assign(text.tokens.begin() + begin, text.tokens.begin() + end);
  for (const PrefixMedia& media : text.media) {
    if (media.first < end && media.first + media.rows > begin) node.media.push_back(media);
  }
  node.groups.resize(groups_.size());
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].window > 0) continue;
    node.groups[g].page = sequence.groups[g].pages[static_cast<size_t>(node.index)];
    pools_[g]->share(node.groups[g].page);
  }
  parent.children.push_back(&node);
  replace_parts(node, text, sequence);
  return node;
}

/** Places on the page of `whole` where texts ended that have gone on now: it takes their part, if it can. */
void PrefixTree::replace_parts(PrefixNode& whole, const PrefixView& text, const CachedSequence& sequence) {
  std::vector<PrefixNode*> parts;
  for (PrefixNode* each : whole.parent->children) {
    const auto size = static_cast<int>(each->tokens.size());
    if (each != &whole && size < static_cast<int>(whole.tokens.size()) && common(*each, text) == size) {
      parts.push_back(each);
    }
  }
  if (parts.empty() || !can_be_place(whole, sequence)) return;
  make_place(whole, sequence);
  for (PrefixNode* each : parts) give_up_place(*each);
}

/** Equal texts have equal pages, to the bit: the sequence may as well have the tree's. */
void PrefixTree::adopt(const PrefixNode& node, const PrefixView& text, CachedSequence& sequence) {
  const int64_t end = std::min<int64_t>(begin_of(node) + page_size_, sequence.length);
  if (end > static_cast<int64_t>(text.tokens.size())) return;  // its page has rows that were not compared
  for (size_t g = 0; g < groups_.size(); ++g) {
    HeldPages& held = sequence.groups[g];
    const int32_t page = node.groups[g].page;
    if (page < 0 || node.index < held.first_page || node.index >= held.end_page()) continue;
    int32_t& own = held.pages[static_cast<size_t>(node.index - held.first_page)];
    if (own == page) continue;
    pools_[g]->share(page);
    pools_[g]->drop(own);
    own = page;
  }
}

int32_t PrefixTree::page_of(const PrefixNode& node, size_t group, const CachedSequence& sequence) const {
  if (node.groups[group].page >= 0) return node.groups[group].page;
  const HeldPages& held = sequence.groups[group];
  if (node.index < held.first_page || node.index >= held.end_page()) return -1;
  if (begin_of(node) + static_cast<int64_t>(node.tokens.size()) > sequence.length) return -1;
  return held.pages[static_cast<size_t>(node.index - held.first_page)];
}

bool PrefixTree::can_be_place(const PrefixNode& node, const CachedSequence& sequence) const {
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].window == 0) continue;
    const int32_t first = first_seen(g, begin_of(node));
    for (const PrefixNode* each = &node; each->index >= first; each = each->parent) {
      if (page_of(*each, g, sequence) < 0) return false;
    }
  }
  return true;
}

void PrefixTree::make_place(PrefixNode& node, const CachedSequence& sequence) {
  if (node.place) by_age_.erase(&node);
  for (size_t g = 0; g < groups_.size() && !node.place; ++g) {
    if (groups_[g].window == 0) continue;
    const int32_t first = first_seen(g, begin_of(node));
    for (PrefixNode* each = &node; each->index >= first; each = each->parent) {
      PrefixNode::Kept& kept = each->groups[g];
      ++kept.places;
      if (kept.page >= 0) continue;
      kept.page = page_of(*each, g, sequence);
      pools_[g]->share(kept.page);
    }
  }
  node.place = true;
  node.last_use = clock_;
  by_age_.insert(&node);
}

void PrefixTree::give_up_place(PrefixNode& node) {
  by_age_.erase(&node);
  node.place = false;
  for (size_t g = 0; g < groups_.size(); ++g) {
    if (groups_[g].window == 0) continue;
    const int32_t first = first_seen(g, begin_of(node));
    for (PrefixNode* each = &node; each->index >= first; each = each->parent) {
      PrefixNode::Kept& kept = each->groups[g];
      if (--kept.places > 0) continue;
      pools_[g]->drop(kept.page);
      kept.page = -1;
    }
  }
  prune(&node);
}

void PrefixTree::prune(PrefixNode* node) {
  while (node != nullptr && !node->place && node->children.empty()) {
    PrefixNode* parent = node->parent;
    if (parent == nullptr) {
      std::erase_if(roots_, [node](const auto& each) { return each.second == node; });
    } else {
      for (size_t g = 0; g < groups_.size(); ++g) {
        if (groups_[g].window == 0) pools_[g]->drop(node->groups[g].page);
      }
      std::erase(parent->children, node);
    }
    nodes_.erase(node->self);
    node = parent;
  }
}

bool PrefixTree::forget_oldest() {
  if (by_age_.empty()) return false;
  give_up_place(**by_age_.begin());
  return true;
}

void PrefixTree::forget_users(size_t group, int32_t page) {
  std::vector<PrefixNode*> users;
  for (PrefixNode* place : by_age_) {
    const int32_t first = first_seen(group, begin_of(*place));
    const PrefixNode* each = place;
    while (each->index >= first && each->groups[group].page != page) each = each->parent;
    if (each->index >= first) users.push_back(place);
  }
  for (PrefixNode* place : users) give_up_place(*place);
}

int64_t PrefixTree::bytes() const {
  int64_t bytes = 0;
  for (const PrefixNode& node : nodes_) {
    for (size_t g = 0; g < node.groups.size(); ++g) bytes += node.groups[g].page >= 0 ? pools_[g]->page_bytes() : 0;
  }
  return bytes;
}

void PrefixTree::renumber(size_t group, std::span<const int32_t> moved) {
  for (PrefixNode& node : nodes_) {
    if (node.groups.empty()) continue;  // a root
    int32_t& page = node.groups[group].page;
    if (page >= 0) page = moved[static_cast<size_t>(page)];
  }
}

}  // namespace gemma

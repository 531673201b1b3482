// SPDX-License-Identifier: Apache-2.0
// Candidates of a long merge, by priority and then by place. A long text has few distinct priorities and is walked from
// left to right, so places of one priority mostly come in order: a list per priority is read front to back where a heap
// of all candidates would jump through memory. What does come out of order goes to a small heap beside its list.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

namespace gemma {

class JoinQueue {
 public:
  struct Item {
    uint32_t priority = 0, place = 0;
  };

  void push(uint32_t priority, uint32_t place) {
    const auto [entry, fresh] = index_.try_emplace(priority, static_cast<uint32_t>(lists_.size()));
    if (fresh) lists_.emplace_back();
    List& list = lists_[entry->second];
    if (!list.active) {
      list.active = true;
      active_.push_back({priority, entry->second});
      std::push_heap(active_.begin(), active_.end(), std::greater<>());
    }
    if (list.next == list.ordered.size()) list.ordered.clear(), list.next = 0;
    if (list.ordered.empty() || list.ordered.back() <= place) {
      list.ordered.push_back(place);
    } else {
      list.late.push_back(place);
      std::push_heap(list.late.begin(), list.late.end(), std::greater<>());
    }
  }

  /** The candidate of the smallest (priority, place). */
  std::optional<Item> pop() {
    while (!active_.empty()) {
      const auto [priority, at] = active_.front();
      if (const auto place = take(lists_[at])) return Item{priority, *place};
      lists_[at].active = false;
      std::pop_heap(active_.begin(), active_.end(), std::greater<>());
      active_.pop_back();
    }
    return std::nullopt;
  }

 private:
  struct List {
    std::vector<uint32_t> ordered;  // ascending from `next` on
    size_t next = 0;
    std::vector<uint32_t> late;     // a heap, smallest first
    bool active = false;
  };

  static std::optional<uint32_t> take(List& list) {
    const bool ordered = list.next < list.ordered.size();
    if (!list.late.empty() && (!ordered || list.late.front() < list.ordered[list.next])) {
      std::pop_heap(list.late.begin(), list.late.end(), std::greater<>());
      const uint32_t place = list.late.back();
      list.late.pop_back();
      return place;
    }
    if (!ordered) return std::nullopt;
    return list.ordered[list.next++];
  }

  std::vector<List> lists_;
  std::unordered_map<uint32_t, uint32_t> index_;           // priority -> list
  std::vector<std::pair<uint32_t, uint32_t>> active_;      // (priority, list), a heap, smallest first
};

}  // namespace gemma

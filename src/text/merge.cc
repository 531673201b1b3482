// SPDX-License-Identifier: Apache-2.0
#include "text/merge.h"

#include <algorithm>
#include <array>
#include <functional>
#include <queue>
#include <tuple>

namespace gemma {
namespace {

constexpr size_t kShort = 128;  // up to here searching a row again beats keeping a heap

constexpr int32_t signed_of(uint32_t priority) { return static_cast<int32_t>(priority ^ 0x80000000u); }

/** joins of symbols[i] with symbols[i + 1], ids and priorities apart so that the search reads priorities only. */
template <class Joins>
void merge_short(const Joins& joins, std::string_view text, std::vector<Symbol>& symbols) {
  std::array<int32_t, kShort> priorities;  // with the sign bit turned: compilers have a vector minimum for these
  std::array<int32_t, kShort> ids;
  const auto look = [&](size_t i) {
    const Join join = joins.join(text, symbols[i], symbols[i + 1]);
    priorities[i] = signed_of(join.priority);
    ids[i] = join.id;
  };
  size_t pairs = symbols.size() - 1;
  for (size_t i = 0; i < pairs; ++i) look(i);
  while (pairs > 0) {
    int32_t least = priorities[0];
    for (size_t i = 1; i < pairs; ++i) least = std::min(least, priorities[i]);
    if (least == signed_of(kNever)) break;
    const auto best =
        static_cast<size_t>(std::find(priorities.begin(), priorities.begin() + pairs, least) - priorities.begin());
    symbols[best].id = ids[best];
    symbols[best].end = symbols[best + 1].end;
    --pairs;
    std::copy(symbols.begin() + static_cast<int64_t>(best) + 2, symbols.begin() + static_cast<int64_t>(pairs) + 2,
              symbols.begin() + static_cast<int64_t>(best) + 1);
    std::copy(&priorities[best] + 1, &priorities[pairs] + 1, &priorities[best]);
    std::copy(&ids[best] + 1, &ids[pairs] + 1, &ids[best]);
    if (best > 0) look(best - 1);
    if (best < pairs) look(best);
  }
  symbols.resize(pairs + 1);
}

template <class Joins>
class LongMerge {
 public:
  LongMerge(const Joins& joins, std::string_view text, std::vector<Symbol>& symbols)
      : joins_(joins), text_(text), symbols_(symbols), links_(symbols.size()) {}

  void run() {
    const auto n = static_cast<uint32_t>(symbols_.size());
    for (uint32_t i = 0; i < n; ++i) {
      links_[i].previous = i > 0 ? i - 1 : kNone;
      links_[i].next = i + 1 < n ? i + 1 : kNone;
    }
    for (uint32_t i = 0; i < n; ++i) look(i);
    while (!queue_.empty()) {
      const auto [priority, place] = queue_.top();
      queue_.pop();
      // A place whose join has changed since it was queued has been queued again.
      if (links_[place].join.priority == priority) take(place);
    }
    size_t kept = 0;
    for (uint32_t i = 0; i != kNone; i = links_[i].next) symbols_[kept++] = symbols_[i];
    symbols_.resize(kept);
  }

 private:
  static constexpr uint32_t kNone = 0xffffffff;
  struct Link {
    Join join;  // with the next symbol; kNever also for symbols that are gone
    uint32_t previous = kNone, next = kNone;
  };
  using Item = std::pair<uint32_t, uint32_t>;  // priority, place

  void look(uint32_t at) {
    Link& link = links_[at];
    link.join = link.next == kNone ? Join{} : joins_.join(text_, symbols_[at], symbols_[link.next]);
    if (link.join.priority != kNever) queue_.push({link.join.priority, at});
  }

  void take(uint32_t at) {
    Link& link = links_[at];
    const uint32_t gone = link.next;
    symbols_[at].id = link.join.id;
    symbols_[at].end = symbols_[gone].end;
    link.next = links_[gone].next;
    links_[gone].join = {};
    if (link.next != kNone) links_[link.next].previous = at;
    if (link.previous != kNone) look(link.previous);
    look(at);
  }

  const Joins& joins_;
  std::string_view text_;
  std::vector<Symbol>& symbols_;
  std::vector<Link> links_;
  std::priority_queue<Item, std::vector<Item>, std::greater<>> queue_;
};

}  // namespace

template <class Joins>
void merge(const Joins& joins, std::string_view text, std::vector<Symbol>& symbols) {
  if (symbols.size() < 2) return;
  if (symbols.size() <= kShort) return merge_short(joins, text, symbols);
  LongMerge<Joins>(joins, text, symbols).run();
}

template void merge(const MergeTable&, std::string_view, std::vector<Symbol>&);
template void merge(const ScoreTable&, std::string_view, std::vector<Symbol>&);

}  // namespace gemma

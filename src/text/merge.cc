// SPDX-License-Identifier: Apache-2.0
#include "text/merge.h"

#include <algorithm>
#include <array>

#include "text/join_queue.h"

namespace gemma {
namespace {

constexpr size_t kShort = 64;  // up to here searching a row again beats keeping a queue

/** joins[i] is what symbols[i] and symbols[i + 1] may become. */
template <class Joins>
void merge_short(const Joins& joins, std::string_view text, std::vector<Symbol>& symbols) {
  std::array<Join, kShort> row;
  size_t pairs = symbols.size() - 1;
  for (size_t i = 0; i < pairs; ++i) row[i] = joins.join(text, symbols[i], symbols[i + 1]);
  while (pairs > 0) {
    size_t best = 0;
    for (size_t i = 1; i < pairs; ++i) {
      if (row[i].priority < row[best].priority) best = i;
    }
    if (row[best].priority == kNever) break;
    symbols[best].id = row[best].id;
    symbols[best].end = symbols[best + 1].end;
    --pairs;
    for (size_t i = best + 1; i <= pairs; ++i) symbols[i] = symbols[i + 1];
    for (size_t i = best; i < pairs; ++i) row[i] = row[i + 1];
    if (best > 0) row[best - 1] = joins.join(text, symbols[best - 1], symbols[best]);
    if (best < pairs) row[best] = joins.join(text, symbols[best], symbols[best + 1]);
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
    for (uint32_t i = 0; i < n; ++i) links_[i].previous = i - 1, links_[i].next = i + 1;  // 0 - 1 is kNone, as is n
    links_[n - 1].next = kNone;
    for (uint32_t i = 0; i + 1 < n; ++i) look(i);
    while (const auto item = queue_.pop()) {
      // A place whose join has changed since it was queued has been queued again.
      if (links_[item->place].join.priority == item->priority) take(item->place);
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

  void look(uint32_t at) {
    Link& link = links_[at];
    link.join = link.next == kNone ? Join{} : joins_.join(text_, symbols_[at], symbols_[link.next]);
    if (link.join.priority != kNever) queue_.push(link.join.priority, at);
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
  JoinQueue queue_;
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

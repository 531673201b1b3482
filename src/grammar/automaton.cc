// SPDX-License-Identifier: Apache-2.0
// Thompson's construction over the bytes of UTF-8, then the sets of places that a text may have come to.
#include "grammar/automaton.h"

#include <algorithm>
#include <bit>
#include <bitset>
#include <map>
#include <optional>
#include <string>

#include "base/utf8.h"
#include "grammar/character_set.h"

namespace gemma {
namespace {

constexpr size_t kMostNodes = 200'000;
constexpr size_t kMostInSets = 1'000'000;  // nodes of all sets together: a second
constexpr size_t kMostTable = 8'000'000;   // entries
constexpr int kNone = -1;

/** A place in a pattern: bytes of a range lead on, or nothing does (to two places). */
struct Node {
  enum class Kind : uint8_t { bytes, both, begin, end, done } kind = Kind::done;
  uint8_t low = 0, high = 0;
  int next = kNone, other = kNone;
};

struct ByteRange {
  uint8_t low, high;
  auto operator<=>(const ByteRange&) const = default;
};
using ByteRanges = std::vector<ByteRange>;  // one for each byte of a character

std::string bytes_of(char32_t c) {
  std::string out;
  utf8::append(out, c);
  return out;
}

/** Cuts a range of characters into such whose bytes are independent of one another. */
void add_byte_ranges(char32_t low, char32_t high, std::vector<ByteRanges>& out) {
  for (const char32_t last_of_length : {char32_t{0x7F}, char32_t{0x7FF}, char32_t{0xFFFF}}) {
    if (low > last_of_length || high <= last_of_length) continue;
    add_byte_ranges(low, last_of_length, out);
    return add_byte_ranges(last_of_length + 1, high, out);
  }
  const size_t length = bytes_of(low).size();
  for (size_t tail = length - 1; tail > 0; --tail) {  // bytes that run over all their values
    const char32_t mask = (char32_t{1} << (6 * tail)) - 1;
    if ((low & ~mask) == (high & ~mask)) continue;
    if ((low & mask) != 0) {
      add_byte_ranges(low, low | mask, out);
      return add_byte_ranges((low | mask) + 1, high, out);
    }
    if ((high & mask) != mask) {
      add_byte_ranges(low, (high & ~mask) - 1, out);
      return add_byte_ranges(high & ~mask, high, out);
    }
  }
  const std::string first = bytes_of(low), last = bytes_of(high);
  ByteRanges ranges;
  for (size_t i = 0; i < length; ++i) {
    ranges.push_back({static_cast<uint8_t>(first[i]), static_cast<uint8_t>(last[i])});
  }
  out.push_back(std::move(ranges));
}

/** Nodes are made from the end to the beginning: each knows what comes behind it. */
class NodeBuilder {
 public:
  /** The node that begins the pattern; none where there would be too many. */
  int build(const Pattern& pattern) {
    const int done = add({Node::Kind::done});
    return before(pattern, done);
  }
  bool full() const { return nodes_.size() > kMostNodes; }
  std::vector<Node> take() { return std::move(nodes_); }

 private:
  int add(Node node) {
    nodes_.push_back(node);
    return static_cast<int>(nodes_.size()) - 1;
  }

  int before(const Pattern& pattern, int next) {
    if (full()) return next;
    switch (pattern.kind) {
      case Pattern::Kind::set:
        return before_set(pattern.set, next);
      case Pattern::Kind::sequence:
        for (size_t i = pattern.parts.size(); i-- > 0;) next = before(pattern.parts[i], next);
        return next;
      case Pattern::Kind::choice:
        return before_choice(pattern.parts, next);
      case Pattern::Kind::repeat:
        return before_repeat(pattern, next);
      case Pattern::Kind::begin:
        return add({Node::Kind::begin, 0, 0, next});
      case Pattern::Kind::end:
        return add({Node::Kind::end, 0, 0, next});
      case Pattern::Kind::token:
        return before_token(pattern.id, next);
      case Pattern::Kind::rule:
        GEMMA_CHECK(false, "rules are unfolded before");
    }
    return next;
  }

  int before_token(int32_t id, int next) {
    const std::array<uint8_t, 4> bytes = Automaton::bytes_of_token(id);
    for (size_t i = bytes.size(); i-- > 0;) next = add({Node::Kind::bytes, bytes[i], bytes[i], next});
    return next;
  }

  int either(int a, int b) {
    if (a == kNone) return b;
    return add({Node::Kind::both, 0, 0, a, b});
  }

  int before_choice(const std::vector<Pattern>& parts, int next) {
    int out = kNone;
    for (const Pattern& part : parts) out = either(out, before(part, next));
    return out == kNone ? next : out;
  }

  /** The least times one behind the other, then an endless loop or as many that may be left out. */
  int before_repeat(const Pattern& pattern, int next) {
    const Pattern& part = pattern.parts[0];
    int out = next;
    if (pattern.most == Pattern::kEndless) {
      out = add({Node::Kind::both, 0, 0, next, next});
      const int again = before(part, out);
      nodes_[static_cast<size_t>(out)].other = again;
    }
    for (int i = pattern.least; i < pattern.most && !full(); ++i) out = either(before(part, out), next);
    for (int i = 0; i < pattern.least && !full(); ++i) out = before(part, out);
    return out;
  }

  /** Ends of characters that are the same are made once. */
  int before_set(const CharacterSet& set, int next) {
    std::vector<ByteRanges> all;
    for (const auto& [low, high] : set) add_byte_ranges(low, high, all);
    std::map<ByteRanges, int> ends;
    int out = kNone;
    for (const ByteRanges& ranges : all) {
      int at = next;
      for (size_t i = ranges.size(); i-- > 0;) {
        const ByteRanges rest(ranges.begin() + static_cast<std::ptrdiff_t>(i), ranges.end());
        const auto [found, is_new] = ends.emplace(rest, kNone);
        if (is_new) found->second = add({Node::Kind::bytes, ranges[i].low, ranges[i].high, at});
        at = found->second;
      }
      out = either(out, at);
    }
    return out == kNone ? add({Node::Kind::bytes, 1, 0, next}) : out;  // of no character: no byte leads on
  }

  std::vector<Node> nodes_;
};

}  // namespace

class AutomatonBuilder {
 public:
  AutomatonBuilder(std::vector<Node> nodes, int first) : nodes_(std::move(nodes)), seen_(nodes_.size()) {
    make_columns();
    // Apart from the others: where a text begins, more anchors hold.
    start_ = reached({first}, true);
    add_state(start_, true);
  }

  Result<Automaton> build() {
    for (size_t i = 0; i < sets_.size() && !too_large(); ++i) add_row(i);
    if (too_large()) {
      return Failure{"", fmt::format("is too large: it would take a table of more than {} states, {} entries or {} "
                                     "places in all states together",
                                     Automaton::kMostStates, kMostTable, kMostInSets)};
    }
    return without_dead_ends() ? Result<Automaton>(std::move(out_)) : Failure{"", "no text fits it"};
  }

 private:
  using Set = std::vector<int>;

  bool too_large() const {
    return out_.states() > Automaton::kMostStates || in_sets_ > kMostInSets || out_.table_.size() > kMostTable;
  }

  void make_columns() {
    std::bitset<257> borders;
    for (const Node& node : nodes_) {
      if (node.kind != Node::Kind::bytes || node.low > node.high) continue;
      borders.set(node.low);
      borders.set(node.high + size_t{1});
    }
    uint8_t column = 0;
    for (size_t byte = 0; byte < 256; ++byte) {
      if (byte > 0 && borders[byte]) ++column;
      out_.column_[byte] = column;
    }
    out_.columns_ = size_t{column} + 1;
  }

  /** The nodes that wait for a byte or an end, from these on. */
  Set reached(Set from, bool at_begin) {
    ++round_;
    Set out;
    while (!from.empty()) {
      const int at = from.back();
      from.pop_back();
      if (at == kNone || seen_[static_cast<size_t>(at)] == round_) continue;
      seen_[static_cast<size_t>(at)] = round_;
      const Node& node = nodes_[static_cast<size_t>(at)];
      if (node.kind == Node::Kind::both) {
        from.push_back(node.next);
        from.push_back(node.other);
      } else if (node.kind == Node::Kind::begin) {
        if (at_begin) from.push_back(node.next);
      } else {
        out.push_back(at);
      }
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  /** Whether the pattern may be over here: only anchors lie between one of the nodes and its end. */
  bool may_end(const Set& set, bool at_begin) {
    Set from = set;
    ++round_;
    while (!from.empty()) {
      const int at = from.back();
      from.pop_back();
      if (at == kNone || seen_[static_cast<size_t>(at)] == round_) continue;
      seen_[static_cast<size_t>(at)] = round_;
      const Node& node = nodes_[static_cast<size_t>(at)];
      if (node.kind == Node::Kind::done) return true;
      if (node.kind == Node::Kind::bytes || (node.kind == Node::Kind::begin && !at_begin)) continue;
      from.push_back(node.next);
      if (node.kind == Node::Kind::both) from.push_back(node.other);
    }
    return false;
  }

  int state_of(Set set) {
    if (set.empty()) return Automaton::kDead;
    const auto [found, is_new] = states_.emplace(std::move(set), static_cast<int>(sets_.size()));
    if (is_new) add_state(found->first, false);
    return found->second;
  }

  void add_state(const Set& set, bool at_begin) {
    in_sets_ += set.size();
    sets_.push_back(&set);
    out_.ends_.push_back(may_end(set, at_begin));
  }

  void add_row(size_t state) {
    std::vector<Set> targets(out_.columns_);
    for (const int at : *sets_[state]) {
      const Node& node = nodes_[static_cast<size_t>(at)];
      if (node.kind != Node::Kind::bytes || node.low > node.high) continue;
      for (size_t column = out_.column_[node.low]; column <= out_.column_[node.high]; ++column) {
        targets[column].push_back(node.next);
      }
    }
    for (Set& target : targets)
      out_.table_.push_back(target.empty() ? Automaton::kDead : state_of(reached(target, false)));
  }

  /** Takes away what leads to no end; whether anything is left. */
  bool without_dead_ends() {
    const auto states = static_cast<size_t>(out_.states());
    std::vector<std::vector<int>> before(states);
    std::vector<int> open;
    out_.distances_.assign(states, kNone);
    for (size_t state = 0; state < states; ++state) {
      for (size_t column = 0; column < out_.columns_; ++column) {
        const int32_t next = out_.table_[state * out_.columns_ + column];
        if (next != Automaton::kDead) before[static_cast<size_t>(next)].push_back(static_cast<int>(state));
      }
      if (!out_.ends_[state]) continue;
      open.push_back(static_cast<int>(state));
      out_.distances_[state] = 0;
    }
    for (size_t i = 0; i < open.size(); ++i) {  // the nearest first
      for (const int each : before[static_cast<size_t>(open[i])]) {
        int& distance = out_.distances_[static_cast<size_t>(each)];
        if (distance != kNone) continue;
        distance = out_.distance(open[i]) + 1;
        open.push_back(each);
      }
    }
    for (int32_t& next : out_.table_) {
      if (next != Automaton::kDead && out_.distance(next) == kNone) next = Automaton::kDead;
    }
    return out_.distance(out_.start_) != kNone;
  }

  const std::vector<Node> nodes_;
  std::vector<uint32_t> seen_;  // in which round
  uint32_t round_ = 0;
  Set start_;
  std::map<Set, int> states_;
  std::vector<const Set*> sets_;
  size_t in_sets_ = 0;
  Automaton out_;
};

bool Automaton::leads_on(int state) const {
  const auto row = table_.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(state) * columns_);
  return std::any_of(row, row + static_cast<std::ptrdiff_t>(columns_), [](int32_t next) { return next != kDead; });
}

namespace {

/** Finds the first of those that are the same, by a hash and then one by one. */
class Firsts {
 public:
  explicit Firsts(size_t most) : slots_(std::bit_ceil(2 * most + 1), kNone) {}

  template <class Same>
  int first(uint64_t hash, int one, const Same& same) {
    size_t at = hash & (slots_.size() - 1);
    while (slots_[at] != kNone && !same(slots_[at], one)) at = (at + 1) & (slots_.size() - 1);
    if (slots_[at] == kNone) slots_[at] = one;
    return slots_[at];
  }

 private:
  std::vector<int> slots_;
};

}  // namespace

/** Byte by byte: of those that took the same until now, those whose next states did are still alike. */
std::vector<int> Automaton::alike(int bytes) const {
  const auto count = static_cast<size_t>(states());
  std::vector<int> first(count, 0), later(count);
  const auto behind = [&](int state, size_t column) {
    const int32_t target = table_[static_cast<size_t>(state) * columns_ + column];
    return target == kDead ? kDead : first[static_cast<size_t>(target)];
  };
  const auto same = [&](int a, int b) {
    if (first[static_cast<size_t>(a)] != first[static_cast<size_t>(b)]) return false;
    for (size_t column = 0; column < columns_; ++column) {
      if (behind(a, column) != behind(b, column)) return false;
    }
    return true;
  };
  for (int round = 0; round < bytes; ++round) {
    Firsts firsts(count);
    for (size_t i = 0; i < count; ++i) {
      const auto state = static_cast<int>(i);
      auto hash = static_cast<uint64_t>(first[i]);
      for (size_t column = 0; column < columns_; ++column) {
        hash = (hash ^ static_cast<uint64_t>(behind(state, column) + 1)) * 0x9fb21c651e98df25ULL;
        hash ^= hash >> 29;
      }
      later[i] = firsts.first(hash, state, same);
    }
    if (later == first) break;
    std::swap(first, later);
  }
  return first;
}

Result<Automaton> Automaton::of(const Pattern& pattern) {
  NodeBuilder builder;
  const int first = builder.build(pattern);
  if (builder.full()) {
    return Failure{"",
                   fmt::format("is too large: more than {} places where its repetitions are written out", kMostNodes)};
  }
  return AutomatonBuilder(builder.take(), first).build();
}

}  // namespace gemma

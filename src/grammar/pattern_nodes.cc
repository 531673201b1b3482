// SPDX-License-Identifier: Apache-2.0
#include "grammar/pattern_nodes.h"

#include <algorithm>
#include <map>
#include <string>

#include "base/utf8.h"
#include "grammar/character_set.h"

namespace gemma {
namespace {

constexpr int64_t kManyStates = 64;  // of a repetition that is counted instead

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

/** About how many places a pattern takes that is characters and nothing else; many for others. */
int64_t places(const Pattern& pattern) {
  int64_t sum = pattern.kind > Pattern::Kind::repeat ? kManyStates : pattern.kind == Pattern::Kind::set;
  for (const Pattern& part : pattern.parts) sum = std::min(sum + places(part), kManyStates);
  return pattern.kind == Pattern::Kind::repeat ? sum * std::max({pattern.least, pattern.most, 1}) : sum;
}

}  // namespace

/** The nodes of a list: from a part on, with so many before it. */
struct PatternNodes::ListNodes {
  PatternNodes& nodes;
  const Pattern& list;
  int next;
  std::map<std::pair<size_t, int>, int> known;

  /** More make no difference. */
  int counted(int written) const { return std::min(written, list.most >= 0 ? list.most : std::max(list.least, 1)); }

  int from(size_t at, int written) {
    if (at == list.parts.size()) return written >= list.least ? next : kNone;
    const auto [found, is_new] = known.emplace(std::make_pair(at, written), kNone);
    if (!is_new || nodes.full()) return found->second;
    const Pattern& part = list.parts[at];
    const bool repeat = part.kind == Pattern::Kind::repeat;
    const int out = found->second = nodes.add({Node::Kind::both});
    const int without = repeat && part.least == 0 ? from(at + 1, written) : kNone;
    int with = kNone;
    if (list.most < 0 || written < list.most) {
      const bool again = repeat && part.most == Pattern::kEndless;
      const int rest = from(again ? at : at + 1, counted(written + 1));
      if (rest != kNone) with = nodes.before(repeat ? part.parts[0] : part, rest);
      if (rest != kNone && written > 0) with = nodes.before(list.parts[0], with);
    }
    nodes.nodes_[static_cast<size_t>(out)].next = without;
    nodes.nodes_[static_cast<size_t>(out)].other = with;
    return out;
  }
};

int PatternNodes::before(const Pattern& pattern, int next) {
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
      return add({Node::Kind::call, 0, 0, next, pattern.id});
    case Pattern::Kind::list:
      return ListNodes{*this, pattern, next, {}}.from(1, 0);
  }
  return next;
}

int PatternNodes::before_token(int32_t id, int next) {
  const std::array<uint8_t, 4> bytes = Automaton::bytes_of_token(id);
  for (size_t i = bytes.size(); i-- > 0;) next = add({Node::Kind::bytes, bytes[i], bytes[i], next});
  return next;
}

int PatternNodes::before_choice(const std::vector<Pattern>& parts, int next) {
  int out = kNone;
  for (const Pattern& part : parts) out = either(out, before(part, next));
  return out == kNone ? next : out;
}

/** The least times one behind the other, then an endless loop or as many that may be left out. */
int PatternNodes::before_repeat(const Pattern& pattern, int next) {
  const Pattern& part = pattern.parts[0];
  if (const auto id = counted(pattern)) return add({Node::Kind::call, 0, 0, next, *id});
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
int PatternNodes::before_set(const CharacterSet& set, int next) {
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

/** The number to call a repetition by that is counted. A repetition within others is written out, and met, often. */
std::optional<int> PatternNodes::counted(const Pattern& pattern) {
  const auto [found, is_new] = known_.emplace(&pattern, std::nullopt);
  if (is_new) found->second = find_counted(pattern);
  return found->second;
}

std::optional<int> PatternNodes::find_counted(const Pattern& pattern) {
  const int64_t times = pattern.most == Pattern::kEndless ? kManyStates : pattern.most;
  if (counted_ == nullptr || times <= 1 || places(pattern.parts[0]) >= kManyStates) return std::nullopt;
  const Result<Automaton> part = Automaton::of(pattern.parts[0]);
  if (!part || part.value().states() * times <= kManyStates || !part.value().is_prefix_free()) return std::nullopt;
  counted_->push_back({std::make_shared<const Automaton>(part.value()), pattern.least, pattern.most});
  return static_cast<int>(rules_ + counted_->size()) - 1;
}

}  // namespace gemma

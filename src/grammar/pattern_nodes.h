// SPDX-License-Identifier: Apache-2.0
// Thompson's construction over the bytes of UTF-8: a pattern as places, from which bytes lead to others.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "grammar/automaton.h"

namespace gemma {

/** Bytes of a range lead on, or nothing does (to two places), or the text of a rule (`other`). */
struct PatternNode {
  enum class Kind : uint8_t { bytes, both, begin, end, call, done } kind = Kind::done;
  uint8_t low = 0, high = 0;
  int next = -1, other = -1;
};

/** Nodes are made from the end to the beginning: each knows what comes behind it. */
class PatternNodes {
 public:
  static constexpr size_t kMost = 200'000;
  static constexpr int kNone = -1;

  /** counted: where repetitions go that would take many states, or null; rules: how many there are. */
  explicit PatternNodes(std::vector<Counted>* counted = nullptr, size_t rules = 0) : counted_(counted), rules_(rules) {}

  /** The node that begins the pattern. */
  int build(const Pattern& pattern) { return before(pattern, add({})); }
  /** Whether there would be too many. */
  bool full() const { return nodes_.size() > kMost; }
  std::vector<PatternNode> take() { return std::move(nodes_); }

 private:
  using Node = PatternNode;
  struct ListNodes;

  int add(Node node) {
    nodes_.push_back(node);
    return static_cast<int>(nodes_.size()) - 1;
  }
  int before(const Pattern& pattern, int next);
  int before_token(int32_t id, int next);
  int before_choice(const std::vector<Pattern>& parts, int next);
  int before_repeat(const Pattern& pattern, int next);
  int before_set(const CharacterSet& set, int next);
  int either(int a, int b) { return a == kNone ? b : add({Node::Kind::both, 0, 0, a, b}); }
  std::optional<int> counted(const Pattern& pattern);
  std::optional<int> find_counted(const Pattern& pattern);

  std::vector<Node> nodes_;
  std::vector<Counted>* counted_;
  std::map<const Pattern*, std::optional<int>> known_;  // what counted() has said of each
  size_t rules_;
};

}  // namespace gemma

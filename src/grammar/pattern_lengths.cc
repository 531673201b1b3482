// SPDX-License-Identifier: Apache-2.0
#include "grammar/pattern_lengths.h"

#include <algorithm>
#include <limits>

namespace gemma {
namespace {

constexpr int64_t kMany = int64_t{1} << 40;  // no length is as large

struct Lengths {
  int64_t least = 0, most = 0;  // kMany and more: endless
  bool operator==(const Lengths&) const = default;
};

Lengths lengths_of(const Pattern& pattern) {
  Lengths out;
  switch (pattern.kind) {
    case Pattern::Kind::begin:
    case Pattern::Kind::end:
      return out;
    case Pattern::Kind::set:
      return {1, 1};
    case Pattern::Kind::sequence:
      for (const Pattern& part : pattern.parts) {
        const Lengths its = lengths_of(part);
        out = {std::min(out.least + its.least, kMany), std::min(out.most + its.most, kMany)};
      }
      return out;
    case Pattern::Kind::choice:
      if (!pattern.parts.empty()) out = lengths_of(pattern.parts[0]);
      for (const Pattern& part : pattern.parts) {
        const Lengths its = lengths_of(part);
        out = {std::min(out.least, its.least), std::max(out.most, its.most)};
      }
      return out;
    case Pattern::Kind::repeat: {
      const Lengths its = lengths_of(pattern.parts[0]);
      const int64_t most = pattern.most == Pattern::kEndless ? kMany : pattern.most;
      out.least = std::min(its.least * pattern.least, kMany);
      out.most = its.most == 0 || most == 0 ? 0 : std::min(its.most, kMany / most + 1) * most;
      return out;
    }
    default:  // of rules
      return {0, kMany};
  }
}

bool repeats_characters(const Pattern& pattern) {
  return pattern.kind == Pattern::Kind::repeat && lengths_of(pattern.parts[0]) == Lengths{1, 1};
}

}  // namespace

std::optional<Pattern> of_length(Pattern pattern, int64_t least, int64_t most) {
  if (most == Pattern::kEndless) most = std::numeric_limits<int64_t>::max();
  const Lengths own = lengths_of(pattern);
  if (own.least >= least && own.most <= most) return pattern;
  if (pattern.kind != Pattern::Kind::sequence) pattern = in_sequence({std::move(pattern)});
  Pattern* repeat = nullptr;
  int64_t others = 0;  // characters of all parts but this
  for (Pattern& part : pattern.parts) {
    const Lengths its = lengths_of(part);
    if (its.least == its.most) {
      others += its.least;
    } else if (repeat == nullptr && repeats_characters(part)) {
      repeat = &part;
    } else {
      return std::nullopt;
    }
  }
  if (repeat == nullptr) return std::nullopt;
  const int64_t its_most = repeat->most == Pattern::kEndless ? kMany : repeat->most;
  const int64_t fewest = std::max<int64_t>(repeat->least, least - others), greatest = std::min(its_most, most - others);
  if (fewest > greatest || greatest < 0) return std::nullopt;
  repeat->least = static_cast<int>(fewest);
  repeat->most = greatest >= kMany ? Pattern::kEndless : static_cast<int>(greatest);
  return pattern;
}

}  // namespace gemma

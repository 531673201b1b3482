// SPDX-License-Identifier: Apache-2.0
#include "grammar/repeat_texts.h"

#include <algorithm>

namespace gemma {

std::shared_ptr<const RepeatTexts> RepeatStore::get(const std::shared_ptr<const Automaton>& part, int within,
                                                    const ByteSet& behind) {
  const auto is_this = [&](const Kept& each) {
    return each.within == within && each.behind == behind && (each.part == part || *each.part == *part);
  };
  auto known = kept_.with([&](std::vector<Kept>& kept) {
    const auto found = std::find_if(kept.begin(), kept.end(), is_this);
    return found == kept.end() ? nullptr : found->texts;
  });
  if (known != nullptr) return known;
  auto made = make(*part, within, behind);
  kept_.with([&](std::vector<Kept>& kept) {
    if (kept.size() >= kMost) kept.erase(kept.begin());
    kept.push_back({part, within, behind, made});
  });
  return made;
}

std::shared_ptr<const RepeatTexts> RepeatStore::make(const Automaton& part, int within, const ByteSet& behind) const {
  struct At {
    int state;
    uint32_t whole;  // parts
  };
  const std::span<const TokenTexts::Node> tree = texts_->tree();
  std::vector<At> at(texts_->longest() + 1, {within, 0});  // each byte of a text
  RepeatTexts out;
  const auto is_between = [&](const At& place) { return place.state == part.start(); };
  for (size_t i = 0; i < tree.size();) {
    const TokenTexts::Node& node = tree[i];
    At place = at[node.depth - size_t{1}];
    if (node.depth > 1 && is_between(place) && behind[node.byte]) {
      out.exits.push_back({static_cast<uint32_t>(i), place.whole});
      out.most_parts = std::max(out.most_parts, place.whole);
    }
    place.state = part.next(place.state, node.byte);
    if (place.state == Automaton::kDead) {
      i = node.end;
      continue;
    }
    if (part.is_end(place.state)) place = {part.start(), place.whole + 1};
    at[node.depth] = place;
    ++i;
    if (node.id < 0) continue;
    const size_t begun = place.whole + (is_between(place) ? 0 : 1);
    while (out.up_to.size() <= begun) out.up_to.emplace_back(texts_->words());
    out.up_to[begun][static_cast<size_t>(node.id / 32)] |= uint32_t{1} << (node.id % 32);
  }
  for (size_t n = 1; n < out.up_to.size(); ++n) {
    for (size_t i = 0; i < out.up_to[n].size(); ++i) out.up_to[n][i] |= out.up_to[n - 1][i];
  }
  return std::make_shared<const RepeatTexts>(std::move(out));
}

}  // namespace gemma

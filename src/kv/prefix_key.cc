// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_key.h"

#include <algorithm>

namespace gemma {
namespace {

bool same(const PrefixMedia& a, const PrefixMedia& b) {
  return a.first == b.first && a.rows == b.rows && a.bidirectional == b.bidirectional && a.content == b.content &&
         a.content != 0;
}

}  // namespace

int64_t before_block(std::span<const PrefixMedia> media, int64_t length) {
  for (const PrefixMedia& each : media) {
    if (each.bidirectional && each.first < length && length < each.first + each.rows) return each.first;
  }
  return length;
}

int64_t common_tokens(std::span<const int32_t> tokens, std::span<const PrefixMedia> media, const PrefixView& text,
                      int64_t begin) {
  const auto there = text.tokens.subspan(static_cast<size_t>(begin));
  const auto [end, unused] = std::mismatch(tokens.begin(), tokens.end(), there.begin(), there.end());
  int64_t common = end - tokens.begin();
  // The first run in which they differ ends what is common: runs are rising, so all before it are pairs.
  auto run = std::partition_point(text.media.begin(), text.media.end(),
                                  [begin](const PrefixMedia& each) { return each.first + each.rows <= begin; });
  auto ours = media.begin();
  for (; ours != media.end() && run != text.media.end() && same(*ours, *run); ++ours) ++run;
  if (ours != media.end()) common = std::min(common, std::max<int64_t>(0, ours->first - begin));
  if (run != text.media.end()) common = std::min(common, std::max<int64_t>(0, run->first - begin));
  return common;
}

int64_t common_prefix(const PrefixView& a, const PrefixView& b) {
  if (a.salt != b.salt) return 0;
  return before_block(b.media, common_tokens(a.tokens, a.media, b, 0));
}

}  // namespace gemma

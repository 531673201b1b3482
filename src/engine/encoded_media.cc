// SPDX-License-Identifier: Apache-2.0
#include "engine/encoded_media.h"

#include <algorithm>

namespace gemma {

Tensor EncodedMedia::find(uint64_t content) {
  if (content == 0) return {};
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& each) { return each.first == content; });
  if (found == kept_.end()) return {};
  kept_.splice(kept_.begin(), kept_, found);
  return kept_.front().second;
}

void EncodedMedia::add(uint64_t content, const Tensor& soft_tokens) {
  if (content == 0 || soft_tokens.bytes() > byte_limit_ || find(content).defined()) return;
  kept_.emplace_front(content, soft_tokens);
  bytes_ += soft_tokens.bytes();
  while (bytes_ > byte_limit_) {
    bytes_ -= kept_.back().second.bytes();
    kept_.pop_back();
  }
}

}  // namespace gemma

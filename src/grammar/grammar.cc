// SPDX-License-Identifier: Apache-2.0
// Which grammars are kept; how one is made is in xgrammar_mask.cc.
#include "grammar/grammar.h"

#include <algorithm>

#include "grammar/schema.h"

namespace gemma {
Result<std::shared_ptr<const Grammar>> Grammars::json(const json::value& schema, Fence fence) {
  const Result<json::value> kept = kept_schema(schema);
  if (!kept) return kept.failure();
  const std::string text = write_json(kept.value());
  const std::string key = (fence == Fence::none ? "none " : "either ") + text;
  const auto found = std::find_if(kept_.begin(), kept_.end(), [&](const auto& each) { return each.first == key; });
  if (found != kept_.end()) {
    auto again = std::move(*found);
    kept_.erase(found);
    kept_.push_front(std::move(again));
    return kept_.front().second;
  }
  Result<std::shared_ptr<const Grammar>> made = compile(text, fence);
  if (!made) return made;
  kept_.emplace_front(key, made.value());
  if (kept_.size() > kKept) kept_.pop_back();
  return made;
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_texts.h"

#include <algorithm>

namespace gemma {
namespace {

constexpr size_t kLongestText = 1024;  // bytes; a longer piece is never allowed
constexpr char kInNoText = '\xFF';     // in no UTF-8

}  // namespace

TokenTexts::TokenTexts(const Tokenizer& tokenizer, int vocab) : vocab_(vocab), places_(static_cast<size_t>(vocab)) {
  std::vector<std::string> texts(static_cast<size_t>(vocab));
  std::vector<int32_t> ids;
  for (int32_t id = 0; id < std::min(vocab, tokenizer.size()); ++id) {
    const PieceKind kind = tokenizer.kind(id);
    if (kind != PieceKind::normal && kind != PieceKind::user_defined && kind != PieceKind::byte) continue;
    std::string text = tokenizer.bytes(id);
    if (text.empty() || text.size() > kLongestText || text.find(kInNoText) != std::string::npos) continue;
    places_[static_cast<size_t>(id)] = {static_cast<uint32_t>(bytes_.size()), static_cast<uint32_t>(text.size())};
    bytes_ += text;
    longest_ = std::max(longest_, text.size());
    texts[static_cast<size_t>(id)] = std::move(text);
    ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end(),
            [&](int32_t a, int32_t b) { return texts[static_cast<size_t>(a)] < texts[static_cast<size_t>(b)]; });
  grow(texts, ids);
}

/** Of tokens with the same text each has a node for its last byte. */
void TokenTexts::grow(const std::vector<std::string>& texts, const std::vector<int32_t>& ids) {
  std::vector<uint32_t> open;  // the nodes of the bytes of the token before
  const auto close = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back()) tree_[open.back()].end = static_cast<uint32_t>(tree_.size());
  };
  std::string_view before;
  for (const int32_t id : ids) {
    const std::string_view text = texts[static_cast<size_t>(id)];
    const auto differs = std::mismatch(before.begin(), before.end(), text.begin(), text.end()).first;
    close(std::min(static_cast<size_t>(differs - before.begin()), text.size() - 1));
    while (open.size() < text.size()) {
      const size_t depth = open.size() + 1;
      open.push_back(static_cast<uint32_t>(tree_.size()));
      tree_.push_back(
          {0, depth == text.size() ? id : -1, static_cast<uint16_t>(depth), static_cast<uint8_t>(text[depth - 1])});
    }
    before = text;
  }
  close(0);
}

std::string_view TokenTexts::text(int32_t id) const {
  if (id < 0 || id >= vocab_) return {};
  const Place& place = places_[static_cast<size_t>(id)];
  return std::string_view(bytes_).substr(place.begin, place.size);
}

}  // namespace gemma

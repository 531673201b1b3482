// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_texts.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "base/utf8.h"

namespace gemma {
namespace {

constexpr uint32_t kNowhere = ~uint32_t{0};
constexpr size_t kLongestText = 1024;  // bytes; a longer piece is never allowed

uint16_t whole_characters(std::string_view text) {
  if (!utf8::valid(text)) return 0;
  return static_cast<uint16_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

}  // namespace

TokenTexts::TokenTexts(const Tokenizer& tokenizer, int vocab)
    : vocab_(vocab), place_(static_cast<size_t>(vocab), kNowhere), characters_(static_cast<size_t>(vocab)) {
  byte_ids_.fill(-1);
  std::vector<std::string> texts(static_cast<size_t>(vocab));
  int most = 0;
  for (int32_t id = 0; id < std::min(vocab, tokenizer.size()); ++id) {
    const PieceKind kind = tokenizer.kind(id);
    if (kind != PieceKind::normal && kind != PieceKind::user_defined && kind != PieceKind::byte) continue;
    std::string& text = texts[static_cast<size_t>(id)];
    text = tokenizer.bytes(id);
    if (text.size() > kLongestText) text.clear();
    if (kind == PieceKind::byte && text.size() == 1) byte_ids_[static_cast<uint8_t>(text[0])] = id;
    characters_[static_cast<size_t>(id)] = whole_characters(text);
    most = std::max(most, characters(id));
  }
  sort(texts);
  grow();
  up_to_.assign(static_cast<size_t>(most) + 1, std::vector<uint32_t>(words()));
  braces_.resize(words());
  for (int32_t id = 0; id < vocab; ++id) {
    const auto word = static_cast<size_t>(id / 32);
    const uint32_t bit = uint32_t{1} << (id % 32);
    if (text(id).find_first_of("{[") != std::string_view::npos) braces_[word] |= bit;
    if (characters(id) == 0) continue;
    for (auto n = static_cast<size_t>(characters(id)); n < up_to_.size(); ++n) up_to_[n][word] |= bit;
  }
}

void TokenTexts::sort(const std::vector<std::string>& texts) {
  std::vector<int32_t> ids(texts.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::erase_if(ids, [&](int32_t id) { return texts[static_cast<size_t>(id)].empty(); });
  std::sort(ids.begin(), ids.end(),
            [&](int32_t a, int32_t b) { return texts[static_cast<size_t>(a)] < texts[static_cast<size_t>(b)]; });
  std::string_view before;
  for (const int32_t id : ids) {
    const std::string_view text = texts[static_cast<size_t>(id)];
    const auto differs = std::mismatch(before.begin(), before.end(), text.begin(), text.end()).first;
    place_[static_cast<size_t>(id)] = static_cast<uint32_t>(sorted_.size());
    sorted_.push_back({id, static_cast<uint32_t>(bytes_.size()), static_cast<uint16_t>(text.size()),
                       static_cast<uint16_t>(differs - before.begin()), 0});
    ++beginning_with_[static_cast<uint8_t>(text[0])];
    bytes_ += text;
    longest_ = std::max(longest_, text.size());
    before = text;
  }
  std::vector<uint32_t> open;  // tokens that may begin those to come
  for (uint32_t i = 0; i <= sorted_.size(); ++i) {
    while (!open.empty() && (i == sorted_.size() || sorted_[i].shared < sorted_[open.back()].size)) {
      sorted_[open.back()].below_end = i;
      open.pop_back();
    }
    open.push_back(i);
  }
}

/** Of tokens with the same text each has a node for its last byte. */
void TokenTexts::grow() {
  constexpr char kInNoText = '\xFF';
  std::vector<uint32_t> open;  // the nodes of the bytes of the token before
  const auto close = [&](size_t depth) {
    for (; open.size() > depth; open.pop_back()) tree_[open.back()].end = static_cast<uint32_t>(tree_.size());
  };
  for (const Token& token : sorted_) {
    const std::string_view text = std::string_view(bytes_).substr(token.begin, token.size);
    if (text.find(kInNoText) != std::string_view::npos) continue;
    close(std::min<size_t>({token.shared, token.size - size_t{1}, open.size()}));
    while (open.size() < token.size) {
      const size_t depth = open.size() + 1;
      open.push_back(static_cast<uint32_t>(tree_.size()));
      tree_.push_back({0, depth == token.size ? token.id : -1, static_cast<uint16_t>(depth),
                       static_cast<uint8_t>(text[depth - 1])});
    }
  }
  close(0);
}

std::string_view TokenTexts::text(int32_t id) const {
  const uint32_t place = id < 0 || id >= vocab_ ? kNowhere : place_[static_cast<size_t>(id)];
  if (place == kNowhere) return {};
  return std::string_view(bytes_).substr(sorted_[place].begin, sorted_[place].size);
}

const std::vector<uint32_t>& TokenTexts::up_to(int64_t characters) const {
  return up_to_[static_cast<size_t>(std::clamp<int64_t>(characters, 0, std::ssize(up_to_) - 1))];
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "text/vocabulary.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/utf8.h"

namespace gemma {
namespace {

constexpr uint64_t kMultiplier = 0x9e3779b97f4a7c15ULL;  // 2^64 / golden ratio: odd, its bits look random

uint64_t mix(uint64_t x) {
  x *= kMultiplier;
  return x ^ (x >> 32);
}

template <class Word>
uint64_t load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

/** "<0xNN>" with upper-case digits. */
std::optional<uint8_t> byte_of(std::string_view piece) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return std::nullopt;
  const size_t high = kDigits.find(piece[3]), low = kDigits.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
  return static_cast<uint8_t>(high * 16 + low);
}

/** "<unused17>" */
bool is_reserved(std::string_view piece) {
  constexpr std::string_view kStart = "<unused";
  if (piece.size() < kStart.size() + 2 || !piece.starts_with(kStart) || piece.back() != '>') return false;
  const std::string_view digits = piece.substr(kStart.size(), piece.size() - kStart.size() - 1);
  return digits.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

uint64_t hash_of(std::string_view bytes) {
  const char* p = bytes.data();
  size_t n = bytes.size();
  uint64_t hash = n * kMultiplier;
  for (; n >= 8; n -= 8, p += 8) hash = mix(hash ^ load<uint64_t>(p));
  uint64_t tail = 0;  // two loads that may overlap read 4 to 7 bytes without a loop
  if (n >= 4) {
    tail = load<uint32_t>(p) | load<uint32_t>(p + n - 4) << 32;
  } else if (n > 0) {
    tail = load<uint8_t>(p) | load<uint8_t>(p + n / 2) << 8 | load<uint8_t>(p + n - 1) << 16;
  }
  return mix(mix(hash ^ tail));
}

std::string shown(std::string_view piece) {
  constexpr size_t kMost = 60;
  std::string text = json::serialize(json::string(utf8::replace_invalid(piece.substr(0, kMost))));
  return piece.size() > kMost ? text + "..." : text;
}

Vocabulary::Vocabulary(std::string_view where, std::string arena, std::vector<Span> spans)
    : arena_(std::move(arena)), spans_(std::move(spans)) {
  kinds_.assign(spans_.size(), PieceKind::normal);
  hidden_.assign(spans_.size(), false);
  bytes_.fill(-1);
  pages_.fill(-1);
  index(where);
  for (size_t value = 0; value < bytes_.size(); ++value) {
    if (bytes_[value] < 0) fail(where, "tokenizer: no piece '<0x{:02X}>' (expected all 256 byte pieces)", value);
  }
}

void Vocabulary::index(std::string_view where) {
  slots_.resize(std::bit_ceil(spans_.size() + spans_.size() / 2 + 2));  // of 2^18 pieces 2^19, half of them free
  mask_ = slots_.size() - 1;
  for (int32_t id = 0; id < size(); ++id) {
    const std::string_view text = piece(id);
    if (text.empty()) fail(where, "tokenizer: id {} has no piece (ids must be 0 .. {} without holes)", id, size() - 1);
    if (!utf8::valid(text)) fail(where, "tokenizer: the piece of id {} is not UTF-8", id);
    const uint64_t hash = hash_of(text);
    const int32_t other = find(text, hash);
    if (other >= 0) fail(where, "tokenizer: ids {} and {} have the same piece {}", other, id, shown(text));
    uint64_t at = hash & mask_;
    while (slots_[at].id >= 0) at = (at + 1) & mask_;
    slots_[at] = {static_cast<uint32_t>(hash >> 32), id};
    index_character(id);
    kinds_[static_cast<size_t>(id)] = is_reserved(text) ? PieceKind::unused : PieceKind::normal;
    if (const auto value = byte_of(text)) {
      bytes_[*value] = id;
      kinds_[static_cast<size_t>(id)] = PieceKind::byte;
    }
  }
}

void Vocabulary::index_character(int32_t id) {
  const std::string_view text = piece(id);
  if (text.size() > 4 || utf8::length(text) != static_cast<int>(text.size())) return;
  const char32_t point = utf8::decode(text);
  int16_t& page = pages_[point >> 8];
  if (page < 0) {
    page = static_cast<int16_t>(characters_.size());
    characters_.emplace_back().fill(-1);
  }
  characters_[static_cast<size_t>(page)][point & 0xff] = id;
}

void Vocabulary::set_kind(int32_t id, PieceKind kind) {
  const auto at = static_cast<size_t>(id);
  hidden_[at] = kind == PieceKind::control || kind == PieceKind::unknown;
  if (kinds_[at] != PieceKind::unused && kinds_[at] != PieceKind::byte) kinds_[at] = kind;
}

int32_t Vocabulary::find(std::string_view text, uint64_t hash) const {
  const auto tag = static_cast<uint32_t>(hash >> 32);
  for (uint64_t at = hash & mask_; slots_[at].id >= 0; at = (at + 1) & mask_) {
    if (slots_[at].tag == tag && piece(slots_[at].id) == text) return slots_[at].id;
  }
  return -1;
}

uint8_t Vocabulary::value_of(int32_t id) const { return byte_of(piece(id)).value_or(0); }

}  // namespace gemma

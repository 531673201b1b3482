// SPDX-License-Identifier: Apache-2.0
#include "text/joins.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cfloat>
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"

namespace gemma {

void MergeList::add(std::string_view left, std::string_view right) {
  entries.push_back(
      {static_cast<uint32_t>(letters.size()), static_cast<uint32_t>(left.size()), static_cast<uint32_t>(right.size())});
  letters.append(left).append(right);
}

MergeTable::MergeTable(std::string_view where, const MergeList& merges, const Vocabulary& vocabulary)
    : slots_(std::bit_ceil(merges.entries.size() * 2 + 2)),
      given_(static_cast<size_t>(vocabulary.size()), false),
      mask_(slots_.size() - 1) {
  // Half a million merges name three pieces each and go to a table of 16 MB: taking a few at a time through each step
  // lets memory fetch what the next step reads.
  constexpr size_t kTogether = 16;
  std::array<Parts, kTogether> parts;
  for (size_t first = 0; first < merges.entries.size(); first += kTogether) {
    const size_t count = std::min(kTogether, merges.entries.size() - first);
    for (size_t i = 0; i < count; ++i) parts[i] = parts_of(merges, first + i, vocabulary);
    for (size_t i = 0; i < count; ++i) find_parts(where, first + i, vocabulary, parts[i]);
    for (size_t i = 0; i < count; ++i) insert(where, first + i, vocabulary, parts[i]);
  }
}

MergeTable::Parts MergeTable::parts_of(const MergeList& merges, size_t rank, const Vocabulary& vocabulary) {
  const auto [offset, left, right] = merges.entries[rank];
  const std::string_view letters = std::string_view(merges.letters).substr(offset, left + right);
  Parts parts;
  parts.texts = {letters.substr(0, left), letters.substr(left), letters};
  for (size_t i = 0; i < parts.texts.size(); ++i) {
    parts.hashes[i] = hash_of(parts.texts[i]);
    vocabulary.prefetch(parts.hashes[i]);
  }
  return parts;
}

void MergeTable::find_parts(std::string_view where, size_t rank, const Vocabulary& vocabulary, Parts& parts) const {
  for (size_t i = 0; i < parts.texts.size(); ++i) {
    parts.ids[i] = vocabulary.find(parts.texts[i], parts.hashes[i]);
    if (parts.ids[i] < 0) fail(where, "tokenizer: merge {} needs {}, which is no piece", rank, shown(parts.texts[i]));
  }
  __builtin_prefetch(&slots_[place_of(key_of(parts.ids[0], parts.ids[1]))], 1);
}

void MergeTable::insert(std::string_view where, size_t rank, const Vocabulary& vocabulary, const Parts& parts) {
  const auto [left, right, id] = parts.ids;
  for (const int32_t part : {left, right}) {
    if (vocabulary.kind(part) == PieceKind::byte) {
      fail(where, "tokenizer: merge {} joins {}, which stands for a byte and not for letters", rank,
           shown(vocabulary.piece(part)));
    }
  }
  if (vocabulary.hidden(id) || vocabulary.kind(id) == PieceKind::byte) return;
  const uint64_t key = key_of(left, right);
  uint64_t at = place_of(key);
  for (; slots_[at].key != kFree; at = (at + 1) & mask_) {
    if (slots_[at].key == key) {
      fail(where, "tokenizer: merges {} and {} are the same, {} + {}", slots_[at].rank, rank,
           shown(vocabulary.piece(left)), shown(vocabulary.piece(right)));
    }
  }
  slots_[at] = {key, static_cast<uint32_t>(rank), id};
  given_[static_cast<size_t>(id)] = true;
}

ScoreTable::ScoreTable(std::string_view where, const std::vector<double>& scores, const Vocabulary& vocabulary)
    : vocabulary_(&vocabulary), priority_(scores.size(), kNever) {
  for (size_t i = 0; i < scores.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    if (!(std::abs(scores[i]) <= FLT_MAX)) fail(where, "tokenizer: the score of id {} is {}", id, scores[i]);
    if (vocabulary.hidden(id)) continue;
    const PieceKind kind = vocabulary.kind(id);
    if (kind != PieceKind::normal && kind != PieceKind::user_defined) continue;
    // The bits of a float, as an integer, order as the floats do once the negative ones are turned round.
    const auto bits = std::bit_cast<uint32_t>(static_cast<float>(scores[i]) + 0.0f);
    const uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
    priority_[i] = ~ascending;
  }
}

void Neighbours::add(std::string_view piece) {
  char32_t left = 0;
  for (size_t at = 0; at < piece.size();) {
    const char32_t right = utf8::decode(piece.substr(at));
    if (at > 0) {
      const uint64_t place = place_of(left, right);
      bits_[place / 64] |= uint64_t{1} << (place % 64);
    }
    left = right;
    at += static_cast<size_t>(std::max(1, utf8::length(piece.substr(at))));
  }
}

}  // namespace gemma

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
  entries.push_back({static_cast<uint32_t>(letters.size()), static_cast<uint32_t>(left.size()),
                     static_cast<uint32_t>(right.size())});
  letters.append(left).append(right);
}

MergeTable::MergeTable(std::string_view where, const MergeList& merges, const Vocabulary& vocabulary)
    : slots_(std::bit_ceil(merges.entries.size() * 2 + 2)),
      given_(static_cast<size_t>(vocabulary.size()), false),
      mask_(slots_.size() - 1) {
  // Half a million merges name three pieces each; hashing a few ahead lets memory fetch the slots meanwhile.
  struct Look {
    std::string_view text;
    uint64_t hash = 0;
  };
  constexpr size_t kAhead = 16;
  std::array<std::array<Look, 3>, kAhead> looks;
  const std::string_view letters = merges.letters;
  for (size_t first = 0; first < merges.entries.size(); first += kAhead) {
    const size_t count = std::min(kAhead, merges.entries.size() - first);
    for (size_t i = 0; i < count; ++i) {
      const auto [offset, left, right] = merges.entries[first + i];
      const std::array<std::string_view, 3> texts = {letters.substr(offset, left), letters.substr(offset + left, right),
                                                     letters.substr(offset, left + right)};
      for (size_t part = 0; part < texts.size(); ++part) {
        looks[i][part] = {texts[part], hash_of(texts[part])};
        vocabulary.prefetch(looks[i][part].hash);
      }
    }
    for (size_t i = 0; i < count; ++i) {
      std::array<int32_t, 3> ids;
      for (size_t part = 0; part < ids.size(); ++part) {
        const Look& look = looks[i][part];
        ids[part] = vocabulary.find(look.text, look.hash);
        if (ids[part] < 0) fail(where, "tokenizer: merge {} needs {}, which is no piece", first + i, shown(look.text));
      }
      insert(where, vocabulary, static_cast<uint32_t>(first + i), ids[0], ids[1], ids[2]);
    }
  }
}

void MergeTable::insert(std::string_view where, const Vocabulary& vocabulary, uint32_t rank, int32_t left,
                        int32_t right, int32_t id) {
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
      fail(where, "tokenizer: merges {} and {} are the same, {} + {}", slots_[at].rank, rank, shown(vocabulary.piece(left)),
           shown(vocabulary.piece(right)));
    }
  }
  slots_[at] = {key, rank, id};
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

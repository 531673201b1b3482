// SPDX-License-Identifier: Apache-2.0
// What the loaders make and the encoder reads.
#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "text/joins.h"
#include "text/vocabulary.h"
#include "text/whole_pieces.h"

namespace gemma {

struct TokenizerTables {
  explicit TokenizerTables(Vocabulary pieces) : vocabulary(std::move(pieces)) {}
  TokenizerTables(const TokenizerTables&) = delete;  // ScoreTable points at the vocabulary
  TokenizerTables& operator=(const TokenizerTables&) = delete;

  /** Sets the joins, and the neighbours of what they give. */
  template <class Joins>
  void set_joins(Joins made) {
    for (int32_t id = 0; id < vocabulary.size(); ++id) {
      if (made.gives(id)) neighbours.add(vocabulary.piece(id));
    }
    joins.emplace(std::move(made));
  }

  Vocabulary vocabulary;
  WholePieces whole;             // searched in the text as it is
  WholePieces whole_normalised;  // searched in what is left, once its blanks are marks
  std::optional<std::variant<MergeTable, ScoreTable>> joins;
  Neighbours neighbours;
  bool mark_blanks = true;    // ' ' becomes U+2581 before letters are joined
  bool newline_runs = false;  // a run of newlines is joined by itself, and taken whole where it is a piece
  bool blank_first = false;   // a blank is put before the text and after each whole piece
  bool add_bos = false;
};

/** From the text of a tokenizer.json. */
std::unique_ptr<const TokenizerTables> tables_from_json(std::string_view where, std::string_view text);
/** From the tokenizer.ggml.* keys. */
std::unique_ptr<const TokenizerTables> tables_from_gguf(std::string_view where, const Metadata& metadata);

/** Text to ids, see Tokenizer::encode. */
std::vector<int32_t> encode_text(const TokenizerTables& tables, std::string_view text, Specials specials);

}  // namespace gemma

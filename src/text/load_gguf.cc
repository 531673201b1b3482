// SPDX-License-Identifier: Apache-2.0
// The tokenizer in the keys of a GGUF file: "llama" (scores, SentencePiece's way) and "gemma4" (merges).
#include <algorithm>

#include "base/error.h"
#include "text/tables.h"

namespace gemma {
namespace {

constexpr size_t kMostLetters = size_t{1} << 31;  // offsets are 32 bits

constexpr std::string_view kModel = "tokenizer.ggml.model", kPieces = "tokenizer.ggml.tokens",
                           kTypes = "tokenizer.ggml.token_type", kScores = "tokenizer.ggml.scores",
                           kMerges = "tokenizer.ggml.merges", kAddBos = "tokenizer.ggml.add_bos_token",
                           kBlankFirst = "tokenizer.ggml.add_space_prefix";

const std::vector<std::string>& strings_of(std::string_view where, const Metadata& metadata, std::string_view key) {
  const std::vector<std::string>* strings = metadata.strings(key);
  if (!strings) fail(where, "no key '{}' (the file has no tokenizer, or only a part of one)", key);
  size_t bytes = 0;
  for (const std::string& text : *strings) bytes += text.size();
  if (bytes > kMostLetters) fail(where, "'{}' has {} bytes, expected at most {}", key, bytes, kMostLetters);
  return *strings;
}

Vocabulary make_vocabulary(std::string_view where, const std::vector<std::string>& pieces) {
  std::string letters;
  std::vector<Vocabulary::Span> spans;
  spans.reserve(pieces.size());
  for (const std::string& piece : pieces) {
    spans.push_back({static_cast<uint32_t>(letters.size()), static_cast<uint32_t>(piece.size())});
    letters += piece;
  }
  return Vocabulary(where, std::move(letters), std::move(spans));
}

/** GGUF's numbers for the kinds of pieces. */
PieceKind kind_of(std::string_view where, int64_t type, int32_t id) {
  switch (type) {
    case 1:
      return PieceKind::normal;
    case 2:
      return PieceKind::unknown;
    case 3:
      return PieceKind::control;
    case 4:
      return PieceKind::user_defined;
    case 5:
      return PieceKind::unused;
    case 6:
      return PieceKind::byte;
    default:
      fail(where, "'{}' of id {}: expected 1 .. 6, found {}", kTypes, id, type);
  }
}

/** Converters mark Gemma 4's channel, tool and quote tokens as user-defined, so that programs which see only text print
 *  them, and Gemma 3's image tokens by the same word. They are control tokens all the same: ours are told apart by id,
 *  and nobody may type them. */
bool is_control_by_name(std::string_view piece) {
  for (const char* name :
       {"<start_of_image>", "<end_of_image>", "<image_soft_token>", "<start_of_turn>", "<end_of_turn>"}) {
    if (piece == name) return true;
  }
  const bool tag = piece.size() > 3 && piece.front() == '<' && piece.back() == '>';
  return tag && (piece[1] == '|' || piece[piece.size() - 2] == '|');
}

void read_types(std::string_view where, const Metadata& metadata, TokenizerTables& tables) {
  const auto types = metadata.integers(kTypes);
  if (!types) return;  // all ordinary, and <0xNN>
  Vocabulary& vocabulary = tables.vocabulary;
  if (std::ssize(*types) != vocabulary.size()) {
    fail(where, "'{}' has {} entries, '{}' has {}", kTypes, types->size(), kPieces, vocabulary.size());
  }
  for (int32_t id = 0; id < vocabulary.size(); ++id) {
    PieceKind kind = kind_of(where, (*types)[static_cast<size_t>(id)], id);
    const std::string_view piece = vocabulary.piece(id);
    if (kind == PieceKind::byte && vocabulary.kind(id) != PieceKind::byte) {
      fail(where, "'{}' says that id {} is a byte, but its piece is {} (expected <0xNN>)", kTypes, id, shown(piece));
    }
    if (kind == PieceKind::user_defined && is_control_by_name(piece)) kind = PieceKind::control;
    if (kind == PieceKind::normal || kind == PieceKind::byte) continue;
    vocabulary.set_kind(id, kind);
    if (kind == PieceKind::unused) continue;
    tables.whole.add(piece, id, kind != PieceKind::user_defined);
  }
}

ScoreTable read_scores(std::string_view where, const Metadata& metadata, const Vocabulary& vocabulary) {
  const auto scores = metadata.numbers(kScores);
  if (!scores) fail(where, "no key '{}' (needed by the tokenizer 'llama')", kScores);
  if (std::ssize(*scores) != vocabulary.size()) {
    fail(where, "'{}' has {} entries, '{}' has {}", kScores, scores->size(), kPieces, vocabulary.size());
  }
  return ScoreTable(where, *scores, vocabulary);
}

MergeTable read_merges(std::string_view where, const Metadata& metadata, const Vocabulary& vocabulary) {
  MergeList merges;
  for (const std::string& text : strings_of(where, metadata, kMerges)) {
    // Pieces hold no blanks (they are marks there), so the first blank that leaves something before it parts the two.
    const size_t blank = text.find(' ', 1);
    if (blank == std::string::npos || blank + 1 == text.size()) {
      fail(where, "'{}'[{}]: expected two pieces with a blank between, found {}", kMerges, merges.entries.size(),
           shown(text));
    }
    const std::string_view both = text;
    merges.add(both.substr(0, blank), both.substr(blank + 1));
  }
  return MergeTable(where, merges, vocabulary);
}

}  // namespace

std::unique_ptr<const TokenizerTables> tables_from_gguf(std::string_view where, const Metadata& metadata) {
  const auto model = metadata.string(kModel);
  if (!model) fail(where, "no key '{}' (the file has no tokenizer)", kModel);
  if (*model == "none") fail(where, "'{}' is 'none': the file has no tokenizer", kModel);
  const bool merges = *model == "gemma4";
  if (!merges && *model != "llama") {
    fail(where, "'{}': expected 'llama' or 'gemma4' (Gemma's tokenizers), found {}", kModel, shown(*model));
  }
  auto tables = std::make_unique<TokenizerTables>(make_vocabulary(where, strings_of(where, metadata, kPieces)));
  read_types(where, metadata, *tables);
  if (merges) {
    tables->newline_runs = true;
    tables->add_bos = true;  // whatever the file says: early converters wrote false, and the model needs it
    tables->set_joins(read_merges(where, metadata, tables->vocabulary));
  } else {
    tables->add_bos = metadata.boolean(kAddBos).value_or(true);
    tables->blank_first = metadata.boolean(kBlankFirst).value_or(false);
    tables->set_joins(read_scores(where, metadata, tables->vocabulary));
  }
  return tables;
}

}  // namespace gemma

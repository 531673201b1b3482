// SPDX-License-Identifier: Apache-2.0
#include "engine/never_sampled.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace gemma {
namespace {

// Control pieces that only ever stand in prompts, by their names in Gemma 3 and Gemma 4: a GGUF file has no config that
// would name their ids.
constexpr std::array<std::string_view, 16> kPromptOnly{"<pad>",
                                                       "<bos>",
                                                       "<unk>",
                                                       "<mask>",
                                                       "[multimodal]",
                                                       "<|image>",
                                                       "<image|>",
                                                       "<|image|>",
                                                       "<|audio>",
                                                       "<audio|>",
                                                       "<|audio|>",
                                                       "<|video|>",
                                                       "<start_of_image>",
                                                       "<end_of_image>",
                                                       "<image_soft_token>",
                                                       "<audio_soft_token>"};

/** "<unused42>": some files call these ordinary or user-defined pieces. */
bool is_reserved(std::string_view piece) {
  constexpr std::string_view kBegin = "<unused";
  return piece.starts_with(kBegin) && piece.ends_with('>') && piece.size() > kBegin.size() + 1 &&
         piece.find_first_not_of("0123456789", kBegin.size()) == piece.size() - 1;
}

}  // namespace

std::vector<int32_t> never_sampled(const Config& config, const Tokenizer* tokenizer) {
  const SpecialTokens& special = config.special;
  std::vector<int32_t> ids{special.pad,         special.bos,       special.image,       special.video,    special.audio,
                           special.image_begin, special.image_end, special.audio_begin, special.audio_end};
  ids.insert(ids.end(), special.suppress.begin(), special.suppress.end());
  if (tokenizer != nullptr) {
    for (int32_t id = 0; id < tokenizer->size(); ++id) {
      const PieceKind kind = tokenizer->kind(id);
      if (kind == PieceKind::unused || kind == PieceKind::unknown || is_reserved(tokenizer->piece(id))) {
        ids.push_back(id);
      }
    }
    for (std::string_view piece : kPromptOnly) {
      const std::optional<int32_t> id = tokenizer->find(piece);
      if (id && tokenizer->kind(*id) == PieceKind::control) ids.push_back(*id);
    }
    for (int32_t id = tokenizer->size(); id < config.vocab; ++id) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::erase_if(ids, [&](int32_t id) {
    return id < 0 || id >= config.vocab || std::find(special.eos.begin(), special.eos.end(), id) != special.eos.end();
  });
  return ids;
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// Where pictures, sound and film stand in a prompt: the places that a template leaves for them ("<|image|>") become
// runs of placeholder tokens between their borders, as many as there are soft tokens, with the time stamps of films.
//
//   MediaItem picture{Medium::image, {{"", Medium::image, 256}}};
//   Result<PlacedPrompt> prompt = place_media(pieces, {{picture}}, ids, tokenizer);
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/json.h"
#include "base/medium.h"
#include "chat/chat_format.h"

namespace gemma {

/** A run of soft tokens between its borders. */
struct MediaBlock {
  std::string text;               // before it: a frame's time stamp
  Medium medium = Medium::image;  // video: a frame, which stands between the borders of a picture
  int64_t soft_tokens = 0;
};

/** What takes one place: a picture; sound, in one clip or several; a film, frame by frame. */
struct MediaItem {
  Medium medium = Medium::image;
  std::vector<MediaBlock> blocks;

  /** That it takes in a prompt, borders included, but not the text between. */
  int64_t tokens() const;
};

/** Ids of placeholders and borders; -1: the model has none. */
struct MediaIds {
  int32_t image_begin = -1, image = -1, image_end = -1, video = -1, audio_begin = -1, audio = -1, audio_end = -1;
  static MediaIds of(const Tokenizer& tokenizer);
};

/** The run of a block, without its borders. */
struct PlacedBlock {
  int64_t first_row = 0;
  size_t item = 0, block = 0;
};

struct PlacedPrompt {
  std::vector<int32_t> tokens;
  std::vector<PlacedBlock> blocks;  // in the order of the prompt
};

/** Whose place a piece is, where it is one; and the place of a medium. */
std::optional<Medium> medium_of_place(const PromptPiece& piece);
PromptPiece place_of(Medium medium);
/** A text without a template. Specials::control: what spells a control token of Gemma 4 is that token. */
std::vector<PromptPiece> pieces_of(std::string_view text, Specials specials);

/** Each place takes the item of its part (PromptPiece::media), or of its order where no messages were rendered; there
 *  must be as many, and of their kinds. */
Result<PlacedPrompt> place_media(const std::vector<PromptPiece>& pieces, std::span<const MediaItem> items,
                                 const MediaIds& ids, const Tokenizer& tokenizer);

/** The kind that a part of a message has by its "type" ("image_url", "input_audio" too); nullopt for text. */
std::optional<Medium> medium_of_part(const json::value& part);
/** The kinds of all such parts, in order. */
std::vector<Medium> media_in(const json::array& messages);
/** Makes them of these kinds, of which there are as many. */
void set_media_in(json::array& messages, std::span<const Medium> media);

}  // namespace gemma

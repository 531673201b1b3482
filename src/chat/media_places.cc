// SPDX-License-Identifier: Apache-2.0
#include "chat/media_places.h"

#include <iterator>
#include <utility>

#include "chat/spelling.h"

namespace gemma {
namespace {

// In the order of Medium.
constexpr std::string_view kPlaces[] = {"<|image|>", "<|audio|>", "<|video|>"};

struct Borders {
  int32_t begin, inside, end;
  bool known() const { return begin >= 0 && inside >= 0 && end >= 0; }
};

Borders borders_of(Medium medium, const MediaIds& ids) {
  if (medium == Medium::audio) return {ids.audio_begin, ids.audio, ids.audio_end};
  return {ids.image_begin, medium == Medium::video ? ids.video : ids.image, ids.image_end};
}

/** Text is gathered up to the next control token, so that the tokenizer sees each stretch of it whole. */
class Placer {
 public:
  Placer(const MediaIds& ids, const Tokenizer& tokenizer) : ids_(ids), tokenizer_(tokenizer) {}

  void piece(const PromptPiece& piece) {
    if (!piece.control) {
      text_ += piece.text;
      return;
    }
    flush();
    const std::vector<int32_t> control = ChatFormat::tokens_of({piece}, tokenizer_);
    out_.tokens.insert(out_.tokens.end(), control.begin(), control.end());
  }

  /** False: the model has no tokens for it. */
  bool item(size_t index, const MediaItem& item) {
    for (size_t i = 0; i < item.blocks.size(); ++i) {
      const MediaBlock& block = item.blocks[i];
      const Borders borders = borders_of(block.medium, ids_);
      if (!borders.known()) return false;
      text_ += block.text;
      flush();
      out_.tokens.push_back(borders.begin);
      out_.blocks.push_back({std::ssize(out_.tokens), index, i});
      out_.tokens.insert(out_.tokens.end(), static_cast<size_t>(block.soft_tokens), borders.inside);
      out_.tokens.push_back(borders.end);
    }
    return true;
  }

  PlacedPrompt finish() {
    flush();
    return std::move(out_);
  }

 private:
  void flush() {
    if (text_.empty()) return;
    const std::vector<int32_t> words = tokenizer_.encode(text_, Specials::text);
    out_.tokens.insert(out_.tokens.end(), words.begin(), words.end());
    text_.clear();
  }

  const MediaIds& ids_;
  const Tokenizer& tokenizer_;
  std::string text_;
  PlacedPrompt out_;
};

/** Each part of messages that has a place, in order. */
template <class Messages, class Visit>
void each_medium(Messages& messages, const Visit& visit) {
  for (auto& message : messages) {
    auto* object = message.if_object();
    auto* content = object ? object->if_contains("content") : nullptr;
    auto* parts = content ? content->if_array() : nullptr;
    if (parts == nullptr) continue;
    for (auto& part : *parts) {
      if (const auto medium = medium_of_part(part)) visit(part, *medium);
    }
  }
}

}  // namespace

std::optional<Medium> medium_of_place(const PromptPiece& piece) {
  for (size_t i = 0; piece.control && i < std::size(kPlaces); ++i) {
    if (piece.text == kPlaces[i]) return static_cast<Medium>(i);
  }
  return std::nullopt;
}

PromptPiece place_of(Medium medium) { return {std::string(kPlaces[static_cast<size_t>(medium)]), true}; }

std::vector<PromptPiece> pieces_of(std::string_view text, Specials specials) {
  std::vector<PromptPiece> pieces;
  if (specials == Specials::text) return {{std::string(text), false}};
  for (const Spelled& part : split_controls(text, control_spellings(Template::large))) {
    pieces.push_back({std::string(part.text), part.control});
  }
  return pieces;
}

int64_t MediaItem::tokens() const {
  int64_t sum = 0;
  for (const MediaBlock& block : blocks) sum += block.soft_tokens + 2;
  return sum;
}

MediaIds MediaIds::of(const Tokenizer& tokenizer) {
  const auto id = [&](std::string_view piece) { return tokenizer.find(piece).value_or(-1); };
  return {id("<|image>"), id("<|image|>"), id("<image|>"), id("<|video|>"),
          id("<|audio>"), id("<|audio|>"), id("<audio|>")};
}

Result<PlacedPrompt> place_media(const std::vector<PromptPiece>& pieces, std::span<const MediaItem> items,
                                 const MediaIds& ids, const Tokenizer& tokenizer) {
  Placer placer(ids, tokenizer);
  size_t used = 0;
  for (const PromptPiece& piece : pieces) {
    const std::optional<Medium> medium = medium_of_place(piece);
    if (!medium) {
      placer.piece(piece);
      continue;
    }
    const size_t which = piece.media >= 0 ? static_cast<size_t>(piece.media) : used;
    if (which >= items.size())
      return Failure{"media", fmt::format("expected one for each {}, found {}", piece.text, items.size())};
    const MediaItem& item = items[which];
    if (item.medium != *medium) {
      return Failure{
          "media", fmt::format("number {}: expected {}, found {}", which + 1, name_of(*medium), name_of(item.medium))};
    }
    ++used;
    if (!placer.item(which, item)) {
      return Failure{"media", fmt::format("this model's tokenizer has no tokens for {}", name_of(*medium))};
    }
  }
  if (used < items.size()) {
    return Failure{"media", fmt::format("the template has a place for {} of {}", used, items.size())};
  }
  return placer.finish();
}

std::optional<Medium> medium_of_part(const json::value& part) {
  const json::object* object = part.if_object();
  const json::value* type = object ? object->if_contains("type") : nullptr;
  if (type == nullptr || !type->is_string()) return std::nullopt;
  const std::string_view name = type->get_string();
  if (name == "image" || name == "image_url") return Medium::image;
  if (name == "audio" || name == "input_audio") return Medium::audio;
  if (name == "video") return Medium::video;
  return std::nullopt;
}

std::vector<Medium> media_in(const json::array& messages) {
  std::vector<Medium> media;
  each_medium(messages, [&](const json::value&, Medium medium) { media.push_back(medium); });
  return media;
}

void set_media_in(json::array& messages, std::span<const Medium> media) {
  size_t next = 0;
  each_medium(messages, [&](json::value& part, Medium) {
    GEMMA_CHECK(next < media.size(), "each part has a medium");
    part.get_object()["type"] = name_of(media[next++]);
  });
  GEMMA_CHECK(next == media.size(), "each medium has a part");
}

}  // namespace gemma

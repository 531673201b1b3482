// SPDX-License-Identifier: Apache-2.0
#include "exchange/media.h"

#include <algorithm>
#include <utility>

#include "base/keyed_hash.h"
#include "exchange/media_facts.h"

namespace gemma {
namespace {

/** Arrays as tensors, by name; what is not there, or of another type or rank, is said. */
class Arrays {
 public:
  Arrays(std::string_view where, const media::Prepared& prepared) : where_(where), prepared_(prepared) {}

  Tensor take(std::string_view name, DType dtype, int rank) const {
    const media::Array* array = find(name);
    if (array == nullptr || array->values.dtype() != dtype || array->values.shape().rank != rank) {
      fail(where_, "array '{}': expected {} of {} sizes", name, info(dtype).name, rank);
    }
    return array->values;
  }
  bool has(std::string_view name) const { return find(name) != nullptr; }

 private:
  const media::Array* find(std::string_view name) const {
    const auto found = std::find_if(prepared_.arrays.begin(), prepared_.arrays.end(),
                                    [&](const media::Array& array) { return array.name == name; });
    return found != prepared_.arrays.end() ? &*found : nullptr;
  }
  std::string_view where_;
  const media::Prepared& prepared_;
};

uint64_t content_of(const MediaInput& input) {
  const Tensor& values = input.sound.defined() ? input.sound : input.picture.pixels;
  const int64_t form[] = {input.sound.defined() ? 1 : 0, input.picture.columns, values.rows(), values.cols()};
  const HashKey& key = process_hash_key();
  const uint64_t of_form = keyed_hash(std::as_bytes(std::span(form)), key);
  return std::max<uint64_t>(1, keyed_hash(values.raw(), {key[0] ^ of_form, key[1]}));
}

class MediaMaker {
 public:
  MediaMaker(Media& media, const media::Prepared& prepared, const MediaConfig& encoders)
      : media_(media), arrays_(media.name, prepared), encoders_(encoders) {}

  void picture() {
    const Tensor squares = arrays_.take("image0.patches_u8", DType::u8, 2);
    add_picture("", Medium::image, squares, arrays_.take("image0.positions_xy", DType::i32, 2));
  }

  void sound() {
    for (const Facts& clip : facts().list("clips")) add_clip(clip);
  }

  /** Each frame behind its time, beside it the sound that belongs there; sound that belongs to none is behind all. */
  void film() {
    const Tensor squares = arrays_.take("video.patches_u8", DType::u8, 3);
    const Tensor places = arrays_.take("video.positions_xy", DType::i32, 3);
    const std::vector<Facts> frames = facts().list("frames");
    const int64_t count = squares.shape()[0], each = squares.shape()[1];
    if (std::ssize(frames) != count || places.shape()[0] != count || places.shape()[1] != each) refuse("frames");
    const std::vector<Facts> clips = facts().has("sound") ? facts().part("sound").list("clips") : std::vector<Facts>();
    std::vector<int64_t> beside;  // the frame of each clip
    for (const Facts& clip : clips) beside.push_back(clip.has("frame") ? clip.integer("frame", 0, count - 1) : count);
    for (int64_t i = 0; i <= count; ++i) {
      if (i < count) {
        const std::string text = fmt::format("{}{} ", i > 0 ? " " : "", stamp(frames[static_cast<size_t>(i)]));
        add_picture(text, Medium::video, squares.slice(i * each, each), places.slice(i * each, each));
      }
      for (size_t j = 0; j < clips.size(); ++j) {
        if (beside[j] == i) add_clip(clips[j]);
      }
    }
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const { fail(media_.name, "'{}' is not what was asked for", what); }

  Facts facts() const { return {media_.name, media_.facts}; }
  std::string_view stamp(const Facts& frame) const {
    const std::string_view text = frame.text("stamp");
    if (text.find_first_not_of("0123456789:") != std::string_view::npos) refuse("stamp");
    return text;
  }

  void add_picture(std::string text, Medium medium, const Tensor& squares, const Tensor& places) {
    add(std::move(text), medium, picture_input(squares, places));
  }

  void add_clip(const Facts& clip) {
    const std::string name(clip.text("array"));
    const Tensor frames = arrays_.take(name + ".features", DType::f32, 2);
    const bool padded = arrays_.has(name + ".mask");
    add("", Medium::audio, sound_input(frames, padded ? arrays_.take(name + ".mask", DType::u8, 1) : Tensor()));
  }

  void add(std::string text, Medium medium, Result<MediaInput> made) {
    if (!made) fail(media_.name, "{}", made.failure().message());
    MediaInput input = std::move(made).value();
    const Result<int64_t> soft_tokens = soft_tokens_of(encoders_, input);
    if (!soft_tokens) fail(media_.name, "{}", soft_tokens.failure().message());
    media_.item.blocks.push_back({std::move(text), medium, soft_tokens.value()});
    media_.contents.push_back(content_of(input));
    media_.inputs.push_back(std::move(input));
  }

  Media& media_;
  Arrays arrays_;
  const MediaConfig& encoders_;
};

}  // namespace

Media media_of(std::string name, Medium medium, const media::Prepared& prepared, const MediaConfig& encoders) {
  Media media;
  media.name = std::move(name);
  media.facts = prepared.facts;
  media.item.medium = medium;
  MediaMaker maker(media, prepared, encoders);
  switch (medium) {
    case Medium::image:
      maker.picture();
      break;
    case Medium::audio:
      maker.sound();
      break;
    case Medium::video:
      maker.film();
      break;
  }
  return media;
}

MediaList clips_of(const Media& sound) {
  MediaList clips;
  for (size_t i = 0; i < sound.inputs.size(); ++i) {
    if (sound.item.blocks[i].medium != Medium::audio) continue;
    auto clip = std::make_shared<Media>();
    clip->name = sound.name;
    clip->item = {Medium::audio, {sound.item.blocks[i]}};
    clip->inputs = {sound.inputs[i]};
    clip->contents = {sound.contents[i]};
    clips.push_back(std::move(clip));
  }
  return clips;
}

json::object media_part(Medium medium) { return {{"type", name_of(medium)}}; }

json::object to_json(const Media& media) {
  json::object out{{"file", media.name}, {"kind", name_of(media.item.medium)}};
  for (const auto& [key, value] : media.facts) out[key] = value;
  int64_t soft_tokens = 0;
  for (const MediaBlock& block : media.item.blocks) soft_tokens += block.soft_tokens;
  out["soft_tokens"] = soft_tokens;
  return out;
}

}  // namespace gemma

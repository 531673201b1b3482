// SPDX-License-Identifier: Apache-2.0
#include "media/prepare.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "media/patches.h"
#include "media/pauses.h"
#include "media/text_height.h"

namespace gemma::media {
namespace {

/** A sound tower hears this much at a time; what is shorter than the least of it gives no soft token. */
constexpr int64_t kTowerSamples = 480000;

template <class T>
Array array(std::string name, DType dtype, std::initializer_list<int64_t> sizes, const std::vector<T>& values) {
  Tensor tensor = Tensor::host(dtype, Shape(sizes));
  const auto bytes = std::as_bytes(std::span(values));
  GEMMA_CHECK(std::ssize(bytes) == tensor.bytes(), "as many values as the sizes say");
  std::copy(bytes.begin(), bytes.end(), tensor.raw_mutable().begin());
  return {std::move(name), std::move(tensor)};
}

int side_of(const PrepareOptions& options) {
  return options.form == Form::unified ? options.grid.side() : options.grid.patch;
}

void prepare_image(const ByteSource& source, const PrepareOptions& options, Prepared& out) {
  ImageOptions image_options;
  image_options.alpha = options.alpha;
  image_options.turn = options.turn;
  if (options.max_bytes > 0) image_options.max_bytes = options.max_bytes;
  if (options.max_pixels > 0) image_options.max_pixels = options.max_pixels;
  Image image = decode_image(source, image_options);
  const bool by_text = options.budget == kAutoBudget;
  ChosenBudget chosen;
  if (by_text) chosen = choose_budget(image.pixels, options.grid);
  if (options.budget > 0) chosen.budget = options.budget;
  const Result<TargetSize> size = target_size(image.pixels.width, image.pixels.height, chosen.budget, options.grid);
  if (!size) fail(source.name(), "{}", size.failure().reason);
  const auto [width, height, soft_tokens] = size.value();
  out.facts = {{"format", name_of(image.format)}, {"width", image.pixels.width},
               {"height", image.pixels.height},   {"orientation", image.orientation},
               {"budget", chosen.budget},         {"resized", {{"width", width}, {"height", height}}},
               {"soft_tokens", soft_tokens}};
  if (image.first_of_several) out.facts["first_of_several"] = true;
  if (by_text) out.facts["text_height"] = chosen.text ? json::value(*chosen.text) : json::value(nullptr);
  if (by_text && chosen.text) out.facts["text_height_resized"] = chosen.resized;
  if (options.whole) {
    out.arrays.push_back(
        array("image0.rgb_u8", DType::u8, {image.pixels.height, image.pixels.width, 3}, image.pixels.rgb));
  }
  const Patches patches = cut_patches(resize(std::move(image.pixels), width, height, options.resize), side_of(options));
  const int64_t values = int64_t{patches.side} * patches.side * 3;
  out.arrays.push_back(array("image0.patches_u8", DType::u8, {patches.count(), values}, patches.values));
  out.arrays.push_back(array("image0.positions_xy", DType::i32, {patches.count(), 2}, patches.positions));
}

/** Adds the arrays of clip number `clip`; how many soft tokens it gives. */
int64_t add_clip(std::span<const float> samples, const PrepareOptions& options, int64_t clip, Prepared& out) {
  const std::string name = fmt::format("audio{}", clip);
  if (options.form == Form::unified) {
    const RawFrames frames = raw_frames(samples);
    out.arrays.push_back(array(name + ".features", DType::f32, {frames.frames, frames.size}, frames.values));
    return frames.frames;
  }
  MelOptions mel_options;
  mel_options.front_end = options.front_end;
  const Mel mel = mel_features(samples, mel_options);
  std::vector<uint8_t> mask(static_cast<size_t>(mel.frames));
  std::fill_n(mask.begin(), mel.valid, uint8_t{1});
  out.arrays.push_back(array(name + ".features", DType::f32, {mel.frames, kMelBins}, mel.values));
  out.arrays.push_back(array(name + ".mask", DType::u8, {mel.frames}, mask));
  return mel.soft_tokens();
}

int64_t soft_tokens_of(int64_t samples, const PrepareOptions& options) {
  if (options.form == Form::unified) return (samples + 639) / 640;
  MelOptions mel_options;
  mel_options.front_end = options.front_end;
  return mel_counts(samples, mel_options).soft_tokens();
}

Sound decode_sound_for(const ByteSource& source, const PrepareOptions& options) {
  SoundOptions sound_options;
  if (options.kind == Medium::video) {
    sound_options.max_bytes = FilmOptions{}.max_bytes;
    sound_options.max_seconds = FilmOptions{}.max_seconds;
  }
  if (options.max_bytes > 0) sound_options.max_bytes = options.max_bytes;
  if (options.max_seconds > 0) sound_options.max_seconds = options.max_seconds;
  return decode_sound(source, sound_options);
}

json::object facts_of(const Sound& sound) {
  return {{"format", sound.format},           {"rate", sound.rate},
          {"channels", sound.channels},       {"seconds", sound.seconds()},
          {"peak_db", sound.level.peak_db()}, {"rms_db", sound.level.rms_db()},
          {"silent", sound.level.silent()}};
}

/** What a tower can hear of a piece at once: all of it, else parts between pauses. */
std::vector<PausePiece> parts_of(std::span<const float> piece, const PrepareOptions& options) {
  if (options.form == Form::unified || std::ssize(piece) <= kTowerSamples) return {{0, std::ssize(piece), false}};
  return cut_at_pauses(piece, kTowerSamples);
}

/** The samples of a piece, cut where a tower cannot hear it at once; what gives no soft token is left out. The facts of
 *  each clip go to `clips`; the sum of their soft tokens comes back. */
int64_t add_piece(const Sound& sound, SoundPiece piece, const PrepareOptions& options, const json::object& belongs,
                  int64_t& clip, json::array& clips, Prepared& out) {
  const auto all =
      std::span(sound.samples).subspan(static_cast<size_t>(piece.begin), static_cast<size_t>(piece.end - piece.begin));
  int64_t sum = 0;
  for (const PausePiece& part : parts_of(all, options)) {
    if (soft_tokens_of(part.end - part.begin, options) == 0) continue;
    json::object facts = belongs;
    const auto samples = all.subspan(static_cast<size_t>(part.begin), static_cast<size_t>(part.end - part.begin));
    const int64_t soft_tokens = add_clip(samples, options, clip, out);
    facts["array"] = fmt::format("audio{}", clip++);
    facts["begin"] = static_cast<double>(piece.begin + part.begin) / kSoundRate;
    facts["end"] = static_cast<double>(piece.begin + part.end) / kSoundRate;
    facts["soft_tokens"] = soft_tokens;
    clips.push_back(std::move(facts));
    sum += soft_tokens;
  }
  return sum;
}

/** The same of a whole file, cut at its pauses. */
int64_t add_at_pauses(const Sound& sound, const PrepareOptions& options, json::array& clips, Prepared& out) {
  int64_t sum = 0, clip = 0;
  for (const PausePiece& piece :
       cut_at_pauses(sound.samples, static_cast<int64_t>(options.piece_seconds * kSoundRate))) {
    const auto samples = std::span(sound.samples)
                             .subspan(static_cast<size_t>(piece.begin), static_cast<size_t>(piece.end - piece.begin));
    const Heard heard = heard_part(samples);
    const json::object belongs{{"overlaps", piece.overlaps},
                               {"silent", heard.end == 0},
                               {"heard_begin", static_cast<double>(piece.begin + heard.begin) / kSoundRate},
                               {"heard_end", static_cast<double>(piece.begin + heard.end) / kSoundRate}};
    sum += add_piece(sound, {piece.begin, piece.end}, options, belongs, clip, clips, out);
  }
  return sum;
}

void prepare_audio(const ByteSource& source, const PrepareOptions& options, Prepared& out) {
  const Sound sound = decode_sound_for(source, options);
  const int64_t samples = std::ssize(sound.samples);
  out.facts = facts_of(sound);
  if (soft_tokens_of(samples, options) == 0) {
    fail(source.name(), "{} samples at 16 kHz: too short for a single soft token", samples);
  }
  if (options.wave) out.arrays.push_back(array("audio.wave", DType::f32, {samples}, sound.samples));
  json::array clips;
  int64_t clip = 0;
  out.facts["soft_tokens"] = options.cut == Cut::pauses ? add_at_pauses(sound, options, clips, out)
                                                        : add_piece(sound, {0, samples}, options, {}, clip, clips, out);
  out.facts["clips"] = std::move(clips);
}

void add_frames(Film& film, const PrepareOptions& options, Prepared& out) {
  std::vector<uint8_t> values;
  std::vector<int32_t> positions, indices;
  std::vector<float> times;
  json::array frames;
  const int64_t count = std::ssize(film.frames);
  int64_t rows = 0, columns = 0;
  for (TimedFrame& frame : film.frames) {
    const Patches patches = cut_patches(frame.pixels, side_of(options));
    frame.pixels = {};
    rows = patches.count();
    columns = int64_t{patches.side} * patches.side * 3;
    values.insert(values.end(), patches.values.begin(), patches.values.end());
    positions.insert(positions.end(), patches.positions.begin(), patches.positions.end());
    indices.push_back(static_cast<int32_t>(frame.index));
    times.push_back(static_cast<float>(frame.seconds));
    frames.push_back(
        json::object{{"index", frame.index}, {"seconds", frame.seconds}, {"stamp", time_stamp(frame.seconds)}});
  }
  out.arrays.push_back(array("video.patches_u8", DType::u8, {count, rows, columns}, values));
  out.arrays.push_back(array("video.positions_xy", DType::i32, {count, rows, 2}, positions));
  out.arrays.push_back(array("video.frames", DType::i32, {count}, indices));
  out.arrays.push_back(array("video.seconds", DType::f32, {count}, times));
  out.facts["frames"] = std::move(frames);
}

int64_t tokens_of_frames(const Film& film) {
  return (int64_t{film.size.soft_tokens} + kTokensBesideFrame) * std::ssize(film.frames);
}

/** A film without sound is a film; one whose sound is damaged is refused. */
void add_sound(const ByteSource& source, const Film& film, const PrepareOptions& options, Prepared& out) {
  if (options.sound == FilmSound::none || !film.has_sound) return;
  out.facts["sound_left_out"] = !film.sound_fits;
  if (!film.sound_fits) return;
  const size_t arrays = out.arrays.size();
  const Sound sound = decode_sound_for(source, options);
  json::object facts = facts_of(sound);
  json::array clips;
  int64_t clip = 0, soft_tokens = 0;
  if (options.sound == FilmSound::after) {
    soft_tokens = add_piece(sound, {0, std::ssize(sound.samples)}, options, {}, clip, clips, out);
  } else {
    std::vector<double> times;
    for (const TimedFrame& frame : film.frames) times.push_back(frame.seconds);
    const std::vector<SoundPiece> pieces = cut_sound(std::ssize(sound.samples), times);
    for (size_t i = 0; i < pieces.size(); ++i) {
      soft_tokens += add_piece(sound, pieces[i], options, {{"frame", i}}, clip, clips, out);
    }
  }
  const int64_t tokens = soft_tokens + kTokensBesideClip * clip;
  if (options.frames.tokens > 0 && tokens_of_frames(film) + tokens > options.frames.tokens) {  // longer than it says
    out.arrays.erase(out.arrays.begin() + static_cast<std::ptrdiff_t>(arrays), out.arrays.end());
    out.facts["sound_left_out"] = true;
    return;
  }
  out.facts["tokens"] = tokens_of_frames(film) + tokens;
  facts["soft_tokens"] = soft_tokens;
  facts["clips"] = std::move(clips);
  out.facts["sound"] = std::move(facts);
}

void prepare_video(const ByteSource& source, const PrepareOptions& options, Prepared& out) {
  FilmOptions film_options;
  film_options.rule = options.frames;
  film_options.grid = options.grid;
  film_options.resize = options.resize;
  film_options.with_sound = options.sound != FilmSound::none;
  if (options.budget > 0) film_options.budget = options.budget;
  if (options.max_bytes > 0) film_options.max_bytes = options.max_bytes;
  if (options.max_pixels > 0) film_options.max_pixels = options.max_pixels;
  if (options.max_seconds > 0) film_options.max_seconds = options.max_seconds;
  Film film = decode_film(source, film_options);
  out.facts = {{"format", film.format},
               {"width", film.width},
               {"height", film.height},
               {"fps", film.fps},
               {"seconds", film.seconds},
               {"total_frames", film.total_frames},
               {"budget", film_options.budget},
               {"resized", {{"width", film.size.width}, {"height", film.size.height}}},
               {"soft_tokens_per_frame", film.size.soft_tokens},
               {"soft_tokens", film.size.soft_tokens * std::ssize(film.frames)},
               {"tokens", tokens_of_frames(film)}};
  add_frames(film, options, out);
  add_sound(source, film, options, out);
}

}  // namespace

Prepared prepare(const ByteSource& source, const PrepareOptions& options) {
  Prepared out;
  switch (options.kind) {
    case Medium::image:
      prepare_image(source, options, out);
      break;
    case Medium::audio:
      prepare_audio(source, options, out);
      break;
    case Medium::video:
      prepare_video(source, options, out);
      break;
  }
  return out;
}

}  // namespace gemma::media

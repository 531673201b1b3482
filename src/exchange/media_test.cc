// SPDX-License-Identifier: Apache-2.0
#include "exchange/media.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "exchange/media_model.h"
#include "media/image_size.h"
#include "media/mel.h"
#include "text/testing/gemma4_pieces.h"

namespace gemma {
namespace {

using testing::HasSubstr;

const std::string kGolden = GEMMA4_GOLDEN;

MediaModel model_of(const std::string& name) { return MediaModel::of(ModelFile::open(kGolden + "/" + name)); }

media::Prepared arrays(const std::string& path, Medium kind, const MediaModel& model, int budget = 0,
                       media::FilmSound sound = media::FilmSound::aligned) {
  media::PrepareOptions options;
  options.kind = kind;
  options.budget = budget;
  options.sound = sound;
  options.frames.max_frames = 3;
  model.set(options);
  return media::prepare(*file_source(kGolden + path), options);
}

Media picture(const MediaModel& model, int budget = 70) {
  return media_of("wide.png", Medium::image, arrays("/preprocess/images/wide_40x150.png", Medium::image, model, budget),
                  model.encoders);
}

TEST(Media, PicturesAndSoundOfBothForms) {
  for (const char* name : {"mixed", "unified_mixed"}) {
    const MediaModel model = model_of(name);
    const Media image = picture(model);
    ASSERT_EQ(image.item.blocks.size(), 1U);
    EXPECT_EQ(image.item.blocks[0].soft_tokens, image.facts.at("soft_tokens").as_int64());
    EXPECT_EQ(image.inputs[0].picture.pixels.dtype(), DType::u8);
    const Media sound = media_of("tones.wav", Medium::audio,
                                 arrays("/preprocess/audio/tones_16000_11.wav", Medium::audio, model), model.encoders);
    ASSERT_EQ(sound.item.blocks.size(), 1U);
    EXPECT_EQ(sound.item.blocks[0].medium, Medium::audio);
    EXPECT_EQ(sound.item.blocks[0].soft_tokens, sound.facts.at("soft_tokens").as_int64());
  }
}

TEST(Media, FilmWithItsSoundBesideOrBehind) {
  if (!media::has_ffmpeg()) return;
  const MediaModel model = model_of("mixed");
  const auto text_of = [&](media::FilmSound sound) {
    const Media film = media_of("f.mp4", Medium::video,
                                arrays("/media/films/h264_aac.mp4", Medium::video, model, 0, sound), model.encoders);
    std::string all;
    for (const MediaBlock& block : film.item.blocks) {
      all += block.text + (block.medium == Medium::audio ? "A" : "V");
    }
    return all;
  };
  EXPECT_THAT(text_of(media::FilmSound::aligned), testing::MatchesRegex("00:00 VA 00:0. VA 00:0. VA"));
  EXPECT_THAT(text_of(media::FilmSound::after), testing::MatchesRegex("00:00 V 00:0. V 00:0. VA"));
  EXPECT_THAT(text_of(media::FilmSound::none), testing::MatchesRegex("00:00 V 00:0. V 00:0. V"));
  const MediaModel deaf = model_of("dense_mixed_video");
  const Media film =
      media_of("f.mp4", Medium::video, arrays("/media/films/h264_aac.mp4", Medium::video, deaf), deaf.encoders);
  EXPECT_EQ(film.item.blocks.size(), 3U);  // a model that does not hear gets no sound
}

/** 16-bit mono at 16 kHz: a tone, with silence from second 18 to 19 and from 40 on. */
std::unique_ptr<ByteSource> tone_with_pauses(int64_t seconds) {
  const auto data = static_cast<uint32_t>(seconds * 32000);
  std::vector<std::byte> bytes(44 + data);
  const auto put = [&](size_t at, auto value) { std::memcpy(bytes.data() + at, &value, sizeof value); };
  std::memcpy(bytes.data(), "RIFF....WAVEfmt ", 16);
  put(4, 36 + data), put(16, uint32_t{16}), put(20, uint16_t{1}), put(22, uint16_t{1}), put(24, uint32_t{16000});
  put(28, uint32_t{32000}), put(32, uint16_t{2}), put(34, uint16_t{16});
  std::memcpy(bytes.data() + 36, "data", 4);
  put(40, data);
  for (int64_t i = 0; i < seconds * 16000; ++i) {
    const bool quiet = (i >= 18 * 16000 && i < 19 * 16000) || i >= 40 * 16000;
    put(static_cast<size_t>(44 + 2 * i),
        static_cast<int16_t>(quiet ? 0 : 8000 * std::sin(0.1 * static_cast<double>(i))));
  }
  return memory_source("tone.wav", std::move(bytes));
}

TEST(Media, SoundCutAtItsPauses) {
  const MediaModel model = model_of("mixed");
  media::PrepareOptions options;
  options.kind = Medium::audio;
  options.cut = media::Cut::pauses;
  options.piece_seconds = 20;
  options.wave = false;
  const auto source = tone_with_pauses(58);
  const media::Prepared prepared = media::prepare(*source, options);
  EXPECT_NE(prepared.arrays[0].name, "audio.wave");
  const MediaList clips = clips_of(media_of("tone.wav", Medium::audio, prepared, model.encoders));
  const json::array& facts = prepared.facts.at("clips").as_array();
  ASSERT_EQ(clips.size(), facts.size());
  ASSERT_EQ(clips.size(), 4U);
  EXPECT_NEAR(facts[1].at("begin").as_double(), 18.5, 0.5);
  EXPECT_FALSE(facts[1].at("overlaps").as_bool());
  EXPECT_TRUE(facts[2].at("overlaps").as_bool());
  EXPECT_NEAR(facts[0].at("heard_end").as_double(), 18, 0.05);
  EXPECT_TRUE(facts.back().at("silent").as_bool());
  const media::Sound sound = media::decode_sound(*source, {});
  for (size_t i = 0; i < clips.size(); ++i) {
    const auto begin = static_cast<size_t>(std::lround(facts[i].at("begin").as_double() * 16000));
    const auto end = static_cast<size_t>(std::lround(facts[i].at("end").as_double() * 16000));
    const media::Mel mel = media::mel_features(std::span(sound.samples).subspan(begin, end - begin));
    const auto found = clips[i]->inputs[0].sound.data<float>();
    ASSERT_EQ(std::ssize(found), mel.valid * media::kMelBins);
    EXPECT_TRUE(std::equal(found.begin(), found.end(), mel.values.begin()));
  }
}

TEST(Media, HashesAreOfWhatIsShown) {
  const MediaModel model = model_of("mixed");
  const Media one = picture(model), same = picture(model), larger = picture(model, 280);
  EXPECT_EQ(one.contents, same.contents);
  EXPECT_NE(one.contents, larger.contents);
  media::Prepared changed = arrays("/preprocess/images/wide_40x150.png", Medium::image, model, 70);
  changed.arrays[0].values.raw_mutable().back() ^= std::byte{1};
  EXPECT_NE(media_of("x", Medium::image, changed, model.encoders).contents, one.contents);
  EXPECT_NE(one.contents[0], 0U);
}

/** What a worker has sent is what encoders read, not a copy of it. */
TEST(Media, ArraysAreShared) {
  const MediaModel model = model_of("mixed");
  const media::Prepared prepared = arrays("/preprocess/images/square_96.png", Medium::image, model);
  const Media media = media_of("it", Medium::image, prepared, model.encoders);
  EXPECT_EQ(media.inputs[0].picture.pixels.raw().data(), prepared.arrays[0].values.raw().data());
}

/** Arrays come from another process: what does not fit is said, and never read out of bounds. */
TEST(Media, ArraysThatAreWrong) {
  const MediaModel model = model_of("mixed");
  const auto error = [&](Medium kind, const std::string& path, auto change) -> std::string {
    media::Prepared prepared = arrays(path, kind, model);
    change(prepared);
    try {
      media_of("it", kind, prepared, model.encoders);
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  const std::string image = "/preprocess/images/square_96.png", sound = "/preprocess/audio/tones_16000_11.wav";
  EXPECT_EQ(error(Medium::image, image, [](media::Prepared&) {}), "");
  EXPECT_THAT(error(Medium::image, image, [](media::Prepared& p) { p.arrays.pop_back(); }), HasSubstr("positions_xy"));
  EXPECT_THAT(error(Medium::image, image, [](media::Prepared& p) { p.arrays[0].values = {}; }),
              HasSubstr("patches_u8"));
  EXPECT_THAT(
      error(Medium::image, image, [](media::Prepared& p) { p.arrays[1].values.raw_mutable()[0] = std::byte{9}; }),
      HasSubstr("expected the places of a grid"));
  EXPECT_THAT(
      error(Medium::image, image, [](media::Prepared& p) { p.arrays[1].values = p.arrays[1].values.slice(0, 1); }),
      HasSubstr("places: expected i32 [2304, 2], found i32 [1, 2]"));
  EXPECT_THAT(error(Medium::audio, sound, [](media::Prepared& p) { p.facts.erase("clips"); }), HasSubstr("clips"));
  EXPECT_THAT(error(Medium::audio, sound, [](media::Prepared& p) { p.facts["clips"] = json::array{3}; }),
              HasSubstr("'clips': expected a list of objects"));
  EXPECT_THAT(error(Medium::audio, sound, [](media::Prepared& p) { p.arrays[1].values = p.arrays[0].values; }),
              HasSubstr("features"));
  EXPECT_THAT(
      error(Medium::audio, sound, [](media::Prepared& p) { p.arrays.back().values.raw_mutable()[0] = std::byte{0}; }),
      HasSubstr("mask"));
  if (!media::has_ffmpeg()) return;
  const auto with_frame = [&](const json::value& frame) {
    return error(Medium::video, "/media/films/h264_aac.mp4", [&](media::Prepared& p) {
      p.facts.at("sound").as_object().at("clips").as_array().at(0).as_object()["frame"] = frame;
    });
  };
  EXPECT_EQ(with_frame(2), "");
  for (const json::value& frame : {json::value(3), json::value(1e300), json::value(0.5), json::value("0")}) {
    EXPECT_THAT(with_frame(frame), HasSubstr("'frame': expected "));
  }
  EXPECT_THAT(error(Medium::video, "/media/films/h264_aac.mp4", [](media::Prepared& p) { p.facts["sound"] = 7; }),
              HasSubstr("'sound': expected an object"));
}

TEST(Media, WhatAModelTakes) {
  const MediaModel both = model_of("mixed"), deaf = model_of("dense_vision"), none = model_of("e_text");
  EXPECT_TRUE(both.takes(Medium::audio) && both.takes(Medium::image) && both.takes(Medium::video));
  EXPECT_TRUE(deaf.takes(Medium::video) && !deaf.takes(Medium::audio));
  EXPECT_FALSE(none.takes(Medium::image) || none.takes(Medium::audio) || none.takes(Medium::video));
}

TEST(Media, AFrontEndThatIsChosenIsSet) {
  MediaModel model = model_of("mixed");
  media::PrepareOptions options;
  options.kind = Medium::audio;
  options.front_end = media::FrontEnd::jax;
  model.set(options);
  EXPECT_EQ(options.front_end, media::FrontEnd::jax);  // nobody has chosen
  model.front_end = media::FrontEnd::transformers;
  model.set(options);
  EXPECT_EQ(options.front_end, media::FrontEnd::transformers);
}

/** Prompts of the reference's processor: the same ids, from the sizes of pictures and lengths of sound. */
TEST(Media, PromptsAsTheReferenceExpandsThem) {
  const std::string tokenizers = kGolden + "/tokenizer/gemma4.json";
  const json::value specials = parse_json_or_fail(tokenizers, read_file(tokenizers)).at("special_tokens");
  const auto tokenizer = Tokenizer::from_json(
      "tokenizer.json",
      Gemma4Pieces(kGolden + "/../../third_party/tokenizer-gemma3/tokenizer.json", specials.as_object()).to_json());
  const std::string path = kGolden + "/preprocess/preprocess.json";
  const json::value rows = parse_json_or_fail(path, read_file(path)).at("prompt_expansion");
  ASSERT_EQ(rows.as_array().size(), 6U);
  for (const json::value& row : rows.as_array()) {
    const std::string name(row.at("name").as_string());
    std::vector<MediaItem> pictures, sounds, films, items;
    for (const json::value& size : row.at("images_hw").as_array()) {
      const auto target = media::target_size(size.at(1).to_number<int>(), size.at(0).to_number<int>(), 70);
      pictures.push_back({Medium::image, {{"", Medium::image, target.value().soft_tokens}}});
    }
    for (const json::value& samples : row.at("audio_samples").as_array()) {
      sounds.push_back(
          {Medium::audio, {{"", Medium::audio, media::mel_counts(samples.to_number<int64_t>(), {}).soft_tokens()}}});
    }
    if (const json::value* video = row.as_object().if_contains("video")) {
      MediaItem film{Medium::video, {}};
      const auto target = media::target_size(video->at("width").to_number<int>(), video->at("height").to_number<int>(),
                                             video->at("max_soft_tokens").to_number<int>());
      const std::vector<double> times(video->at("total_frames").to_number<size_t>());
      const media::FrameRule rule{.max_frames = video->at("num_frames").to_number<int>()};
      for (const int64_t frame : media::choose_frames(times, 0, rule)) {
        const double seconds = static_cast<double>(frame) / video->at("fps").to_number<double>();
        film.blocks.push_back({(film.blocks.empty() ? "" : " ") + media::time_stamp(seconds) + " ", Medium::video,
                               target.value().soft_tokens});
      }
      films.push_back(film);
    }
    for (const std::vector<MediaItem>& kind : {pictures, sounds, films}) {
      items.insert(items.end(), kind.begin(), kind.end());
    }
    const auto placed = place_media(pieces_of(row.at("text").as_string(), Specials::control), items,
                                    MediaIds::of(*tokenizer), *tokenizer);
    ASSERT_TRUE(placed.ok()) << name << ": " << placed.failure().message();
    std::vector<int32_t> expected;
    for (const json::value& id : row.at("ids").as_array()) expected.push_back(id.to_number<int32_t>());
    EXPECT_EQ(placed.value().tokens, expected) << name;
    const json::array& types = row.at("mm_token_type_ids").as_array();
    int64_t typed = 0, covered = 0;
    for (const json::value& type : types) typed += type.to_number<int>() != 0;
    for (const PlacedBlock& block : placed.value().blocks) {
      const MediaBlock& of = items[block.item].blocks[block.block];
      const int type = of.medium == Medium::image ? 1 : of.medium == Medium::video ? 2 : 3;
      for (int64_t i = 0; i < of.soft_tokens; ++i, ++covered) {
        EXPECT_EQ(types[static_cast<size_t>(block.first_row + i)].to_number<int>(), type) << name;
      }
    }
    EXPECT_EQ(covered, typed) << name;
  }
}

}  // namespace
}  // namespace gemma

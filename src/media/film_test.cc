// SPDX-License-Identifier: Apache-2.0
#include "media/film.h"

#include <gmock/gmock.h>

#include <cstring>

#include "file/testing/files.h"
#include "media/patches.h"
#include "media/testing/samples.h"

namespace gemma::media {
namespace {

using gemma::testing::error_of;
using ::testing::ElementsAre;
using testing::golden_json;
using ::testing::HasSubstr;
using testing::kPreprocess;
using testing::kSamples;
using ::testing::Not;

const std::string kFilms = kSamples + "films/";

Film decode(const std::string& name, const FilmOptions& options = {}) {
  return decode_film(*file_source(kFilms + name), options);
}

/** That are looked at of so many, n at most. */
std::vector<int64_t> spread(int64_t total, int n) {
  return choose_frames(std::vector<double>(static_cast<size_t>(total)), 0, {.max_frames = n});
}

TEST(Frames, EveryRowOfTheGoldens) {
  int rows = 0;
  const json::value golden = golden_json(kPreprocess + "preprocess.json");
  for (const json::value& row : golden.at("video").at("sampling").as_array()) {
    const int64_t total = row.at("total_frames").as_int64();
    const std::vector<int64_t> chosen = spread(total, static_cast<int>(row.at("num_frames").as_int64()));
    ++rows;
    if (row.as_object().contains("error")) {  // more asked for than there are: all of them, here
      EXPECT_EQ(std::ssize(chosen), total) << row;
      continue;
    }
    EXPECT_EQ(json::value_from(chosen), row.at("indices")) << row;
    const double fps = row.at("fps").to_number<double>();
    json::array stamps;
    for (const int64_t index : chosen) stamps.emplace_back(time_stamp(static_cast<double>(index) / fps));
    EXPECT_EQ(stamps, row.at("timestamps").as_array()) << row;
  }
  EXPECT_EQ(rows, 12);
}

/** The frames stand one below the other. */
TEST(Frames, TheClipOfTheGoldens) {
  const json::value golden = golden_json(kPreprocess + "preprocess.json"),
                    sums = golden_json(kPreprocess + "checksums.json");
  const json::value& clip = golden.at("video").at("clip");
  const Pixels in = decode_image(*file_source(kPreprocess + "video_frames_in.png"), {}).pixels;
  ASSERT_EQ(in.height, 6 * 45);
  const TargetSize size = target_size(80, 45, static_cast<int>(clip.at("max_soft_tokens").as_int64())).value();
  EXPECT_EQ(size.soft_tokens, clip.at("soft_tokens_per_frame"));
  const std::vector<int64_t> chosen = spread(6, 3);
  EXPECT_EQ(json::value_from(chosen), clip.at("indices"));
  Pixels out{size.width, size.height * 3, {}};
  for (const int64_t index : chosen) {
    const auto begin = in.rgb.begin() + index * 45 * 80 * 3;
    const Pixels frame = resize({80, 45, {begin, begin + 45 * 80 * 3}}, size.width, size.height);
    out.rgb.insert(out.rgb.end(), frame.rgb.begin(), frame.rgb.end());
  }
  EXPECT_EQ(testing::checksum(out), std::string(sums.at("video_frames_out.png").as_string()));
}

TEST(Frames, SoManyASecond) {
  std::vector<double> times;
  for (int i = 0; i < 48; ++i) times.push_back(i / 24.0);
  EXPECT_THAT(choose_frames(times, 2, {32, 1}), ElementsAre(0, 24));
  EXPECT_THAT(choose_frames(times, 2, {32, 2}), ElementsAre(0, 12, 24, 36));
  EXPECT_THAT(choose_frames(times, 2, {2, 2}), ElementsAre(0, 24));
  EXPECT_EQ(choose_frames(times, 2, {32, 0}).size(), 32u);
  EXPECT_EQ(choose_frames(times, 2, {100, 1000}).size(), 48u);  // never one twice
  const std::vector<double> uneven{0, 0.1, 5};
  EXPECT_THAT(choose_frames(uneven, 6, {32, 1}), ElementsAre(0, 1, 2));
}

TEST(Frames, SoundIsCutAtTheirTimes) {
  const std::vector<double> times{0.5, 1, 3};
  const std::vector<SoundPiece> pieces = cut_sound(20000, times);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].begin, 0);
  EXPECT_EQ(pieces[0].end, 16000);
  EXPECT_EQ(pieces[1].end, 20000);  // shorter than the film
  EXPECT_EQ(pieces[2].begin, 20000);
  EXPECT_EQ(pieces[2].end, 20000);
  EXPECT_EQ(time_stamp(0.999), "00:00");
  EXPECT_EQ(time_stamp(3725), "62:05");
}

TEST(Frames, AsManyAsTokensHold) {
  const auto plan = [](int64_t tokens, int each, double seconds) {
    const TokenPlan found = plan_tokens(tokens, each, seconds);
    return std::pair(found.frames, found.sound);
  };
  EXPECT_EQ(plan(790, 70, 0), std::pair(int64_t{10}, false));
  EXPECT_EQ(plan(789, 70, 0), std::pair(int64_t{9}, false));
  EXPECT_EQ(plan(1000, 70, 20), std::pair(int64_t{6}, true));      // 500 of sound; 82 each
  EXPECT_EQ(plan(1000, 70, 20.1), std::pair(int64_t{12}, false));  // too much of it
  EXPECT_EQ(plan(78, 70, 0), std::pair(int64_t{0}, false));
  EXPECT_EQ(plan(80, 70, 1), std::pair(int64_t{1}, false));
}

std::vector<Change> still(int n) {
  std::vector<Change> out;
  for (int i = 0; i < n; ++i) out.push_back({i, i / 10.0, 0.01f});
  return out;
}

TEST(Frames, OneOfEachSceneAndMoreOfTheLongest) {
  std::vector<Change> changes = still(100);
  EXPECT_THAT(choose_scenes(changes, 10, 100, 2), ElementsAre(25, 75));  // nothing happens: spread
  changes[40].change = 0.5f;
  changes[42].change = 0.3f;  // of the same cut
  changes[90].change = 0.2f;
  EXPECT_THAT(choose_scenes(changes, 10, 100, 3), ElementsAre(20, 65, 95));
  EXPECT_THAT(choose_scenes(changes, 10, 100, 4), ElementsAre(20, 52, 77, 95));
  EXPECT_THAT(choose_scenes(changes, 10, 100, 2), ElementsAre(20, 70));  // the larger change
  EXPECT_EQ(choose_scenes(changes, 10, 100, 1000).size(), 100u);
  EXPECT_THAT(choose_scenes({}, 10, 100, 2), ElementsAre(25, 75));
  EXPECT_THAT(choose_scenes(still(1), 0, 1, 5), ElementsAre(0));
  EXPECT_TRUE(choose_scenes({}, 0, 0, 5).empty());
}

class FilmTest : public ::testing::Test {
 protected:
  /** The frames of the samples tell their number by their brightness. */
  static int number_of(const TimedFrame& frame) {
    double sum = 0;
    for (const uint8_t value : frame.pixels.rgb) sum += value;
    return static_cast<int>(std::lround((sum / static_cast<double>(frame.pixels.rgb.size()) - 16) / 8));
  }
};

TEST_F(FilmTest, EveryContainerGivesTheFramesAskedFor) {
  if (!has_ffmpeg()) return;
  for (const std::string name : {"h264_aac.mp4", "vp9_opus.webm", "mpeg4.avi", "h264.mkv", "h264.ts", "vp8_opus.ogv"}) {
    SCOPED_TRACE(name);
    FilmOptions options;
    options.rule.max_frames = 5;
    const Film film = decode(name, options);
    EXPECT_EQ(film.total_frames, 24);
    EXPECT_NEAR(film.fps, 24, 0.1);
    EXPECT_NEAR(film.seconds, 1, 0.01);
    ASSERT_EQ(film.frames.size(), 5u);
    EXPECT_EQ(film.size.soft_tokens, 63);
    for (size_t i = 0; i < 5; ++i) {
      const TimedFrame& frame = film.frames[i];
      EXPECT_EQ(frame.index, static_cast<int64_t>(static_cast<double>(i) * 24 / 5));
      EXPECT_NEAR(number_of(frame), frame.index, 1) << "coded with a loss";
      EXPECT_NEAR(frame.seconds, static_cast<double>(frame.index) / 24, 0.02);
      EXPECT_EQ(frame.pixels.width, film.size.width);
    }
    options.rule = {};
    EXPECT_EQ(decode(name, options).frames.size(), 24u);
  }
}

TEST_F(FilmTest, VariableRateKeepsItsOwnTimes) {
  if (!has_ffmpeg()) return;
  FilmOptions options;
  options.rule = {12, 0};
  const Film film = decode("variable.mp4", options);
  ASSERT_EQ(film.frames.size(), 12u);
  EXPECT_NEAR(film.frames[4].seconds, 0.5, 1e-3);
  EXPECT_NEAR(film.frames[8].seconds, 40 / 24.0, 1e-3);
  EXPECT_EQ(number_of(film.frames[8]), 8);
  options.rule = {32, 2};  // at 0, 0.5, 1, 1.5, 2: those shown then
  std::vector<int64_t> indices;
  const Film two = decode("variable.mp4", options);
  for (const TimedFrame& frame : two.frames) indices.push_back(frame.index);
  EXPECT_THAT(indices, ElementsAre(0, 4, 7, 11));
}

std::vector<int64_t> indices_of(const Film& film) {
  std::vector<int64_t> out;
  for (const TimedFrame& frame : film.frames) out.push_back(frame.index);
  return out;
}

/** They begin at 0, 40, 46, 70 and 93 of 100 frames. */
TEST_F(FilmTest, ScenesAreFound) {
  if (!has_ffmpeg()) return;
  for (const char* name : {"scenes.mp4", "scenes_one_key.mkv"}) {
    SCOPED_TRACE(name);
    FilmOptions options;
    options.rule.choice = FrameChoice::scenes;
    options.rule.max_frames = 5;
    EXPECT_THAT(indices_of(decode(name, options)), ElementsAre(20, 43, 58, 81, 96));
    options.rule.max_frames = 1;
    EXPECT_THAT(indices_of(decode(name, options)), ElementsAre(50));
  }
}

/** Of the key frames alone where there are enough; pictures that were sought are those that decoding gets to. */
TEST_F(FilmTest, AnHour) {
  if (!has_ffmpeg()) return;
  FilmOptions options;
  options.rule.choice = FrameChoice::scenes;
  options.rule.max_frames = 6;
  const Film scenes = decode("hour.mkv", options);
  EXPECT_THAT(indices_of(scenes), ElementsAre(300, 900, 1500, 2100, 2700, 3300));
  options.rule = {};
  options.rule.tokens = 10'000;
  options.with_sound = true;  // there is none
  const Film spread = decode("hour.mkv", options);
  ASSERT_EQ(spread.frames.size(), 10'000u / (63 + kTokensBesideFrame));
  EXPECT_TRUE(spread.sound_fits);
  for (const TimedFrame& frame : spread.frames) {
    EXPECT_NEAR(frame.pixels.rgb[0], 30 + 35 * (frame.index / 600), 4) << frame.index;
  }
}

TEST_F(FilmTest, TokensOfFramesAndSound) {
  if (!has_ffmpeg()) return;
  FilmOptions options;
  options.with_sound = true;
  options.rule.tokens = 1040;
  const Film both = decode("scenes.mp4", options);  // 10 seconds of sound are 250 tokens
  EXPECT_TRUE(both.sound_fits);
  EXPECT_EQ(both.frames.size(), 10u);
  options.rule.tokens = 400;
  const Film silent = decode("scenes.mp4", options);
  EXPECT_FALSE(silent.sound_fits);
  EXPECT_EQ(silent.frames.size(), 5u);
  options.rule.max_frames = 2;
  EXPECT_EQ(decode("scenes.mp4", options).frames.size(), 2u);
  options.rule.tokens = 71;
  EXPECT_THAT(error_of([&] { decode("scenes.mp4", options); }), HasSubstr("expected more than 71 for the film"));
}

TEST_F(FilmTest, OfOneFrame) {
  if (!has_ffmpeg()) return;
  for (const FrameChoice choice : {FrameChoice::spread, FrameChoice::scenes}) {
    FilmOptions options;
    options.rule.choice = choice;
    const Film film = decode("one_frame.mp4", options);
    EXPECT_THAT(indices_of(film), ElementsAre(0));
    EXPECT_EQ(film.total_frames, 1);
  }
}

TEST_F(FilmTest, SoundOfAFilm) {
  if (!has_ffmpeg()) return;
  for (const char* name : {"h264_aac.mp4", "vp8_opus.ogv"}) {
    const Sound sound = decode_sound(*file_source(kFilms + name), {});
    EXPECT_NEAR(sound.seconds(), 1, 0.1) << name;
    EXPECT_FALSE(sound.level.silent()) << name;
  }
  EXPECT_THAT(error_of([] { decode_sound(*file_source(kFilms + "mpeg4.avi"), {}); }), HasSubstr("holds no sound"));
}

/** Pages that begin streams, "skeleton" before Theora, and nothing behind them. */
TEST_F(FilmTest, TheoraIsNotTakenForSound) {
  if (!has_ffmpeg()) return;
  const auto page = [](const std::string& packet) {
    const std::string zeros(20, '\0');  // position, serial, number, checksum
    return std::string("OggS\0\2", 6) + zeros + '\1' + static_cast<char>(packet.size()) + packet;
  };
  const auto refusal = [](const std::string& bytes) {
    return error_of([&] { decode_sound(*memory_source("x.ogv", gemma::testing::to_bytes(bytes)), {}); });
  };
  const std::string skeleton = page("fishead" + std::string(50, '\0'));
  EXPECT_THAT(refusal(skeleton + page("\x80theora")), Not(HasSubstr("not a sound file")));
  EXPECT_THAT(refusal(skeleton), HasSubstr("not a sound file"));
  EXPECT_THAT(refusal("OggS"), HasSubstr("not a sound file"));
  EXPECT_THAT(refusal(skeleton.substr(0, 60)), HasSubstr("not a sound file"));
}

TEST_F(FilmTest, WhatIsNoFilmIsRefused) {
  if (!has_ffmpeg()) return;
  const auto refusal = [](const std::string& path, const FilmOptions& options = {}) {
    return error_of([&] { decode_film(*file_source(path), options); });
  };
  EXPECT_THAT(refusal(kSamples + "sounds/tones.m4a"), HasSubstr("holds no pictures"));
  EXPECT_THAT(refusal(kSamples + "images/rgb.png"), HasSubstr("found a picture (PNG)"));
  for (const auto& [still, format] :
       {std::pair{"plain.avif", "AVIF"}, {"alpha.avif", "AVIF"}, {"pages.heic", "HEIC"}}) {
    EXPECT_THAT(refusal(kSamples + "images/" + still), HasSubstr(fmt::format("found a picture ({})", format))) << still;
  }
  FilmOptions limits;
  limits.max_seconds = 0.5;
  EXPECT_THAT(refusal(kFilms + "h264.mkv", limits), HasSubstr("expected at most 0.5 (--max-seconds)"));
  limits = {};
  limits.max_pixels = 100;
  EXPECT_THAT(refusal(kFilms + "h264.mkv", limits), HasSubstr("h264.mkv: "));
  gemma::testing::TempFolder folder;
  EXPECT_THAT(refusal(folder.write("list.m3u8", "#EXTM3U\n#EXTINF:1,\nfile:other\n")), HasSubstr("found a playlist"));
  const std::string mp4 = read_file(kFilms + "h264_aac.mp4");
  for (const size_t keep : {size_t{12}, size_t{40}, mp4.size() / 2}) {
    EXPECT_THAT(refusal(folder.write("cut.mp4", mp4.substr(0, keep))), HasSubstr("cut.mp4: "));
  }
}

}  // namespace
}  // namespace gemma::media

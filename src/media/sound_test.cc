// SPDX-License-Identifier: Apache-2.0
#include "media/sound.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "file/testing/files.h"
#include "media/mel.h"
#include "media/testing/samples.h"

namespace gemma::media {
namespace {

using gemma::testing::error_of;
using testing::golden_json;
using ::testing::HasSubstr;
using testing::kPreprocess;
using testing::kSamples;
using testing::largest_error;
using testing::tensor;

const std::string kSounds = kSamples + "sounds/";

Sound decode(const std::string& path) { return decode_sound(*file_source(path), {}); }

void append(std::string& out, const auto& value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); }

/** A WAV of floats. */
std::string wav(const std::vector<float>& samples, uint32_t rate = 16000, uint16_t channels = 1) {
  std::string out = "RIFF";
  const auto bytes = static_cast<uint32_t>(samples.size() * sizeof(float));
  append(out, 36 + bytes);
  out += "WAVEfmt ";
  append(out, uint32_t{16});
  append(out, uint16_t{3});
  append(out, channels);
  append(out, rate);
  append(out, rate * 4 * channels);
  append(out, static_cast<uint16_t>(4 * channels));
  append(out, uint16_t{32});
  out += "data";
  append(out, bytes);
  for (const float value : samples) append(out, value);
  return out;
}

Sound decode_text(const std::string& bytes, const SoundOptions& options = {}) {
  const auto all = std::as_bytes(std::span(bytes));
  return decode_sound(*memory_source("x", {all.begin(), all.end()}), options);
}

std::string refusal(const std::string& bytes, const SoundOptions& options = {}) {
  return error_of([&] { decode_text(bytes, options); });
}

/** Of bytes that may be readable or not: what is said of them, "" where they are. */
std::string outcome(const std::string& bytes) {
  try {
    decode_text(bytes);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(Sound, EveryWavOfTheGoldens) {
  const json::value golden = golden_json(kPreprocess + "preprocess.json");
  const ModelFile tensors = ModelFile::open(kPreprocess + "audio.safetensors");
  int compared = 0;
  for (const json::value& row : golden.at("audio").at("cases").as_array()) {
    const std::string file(row.at("file").as_string());
    SCOPED_TRACE(file);
    const Sound sound = decode(kPreprocess + file);
    EXPECT_EQ(std::ssize(sound.samples), row.at("samples").as_int64());
    if (!row.as_object().contains("decoded")) continue;
    EXPECT_EQ(largest_error(sound.samples, tensor<float>(tensors, row.at("decoded").as_string())), 0);
    ++compared;
  }
  EXPECT_EQ(compared, 5);
}

TEST(Sound, EveryFormatAtEveryRateIsWhatSoxrMakesOfIt) {
  const ModelFile tensors = ModelFile::open(kSounds + "sounds.safetensors");
  int compared = 0;
  const json::value golden = golden_json(kSounds + "sounds.json");
  for (const json::value& row : golden.as_array()) {
    const std::string name(row.at("file").as_string());
    if (tensors.find(name) == nullptr) continue;
    SCOPED_TRACE(name);
    const Sound sound = decode(kSounds + name);
    EXPECT_EQ(sound.rate, row.at("rate").as_int64());
    EXPECT_EQ(sound.channels, row.at("channels").as_int64());
    const bool lossless = name.ends_with("wav") || name.ends_with("flac") || name.ends_with("aiff");
    EXPECT_LE(largest_error(sound.samples, tensor<float>(tensors, name)), lossless ? 1e-5 : 1e-3);
    ++compared;
  }
  EXPECT_EQ(compared, 9);
}

/** The two tones of the samples, whatever coded them, some way from both ends. */
double tone_level(const Sound& sound, double hertz) {
  double re = 0, im = 0;
  int n = 0;
  for (size_t i = 2000; i + 2000 < sound.samples.size(); ++i, ++n) {
    const double angle = 2 * 3.14159265358979 * hertz * static_cast<double>(i) / kSoundRate;
    re += sound.samples[i] * std::cos(angle);
    im += sound.samples[i] * std::sin(angle);
  }
  return 2 * std::hypot(re, im) / n;
}

TEST(Sound, OfFilmContainers) {
  for (const std::string name : {"tones.m4a", "tones.webm", "tones.aac"}) {
    if (!has_ffmpeg()) continue;
    SCOPED_TRACE(name);
    const Sound sound = decode(kSounds + name);
    EXPECT_NEAR(sound.seconds(), 0.5, 0.15);
    EXPECT_NEAR(tone_level(sound, 440), 0.4, 0.03);
    EXPECT_NEAR(tone_level(sound, 1234), 0.2, 0.03);
    EXPECT_LT(tone_level(sound, 3000), 0.01);
  }
}

TEST(Sound, OddFilesAreReadOrRefusedInOneLine) {
  EXPECT_EQ(decode_text(wav({0.5f})).samples.size(), 1u);
  EXPECT_THAT(refusal(wav({})), HasSubstr("0 samples"));
  EXPECT_THAT(refusal(""), HasSubstr("empty file"));
  EXPECT_THAT(refusal("hello, world"), HasSubstr("found none of these"));
  EXPECT_THAT(refusal(read_file(kSamples + "images/rgb.png")), HasSubstr("found a picture (PNG)"));
  EXPECT_THAT(refusal(read_file(kSamples + "images/plain.heic")), HasSubstr("found a picture (HEIC)"));
  EXPECT_THAT(refusal(wav({0, 0, std::nanf("")})), HasSubstr("sample 2 is not a number"));
  EXPECT_THAT(refusal(wav({0, std::numeric_limits<float>::infinity()})), HasSubstr("sample 1 is not a number"));
  const float most = std::numeric_limits<float>::max();
  EXPECT_THAT(refusal(wav({0, 0, most, most}, 16000, 2)),
              HasSubstr("sample 1 is 3.40282e+38, and the sum of its 2 channels"));
  EXPECT_THAT(refusal(wav({0, 0}, 768001)), HasSubstr("768001 samples a second"));
  EXPECT_EQ(decode_text(wav(std::vector<float>(64 * 480, 0.25f), 48000, 64)).samples.size(), 160u);
  SoundOptions brief;
  brief.max_seconds = 0.01;
  EXPECT_THAT(refusal(wav(std::vector<float>(1000)), brief), HasSubstr("expected at most 0.01 (--max-seconds)"));
  brief = {};
  brief.max_bytes = 20;
  EXPECT_THAT(refusal(wav({0, 0}), brief), HasSubstr("expected at most 20 (--max-bytes)"));
}

TEST(Sound, CutFilesEndInOneLine) {
  for (const std::string name :
       {"tones_44100.flac", "tones_48000.opus", "tones_44100.mp3", "tones.m4a", "tones.webm"}) {
    if (!has_ffmpeg() && name.starts_with("tones.")) continue;
    const std::string bytes = read_file(kSounds + name);
    for (const size_t keep : {size_t{13}, bytes.size() / 30, bytes.size() / 2}) {
      // What there is of a stream may be heard; the rest must be refused by our own error, not by another.
      const std::string message = outcome(bytes.substr(0, keep));
      EXPECT_EQ(message.find('\n'), std::string::npos) << name << keep;
      if (keep < 100) {
        EXPECT_THAT(message, ::testing::StartsWith("x: ")) << name << keep;
      }
    }
  }
}

TEST(Sound, AnMp3WithATitleIsAnMp3) {
  const std::string title("ID3\x03\0\0\0\0\0\x0a", 10);
  EXPECT_EQ(decode_text(title + std::string(10, '\0') + read_file(kSounds + "tones_44100.mp3")).format, "MP3");
}

TEST(Sound, LevelTellsSilence) {
  EXPECT_TRUE(decode_text(wav(std::vector<float>(1000, 0.0005f))).level.silent());
  const Level level = decode_text(wav(std::vector<float>(1000, 0.1f))).level;
  EXPECT_FALSE(level.silent());
  EXPECT_NEAR(level.peak_db(), -20, 1e-3);
  EXPECT_NEAR(level.rms_db(), -20, 1e-3);
  EXPECT_EQ(decode_text(wav({0, 0})).level.peak_db(), -200);
}

TEST(Mel, EveryCaseOfTheGoldens) {
  const json::value golden = golden_json(kPreprocess + "preprocess.json");
  const ModelFile tensors = ModelFile::open(kPreprocess + "audio.safetensors");
  int compared = 0;
  double worst = 0;
  for (const json::value& row : golden.at("audio").at("cases").as_array()) {
    if (!row.as_object().contains("frames")) continue;
    const std::string file(row.at("file").as_string());
    SCOPED_TRACE(file);
    const Mel mel = mel_features(decode(kPreprocess + file).samples);
    EXPECT_EQ(mel.frames, row.at("frames").as_int64());
    EXPECT_EQ(mel.valid, row.at("valid_frames").as_int64());
    EXPECT_EQ(mel.soft_tokens(), row.at("soft_tokens").as_int64());
    if (row.at("tensor").is_null()) continue;
    const std::string name(row.at("tensor").as_string());
    worst = std::max(worst, largest_error(mel.values, tensor<float>(tensors, name + ".features")));
    const std::vector<uint8_t> mask = tensor<uint8_t>(tensors, name + ".mask");
    for (int64_t i = 0; i < std::ssize(mask); ++i) EXPECT_EQ(mask[static_cast<size_t>(i)] != 0, i < mel.valid);
    ++compared;
  }
  EXPECT_EQ(compared, 16);
  EXPECT_LT(worst, 2e-3);
  RecordProperty("worst_over_tolerance", std::to_string(worst / 2e-3));
}

TEST(Mel, EveryCountOfTheGoldens) {
  int rows = 0;
  const json::value golden = golden_json(kPreprocess + "preprocess.json");
  for (const json::value& row : golden.at("audio").at("token_counts").as_array()) {
    const Mel mel = mel_counts(row.at("samples").as_int64());
    EXPECT_EQ(mel.frames, row.at("frames").as_int64()) << row;
    EXPECT_EQ(mel.valid, row.at("valid_frames").as_int64()) << row;
    EXPECT_EQ(mel.soft_tokens(), row.at("soft_tokens").as_int64()) << row;
    ++rows;
  }
  EXPECT_EQ(rows, 77);
}

TEST(Mel, TablesOfTheGoldens) {
  const ModelFile tensors = ModelFile::open(kPreprocess + "audio.safetensors");
  EXPECT_LT(largest_error(mel_filters(), tensor<float>(tensors, "table.mel_filters")), 1e-6);
  EXPECT_LT(largest_error(mel_window(FrontEnd::transformers), tensor<float>(tensors, "table.window")), 1e-7);
  const std::vector<float> jax = mel_window(FrontEnd::jax);  // begins and ends alike
  EXPECT_FLOAT_EQ(jax.front(), jax.back());
}

/** The definition, term by term. */
float mel_by_definition(const std::vector<float>& samples, int64_t begin, size_t bin, FrontEnd front_end) {
  const std::vector<float> window = mel_window(front_end), filters = mel_filters();
  double sum = 0;
  for (int k = 0; k <= 256; ++k) {
    const double weight = filters[static_cast<size_t>(k) * kMelBins + bin];
    if (weight == 0) continue;
    double re = 0, im = 0;
    for (int i = 0; i < 320; ++i) {
      const int64_t at = begin + i;
      if (at < 0 || at >= std::ssize(samples)) continue;
      const float value = samples[static_cast<size_t>(at)] * window[static_cast<size_t>(i)];  // rounded there too
      re += value * std::cos(2 * 3.14159265358979323846 * k * i / 512);
      im -= value * std::sin(2 * 3.14159265358979323846 * k * i / 512);
    }
    sum += weight * std::hypot(re, im);
  }
  return static_cast<float>(std::log(sum + 0.001));
}

TEST(Mel, BothFrontEndsByDefinition) {
  const std::vector<float> samples = decode(kPreprocess + "audio/tones_1600_9.wav").samples;
  for (const FrontEnd front_end : {FrontEnd::transformers, FrontEnd::jax}) {
    MelOptions options;
    options.front_end = front_end;
    const Mel mel = mel_features(samples, options);
    EXPECT_EQ(mel.frames, front_end == FrontEnd::jax ? 9 : 10);
    const int64_t lead = front_end == FrontEnd::jax ? 0 : 160;
    for (const size_t bin : {0, 5, 31, 77, 126}) {
      for (const int64_t frame : {0, 3, 8}) {
        const float expected = mel_by_definition(samples, frame * 160 - lead, bin, front_end);
        EXPECT_NEAR(mel.values[static_cast<size_t>(frame) * kMelBins + bin], expected, 2e-5) << bin << " " << frame;
      }
    }
  }
}

TEST(Mel, OddLengths) {
  EXPECT_EQ(mel_features({}).frames, 0);
  EXPECT_EQ(mel_features(std::vector<float>(1)).soft_tokens(), 0);
  EXPECT_EQ(mel_features(std::vector<float>(480001)).soft_tokens(), mel_counts(480000).soft_tokens());
}

TEST(RawFrames, FillTheLastWithZeros) {
  std::vector<float> samples(1281, 1.0f);
  const RawFrames frames = raw_frames(samples);
  EXPECT_EQ(frames.frames, 3);
  ASSERT_EQ(frames.values.size(), 1920u);
  EXPECT_EQ(frames.values[1280], 1);
  EXPECT_EQ(frames.values[1281], 0);
  EXPECT_EQ(raw_frames(std::vector<float>(480001)).frames, 751);  // nothing is cut
  EXPECT_EQ(raw_frames({}).frames, 0);
}

}  // namespace
}  // namespace gemma::media

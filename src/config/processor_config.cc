// SPDX-License-Identifier: Apache-2.0
#include "config/processor_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "config/gguf_keys.h"
#include "config/keys.h"
#include "config/resolve.h"

namespace gemma {
namespace {

constexpr int64_t kMaxBudget = 1'000'000, kMaxFrames = 1'000'000;

/** The grid of patches that pictures are cut into. */
struct Squares {
  int patch = 0, pool = 0;
};

std::optional<Squares> squares_of(const MediaConfig& media) {
  if (media.vision) return Squares{media.vision->patch, media.vision->pool};
  return std::nullopt;
}

/** Keys that have one value only: where another stands, soft tokens would not be those that the model was made for. */
void require_number(const Keys& keys, std::string_view key, double expected) {
  const auto found = keys.number(key, -1e18, 1e18);
  if (found && std::fabs(*found - expected) > 1e-9) {
    keys.fail_key(key, fmt::format("{:g}", expected), keys.all().if_contains(key));
  }
}

void require_flag(const Keys& keys, std::string_view key, bool expected) {
  if (keys.boolean(key).value_or(expected) == expected) return;
  keys.fail_key(key, expected ? "true" : "false", keys.all().if_contains(key));
}

/** Three times the same number, for a colour each. */
void require_colours(const Keys& keys, std::string_view key, double expected) {
  const json::value* value = keys.all().if_contains(key);
  if (value == nullptr || value->is_null()) return;
  const json::array* list = value->if_array();
  bool same = list != nullptr;
  for (size_t i = 0; same && i < list->size(); ++i) {
    same = (*list)[i].is_number() && (*list)[i].to_number<double>() == expected;
  }
  if (!same) keys.fail_key(key, fmt::format("a list of {:g}", expected), value);
}

/** Of pictures or of frames: how large they may be, and that nothing else is asked for. */
std::optional<int> read_pictures(const Keys& keys, const MediaConfig& media) {
  constexpr double kBicubic = 3;
  require_flag(keys, "do_resize", true);
  require_flag(keys, "do_rescale", true);
  require_number(keys, "resample", kBicubic);
  require_number(keys, "rescale_factor", 1.0 / 255);
  if (keys.boolean("do_normalize").value_or(false)) {
    require_colours(keys, "image_mean", 0);
    require_colours(keys, "image_std", 1);
  }
  if (const auto squares = squares_of(media)) {
    require_number(keys, "patch_size", squares->patch);
    require_number(keys, "pooling_kernel_size", squares->pool);
  } else if (media.pixel_blocks) {
    const int patch = keys.integer("patch_size", 1, resolve::kMaxPixels).value_or(0);
    const int pool = keys.integer("pooling_kernel_size", 1, resolve::kMaxPixels).value_or(0);
    if (patch > 0 && pool > 0 && patch * pool != media.pixel_blocks->side) {
      keys.fail_key("patch_size",
                    fmt::format("{} with pooling_kernel_size of blocks of {} pixels", media.pixel_blocks->side / pool,
                                media.pixel_blocks->side),
                    keys.all().if_contains("patch_size"));
    }
  }
  return keys.integer("max_soft_tokens", 1, kMaxBudget);
}

void check_sound(const Keys& keys, const MediaConfig& media) {
  require_number(keys, "sampling_rate", 16000);
  if (media.sample_frames) {
    require_number(keys, "audio_samples_per_token", media.sample_frames->samples);
    return;
  }
  struct Given {
    const char* key;
    double value;
  };
  constexpr std::array<Given, 9> kGiven{{{"feature_size", 128},
                                         {"frame_length", 320},
                                         {"hop_length", 160},
                                         {"fft_length", 512},
                                         {"min_frequency", 0},
                                         {"max_frequency", 8000},
                                         {"mel_floor", 0.001},
                                         {"dither", 0},
                                         {"preemphasis", 0}}};
  for (const Given& given : kGiven) require_number(keys, given.key, given.value);
  require_number(keys, "input_scale_factor", 1);
  for (const char* key : {"per_bin_mean", "per_bin_stddev"}) {
    const json::value* value = keys.all().if_contains(key);
    if (value != nullptr && !value->is_null()) keys.fail_key(key, "null", value);
  }
}

bool is_sound(const Keys& keys) { return keys.has("feature_extractor_type") || keys.has("sampling_rate"); }

void take_pictures(ProcessorConfig& c, const Keys& keys, const MediaConfig& media) {
  c.image_budget = read_pictures(keys, media);
}

void take_films(ProcessorConfig& c, const Keys& keys, const MediaConfig& media) {
  c.frame_budget = read_pictures(keys, media);
  c.frames = keys.integer("num_frames", 1, kMaxFrames);
}

/** llama.cpp's readers know a bound of pixels: it holds the budget's cells exactly. */
ProcessorConfig from_gguf(const ModelFile& file, const MediaConfig& media) {
  ProcessorConfig c;
  const int64_t side = media.vision         ? int64_t{media.vision->patch} * media.vision->pool
                       : media.pixel_blocks ? media.pixel_blocks->side
                                            : 0;
  if (side == 0) return c;
  const int64_t cell = side * side, most = std::min<int64_t>(kMaxBudget * cell, std::numeric_limits<int>::max());
  const auto pixels = GgufKeys(file, "clip").integer("vision.image_max_pixels", 1, most);
  if (pixels && *pixels % cell == 0) c.image_budget = static_cast<int>(*pixels / cell);
  return c;
}

}  // namespace

ProcessorConfig ProcessorConfig::from_json(std::string_view where, const json::value& config,
                                           const MediaConfig& media) {
  ProcessorConfig c;
  const Keys top(where, config);
  const auto pictures = top.object("image_processor"), films = top.object("video_processor"),
             sound = top.object("feature_extractor");
  if (media.sees() && pictures) take_pictures(c, *pictures, media);
  if (media.sees() && films) take_films(c, *films, media);
  if (media.hears() && sound) check_sound(*sound, media);
  return c;
}

ProcessorConfig ProcessorConfig::from(const ModelFile& file, const MediaConfig& media) {
  if (file.format() == FileFormat::gguf) return from_gguf(file, media);
  const auto path = [&](const char* name) { return (file.folder().empty() ? "" : file.folder() + "/") + name; };
  ProcessorConfig c;
  // What a file of its own says, then what the newer file that holds all says.
  if (const auto json = file.side_json("preprocessor_config.json")) {
    const Keys keys(path("preprocessor_config.json"), *json);
    if (media.sees() && !is_sound(keys)) take_pictures(c, keys, media);
    if (media.hears() && is_sound(keys)) check_sound(keys, media);
  }
  if (const auto json = file.side_json("video_preprocessor_config.json"); json && media.sees()) {
    take_films(c, Keys(path("video_preprocessor_config.json"), *json), media);
  }
  if (const auto json = file.side_json("processor_config.json")) {
    const ProcessorConfig whole = from_json(path("processor_config.json"), *json, media);
    if (whole.image_budget) c.image_budget = whole.image_budget;
    if (whole.frame_budget) c.frame_budget = whole.frame_budget;
    if (whole.frames) c.frames = whole.frames;
  }
  return c;
}

}  // namespace gemma

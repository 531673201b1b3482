// SPDX-License-Identifier: Apache-2.0
// gemma4 preprocess: what a model's encoders see of a picture, sound or film, as a file of tensors and in words.
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "base/json.h"
#include "exchange/media_facts.h"
#include "exchange/media_model.h"
#include "file/safetensors_writer.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/local_model.h"
#include "gemma4/media_options.h"
#include "gemma4/targets.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 preprocess image bike.jpg                         sizes and soft tokens
  gemma4 preprocess image page.png --budget 1120 --out page.safetensors
  gemma4 preprocess audio talk.mp3 --json
  gemma4 preprocess image bike.jpg --model models/E2B      as that model wants it
  gemma4 preprocess video goal.mp4 --fps 1 --max-frames 60 --out goal.safetensors
  cat bike.jpg | gemma4 preprocess image - --form unified --out bike.safetensors)";

struct PreprocessOptions {
  std::string file, out, model;
  bool json = false;
  MediaOptions media;
};

void write_arrays(const std::string& path, const std::vector<media::Array>& arrays) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const media::Array& array : arrays) {
    tensors.emplace_back(array.name, array.values);
  }
  write_safetensors(path, tensors);
}

std::string image_text(const Facts& facts, bool by_text) {
  const Facts resized = facts.part("resized");
  const int64_t orientation = facts.count("orientation");
  std::string out = fmt::format("{}, {} x {}", facts.text("format"), facts.count("width"), facts.count("height"));
  if (orientation != 1) out += fmt::format(", orientation tag {}", orientation);
  out += fmt::format("\nresized to {} x {}: {} soft tokens of a budget of {}\n", resized.count("width"),
                     resized.count("height"), facts.count("soft_tokens"), facts.count("budget"));
  if (facts.has("first_of_several")) out += "the first of its frames or pages, no other is seen\n";
  if (by_text && !facts.has("text_height")) out += "budget chosen: no text found\n";
  if (by_text && facts.has("text_height")) {
    out += fmt::format("budget chosen: text {:.1f} pixels high is {:.1f} after the resize\n",
                       facts.number("text_height"), facts.number("text_height_resized"));
  }
  return out;
}

std::string sound_text(const Facts& facts) {
  const int64_t channels = facts.count("channels");
  std::string out = fmt::format("{}, {} Hz, {} channel{}, {:.2f} s, peak {:.1f} dB, mean {:.1f} dB\n",
                                facts.text("format"), facts.count("rate"), channels, channels == 1 ? "" : "s",
                                facts.seconds("seconds"), facts.number("peak_db"), facts.number("rms_db"));
  if (facts.flag("silent")) out += "silent: nothing in it reaches -60 dB\n";
  for (const Facts& clip : facts.list("clips")) {
    out += fmt::format("{:>9.2f} s to {:.2f} s: {} soft tokens", clip.seconds("begin"), clip.seconds("end"),
                       clip.count("soft_tokens"));
    if (clip.has("frame")) out += fmt::format(", with frame {}", clip.count("frame"));
    out += "\n";
  }
  return out;
}

std::string film_text(const Facts& facts) {
  const Facts resized = facts.part("resized");
  std::string out =
      fmt::format("{}, {} x {}, {:.2f} s, {} frames at {:.4g} a second\n", facts.text("format"), facts.count("width"),
                  facts.count("height"), facts.seconds("seconds"), facts.count("total_frames"), facts.number("fps"));
  const std::vector<Facts> frames = facts.list("frames");
  out += fmt::format("{} of them resized to {} x {}: {} soft tokens each, {} in all\nframes:", frames.size(),
                     resized.count("width"), resized.count("height"), facts.count("soft_tokens_per_frame"),
                     facts.count("soft_tokens"));
  for (const Facts& frame : frames) out += fmt::format(" {} ({})", frame.count("index"), frame.text("stamp"));
  out += fmt::format("\nwith time stamps and sound at most {} tokens\n", facts.count("tokens"));
  if (facts.has("sound_left_out") && facts.flag("sound_left_out")) {
    out += "sound: left out, it takes more than half of --video-tokens\n";
  }
  if (facts.has("sound")) out += "sound: " + sound_text(facts.part("sound"));
  return out;
}

std::string describe(const media::PrepareOptions& options, const Facts& facts) {
  if (options.kind == Medium::image) return image_text(facts, options.budget == media::kAutoBudget);
  return options.kind == Medium::audio ? sound_text(facts) : film_text(facts);
}

/** Before the work: that what is written can be, and replaces neither what is read nor a part of the model. */
void check_out(const PreprocessOptions& options, const ModelFile* model) {
  if (options.out.empty()) return;
  if (same_file(options.out, options.file))
    fail_usage("--out", "{} is the file to read; another name is needed", options.out);
  if (model != nullptr) keep_model(options.out, *model);
  check_writable(options.out);
}

void run(const PreprocessOptions& options) {
  const InterruptGuard guard;
  MediaOptions media = options.media;
  std::optional<ModelFile> model;
  if (!options.model.empty()) model = ModelFile::open(local_model(options.model).path);
  if (model) MediaModel::of(*model).set(media.prepare);
  check_out(options, model ? &*model : nullptr);
  media::Prepared prepared = prepare_file(options.file, media);
  if (!options.out.empty()) write_arrays(options.out, prepared.arrays);
  std::string out;
  if (options.json) {
    json::array arrays;
    for (const media::Array& array : prepared.arrays) {
      json::array shape;
      for (int i = 0; i < array.values.shape().rank; ++i) shape.emplace_back(array.values.shape()[i]);
      arrays.push_back(
          json::object{{"name", array.name}, {"dtype", info(array.values.dtype()).name}, {"shape", shape}});
    }
    json::object whole{{"file", options.file}};
    for (const auto& [key, value] : prepared.facts) whole[key] = value;
    whole["arrays"] = std::move(arrays);
    out = write_json(whole, 2) + "\n";
  } else {
    out = describe(media.prepare, Facts(options.file, prepared.facts));
  }
  std::fwrite(out.data(), 1, out.size(), stdout);
  std::fflush(stdout);
}

void add_kind(CLI::App& preprocess, const char* name, Medium kind, const char* help) {
  auto options = std::make_shared<PreprocessOptions>();
  options->media.prepare.kind = kind;
  CLI::App* command = preprocess.add_subcommand(name, help);
  command->add_option("FILE", options->file, "The file; - is standard input")->required()->check(not_empty());
  command->add_option("--out", options->out, "Write the tensors to this file")
      ->check(not_empty())
      ->type_name("OUT.safetensors");
  command->add_flag("--json", options->json, "What is known of it, as JSON");
  add_media_options(*command, options->media);
  command
      ->add_option(
          "--model", options->model,
          "The model it is for, a folder or an mmproj file: form, grid, budget and number of frames are its own")
      ->check(not_empty())
      ->excludes("--form");
  command->footer(kExamples);
  command->callback([options] {
    if (!options->out.empty() && !options->out.ends_with(".safetensors")) {
      fail_usage("--out", "expected a name that ends in .safetensors, found '{}'", options->out);
    }
    run(*options);
  });
}

}  // namespace

void add_preprocess(CLI::App& app) {
  CLI::App* command = app.add_subcommand("preprocess", "Show what a model sees of a picture, sound or film");
  command->require_subcommand(1);
  command->footer(kExamples);
  add_kind(*command, "image", Medium::image, "A picture: JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, HEIC");
  add_kind(*command, "audio", Medium::audio, "Sound: WAV, AIFF, FLAC, Ogg, Opus, MP3, m4a, AAC, WebM, of films too");
  add_kind(*command, "video", Medium::video, "A film: MP4, QuickTime, WebM, Matroska, AVI, MPEG-TS");
}

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
#include "gemma4/media_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "gemma4/checks.h"
#include "gemma4/standard_input.h"
#include "gemma4/terminal.h"
#include "media/film.h"
#include "media/image.h"
#include "media/sound.h"

namespace gemma::app {
namespace {

constexpr const char* kMediaGroup = "Pictures, sound and film";

/** One of a few words, each of which stands for a value. */
template <class T>
CLI::Option* add_choice(CLI::App& command, const char* name, T& value, std::vector<std::pair<std::string, T>> choices,
                        const char* help) {
  std::string names, chosen;
  for (const auto& [word, choice] : choices) {
    names += (names.empty() ? "" : "|") + word;
    if (choice == value) chosen = word;
  }
  const auto find = [choices = std::move(choices)](const std::string& text) {
    const auto at = std::find_if(choices.begin(), choices.end(), [&](const auto& each) { return each.first == text; });
    return at == choices.end() ? std::nullopt : std::optional<T>(at->second);
  };
  const auto fault = [find, names](const std::string& text) {
    return find(text) ? "" : fmt::format("expected {}, found '{}'", names, text);
  };
  return command
      .add_option_function<std::string>(
          name, [find, &value](const std::string& text) { value = *find(text); }, help)
      ->check(CLI::Validator(fault, ""))
      ->type_name(names)
      ->default_str(chosen);
}

// As a worker is told them (media/prepare_options.cc).
CLI::Validator pixels() { return whole(1, 1'000'000'000'000); }
CLI::Validator seconds() { return in_range(0.001, 1e9); }

void add_size(CLI::App& command, const char* name, std::string& value, int64_t least, const char* help) {
  const auto fault = [least](const std::string& text) {
    const std::optional<int64_t> bytes = parse_bytes(text);
    if (!bytes) return fmt::format("expected a size such as 3GB or 800MB, found '{}'", text);
    return *bytes < least ? fmt::format("expected {} or more, found '{}'", format_bytes(least), text) : std::string();
  };
  command.add_option(name, value, help)->type_name("SIZE")->check(CLI::Validator(fault, ""));
}

void add_budget(CLI::App& command, const char* name, media::PrepareOptions& o) {
  const bool film = o.kind == Medium::video;
  std::vector<std::pair<std::string, int>> budgets;
  for (const int budget : media::kImageBudgets) budgets.emplace_back(std::to_string(budget), budget);
  if (!film) budgets.emplace_back("auto", media::kAutoBudget);
  add_choice<int>(command, name, o.budget, std::move(budgets),
                  film ? "Soft tokens of a frame at most; default: the model's, else 70"
                       : "Soft tokens of a picture at most; default: the model's, else 280. auto: as few as leave "
                         "text 12 pixels high, 280 where there is none");
}

void add_picture_options(CLI::App& command, media::PrepareOptions& o) {
  const bool film = o.kind == Medium::video;
  add_budget(command, film ? "--budget,--frame-budget" : "--budget,--image-budget", o);
  add_choice<media::ResizeRule>(command, "--resize", o.resize,
                                {{"torch", media::ResizeRule::torch},
                                 {"pillow", media::ResizeRule::pillow},
                                 {"pillow-down-first", media::ResizeRule::pillow_down_first}},
                                "Whose rounding");
}

CLI::Option* add_front_end(CLI::App& command, media::FrontEnd& front_end) {
  return add_choice<media::FrontEnd>(command, "--front-end", front_end,
                                     {{"transformers", media::FrontEnd::transformers}, {"jax", media::FrontEnd::jax}},
                                     "Whose mel features (docs/media.md)");
}

void add_film_options(CLI::App& command, const char* sound, media::PrepareOptions& o) {
  command.add_option("--max-frames", o.frames.max_frames, "Frames at most, spread evenly; default 32")
      ->check(whole(1, 10000));
  command.add_option("--fps", o.frames.fps, "So many frames a second, up to --max-frames")
      ->check(in_range(0.0001, 1000.0));
  command
      .add_option("--video-tokens", o.frames.tokens,
                  "Tokens of a film at most, frames, time stamps and sound: as many frames as fit, up to --max-frames "
                  "where that is given; sound that takes more than half of them is left out")
      ->check(whole(1, 1'000'000'000));
  add_choice<media::FrameChoice>(command, "--frames", o.frames.choice,
                                 {{"spread", media::FrameChoice::spread}, {"scenes", media::FrameChoice::scenes}},
                                 "Which: spread evenly, or one of each scene and of the longest ones more")
      ->excludes("--fps");
  add_choice<media::FilmSound>(
      command, sound, o.sound,
      {{"aligned", media::FilmSound::aligned}, {"after", media::FilmSound::after}, {"none", media::FilmSound::none}},
      "The sound track: beside the frames it belongs to, behind them, or left out");
}

/** Of files that are seen, heard or both. */
void add_limits(CLI::App& command, MediaLimits& limits, bool seen, bool heard) {
  add_decoding_limits(command, limits, seen, heard);
  add_size(command, "--max-bytes", limits.max_bytes, 1, "Of the file at most");
}

/** Says on a terminal that a file takes its time, and for how long already. */
class Waiting {
 public:
  explicit Waiting(std::string name) : name_(std::move(name)) {}
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() {
    if (shown_ > 0) fmt::print(stderr, "\r\x1b[K"), std::fflush(stderr);
  }

  void show() {
    const auto seconds = static_cast<int>(seconds_since(start_));
    if (seconds == shown_ || !is_terminal(STDERR_FILENO)) return;
    shown_ = seconds;
    const std::string line = fmt::format("decoding {}: {} s (Ctrl-C ends it)", name_, seconds);
    fmt::print(stderr, "\r\x1b[K{}", cut_to_width(line, terminal_width() - 1));
    std::fflush(stderr);
  }

 private:
  const std::string name_;
  const Clock::time_point start_ = Clock::now();
  int shown_ = 0;
};

}  // namespace

void group_media_options(CLI::App& command, size_t before) {
  const std::vector<CLI::Option*> options = command.get_options();
  for (size_t i = before; i < options.size(); ++i) options[i]->group(kMediaGroup);
}

void Hearing::set(MediaConfig& encoders) const {
  if (encoders.audio && reference_window) encoders.audio->window = encoders.audio->distances - 1;
}

void Hearing::set(MediaModel& model) const {
  set(model.encoders);
  model.front_end = front_end;
}

void add_audio_window_option(CLI::App& command, Hearing& hearing) {
  add_choice<bool>(command, "--audio-window", hearing.reference_window, {{"trained", false}, {"reference", true}},
                   "Frames of sound that one sees with itself. trained: 13; reference: 12, as transformers has it")
      ->group(kMediaGroup);
}

void add_hearing_options(CLI::App& command, Hearing& hearing) {
  add_audio_window_option(command, hearing);
  add_front_end(command, hearing.front_end)->group(kMediaGroup);
}

void add_encoder_cache_option(CLI::App& command, std::string& size) {
  command
      .add_option("--encoder-cache", size,
                  "Room for what the encoders made of pictures, sound and film, so that what is shown again is not "
                  "encoded again; 0 for none")
      ->capture_default_str()
      ->check(room())
      ->type_name("SIZE")
      ->group(kMediaGroup);
}

void add_decoding_limits(CLI::App& command, MediaLimits& limits, bool seen, bool heard) {
  if (seen) {
    const auto millions = [](int64_t pixels) { return pixels / 1'000'000; };
    command
        .add_option("--max-pixels", limits.max_pixels,
                    fmt::format("Of a picture or frame at most, before resizing; default {} million, of a frame {}",
                                millions(media::ImageOptions().max_pixels), millions(media::FilmOptions().max_pixels)))
        ->check(pixels());
  }
  if (heard) {
    command
        .add_option("--max-seconds", limits.max_seconds,
                    fmt::format("Of sound or film at most; default {}, of a film {}", media::SoundOptions().max_seconds,
                                media::FilmOptions().max_seconds))
        ->check(seconds());
  }
  add_size(command, "--max-memory", limits.max_memory, media::kMinWorkerMemory, "For decoding it at most; default 6GB");
  command.add_option("--max-cpu", limits.cpu_seconds, "Seconds of processor time for decoding it at most")
      ->check(whole(1, media::kMaxWorkerSeconds))
      ->capture_default_str();
}

media::WorkerOptions worker_of(const MediaLimits& limits) {
  media::WorkerOptions worker;
  worker.cpu_seconds = limits.cpu_seconds;
  if (!limits.max_memory.empty()) worker.memory = *parse_bytes(limits.max_memory);
  return worker;
}

void add_media_options(CLI::App& command, MediaOptions& options) {
  media::PrepareOptions& o = options.prepare;
  add_choice<media::Form>(command, "--form", o.form,
                          {{"towers", media::Form::towers}, {"unified", media::Form::unified}},
                          "For models with towers, or the 12B, which has none");
  if (o.kind != Medium::audio) add_picture_options(command, o);
  if (o.kind == Medium::image) {
    add_choice<media::Alpha>(command, "--alpha", o.alpha,
                             {{"white", media::Alpha::white}, {"drop", media::Alpha::drop}},
                             "What is transparent: on white, or its colours as stored");
    command.add_flag("!--as-stored", o.turn, "Do not turn the picture by its orientation tag");
  }
  if (o.kind != Medium::image) add_front_end(command, o.front_end);
  if (o.kind == Medium::video) add_film_options(command, "--sound", o);
  add_limits(command, options.limits, o.kind != Medium::audio, o.kind != Medium::image);
}

MediaSettings::MediaSettings() {
  audio.kind = Medium::audio;
  video.kind = Medium::video;
}

MediaOptions MediaSettings::of(Medium kind) const {
  return {kind == Medium::image ? image : kind == Medium::audio ? audio : video, limits};
}

void add_media_settings(CLI::App& command, MediaSettings& settings, const std::vector<Medium>& kinds) {
  const size_t before = command.get_options().size();
  const auto has = [&](Medium kind) { return std::find(kinds.begin(), kinds.end(), kind) != kinds.end(); };
  if (has(Medium::image)) add_budget(command, "--image-budget", settings.image);
  if (has(Medium::video)) {
    add_budget(command, "--frame-budget", settings.video);
    add_film_options(command, "--film-sound", settings.video);
  }
  const bool film = has(Medium::video);
  add_limits(command, settings.limits, has(Medium::image) || film, has(Medium::audio) || film);
  group_media_options(command, before);
}

File open_file(const std::string& path, const MediaLimits& limits) {
  if (path.empty()) fail("a picture, sound or film", "expected the name of a file, found nothing");
  if (path.find("://") != std::string::npos) fail(path, "expected a file of this machine, found an address");
  if (path.starts_with("data:")) fail("data:...", "expected a file of this machine, found its bytes");
  constexpr int64_t kMostInput = 4'000'000'000;
  if (path == "-") {
    return file_of_standard_input(limits.max_bytes.empty() ? kMostInput : *parse_bytes(limits.max_bytes));
  }
  std::error_code error;
  if (is_standard_input(path) || std::filesystem::is_fifo(path, error)) {
    fail(path, "cannot read: expected a regular file, found a pipe or terminal; '-' reads standard input");
  }
  return File::open(path);
}

media::Prepared prepare_file(const File& file, const MediaOptions& options) {
  media::PrepareOptions prepare = options.prepare;
  media::WorkerOptions worker = worker_of(options.limits);
  prepare.max_pixels = options.limits.max_pixels;
  prepare.max_seconds = options.limits.max_seconds;
  if (!options.limits.max_bytes.empty()) prepare.max_bytes = *parse_bytes(options.limits.max_bytes);
  Waiting waiting(file.path());
  worker.interrupted = [&waiting] {
    waiting.show();
    return InterruptGuard::interrupted();
  };
  return media::prepare_apart(file, prepare, worker);
}

media::Prepared prepare_file(const std::string& path, const MediaOptions& options) {
  return prepare_file(open_file(path, options.limits), options);
}

}  // namespace gemma::app

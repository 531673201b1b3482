// SPDX-License-Identifier: Apache-2.0
// gemma4 transcribe: what is said in sound and films, of any length, with times.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "exchange/media_facts.h"
#include "exchange/seam.h"
#include "exchange/speech.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/progress.h"
#include "gemma4/targets.h"
#include "gemma4/task.h"

namespace gemma::app {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExamples = R"(Examples:
  gemma4 transcribe talk.mp3 -m model-folder
  gemma4 transcribe film.mp4 --srt > film.srt
  gemma4 transcribe interview.m4a --language German --to English --json
  gemma4 transcribe *.ogg --vtt -o subtitles/

Sound longer than 30 seconds is cut where it is quietest; the model is told the last words before a piece. Where nobody
pauses pieces overlap by a second, and words that both have stand once. Subtitles begin and end with what can be heard
of a piece; times within it are reckoned from the letters. Ctrl-C ends it and keeps what is there.)";

// Tokens of an answer about a second of sound, and about nothing: more is nonsense that goes on and on.
constexpr double kTokensASecond = 16;
constexpr int kTokensBeside = 80;
constexpr double kLongestPiece = 60;  // seconds, and more than one has
constexpr int kMostThought = 1'000'000;

struct TranscribeOptions {
  TaskOptions task;
  std::vector<std::string> files;
  SpeechTask speech;
  std::string output;
  double piece_seconds = 30;
  bool srt = false, vtt = false, alone = false;

  const char* ending() const { return srt ? ".srt" : vtt ? ".vtt" : task.json ? ".json" : ".txt"; }
};

std::string minutes(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/** What a segment says in the language that is asked for. */
const std::string& words_of_segment(const SpeechSegment& segment) {
  return segment.said.translation.empty() ? segment.said.text : segment.said.translation;
}

/** A file on its way to text. */
class Transcription {
 public:
  Transcription(Task& task, const TranscribeOptions& options, const MediaFile& file, std::shared_ptr<const Media> media)
      : task_(task), options_(options), file_(file), media_(std::move(media)) {}

  void run(bool live) {
    const auto start = Clock::now();
    const MediaList clips = clips_of(*media_);
    const Facts facts(file_.path, media_->facts);
    const std::vector<Facts> pieces = facts.list("clips");
    GEMMA_CHECK(pieces.size() == clips.size(), "a clip for each of the facts");
    const auto total = static_cast<int64_t>(std::ceil(facts.seconds("seconds")));
    Progress progress("transcribing", total, Progress::Unit::seconds);
    int64_t done = 0;
    const auto said = [&] { return transcript_.segments().size(); };
    for (size_t i = 0; i < clips.size() && !InterruptGuard::interrupted(); ++i) {
      const Facts& clip = pieces[i];
      SpeechSegment segment{clip.seconds("begin"),     clip.seconds("end"),   clip.seconds("heard_begin"),
                            clip.seconds("heard_end"), clip.flag("overlaps"), {}};
      const auto end = static_cast<int64_t>(std::ceil(segment.end));
      if (!clip.flag("silent")) hear(clips[i], std::move(segment), progress);
      progress.add(end - std::exchange(done, end));
      if (live && said() > 0) print_settled(progress, said() - 1);
    }
    progress.finish();
    if (live) print_settled(progress, said());
    if (live && heard() && (!lines_ || said() == 0)) fmt::print("\n");
    seconds_ = seconds_since(start);
  }

  /** Whether there is a text, be it empty: not where every piece went wrong. */
  bool heard() const {
    return finishes_.empty() ||
           std::any_of(finishes_.begin(), finishes_.end(), [](Finish finish) { return finish != Finish::error; });
  }

  /** All of it in the form that is asked for. */
  std::string result() const {
    if (options_.srt) return as_srt(transcript_.cues());
    if (options_.vtt) return as_vtt(transcript_.cues());
    if (options_.task.json) return write_json(as_json()) + "\n";
    return text() + "\n";
  }

 private:
  void hear(const std::shared_ptr<const Media>& clip, SpeechSegment segment, Progress& progress) {
    AnswerOptions answer = task_.answer_options();
    if (answer.max_tokens == 0) answer.max_tokens = most_tokens(segment.end - segment.begin);
    const std::string before = options_.alone ? "" : transcript_.tail();
    const Answer heard = task_.try_to_ask({clip}, speech_question(options_.speech, before), answer,
                                          [&](const ChatEvent&) { progress.add(0); });
    segment.said = speech_answer(options_.speech, heard.text);
    finishes_.push_back(heard.finish.value_or(Finish::error));
    prompt_tokens_ += heard.prompt_tokens;
    tokens_ += heard.tokens;
    const std::string wrong = fault_in(heard, segment.said);
    if (!wrong.empty()) {
      progress.finish();
      fmt::print(stderr, "gemma4: {}: {} to {}: {}\n", file_.path, minutes(segment.begin), minutes(segment.end), wrong);
    }
    transcript_.add(std::move(segment));
  }

  /** Of an answer about so many seconds; 0: no limit, where thoughts have none. */
  int most_tokens(double seconds) const {
    const AnswerOptions& answer = task_.answer_options();
    if (answer.think && answer.think_budget == 0) return 0;
    int most = kTokensBeside + static_cast<int>(kTokensASecond * std::min(seconds, kLongestPiece));
    if (!options_.speech.to.empty()) most *= 2;
    return most + std::min(answer.think_budget, kMostThought);
  }

  /** What a person should be told of an answer; "" for nothing. */
  std::string fault_in(const Answer& answer, const SpeechText& said) const {
    if (answer.finish == Finish::error)
      return answer.error.substr(answer.error.starts_with(named_) ? named_.size() : 0);
    if (answer.finish == Finish::loop) return "the answer repeats itself";
    if (answer.finish == Finish::length) return "the answer does not end";
    if (answer.finish == Finish::context) return "the context is full";
    if (answer.finish == Finish::cancelled) return "stopped";
    return !options_.speech.to.empty() && said.translation.empty() ? "no translation came" : "";
  }

  /** Prints what the first `count` segments add to what is printed; on a terminal, which also shows the progress, each
   *  in a line of its own behind its time. */
  void print_settled(Progress& progress, size_t count) {
    if (settled_ < count) progress.finish();
    for (; lines_ && settled_ < count; ++settled_) {
      const SpeechSegment& segment = transcript_.segments()[settled_];
      fmt::print("{} {}\n", dim(fmt::format("{:>5}", minutes(segment.heard_begin)), STDOUT_FILENO),
                 words_of_segment(segment));
    }
    const std::string before = printed_;
    for (; settled_ < count; ++settled_) {
      printed_ = joined(printed_, words_of_segment(transcript_.segments()[settled_]), {printed_.size(), 0});
    }
    fmt::print("{}", printed_.substr(before.size()));
    std::fflush(stdout);
  }

  std::string text() const {
    std::string text;
    for (const SpeechSegment& segment : transcript_.segments()) {
      text = joined(text, words_of_segment(segment), {text.size(), 0});
    }
    return text;
  }

  /** Of the whole: why the first piece that is cut short ended. */
  Finish finish() const {
    if (InterruptGuard::interrupted()) return Finish::cancelled;
    const auto cut = std::find_if(finishes_.begin(), finishes_.end(), [](Finish f) { return f != Finish::stop; });
    return cut == finishes_.end() ? Finish::stop : *cut;
  }

  json::object as_json() const {
    json::array segments;
    for (const SpeechSegment& segment : transcript_.segments()) {
      // The times of the subtitles.
      json::object row{{"begin", segment.heard_begin}, {"end", segment.heard_end}, {"text", segment.said.text}};
      if (!options_.speech.to.empty()) row["translation"] = segment.said.translation;
      row["finish"] = name_of(finishes_[segments.size()]);
      segments.push_back(std::move(row));
    }
    json::object out{{"file", file_.path}, {"text", transcript_.text()}};
    if (!options_.speech.to.empty()) out["translation"] = transcript_.translation();
    if (!options_.speech.language.empty()) out["language"] = options_.speech.language;
    if (!options_.speech.to.empty()) out["to"] = options_.speech.to;
    out["segments"] = std::move(segments);
    out["finish"] = name_of(finish());
    out["prompt_tokens"] = prompt_tokens_;
    out["tokens"] = tokens_;
    out["seconds"] = seconds_;
    json::object facts = to_json(*media_);
    facts.erase("clips");
    out["media"] = std::move(facts);
    return out;
  }

  Task& task_;
  const TranscribeOptions& options_;
  const MediaFile& file_;
  std::shared_ptr<const Media> media_;
  const std::string named_ = file_.path + ": ";  // what messages begin with
  const bool lines_ = is_terminal(STDOUT_FILENO);
  Transcript transcript_;
  std::vector<Finish> finishes_;  // of its segments
  std::string printed_;
  size_t settled_ = 0;
  int64_t prompt_tokens_ = 0, tokens_ = 0;
  double seconds_ = 0;
};

/** Where the text of each file goes; "": to stdout. Fails, before any work, when two have one place. */
std::vector<std::string> targets_of(const TranscribeOptions& options) {
  std::vector<std::string> targets(options.files.size());
  if (options.output.empty()) return targets;
  std::error_code error;
  const fs::path place(options.output);
  if (options.files.size() == 1 && !options.output.ends_with('/') && !fs::is_directory(place, error)) {
    return {options.output};
  }
  std::map<std::string, std::string> taken;  // whose each is
  for (size_t i = 0; i < targets.size(); ++i) {
    const std::string& file = options.files[i];
    targets[i] = (place / ((file == "-" ? "stdin" : fs::path(file).stem().string()) + options.ending())).string();
    const auto [other, is_new] = taken.emplace(targets[i], file);
    if (!is_new) fail_usage("-o", "{} and {} would both be written to {}", other->second, file, targets[i]);
  }
  return targets;
}

/** Fails when a text would replace what it is made from, or cannot be written. */
void check_targets(const TranscribeOptions& options, const std::vector<std::string>& targets, const ModelFiles& model) {
  for (const std::string& target : targets) {
    if (target.empty()) continue;
    for (const std::string& file : options.files) {
      if (same_file(target, file)) fail_usage("-o", "{} is a file to transcribe; another name is needed", file);
    }
    keep_model(target, *model.model);
    if (model.encoders != nullptr) keep_model(target, *model.encoders);
  }
  std::error_code error;
  if (!targets.front().empty() && targets.front() != options.output) fs::create_directories(options.output, error);
  if (error) fail(options.output, "cannot create: {}", error.message());
  for (const std::string& target : targets) {
    if (!target.empty()) check_writable(target);
  }
}

void check(const TranscribeOptions& options) {
  if (options.srt + options.vtt + options.task.json > 1) fail_usage("transcribe", "one of --srt, --vtt and --json");
  if ((options.srt || options.vtt) && options.files.size() > 1 && options.output.empty()) {
    fail_usage("-o", "subtitles of several files go into a folder: name it");
  }
}

void run(TranscribeOptions& options) {
  check(options);
  const std::vector<std::string> targets = targets_of(options);
  media::PrepareOptions& prepare = options.task.media.audio;
  prepare.cut = media::Cut::pauses;
  prepare.piece_seconds = options.piece_seconds;
  Task task(options.task, {Medium::audio});
  check_targets(options, targets, task.files());
  const bool plain = !options.srt && !options.vtt && !options.task.json;
  const std::vector<MediaFile> files = files_of(Medium::audio, options.files);
  task.for_each(files, [&](const MediaFile& file, const auto& media) {
    const std::string& target = targets[static_cast<size_t>(&file - files.data())];
    const bool live = plain && target.empty();
    if (live && options.files.size() > 1) fmt::print("{}\n", bold(file.path + ":", STDOUT_FILENO));
    Transcription transcription(task, options, file, media);
    transcription.run(live);
    if (!transcription.heard()) return;  // and that has been said
    if (!target.empty()) {
      AtomicFile out(target);
      out.write(transcription.result());
      out.commit();
    } else if (!live) {
      fmt::print("{}", transcription.result());
    }
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the text");
  });
}

}  // namespace

void add_transcribe(CLI::App& app) {
  auto options = std::make_shared<TranscribeOptions>();
  CLI::App* command = app.add_subcommand("transcribe", "Write down what is said in sound and films");
  command->add_option("FILE", options->files, "Sound or films; - is standard input")->required()->check(not_empty());
  command->add_option("--language", options->speech.language, "That is spoken: German (default: the model hears it)")
      ->check(not_empty());
  command->add_option("--to", options->speech.to, "Translate it: English")->check(not_empty());
  command->add_flag("--srt", options->srt, "Subtitles as SubRip");
  command->add_flag("--vtt", options->vtt, "Subtitles as WebVTT");
  command->add_option("-o,--output", options->output, "A file, or a folder for one a file, instead of stdout")
      ->check(not_empty());
  command->add_option("--piece", options->piece_seconds, "Seconds heard at a time, at most")
      ->check(in_range(5.0, 30.0))
      ->capture_default_str();
  command->add_flag("--alone", options->alone, "Do not tell the model the words before a piece");
  add_task_options(*command, options->task, {Medium::audio});
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

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
#include "exchange/speech_run.h"
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

int64_t whole_seconds(double seconds) { return static_cast<int64_t>(std::ceil(seconds)); }

std::string minutes(double seconds) {
  const auto whole = static_cast<int64_t>(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

/** A file on its way to text. */
class Transcription {
 public:
  Transcription(Task& task, const TranscribeOptions& options, const MediaFile& file,
                const std::shared_ptr<const Media>& media)
      : task_(task), options_(options), file_(file), media_(media), run_(options.speech, media, "", options.alone) {}

  void run(bool live) {
    const auto start = Clock::now();
    Progress progress("transcribing", whole_seconds(run_.seconds()), Progress::Unit::seconds);
    int64_t done = 0;
    const auto said = [&] { return run_.transcript().segments().size(); };
    while (!InterruptGuard::interrupted() && run_.next()) {
      hear(progress);
      const int64_t end = whole_seconds(run_.segment().end);
      progress.add(end - std::exchange(done, end));
      if (live && said() > 0) print_settled(progress, said() - 1);
    }
    progress.finish();
    if (live) print_settled(progress, said());
    if (live && run_.heard() && (!lines_ || said() == 0)) fmt::print("\n");
    seconds_ = seconds_since(start);
  }

  bool heard() const { return run_.heard(); }

  /** All of it in the form that is asked for. */
  std::string result() const {
    if (options_.srt) return as_srt(run_.transcript().cues());
    if (options_.vtt) return as_vtt(run_.transcript().cues());
    if (options_.task.json) return write_json(as_json()) + "\n";
    return text() + "\n";
  }

 private:
  void hear(Progress& progress) {
    AnswerOptions answer = task_.answer_options();
    if (answer.max_tokens == 0) answer.max_tokens = most_tokens();
    const Answer heard =
        task_.try_to_ask({run_.clip()}, run_.question(), answer, [&](const ChatEvent&) { progress.add(0); });
    finishes_.push_back(heard.finish.value_or(Finish::error));
    prompt_tokens_ += heard.prompt_tokens;
    tokens_ += heard.tokens;
    std::string wrong = run_.hear(heard);
    if (wrong.starts_with(named_)) wrong.erase(0, named_.size());
    if (wrong.empty()) return;
    progress.finish();
    const SpeechSegment& segment = run_.segment();
    note(fmt::format("{}: {} to {}: {}", media_->name, minutes(segment.begin), minutes(segment.end), wrong));
  }

  /** Of an answer about the piece; 0: no limit, where thoughts have none. */
  int most_tokens() const {
    const AnswerOptions& answer = task_.answer_options();
    if (answer.think && answer.think_budget == 0) return 0;
    return run_.most_tokens() + std::min(answer.think_budget, kMostThought);
  }

  /** Prints what the first `count` segments add to what is printed; on a terminal, which also shows the progress, each
   *  in a line of its own behind its time. */
  void print_settled(Progress& progress, size_t count) {
    if (settled_ < count) progress.finish();
    for (; lines_ && settled_ < count; ++settled_) {
      const SpeechSegment& segment = run_.transcript().segments()[settled_];
      fmt::print("{} {}\n", dim(fmt::format("{:>5}", minutes(segment.heard_begin)), STDOUT_FILENO), segment.words());
    }
    if (lines_) return static_cast<void>(std::fflush(stdout));
    settled_ = count;
    const std::string words = run_.transcript().words(count);
    fmt::print("{}", words.substr(printed_));
    printed_ = words.size();
    std::fflush(stdout);
  }

  std::string text() const { return run_.transcript().words(run_.transcript().segments().size()); }

  /** Of the whole: why the first piece that is cut short ended. */
  Finish finish() const {
    if (InterruptGuard::interrupted()) return Finish::cancelled;
    const auto cut = std::find_if(finishes_.begin(), finishes_.end(), [](Finish f) { return f != Finish::stop; });
    return cut == finishes_.end() ? Finish::stop : *cut;
  }

  json::object as_json() const {
    json::array segments;
    for (const SpeechSegment& segment : run_.transcript().segments()) {
      // The times of the subtitles.
      json::object row{{"begin", segment.heard_begin}, {"end", segment.heard_end}, {"text", segment.said.text}};
      if (!options_.speech.to.empty()) row["translation"] = segment.said.translation;
      row["finish"] = name_of(finishes_[segments.size()]);
      segments.push_back(std::move(row));
    }
    json::object out{{"file", file_.path}, {"text", run_.transcript().text()}};
    if (!options_.speech.to.empty()) out["translation"] = run_.transcript().translation();
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
  const std::string named_ = media_->name + ": ";  // what messages begin with
  const bool lines_ = is_terminal(STDOUT_FILENO);
  SpeechRun run_;
  std::vector<Finish> finishes_;  // of its segments
  size_t printed_ = 0;            // bytes of the words
  size_t settled_ = 0;            // segments
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
  refuse_question("transcribe", Medium::audio, options.files);
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
    if (live && options.files.size() > 1) print_heading(media->name);
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

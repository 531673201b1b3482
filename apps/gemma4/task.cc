// SPDX-License-Identifier: Apache-2.0
#include "gemma4/task.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "base/error.h"
#include "base/interrupted.h"
#include "base/one_line.h"
#include "gemma4/cache_types.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/run.h"
#include "gemma4/settings.h"

namespace gemma::app {
namespace {

SessionOptions session_options(const TaskOptions& options, const Settings& settings) {
  SessionOptions session = options.session;
  session.context = static_cast<int>(options.context.value_or(0));
  take_defaults(session, settings);
  if (session.model.empty()) {
    fail_message("", "no model: name one with -m MODEL, or set GEMMA4_MODEL, or `model` in config.toml");
  }
  return session;
}

AnswerOptions answer_options(const TaskOptions& options, const Settings& settings, const Config& config) {
  AnswerOptions answer;
  const GenerationDefaults& defaults = config.generation_defaults;
  if (defaults.top_k) answer.sampling.top_k = *defaults.top_k;
  if (defaults.top_p) answer.sampling.top_p = *defaults.top_p;
  answer.sampling.temperature = static_cast<float>(options.temperature.value_or(0));
  answer.sampling.seed = static_cast<uint64_t>(options.seed.value_or(0));
  answer.max_tokens = static_cast<int>(options.max_tokens.value_or(settings.max_tokens.value_or(0)));
  answer.think = options.think.has_value();
  answer.think_budget = static_cast<int>(options.think.value_or(0));
  return answer;
}

/** Neither there nor named like a picture, sound or film. */
bool is_no_file(const std::string& word) {
  std::error_code error;
  return word != "-" && !named_like_a_file(word) && !std::filesystem::exists(word, error);
}

/** Of what is given the first that is a file, for an example. */
std::string first_file(const std::vector<std::string>& words) {
  const auto found = std::find_if_not(words.begin(), words.end(), is_no_file);
  return found == words.end() ? "FILE" : *found;
}

void print_json(const Session& session, const MediaFile& file, const Media& media, const Answer& answer,
                const AnswerOptions& options) {
  json::object out{{"file", file.path}};
  for (const auto& [key, value] : to_json(session, answer, options)) out[key] = value;
  out["media"] = to_json(media);
  fmt::print("{}\n", write_json(out));
}

}  // namespace

void add_task_options(CLI::App& command, TaskOptions& options, const std::vector<Medium>& kinds) {
  command.add_option("-m,--model", options.session.model, "The model's file or folder (default: as for run)")
      ->check(not_empty());
  command
      .add_option("--mmproj", options.session.mmproj, "The encoders of pictures and sound, where they are a file apart")
      ->check(not_empty())
      ->type_name("FILE");
  command.add_flag("--json", options.json, "One line of JSON for each file: text, facts, counts and times");
  command.add_option("-n,--max-tokens", options.max_tokens, "At most so many tokens in an answer")->check(tokens());
  command.add_option("--temperature", options.temperature, "Randomness (default: 0, always the likeliest token)")
      ->check(in_range(0.0, 100.0));
  command.add_option("--seed", options.seed, "Same seed, same text")->check(seeds());
  command.add_option("--think", options.think, "Think before answering, at most N tokens; 0: no limit")
      ->type_name("N")
      ->check(whole(0, kTokenLimit));
  command.add_option("-c,--context", options.context, "Tokens of prompt and answer together (default: what fits)")
      ->check(tokens());
  command.add_option("--template", options.session.chat_template, "Chat template instead of the model's own")
      ->check(CLI::IsMember({"edge", "large"}));
  add_machine_options(command, options.session.machine);
  add_media_settings(command, options.media, kinds);
  if (kinds != std::vector{Medium::image}) add_hearing_options(command, options.session.hearing);
}

Task::Task(const TaskOptions& options, const std::vector<Medium>& kinds)
    : settings_(options.media), json_(options.json) {
  const Settings settings = load_settings();
  options_ = session_options(options, settings);
  take_machine_options(options_.machine, "config.toml");
  files_ = ModelFiles::open(options_);
  for (const Medium kind : kinds) {
    files_.require(kind);
    senses_ |= Senses::of(kind);
  }
  answer_ = gemma::app::answer_options(options, settings, files_.config);
}

Session& Task::session() {
  if (session_ == nullptr) {
    std::fflush(stdout);
    const InterruptGuard::AtOnce nothing_to_lose;
    session_ = Session::open(options_, files_, senses_);
    say_notes(*session_, true);
  }
  return *session_;
}

Answer Task::ask(const MediaList& media, std::string_view question, const AnswerOptions& options, Exchange::Sink sink) {
  Session& session = this->session();
  if (!session.chat_template) fail(session.file->name(), "has no chat template: it answers no questions (--template)");
  auto exchange = Exchange::chat(session.speaker(), {message("user", question, media)}, media, options);
  if (!exchange) fail_message(exchange.failure().field, exchange.failure().reason);
  const Answer& answer = run_to_end(session, *exchange.value(), std::move(sink));
  if (answer.finish == Finish::error) fail(session.file->name(), "{}", answer.error);
  return answer;
}

Answer Task::try_to_ask(const MediaList& media, std::string_view question, const AnswerOptions& options,
                        Exchange::Sink sink) {
  session();  // what is wrong with it is wrong with every question
  try {
    return ask(media, question, options, std::move(sink));
  } catch (const Error& error) {
    failed_ = true;
    Answer none;
    none.finish = Finish::error;
    none.error = error.what();
    return none;
  }
}

void Task::attempt(const std::function<void()>& work) {
  try {
    work();
  } catch (const Interrupted&) {
    stopped_ = true;
  } catch (const Error& error) {
    if (!InterruptGuard::interrupted()) note(error.what());
    failed_ = true;
  }
  set_exit_status(interrupted() ? kInterrupted : failed_ ? 1 : 0);
}

void Task::for_each(const std::vector<MediaFile>& files, const Visitor& visit) {
  for (const MediaFile& file : files) {
    if (interrupted()) return set_exit_status(kInterrupted);
    attempt([&] {
      const std::shared_ptr<const Media> media = reader().read(file);
      say_notes(MediaList{media});
      visit(file, media);
    });
  }
}

void Task::answer_each(const std::vector<MediaFile>& files, std::string_view question) {
  for_each(files, [&](const MediaFile& file, const std::shared_ptr<const Media>& media) {
    const Session& model = session();  // its notes come before the name
    if (files.size() > 1 && !json_) print_heading(media->name);
    const Answer answer = ask({media}, question, answer_, streamed(json_));
    if (json_) {
      print_json(model, file, *media, answer, answer_);
    } else if (answer.text.empty() || answer.text.back() != '\n') {
      fmt::print("\n");
    }
    if (std::fflush(stdout) != 0) fail("stdout", "cannot write the answer");
    say_if_stopped(media->name, answer);
  });
}

void print_heading(const std::string& name) { fmt::print("{}:\n", bold(one_line(name), STDOUT_FILENO)); }

Exchange::Sink streamed(bool json) {
  if (json) return {};
  return [](const ChatEvent& event) {
    const auto* text = std::get_if<TextDelta>(&event);
    if (text == nullptr) return;
    std::fwrite(text->text.data(), 1, text->text.size(), stdout);
    std::fflush(stdout);
  };
}

void say_if_stopped(const std::string& name, const Answer& answer) {
  if (answer.finish == Finish::loop) note(name + ": stopped: the answer repeats itself");
  if (answer.finish == Finish::context) note(name + ": stopped: the context is full");
  if (answer.finish == Finish::length) {
    note(fmt::format("{}: stopped after {} tokens (--max-tokens)", name, answer.tokens));
  }
}

void add_end(json::object& out, const Answer& answer, const Media& media) {
  out["finish"] = answer.finish ? name_of(*answer.finish) : "";
  out["prompt_tokens"] = answer.prompt_tokens;
  out["tokens"] = answer.tokens;
  out["seconds"] = answer.seconds;
  out["media"] = to_json(media);
}

bool names_file(const std::string& word) {
  constexpr size_t kShortest = 3, kLongest = 5;  // .ts to .jpeg, but not that of "Dr.Watson"
  const size_t ending = std::filesystem::path(word).extension().string().size();
  const bool ends_so = ending >= kShortest && ending <= kLongest;
  return word.find(' ') == std::string::npos && (ends_so || word.find('/') != std::string::npos);
}

std::optional<std::string> take_phrase(std::string_view command, std::vector<std::string>& words) {
  std::optional<std::string> phrase;
  if (!words.empty() && is_no_file(words.back())) {
    phrase = std::move(words.back());
    words.pop_back();
  }
  for (const std::string& word : words) {
    if (!is_no_file(word) || names_file(word)) continue;
    fail_usage(command, "no such file: '{}'; what is asked stands behind the files: gemma4 {} {} \"{}\"", word, command,
               first_file(words), word);
  }
  return phrase;
}

void refuse_question(std::string_view command, Medium kind, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    if (!is_no_file(word) || word.find(' ') == std::string::npos) continue;
    fail_usage(command, "no such file: '{}'; questions of your own are asked by gemma4 run --{} {} \"{}\"", word,
               name_of(kind), first_file(words), word);
  }
}

std::vector<MediaFile> files_of(Medium kind, const std::vector<std::string>& paths) {
  std::vector<MediaFile> files;
  for (const std::string& path : paths) files.push_back({kind, path});
  check_standard_input(files);
  return files;
}

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// The conversation in the terminal.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <clocale>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "base/file.h"
#include "base/interrupted.h"
#include "base/one_line.h"
#include "gemma4/conversation.h"
#include "gemma4/line_reader.h"
#include "gemma4/run.h"
#include "gemma4/settings.h"
#include "gemma4/standard_input.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr int64_t kLongestConversation = 1 << 28;  // bytes

constexpr const char* kHelp = R"(  /system TEXT   what the model is told first (empty: nothing); starts over
  /image FILE... show pictures with your next message; /audio and /video likewise
  /drop          do not show it after all
  /think [N|off] think before answering, at most N tokens
  /reset         forget the conversation
  /retry         answer the last question again
  /save FILE     keep the conversation as JSON
  /load FILE     go on with a kept one
  /stats         tokens, speed, memory
  /exit          leave (or Ctrl-D)
  Paths of pictures, sound or films alone in a line (pasted, dropped) are the same.
  Tab completes commands and paths.
  A line that ends with \ goes on in the next one. Ctrl-C stops an answer, throws
  a line away, and leaves when pressed twice on an empty one.)";

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/** An answer on the terminal: thought dimmed, text as it is. */
class AnswerPrinter {
 public:
  void operator()(const ChatEvent& event) {
    if (const auto* thought = std::get_if<ThoughtDelta>(&event)) {
      if (!thinking_ && styled(STDOUT_FILENO)) fmt::print("\x1b[2m");
      thinking_ = true;
      put(thought->text);
    } else if (const auto* text = std::get_if<TextDelta>(&event)) {
      end_thought();
      put(text->text);
    } else if (const auto* call = std::get_if<ToolCall>(&event)) {
      end_thought();
      put(fmt::format("[call {} {}]\n", call->name, write_json(call->arguments)));
    }
  }
  void end() {
    end_thought();
    if (!at_line_start_) fmt::print("\n");
    std::fflush(stdout);
  }

 private:
  void put(const std::string& text) {
    if (text.empty()) return;
    fmt::print("{}", text);
    std::fflush(stdout);
    at_line_start_ = text.back() == '\n';
  }
  void end_thought() {
    if (!thinking_) return;
    thinking_ = false;
    fmt::print("{}\n{}", styled(STDOUT_FILENO) ? "\x1b[22m" : "", at_line_start_ ? "" : "\n");
    at_line_start_ = true;
  }
  bool thinking_ = false, at_line_start_ = true;
};

class ChatLoop {
 public:
  ChatLoop(Session& session, RunOptions options)
      : session_(session),
        options_(std::move(options)),
        reader_of_media_(session.files, options_.inputs.settings),
        messages_(opening(options_.system)),
        shown_(options_.media) {}

  int run() {
    say_notes(session_, true);
    const Config& config = session_.model->config;
    say(fmt::format("{}: {} layers, {} wide, context {}. /help lists commands.", session_.file->name(),
                    config.layers.size(), config.dim, session_.engine->context()));
    for (const auto& each : shown_) say_shown(*each);
    while (auto line = read_message()) {
      const std::string_view text = trim(*line);
      if (text.empty()) continue;
      const std::vector<MediaFile> files = pasted_files(text);
      for (const MediaFile& file : files) {
        if (!show(file)) break;
      }
      if (!files.empty()) continue;
      if (text[0] == '/') {
        if (!command(text)) break;
      } else {
        messages_.push_back(message("user", text, shown_));
        media_.insert(media_.end(), shown_.begin(), shown_.end());
        shown_.clear();
        answer();
      }
    }
    return reader_.left_by_interrupt() ? kInterrupted : 0;
  }

 private:
  void say(std::string_view text) { fmt::print("{}\n", dim(one_line(text), STDOUT_FILENO)); }

  std::optional<std::string> read_message() {
    std::string whole;
    while (true) {
      std::optional<std::string> line = reader_.read(!whole.empty());
      if (!line) {
        fmt::print("\n");
        return std::nullopt;
      }
      if (line->empty() || line->back() != '\\') return whole + *line;
      line->back() = '\n';
      whole += *line;
    }
  }

  /** A line that is nothing but files; one name that is a file's by its ending need not be there to be meant. */
  static std::vector<MediaFile> pasted_files(std::string_view text) {
    const std::string path = unquoted(text);
    const bool one_word = text.find(' ') == std::string_view::npos;
    if (const auto kind = one_word ? kind_by_name(path) : kind_of_file(path)) return {{*kind, path}};
    std::vector<MediaFile> files;
    for (const std::string& word : pasted_words(text)) {
      const auto kind = kind_of_file(word);
      if (!kind) return {};
      files.push_back({*kind, word});
    }
    return files;
  }

  /** What /image is about: one file, blanks in its name and all, unless several are named and one of them is there. */
  static std::vector<std::string> named_files(const std::string& argument) {
    std::error_code error;
    const auto is_there = [&](const std::string& path) { return std::filesystem::exists(path, error); };
    const std::string path = unquoted(argument);
    const std::vector<std::string> words = pasted_words(argument);
    return !is_there(path) && std::any_of(words.begin(), words.end(), is_there) ? words : std::vector{path};
  }

  /** Reads a file that goes with the next message, or says why not. False: Ctrl-C ended that. */
  bool show(const MediaFile& file) {
    try {
      read(file);
    } catch (const Interrupted& error) {
      say_error(error);
      return false;
    } catch (const Error& error) {
      say_error(error);
    }
    return true;
  }

  void read(const MediaFile& file) {
    if (file.path.empty()) return say("which file?");
    if (file.path == "-" || is_standard_input(file.path)) return say("standard input is where you type: name a file");
    if (!session_.chat_template) return say("this model has no chat template, and no place for it in a conversation");
    auto media = reader_of_media_.read(file);
    const std::string fault = fault_in_room(*media, shown_, session_.engine->context());
    if (!fault.empty()) return say(fault);
    shown_.push_back(std::move(media));
    say_shown(*shown_.back());
  }

  /** A Ctrl-C that ended what went on is used up by that. */
  void say_error(const Error& error) {
    InterruptGuard::clear();
    say(error.what());
  }

  void say_shown(const Media& media) {
    for (const std::string& note : notes_of(media, media.name)) say(note);
    say(fmt::format("{}: {} tokens, with your next message", media.name, media.item.tokens()));
  }

  /** Takes back what could not be answered; what was shown with it. */
  MediaList take_back() {
    const size_t mine = media_in({messages_.back()}).size();
    const auto first = media_.end() - static_cast<std::ptrdiff_t>(std::min(mine, media_.size()));
    MediaList shown(first, media_.end());
    media_.erase(first, media_.end());
    messages_.pop_back();
    return shown;
  }

  static std::string names_of(const MediaList& media) {
    std::string names;
    for (const auto& each : media) names += (names.empty() ? "" : ", ") + each->name;
    return names;
  }

  void show_again(const MediaList& media) { shown_.insert(shown_.begin(), media.begin(), media.end()); }

  /** What has no room now has none with the next message either, nor has the model a place for it then. */
  void refuse(const Failure& failure) {
    say(failure.message());
    const MediaList media = take_back();
    const bool is_theirs = failure.field == "media" || std::any_of(media.begin(), media.end(), [&](const auto& each) {
                             return each->name == failure.field;
                           });
    if (!is_theirs) return show_again(media);
    if (!media.empty()) say("not shown any more: " + names_of(media));
  }

  /** Null, having said why and taken the question back. */
  std::unique_ptr<Exchange> begin() {
    try {
      session_.use(Senses::of(media_));
      auto exchange = Exchange::chat(session_.speaker(), messages_, media_, options_.answer);
      if (exchange) return std::move(exchange).value();
      refuse(exchange.failure());
    } catch (const Error& error) {  // no memory for encoders
      say_error(error);
      show_again(take_back());
    }
    return nullptr;
  }

  void answer() {
    const std::unique_ptr<Exchange> exchange = begin();
    if (exchange == nullptr) return;
    AnswerPrinter printer;  // a Ctrl-C that came before this counts, too
    const Answer& a = run_to_end(session_, *exchange, [&](const ChatEvent& event) { printer(event); });
    InterruptGuard::clear();
    printer.end();
    report(a);
    if (a.finish == Finish::error) return show_again(take_back());
    json::object turn = message("assistant", a.text, {});
    if (!a.tool_calls.empty()) {
      json::array calls;
      for (const ToolCall& call : a.tool_calls) {
        calls.push_back({{"type", "function"}, {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
      }
      turn["tool_calls"] = std::move(calls);
    }
    messages_.push_back(std::move(turn));
    used_ = a.prompt_tokens + a.tokens;
  }

  void report(const Answer& a) {
    if (a.dropped_turns > 0) {
      say(fmt::format("context full: the {} oldest turn{} left out", a.dropped_turns,
                      a.dropped_turns == 1 ? " was" : "s were"));
    }
    std::string end;
    if (a.finish == Finish::cancelled) end = ", stopped";
    if (a.finish == Finish::loop) end = ", stopped: it repeats itself";
    if (a.finish == Finish::context) end = ", stopped: the context is full";
    if (a.finish == Finish::length) end = ", stopped at --max-tokens";
    if (a.finish == Finish::error) end = ", failed: " + a.error;
    if (options_.quiet && end.empty()) return;
    const double seconds = a.seconds - a.first_token_seconds;
    const std::string rate =
        a.tokens > 1 && seconds > 0 ? fmt::format(", {:.1f} tokens/s", (a.tokens - 1) / seconds) : "";
    say(fmt::format("{} tokens{}, first after {:.2f} s, context {} of {}{}", a.tokens, rate, a.first_token_seconds,
                    a.prompt_tokens + a.tokens, session_.engine->context(), end));
  }

  /** False: leave. */
  bool command(std::string_view line) {
    const size_t space = line.find_first_of(" \t");
    const std::string_view name = line.substr(0, space);
    const std::string argument(space == std::string_view::npos ? "" : trim(line.substr(space)));
    if (name == "/exit" || name == "/quit") return false;
    if (name == "/help") {
      fmt::print("{}\n", kHelp);
    } else if (name == "/system") {
      options_.system = argument;
      reset();
    } else if (name == "/image" || name == "/audio" || name == "/video") {
      const Medium kind = name == "/image" ? Medium::image : name == "/audio" ? Medium::audio : Medium::video;
      for (const std::string& path : named_files(argument)) {
        if (!show({kind, path})) break;
      }
    } else if (name == "/drop") {
      say(shown_.empty() ? "nothing was to be shown" : "not shown: " + names_of(shown_));
      shown_.clear();
    } else if (name == "/think") {
      think(argument);
    } else if (name == "/reset") {
      reset();
    } else if (name == "/retry") {
      retry();
    } else if (name == "/save" || name == "/load") {
      keep(name == "/save", unquoted(argument));
    } else if (name == "/stats") {
      stats();
    } else {
      say(fmt::format("unknown command {}; /help lists them", name));
    }
    return true;
  }

  void reset() {
    messages_ = opening(options_.system);
    media_.clear();
    shown_.clear();
    used_ = 0;
    say("a new conversation");
  }

  void think(const std::string& argument) {
    int budget = 0;
    if (argument == "off") {
      options_.answer.think = false;
      return say("thinking is off");
    }
    const auto [end, error] = std::from_chars(argument.data(), argument.data() + argument.size(), budget);
    if (!argument.empty() && argument != "on" && (error != std::errc() || *end != '\0' || budget < 0)) {
      return say("/think takes a number of tokens, on or off");
    }
    if (!session_.chat_template || *session_.chat_template == Template::gemma3) {
      return say("this model's template has no thoughts");
    }
    options_.answer.think = true;
    options_.answer.think_budget = budget;
    say(budget > 0 ? fmt::format("thinks at most {} tokens", budget) : "thinks as long as it likes");
  }

  void retry() {
    size_t last = messages_.size();
    while (last > 0 && messages_[last - 1].at("role") != "user") --last;
    if (last == 0) return say("nothing to answer again");
    messages_.resize(last);
    options_.answer.sampling.seed += 1;  // the same seed would give the same answer
    answer();
  }

  void keep(bool save, const std::string& path) {
    if (path.empty()) return say(save ? "/save FILE" : "/load FILE");
    try {
      if (save) {
        if (!may_replace(path)) return say(path + ": is there and no conversation that was kept; name another file");
        AtomicFile file(path);
        file.write(write_json(messages_, 2) + "\n");
        file.commit();
        return say(fmt::format("{} messages kept in {}", messages_.size(), path));
      }
      json::value loaded = parse_json_or_fail(path, read_file(path, kLongestConversation));
      if (const std::string fault = fault_in_conversation(loaded); !fault.empty()) return say(path + ": " + fault);
      media_ = reader_of_media_.read_parts(loaded.get_array(), session_.engine->context());  // all, or what was stays
      messages_ = std::move(loaded.get_array());
      used_ = 0;
      say(fmt::format("{} messages from {}", messages_.size(), path));
    } catch (const Error& error) {
      say_error(error);
    }
  }

  /** Whether a conversation may replace what is there: one that was kept, or nothing. */
  static bool may_replace(const std::string& path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error)) return true;  // AtomicFile says what is wrong with that
    const auto size = std::filesystem::file_size(path, error);
    if (size == 0 || size > kLongestConversation) return size == 0;
    const Result<json::value> there = parse_json(read_file(path, kLongestConversation));
    return there && fault_in_conversation(there.value()).empty();
  }

  void stats() {
    const EngineStats& s = session_.engine->stats();
    const auto rate = [](int64_t n, double seconds) { return seconds > 0 ? static_cast<double>(n) / seconds : 0.0; };
    say(fmt::format("loaded in {:.2f} s, {} threads, seed {}", session_.load_seconds, session_.pool->size(),
                    options_.answer.sampling.seed));
    say(fmt::format("read {} tokens at {:.1f}/s, reused {}, wrote {} at {:.1f}/s", s.prompt_tokens,
                    rate(s.prompt_tokens, s.prompt_seconds), s.reused_tokens, s.generated_tokens,
                    rate(s.generated_tokens, s.generate_seconds)));
    if (s.drafted_tokens > 0) {
      say(fmt::format("guessed {} tokens ahead, {} of them right", s.drafted_tokens, s.accepted_tokens));
    }
    if (s.media_encoded > 0) {
      say(fmt::format("pictures, frames and clips: {} encoded in {:.2f} s, {} known already", s.media_encoded,
                      s.encode_seconds, s.media_found));
    }
    say(fmt::format("context {} of {}, {} messages", used_, session_.engine->context(), messages_.size()));
  }

  Session& session_;
  RunOptions options_;
  MediaReader reader_of_media_;
  json::array messages_;
  MediaList media_, shown_;  // of all messages; of the next one
  LineReader reader_{{"/system", "/image", "/audio", "/video", "/drop", "/think", "/reset", "/retry", "/save", "/load",
                      "/stats", "/help", "/exit"}};
  int used_ = 0;
};

}  // namespace

int run_chat(Session& session, RunOptions options) {
  std::setlocale(LC_ALL, "");
  return ChatLoop(session, std::move(options)).run();
}

}  // namespace gemma::app

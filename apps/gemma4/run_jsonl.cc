// SPDX-License-Identifier: Apache-2.0
// Many prompts from a file, several at a time in one batch; answers come in the order of the file.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "gemma4/conversation.h"
#include "gemma4/progress.h"
#include "gemma4/run.h"
#include "gemma4/standard_input.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

struct Job {
  json::array messages;
  MediaList media;
  std::string prompt;
  json::value id;  // handed back as it came
  std::unique_ptr<Exchange> exchange;
  bool submitted = false, done = false;
  std::string failure;  // why the prompt could not be taken
};

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file;
  if (path != "-") {
    std::error_code error;
    if (std::filesystem::is_directory(path, error)) fail(path, "cannot read: expected a file, found a folder");
    file.open(path);
    if (!file) fail(path, "cannot open: {}", std::strerror(errno));
  }
  std::istringstream piped(path == "-" ? read_standard_input() : "");
  std::istream& in = path == "-" ? static_cast<std::istream&>(piped) : file;
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(std::move(line));
  if (in.bad()) fail(path, "cannot read");
  return lines;
}

/** Fails when an object has a key that would be ignored. */
void check_keys(const std::string& where, const json::object& line) {
  const bool messages = line.contains("messages");
  for (const auto& [key, value] : line) {
    const std::string_view name = key;
    const bool known = name == "id" || name == (messages ? "messages" : "prompt") || (name == "system" && !messages);
    if (!known) {
      fail(where, "expected {} and \"id\", found '{}'", messages ? "\"messages\"" : "\"prompt\", \"system\"", name);
    }
  }
}

json::array messages_of(const std::string& where, const json::value& messages) {
  if (const std::string fault = fault_in_conversation(messages); !fault.empty()) fail_message(where, fault);
  if (messages.get_array().empty()) fail(where, "messages: expected at least one");
  return messages.get_array();
}

/** A JSON string, {"prompt": ...} or {"messages": [...]}, with an optional "id" and, beside a prompt, "system". */
Job parse_job(const std::string& where, std::string_view line, const RunOptions& options) {
  Result<json::value> parsed = parse_json(line, 256, BigIntegers::keep);
  if (!parsed) {
    constexpr std::string_view kPlace = "line 1, ";  // `where` says which line
    const std::string& reason = parsed.failure().reason;
    fail_message(where, reason.starts_with(kPlace) ? reason.substr(kPlace.size()) : reason);
  }
  const json::value& value = parsed.value();
  Job job;
  std::string system = options.system;
  const json::object* object = value.if_object();
  const json::value* prompt = object ? object->if_contains("prompt") : &value;
  if (object != nullptr) {
    check_keys(where, *object);
    if (const json::value* id = object->if_contains("id")) job.id = *id;
    if (const json::value* s = object->if_contains("system")) {
      if (!s->is_string()) fail(where, "\"system\": expected a string");
      system = s->get_string();
    }
    if (const json::value* messages = object->if_contains("messages")) {
      if (options.raw) fail(where, "\"messages\": --raw takes a prompt");
      job.messages = messages_of(where, *messages);
      return job;
    }
  }
  if (prompt == nullptr || !prompt->is_string()) {
    fail(where, "expected a JSON string, or an object with \"prompt\" (a string) or \"messages\"");
  }
  job.prompt = prompt->get_string();
  job.messages = opening(system);
  job.messages.push_back(message("user", job.prompt, {}));
  return job;
}

/** Whether a line has pictures, sound or film, which encoders are loaded for before the first answer. */
Senses senses_of(const std::deque<Job>& jobs) {
  Senses senses;
  for (const Job& job : jobs) {
    for (const Medium medium : media_in(job.messages)) senses |= Senses::of(medium);
  }
  return senses;
}

/** Reads what the line names. False, and the job is done, when that fails. */
bool read_media(const Session& session, Job& job, const RunOptions& options) {
  try {
    job.media = MediaReader(session.files, options.inputs.settings).read_parts(job.messages, session.engine->context());
  } catch (const Error& error) {
    job.failure = error.what();
    job.submitted = job.done = true;
  }
  return !job.done;
}

void start(Session& session, Job& job, size_t number, const RunOptions& options) {
  if (!options.raw && !read_media(session, job, options)) return;
  AnswerOptions answer = options.answer;
  answer.sampling.seed += number;  // each line its own noise, and the same one whatever runs beside it
  const Specials specials = options.control_specials ? Specials::control : Specials::text;
  auto exchange = options.raw ? Exchange::raw(session.speaker(), job.prompt, specials, {}, answer)
                              : Exchange::chat(session.speaker(), job.messages, job.media, answer);
  if (!exchange) {
    job.failure = exchange.failure().message();
    job.submitted = job.done = true;
    return;
  }
  job.exchange = std::move(exchange).value();
  job.submitted = job.exchange->submit({}, [&job] { job.done = true; });
}

json::object result_of(const Session& session, const Job& job, size_t number, const RunOptions& options) {
  AnswerOptions answer = options.answer;
  answer.sampling.seed += number;
  json::object out =
      job.failure.empty() ? to_json(session, job.exchange->answer(), answer) : json::object{{"error", job.failure}};
  if (!job.id.is_null()) out["id"] = job.id;
  return out;
}

}  // namespace

int run_jsonl(Session& session, const RunOptions& options) {
  std::deque<Job> jobs;
  const std::vector<std::string> lines = read_lines(options.jsonl);
  for (size_t i = 0; i < lines.size(); ++i) {
    if (lines[i].find_first_not_of(" \t\r") == std::string::npos) continue;
    jobs.push_back(parse_job(fmt::format("{}: line {}", options.jsonl, i + 1), lines[i], options));
  }
  session.use(senses_of(jobs));
  say_notes(session, !options.raw);
  Progress progress("answering", static_cast<int64_t>(jobs.size()), Progress::Unit::items);
  size_t next = 0, printed = 0;
  bool failed = false;
  while (printed < jobs.size()) {
    if (InterruptGuard::interrupted()) return kInterrupted;
    // No more in flight than run at once: a prompt is rendered when its turn is near, and the queue never fills.
    while (next < jobs.size() && next < printed + 2 * static_cast<size_t>(options.session.max_sequences)) {
      start(session, jobs[next], next, options);
      if (!jobs[next].submitted) break;
      ++next;
    }
    session.engine->step();
    for (; printed < next && jobs[printed].done; ++printed) {
      Job& job = jobs[printed];
      const json::object result = result_of(session, job, printed, options);
      failed = failed || result.contains("error");
      progress.finish();
      fmt::print("{}\n", write_json(result));
      std::fflush(stdout);
      job.exchange.reset();
      job.media.clear();
      progress.add(1);
    }
  }
  return failed ? 1 : 0;
}

}  // namespace gemma::app

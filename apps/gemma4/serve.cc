// SPDX-License-Identifier: Apache-2.0
// gemma4 serve: a model behind the APIs that clients speak.
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/line_writer.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "gemma4/cache_types.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/serve_models.h"
#include "gemma4/serve_options.h"
#include "gemma4/settings.h"
#include "model/loading.h"
#include "serve/file_store.h"
#include "serve/http/server.h"
#include "serve/log_entry.h"
#include "serve/reception.h"
#include "serve/response_desk.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 serve model.gguf
  gemma4 serve model-folder --port 9000 --parallel 8 --memory 12GB
  gemma4 serve model.gguf --cache-dir ~/.cache/gemma4/prompts --cache-dir-limit 8GB
  gemma4 serve --models folder-of-models --memory 20GB --idle 900
  gemma4 serve model.gguf --pulled
  gemma4 serve --keys keys.txt --new-key alice
  gemma4 serve model.gguf --alias gpt-4o --alias hello=hello.ebnf
  gemma4 serve model.gguf --host 0.0.0.0 --keys keys.txt --certificate cert.pem --private-key key.pem
  gemma4 serve model.gguf --fetch-from upload.wikimedia.org,*.example.com
  curl http://127.0.0.1:8080/v1/chat/completions -d '{"messages":[{"role":"user","content":"Hello"}]}'

Clients of OpenAI's API are pointed at http://127.0.0.1:8080/v1 with any key. Ctrl-C lets answers on their way end;
a second one stops at once.)";

constexpr int64_t kKeptInMemory = int64_t{256} << 20, kKeptInFile = int64_t{4} << 30;  // bytes of responses, of files
constexpr int64_t kWaitingLog = 256 << 10;  // bytes of lines that nobody has taken yet

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

std::string url_of(const serve::HttpOptions& http, int port) {
  const bool six = http.address.find(':') != std::string::npos;
  const char* scheme = http.certificate.empty() ? "http" : "https";
  return fmt::format("{}://{}{}{}:{}", scheme, six ? "[" : "", http.address, six ? "]" : "", port);
}

/** All that the server says on stderr, which holds up nobody: who reads that may have stopped. */
class ServerLog {
 public:
  /** form: "text", "json" (each line an object) or "none" (as text, and nothing of requests). */
  explicit ServerLog(std::string_view form)
      : json_(form == "json"),
        writer_(std::make_shared<LineWriter>(STDERR_FILENO, kWaitingLog,
                                             json_ ? message_of_missing : LineWriter::say_missing)) {}

  void say(std::string_view line) const { writer_->add(json_ ? message(line) : fmt::format("gemma4: {}", line)); }
  void event(std::string_view line) const { writer_->add(json_ ? message(line) : fmt::format("{} {}", now(), line)); }
  void request(json::object what) const {
    if (!json_) return event(serve::text_line(what));
    json::object line{{"time", now()}};
    line.insert(std::make_move_iterator(what.begin()), std::make_move_iterator(what.end()));
    writer_->add(write_json(line));
  }
  int64_t lost() const { return writer_->lost(); }

 private:
  static std::string now() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }
  static std::string message(std::string_view line) {
    return write_json(json::object{{"time", now()}, {"message", utf8::replace_invalid(line)}});
  }
  static std::string message_of_missing(int64_t lines) { return message(LineWriter::say_missing(lines)); }

  const bool json_;
  std::shared_ptr<LineWriter> writer_;
};

/** What does not need the model, so that what is wrong with it is said at once. */
serve::ServiceOptions service_of(const ServeOptions& options, const ServerLog& log) {
  serve::ServiceOptions service = options.service;
  if (options.log != "none") service.log = [log](const json::object& what) { log.request(what); };
  service.most_answers =
      options.session.max_sequences + std::min(options.session.queue_limit, options.session.key_queue_limit);
  service.lost_lines = [log] { return log.lost(); };
  const int64_t most = options.state.empty() ? kKeptInMemory : kKeptInFile;
  const auto state = std::make_shared<serve::StateFile>(options.state);
  const int64_t files = options.files_limit.empty() ? most : room_of(options.files_limit);
  service.files = std::make_shared<serve::FileStore>(state, files);
  if (!options.fetch.hosts.empty()) service.media.fetch = options.fetch;
  service.media.max_pixels = options.media_limits.max_pixels;
  service.media.max_seconds = options.media_limits.max_seconds;
  service.media.worker = worker_of(options.media_limits);
  service.media.kept_bytes = room_of(options.media_cache);
  service.media.fetched_bytes = service.body_bytes = *parse_bytes(options.body_limit);
  service.responses =
      std::make_shared<serve::ResponseDesk>(state, most, [log](const std::string& line) { log.event(line); });
  return service;
}

/** Of the aliases those that say what they answer: NAME=GRAMMAR.ebnf,... */
void take_forced_aliases(serve::ServiceOptions& about, serve::ServedModel* model) {
  std::erase_if(about.aliases, [&](const std::string& alias) {
    const size_t sign = alias.find('=');
    if (sign == std::string::npos) return false;
    if (model == nullptr) fail_usage("--alias", "NAME=GRAMMAR.ebnf needs a MODEL on the command line, beside others");
    auto& answers = about.forced[alias.substr(0, sign)];
    std::istringstream paths(alias.substr(sign + 1));
    for (std::string path; std::getline(paths, path, ',');) {
      auto grammar = model->grammars.ebnf(read_file(path), Grammars::Tokens::by_name);
      if (!grammar) fail(path, "{}", grammar.failure().reason);
      answers.push_back(grammar.value());
    }
    if (answers.empty()) fail_usage("--alias", "expected NAME=GRAMMAR.ebnf, found '{}'", alias);
    return true;
  });
}

/** An alias is a name that no other model has, nor MODEL itself where it says what is answered. */
void check_aliases(const serve::ServiceOptions& about, const serve::ModelRegistry& models) {
  std::vector<std::string> names = about.aliases;
  std::erase(names, models.first());
  for (const auto& [name, answers] : about.forced) names.push_back(name);
  for (const std::string& name : names) {
    if (models.knows(name)) fail_usage("--alias", "'{}' is the name of a model, expected another", name);
  }
}

/** How connections are served. */
serve::HttpOptions http_of(const ServeOptions& options) {
  serve::HttpOptions http = options.http;
  http.body_bytes = *parse_bytes(options.body_limit);
  http.complain = serve::error_of;
  http.all_bodies_bytes = std::max(http.all_bodies_bytes, 2 * http.body_bytes);
  return http;
}

/** How models are opened, by command line, environment and settings. */
SessionOptions session_of(const ServeOptions& options, const Settings& settings) {
  SessionOptions wanted = options.session;
  if (wanted.model.empty()) {
    const char* variable = std::getenv("GEMMA4_MODEL");
    wanted.model = variable != nullptr ? variable : settings.model.value_or("");
  }
  if (wanted.model.empty() && !options.several()) {
    fail("serve",
         "no model: name one (gemma4 serve MODEL), or a folder of them (--models DIR), or those that were pulled "
         "(--pulled), or set GEMMA4_MODEL");
  }
  if (wanted.chat_template.empty()) wanted.chat_template = settings.chat_template.value_or("");
  wanted.kv = !options.kv.empty() ? options.kv : settings.kv.value_or(wanted.kv);
  return wanted;
}

/** What is served, and what is said of it. */
struct Served {
  std::shared_ptr<serve::ModelRegistry> models;
  std::shared_ptr<serve::ServedModel> first;  // null: not loaded yet
  std::string about;                          // "NAME is served at URL (ABOUT)"
  std::vector<std::string> notes;             // what a person should know; may be ""
};

/** The model of the command line, alone: it takes what there is. */
Served one_model(const SessionOptions& wanted, const Settings& settings, std::shared_ptr<serve::EngineThread> engines) {
  LoadedModel loaded = load_served(wanted, settings, std::move(engines));
  const Session& session = *loaded.session;
  SessionOptions as_it_is = wanted;
  as_it_is.context = session.engine->context();
  Served served;
  served.models = std::make_shared<serve::ModelRegistry>(serve::ModelSource{}, serve::ModelShelf::Options{});
  served.first = loaded.model;
  served.notes = {session.memory_note, session.template_note};
  served.about = fmt::format("context {}, {} at a time", as_it_is.context, wanted.max_sequences);
  served.models->put_first(std::move(loaded.card), std::move(loaded.model),
                           Session::least_bytes(as_it_is, session.files));
  return served;
}

/** Those of a folder and those that were pulled, within the memory that there is. One of the command line is loaded at
 *  once, and the one that answers who names none. beside: bytes that decoded media may take. */
Served several_models(const ServeOptions& options, const SessionOptions& wanted, const Settings& settings,
                      std::shared_ptr<serve::EngineThread> engines, const ServerLog& log, int64_t beside) {
  const int64_t budget = std::max<int64_t>(0, available_memory() - beside);
  const bool named = !wanted.model.empty();
  const auto places = std::make_shared<ModelPlaces>(ModelPlaces::From{wanted.model, options.models, options.pulled},
                                                    wanted, settings, std::move(engines));
  serve::ModelShelf::Options shelf;
  shelf.budget = budget;
  if (options.idle > 0) shelf.idle = std::chrono::seconds(options.idle);
  std::function<void(const std::string&)> tell;
  if (options.log != "none") tell = [log](const std::string& line) { log.event(line); };
  Served served;
  served.models = std::make_shared<serve::ModelRegistry>(source_of(places), shelf, tell);
  std::optional<serve::ModelCard> first;
  size_t count = 0;
  int64_t smallest = std::numeric_limits<int64_t>::max();
  for (const serve::ModelCard& card : places->list()) {
    const bool own = named && card.name == name_of_model(wanted.model);
    if (!card.fault.empty()) {
      if (own) fail("serve", "{}", card.fault);
      log.say(card.fault);
      continue;
    }
    ++count;
    smallest = std::min(smallest, card.least_bytes);
    const bool fits = card.least_bytes <= budget;
    if (!fits) {
      served.notes.push_back(
          fmt::format("'{}' cannot be loaded: {}", card.name, serve::no_room(card.least_bytes, budget)));
    }
    if (own || (!named && !first && fits)) first = card;
  }
  if (count == 0) {
    fail(options.models.empty() ? "--pulled" : options.models, "expected a model (a .gguf or a folder), found none");
  }
  const int64_t least = first ? first->least_bytes : smallest;
  if (least > budget) fail("memory", "{}", serve::no_room(least, budget));
  if (named) served.first = places->load(*first, budget - least);
  served.about =
      fmt::format("default {}, {} for all, {} at a time", first->name, format_bytes(budget), wanted.max_sequences);
  served.models->put_first(std::move(*first), served.first, least);
  served.models->scan();
  served.about = fmt::format("{} models", count) + ": " + served.about;
  return served;
}

/** Keys and certificate, as their files have them by now: both or neither. */
void read_again(const ServeOptions& options, serve::HttpServer& server, serve::Keys* keys, const ServerLog& log) {
  try {
    std::optional<serve::Keys> now;
    if (keys != nullptr) now.emplace(serve::Keys::read(options.keys));
    server.read_certificate();
    if (now) keys->replace(std::move(*now));
    log.say("keys and certificate are read again");
  } catch (const Error& error) {
    log.say(fmt::format("{}; keys and certificate stay as they were", error.what()));
  }
}

void serve_models(const ServeOptions& options) {
  const bool reads_again = !options.keys.empty() || !options.http.certificate.empty();
  if (reads_again) serve::HttpServer::hold_hangups();
  const ServerLog log(options.log);
  const Settings settings = load_settings();
  SessionOptions wanted = session_of(options, settings);
  take_machine_options(wanted.machine, "config.toml");
  if (!is_loopback(options.http.address) && options.keys.empty()) {
    fail_usage("--host",
               "expected an address of this machine alone (127.0.0.1, ::1), found '{}': whoever reaches it could use "
               "it (--keys says who may)",
               options.http.address);
  }
  wanted.cache_folder = open_cache_folder(
      options.kept_cache, [log](const std::string& line) { log.say(line); });  // before keys: their salts are hashes
  std::shared_ptr<serve::Keys> keys;                                           // null: everybody may ask
  if (!options.keys.empty()) keys = std::make_shared<serve::Keys>(serve::Keys::read(options.keys));
  serve::ServiceOptions about = service_of(options, log);
  // The port first: that it is taken is said before a model is loaded.
  serve::Reception reception;
  serve::HttpServer server(http_of(options), reception.handler());
  // In memory nobody could ask for them afterwards.
  if (!options.state.empty()) server.wait_for([desk = about.responses] { return desk->busy(); });
  if (reads_again) server.on_hangup([&] { read_again(options, server, keys.get(), log); });
  server.start();
  const auto engines = std::make_shared<serve::EngineThread>();
  if (!options.several()) wanted.beside = about.media.kept_bytes;
  Served served = options.several() ? several_models(options, wanted, settings, engines, log, about.media.kept_bytes)
                                    : one_model(wanted, settings, engines);
  take_forced_aliases(about, std::exchange(served.first, nullptr).get());
  check_aliases(about, *served.models);
  about.connections = [&server] { return server.open_connections(); };
  for (const std::string& note : served.notes) {
    if (!note.empty()) log.say(note);
  }
  const std::string name = served.models->first();
  serve::Service service(std::move(served.models), engines, keys, std::move(about));
  reception.open(service);
  server.stop_on_signals(std::chrono::seconds(options.grace), [&reception, log, grace = options.grace] {
    reception.close();
    log.say(fmt::format("stopping; answers on their way have {} s", grace));
  });
  log.say(fmt::format("{} {} served at {} ({})", name, options.several() ? "and others are" : "is",
                      url_of(options.http, server.port()), served.about));
  server.run();
  stop_loading();
}

}  // namespace

void add_serve(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  options->session.max_sequences = 8;
  CLI::App* command =
      app.add_subcommand("serve", "Serve a model to clients of the APIs of OpenAI, Anthropic and Ollama");
  command->footer(kExamples);
  add_serve_options(*command, *options);
  command->callback([options, command] {
    check_serve_options(*command, *options);
    if (!options->new_key.empty()) {
      if (options->keys.empty()) fail_usage("--new-key", "needs the file of --keys");
      serve::Keys::add(options->keys, options->new_key, [](const std::string& secret) {
        fmt::print("{}\n", secret);
        if (std::fflush(stdout) != 0) fail("standard output", "cannot be written, so no key is made");
      });
      return;
    }
    serve_models(*options);
  });
}

}  // namespace gemma::app

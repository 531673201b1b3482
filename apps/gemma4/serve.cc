// SPDX-License-Identifier: Apache-2.0
// gemma4 serve: a model behind the APIs that clients speak.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <limits>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "gemma4/cache_types.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/kept_cache.h"
#include "gemma4/local_model.h"
#include "gemma4/session.h"
#include "gemma4/settings.h"
#include "serve/file_store.h"
#include "serve/http/server.h"
#include "serve/response_desk.h"
#include "serve/service.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 serve model.gguf
  gemma4 serve model-folder --port 9000 --parallel 8 --memory 12GB
  gemma4 serve model.gguf --cache-dir ~/.cache/gemma4/prompts --cache-dir-limit 8GB
  gemma4 serve --keys keys.txt --new-key alice
  gemma4 serve model.gguf --alias gpt-4o --alias hello=hello.ebnf
  gemma4 serve model.gguf --host 0.0.0.0 --keys keys.txt --certificate cert.pem --private-key key.pem
  gemma4 serve model.gguf --fetch-from upload.wikimedia.org,*.example.com
  curl http://127.0.0.1:8080/v1/chat/completions -d '{"messages":[{"role":"user","content":"Hello"}]}'

Clients of OpenAI's API are pointed at http://127.0.0.1:8080/v1 with any key. Ctrl-C lets answers on their way end;
a second one stops at once.)";

constexpr int64_t kKeptInMemory = int64_t{256} << 20, kKeptInFile = int64_t{4} << 30;  // bytes of responses, of files
constexpr int64_t kMostBody = 1'000'000'000;                                           // that SQLite keeps as one

struct ServeOptions {
  SessionOptions session;
  serve::HttpOptions http;
  serve::ServiceOptions service;
  KeptCacheOptions kept_cache;
  std::string kv, keys, new_key, state, log = "text";
  std::string files_limit, body_limit = "64MB", media_cache = "64MB";
  serve::FetchOptions fetch;
  int64_t grace = 30;
};

bool is_loopback(const std::string& address) {
  return address == "localhost" || address == "::1" || address.starts_with("127.");
}

std::string url_of(const serve::HttpOptions& http, int port) {
  const bool six = http.address.find(':') != std::string::npos;
  const char* scheme = http.certificate.empty() ? "http" : "https";
  return fmt::format("{}://{}{}{}:{}", scheme, six ? "[" : "", http.address, six ? "]" : "", port);
}

void log_line(const std::string& line) {
  const std::time_t now = std::time(nullptr);
  fmt::print(stderr, "{:%Y-%m-%dT%H:%M:%SZ} {}\n", fmt::gmtime(now), line);
}

/** What does not need the model, so that what is wrong with it is said at once. */
serve::ServiceOptions service_of(const ServeOptions& options) {
  serve::ServiceOptions service = options.service;
  if (options.log == "text") service.log = log_line;
  const int64_t most = options.state.empty() ? kKeptInMemory : kKeptInFile;
  const auto state = std::make_shared<serve::StateFile>(options.state);
  const int64_t files = options.files_limit.empty() ? most : *parse_bytes(options.files_limit);
  service.files = std::make_shared<serve::FileStore>(state, files);
  if (!options.fetch.hosts.empty()) service.media.fetch = options.fetch;
  service.media.kept_bytes = *parse_bytes(options.media_cache);
  service.media.fetched_bytes = *parse_bytes(options.body_limit);
  service.responses = std::make_shared<serve::ResponseDesk>(state, most, log_line);
  return service;
}

/** The name that clients call it by. */
std::string name_of_model(const std::string& path) {
  if (is_hub_name(path)) return path;
  std::filesystem::path place(path);
  if (!place.has_filename()) place = place.parent_path();
  return place.extension() == ".gguf" ? place.stem().string() : place.filename().string();
}

Sampling sampling_of(const Session& session, const Settings& settings) {
  const GenerationDefaults& defaults = session.model->config.generation_defaults;
  Sampling s;
  if (defaults.temperature) s.temperature = *defaults.temperature;
  if (defaults.top_k) s.top_k = *defaults.top_k;
  if (defaults.top_p) s.top_p = *defaults.top_p;
  if (!session.chat_template) s.temperature = 0;
  if (settings.temperature) s.temperature = static_cast<float>(*settings.temperature);
  if (settings.top_k) s.top_k = static_cast<int>(*settings.top_k);
  if (settings.top_p) s.top_p = static_cast<float>(*settings.top_p);
  if (settings.min_p) s.min_p = static_cast<float>(*settings.min_p);
  return s;
}

/** Of the aliases those that say what they answer: NAME=GRAMMAR.ebnf,... */
void take_forced_aliases(serve::ServiceOptions& about, Grammars& grammars) {
  std::erase_if(about.aliases, [&](const std::string& alias) {
    const size_t sign = alias.find('=');
    if (sign == std::string::npos) return false;
    auto& answers = about.forced[alias.substr(0, sign)];
    std::istringstream paths(alias.substr(sign + 1));
    for (std::string path; std::getline(paths, path, ',');) {
      auto grammar = grammars.ebnf(read_file(path), Grammars::Tokens::by_name);
      if (!grammar) fail(path, "{}", grammar.failure().reason);
      answers.push_back(grammar.value());
    }
    if (answers.empty()) fail_usage("--alias", "expected NAME=GRAMMAR.ebnf, found '{}'", alias);
    return true;
  });
}

/** How connections are served. */
serve::HttpOptions http_of(const ServeOptions& options) {
  serve::HttpOptions http = options.http;
  http.body_bytes = *parse_bytes(options.body_limit);
  http.all_bodies_bytes = std::max(http.all_bodies_bytes, 2 * http.body_bytes);
  return http;
}

void serve_model(const ServeOptions& options) {
  const Settings settings = load_settings();
  SessionOptions wanted = options.session;
  if (wanted.model.empty()) {
    const char* variable = std::getenv("GEMMA4_MODEL");
    wanted.model = variable != nullptr ? variable : settings.model.value_or("");
  }
  if (wanted.model.empty()) fail("serve", "no model: name one (gemma4 serve MODEL), or set GEMMA4_MODEL");
  if (wanted.chat_template.empty()) wanted.chat_template = settings.chat_template.value_or("");
  wanted.kv = !options.kv.empty() ? options.kv : settings.kv.value_or(wanted.kv);
  take_machine_options(wanted.machine, "config.toml");
  if (!is_loopback(options.http.address) && options.keys.empty()) {
    fail_usage("--host",
               "expected an address of this machine alone (127.0.0.1, ::1), found '{}': whoever reaches it could use "
               "it (--keys says who may)",
               options.http.address);
  }

  wanted.cache_folder = open_cache_folder(options.kept_cache);  // before keys: their salts are hashes
  std::optional<serve::Keys> keys;
  if (!options.keys.empty()) keys.emplace(serve::Keys::read(options.keys));
  serve::ServiceOptions about = service_of(options);
  // The port first: that it is taken is said before a model is loaded.
  std::shared_ptr<serve::Service> service;
  serve::HttpServer server(http_of(options),
                           [&service](serve::HttpRequest request, std::shared_ptr<serve::Responder> responder) {
                             service->handler()(std::move(request), std::move(responder));
                           });
  ModelFiles files = ModelFiles::open(wanted);
  Senses senses;
  senses.sight = files.media.encoders.sees();
  senses.hearing = files.media.encoders.hears();
  const MediaModel media = files.media;
  if (senses.any()) wanted.beside = about.media.kept_bytes;
  std::shared_ptr<Session> session = Session::open(wanted, std::move(files), senses);
  auto model = std::make_shared<serve::ServedModel>(name_of_model(wanted.model), session->speaker(), media,
                                                    sampling_of(*session, settings), session->tokenizer, session,
                                                    std::make_shared<serve::EngineThread>());
  model->file = serve::facts_of(*session->file);
  take_forced_aliases(about, model->grammars);
  about.connections = [&server] { return server.open_connections(); };
  service = std::make_shared<serve::Service>(model, std::move(keys), std::move(about));
  for (const std::string& note : {session->memory_note, session->template_note}) {
    if (!note.empty()) fmt::print(stderr, "gemma4: {}\n", note);
  }
  fmt::print(stderr, "gemma4: {} is served at {} (context {}, {} at a time)\n", model->name,
             url_of(options.http, server.port()), session->engine->context(), wanted.max_sequences);
  server.stop_on_signals(std::chrono::seconds(options.grace), [grace = options.grace] {
    fmt::print(stderr, "gemma4: stopping; answers on their way have {} s\n", grace);
  });
  server.run();
  service.reset();  // who answers goes before what carries answers
  model.reset();
}

/** Where it listens, and to whom. */
void add_access_options(CLI::App& command, ServeOptions& options) {
  command
      .add_option("--host", options.http.address, "Address to listen at; others than this machine's own need --keys")
      ->capture_default_str();
  command.add_option("--port", options.http.port, "Port; 0: any that is free")
      ->capture_default_str()
      ->check(whole(0, 65535));
  command.add_option("--keys", options.keys, "Who may ask: a file of keys, each a name and a SHA-256")
      ->check(not_empty())
      ->type_name("FILE");
  command.add_option("--new-key", options.new_key, "Make a key, print it once, add it to the file of --keys, and end")
      ->type_name("NAME");
  command.add_flag("--share-cache", options.service.share_cache, "Let keys find the prompts that others have cached");
  command
      .add_option("--certificate", options.http.certificate, "Speak TLS with this certificate (PEM, with its chain)")
      ->type_name("FILE");
  command.add_option("--private-key", options.http.private_key, "The certificate's key (PEM)")->type_name("FILE");
}

/** How much may wait, and how long. */
void add_queue_options(CLI::App& command, ServeOptions& options) {
  command.add_option("--parallel", options.session.max_sequences, "Answers that are made at the same time")
      ->capture_default_str()
      ->check(whole(1, 256));
  command.add_option("--queue", options.session.queue_limit, "Answers that may wait; more are refused (429)")
      ->capture_default_str()
      ->check(whole(1, 100'000));
  command.add_option("--key-queue", options.session.key_queue_limit, "Answers of one key that may wait")
      ->capture_default_str()
      ->check(whole(1, 100'000));
  command
      .add_option("--queue-seconds", options.service.queue_seconds,
                  "The longest that a request waits before it is begun, else it is refused (503); 0: as long as its "
                  "client does")
      ->capture_default_str()
      ->check(whole(0, 86400));
}

/** What of the internet it may read for clients. */
void add_fetch_options(CLI::App& command, ServeOptions& options) {
  command
      .add_option_function<std::vector<std::string>>(
          "--fetch-from",
          [&options](const std::vector<std::string>& hosts) {
            for (const std::string& each : hosts) {
              const auto host = serve::FetchHost::from(each);
              if (!host) {
                fail_usage("--fetch-from", "expected [http://]HOST[:PORT] or *.HOST, found '{}'", each);
              }
              options.fetch.hosts.push_back(*host);
            }
          },
          "Fetch pictures, sound and film that requests name by address from this host (*.HOST: from all below it); by "
          "https unless it says http://HOST")
      ->type_name("HOST,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  command.add_flag("--fetch-private", options.fetch.private_addresses,
                   "Also where these hosts are in this machine's own network: whoever may ask can then read what is "
                   "served there");
  command.add_option("--fetch-seconds", options.fetch.seconds, "Time for each file that is fetched")
      ->capture_default_str()
      ->check(whole(1, 3600));
}

void add_state_options(CLI::App& command, ServeOptions& options) {
  command.add_option("--state", options.state, "File of the responses and files that are kept (default: in memory)")
      ->check(not_empty())
      ->type_name("FILE");
  command
      .add_option("--files-limit", options.files_limit,
                  "Room for the files that clients leave (default: 256MiB in memory, 4GiB with --state)")
      ->check(sizes(std::numeric_limits<int64_t>::max()))
      ->type_name("SIZE");
  command
      .add_option("--media-cache", options.media_cache,
                  "Room for decoded pictures, sound and film, so that a conversation's are decoded once")
      ->capture_default_str()
      ->check(sizes(std::numeric_limits<int64_t>::max()))
      ->type_name("SIZE");
  command.add_option("--body-limit", options.body_limit, "The largest request, or file, that is taken")
      ->capture_default_str()
      ->check(sizes(kMostBody))
      ->type_name("SIZE");
}

}  // namespace

void add_serve(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  options->session.max_sequences = 8;
  CLI::App* command =
      app.add_subcommand("serve", "Serve a model to clients of the APIs of OpenAI, Anthropic and Ollama");
  command->footer(kExamples);
  command->add_option("model", options->session.model, "The model's file or folder")->check(not_empty());
  add_access_options(*command, *options);
  add_state_options(*command, *options);
  add_fetch_options(*command, *options);
  command->add_option("--log", options->log, "A line about each request on stderr")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "none"}));
  command
      ->add_option("--alias", options->service.aliases,
                   "Another name of the model; a testing aid: NAME=GRAMMAR.ebnf,... answers by these rules (with "
                   "several files the n-th answer since the user spoke by the n-th)")
      ->check(not_empty())
      ->type_name("NAME[=FILES]")
      ->allow_extra_args(false);
  add_queue_options(*command, *options);
  command
      ->add_option("--mmproj", options->session.mmproj,
                   "The encoders of pictures and sound, where they are a file apart")
      ->check(not_empty())
      ->type_name("FILE");
  command
      ->add_option("-c,--context", options->session.context,
                   "Tokens of prompt and answer together (default: what fits)")
      ->check(tokens());
  command->add_option("--kv", options->kv, "Type of the cache")->check(not_empty());
  add_kept_cache_options(*command, options->kept_cache);
  command->add_option("--template", options->session.chat_template, "Chat template instead of the model's own")
      ->check(CLI::IsMember({"edge", "large", "gemma3"}));
  command
      ->add_option("--grace", options->grace, "Seconds that answers on their way have when the server is told to stop")
      ->capture_default_str()
      ->check(whole(0, 86400));
  add_machine_options(*command, options->session.machine);
  command->callback([options] {
    if (options->http.certificate.empty() != options->http.private_key.empty()) {
      fail_usage("--certificate", "and --private-key come together");
    }
    if (!options->new_key.empty()) {
      if (options->keys.empty()) fail_usage("--new-key", "needs the file of --keys");
      fmt::print("{}\n", serve::Keys::add(options->keys, options->new_key));
      return;
    }
    serve_model(*options);
  });
}

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
#include "gemma4/serve_options.h"

#include <sstream>
#include <utility>
#include <vector>

#include "base/error.h"
#include "gemma4/checks.h"

namespace gemma::app {
namespace {

constexpr int64_t kMostBody = 1'000'000'000;  // that SQLite keeps as one

/** Which others there are beside MODEL. */
void add_models_options(CLI::App& command, ServeOptions& options) {
  command
      .add_option("--models", options.models,
                  "A folder of models (.gguf files, folders of Hugging Face): each is loaded when it is asked for, "
                  "and makes way for others when --memory has no room for all")
      ->check(not_empty())
      ->type_name("DIR");
  command.add_flag("--pulled", options.pulled, "The same of the models that `gemma4 pull` has fetched");
  command
      .add_option("--idle", options.idle,
                  "Seconds after which one of several models that nobody asks for is unloaded, but for MODEL; 0: never")
      ->capture_default_str()
      ->check(whole(0, 31'536'000));
}

/** Where it listens, and to whom. */
void add_access_options(CLI::App& command, ServeOptions& options) {
  command
      .add_option("--host", options.http.address, "Address to listen at; others than this machine's own need --keys")
      ->capture_default_str();
  command.add_option("--port", options.http.port, "Port; 0: any that is free")
      ->capture_default_str()
      ->check(whole(0, 65535));
  CLI::Option* keys =
      command.add_option("--keys", options.keys, "Who may ask: a file of keys, each a name and a SHA-256")
          ->check(not_empty())
          ->type_name("FILE");
  command.add_option("--new-key", options.new_key, "Make a key, print it once, add it to the file of --keys, and end")
      ->type_name("NAME");
  command.add_flag("--share-cache", options.service.share_cache, "Let keys find the prompts that others have cached")
      ->needs(keys);
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
      ->check(whole(1, 100'000))
      ->needs(command.get_option("--keys"));
  command
      .add_option("--queue-seconds", options.service.queue_seconds,
                  "The longest that a request waits before it is begun, else it is refused (503); 0: as long as its "
                  "client does")
      ->capture_default_str()
      ->check(whole(0, 86400));
}

/** "HOST,HOST", of which none is left out. */
void take_fetch_hosts(serve::FetchOptions& fetch, const std::string& list) {
  std::istringstream hosts(list + ",");
  for (std::string each; std::getline(hosts, each, ',');) {
    const auto host = serve::FetchHost::from(each);
    if (!host) fail_usage("--fetch-from", "expected [http://]HOST[:PORT] or *.HOST, found '{}'", each);
    fetch.hosts.push_back(*host);
  }
}

/** What of the internet it may read for clients. */
void add_fetch_options(CLI::App& command, ServeOptions& options) {
  CLI::Option* from =
      command
          .add_option_function<std::vector<std::string>>(
              "--fetch-from",
              [&options](const std::vector<std::string>& lists) {
                for (const std::string& list : lists) take_fetch_hosts(options.fetch, list);
              },
              "Fetch pictures, sound and film that requests name by address from this host (*.HOST: from all below "
              "it); by https unless it says http://HOST")
          ->type_name("HOST,...")
          ->allow_extra_args(false);
  command
      .add_flag("--fetch-private", options.fetch.private_addresses,
                "Also where these hosts are in this machine's own network: whoever may ask can then read what is "
                "served there")
      ->needs(from);
  command.add_option("--fetch-seconds", options.fetch.seconds, "Time for all files that a request names by address")
      ->capture_default_str()
      ->check(whole(1, 3600))
      ->needs(from);
}

void add_state_options(CLI::App& command, ServeOptions& options) {
  command.add_option("--state", options.state, "File of the responses and files that are kept (default: in memory)")
      ->check(not_empty())
      ->type_name("FILE");
  command
      .add_option("--files-limit", options.files_limit,
                  "Room for the files that clients leave, 0 for none (default: 256MiB in memory, 4GiB with --state)")
      ->check(room())
      ->type_name("SIZE");
  command.add_option("--body-limit", options.body_limit, "The largest request, or file, that is taken")
      ->capture_default_str()
      ->check(sizes(kMostBody))
      ->type_name("SIZE");
}

/** How pictures, sound and film are read, and what is kept of them. */
void add_media_service_options(CLI::App& command, ServeOptions& options) {
  const size_t before = command.get_options().size();
  add_decoding_limits(command, options.media_limits, true, true);
  command
      .add_option("--media-cache", options.media_cache,
                  "Room for decoded pictures, sound and film, so that a conversation's are decoded once; 0 for none")
      ->capture_default_str()
      ->check(room())
      ->type_name("SIZE");
  add_encoder_cache_option(command, options.session.encoder_cache);
  add_hearing_options(command, options.session.hearing);
  group_media_options(command, before);
}

/** What goes with one model alone. */
void check_several(const ServeOptions& options) {
  if (!options.session.machine.mmap.empty()) {
    fail_usage("--mmap", "is for one model; of several those are unloaded that memory has no room for");
  }
  if (!options.session.model.empty()) return;
  for (const auto& [option, value] :
       {std::pair{"--mmproj", options.session.mmproj}, {"--template", options.session.chat_template}}) {
    if (!value.empty()) fail_usage(option, "is about MODEL, which is not named");
  }
}

}  // namespace

void add_serve_options(CLI::App& command, ServeOptions& options) {
  command.add_option("model", options.session.model, "The model's file or folder")->check(not_empty());
  add_models_options(command, options);
  add_access_options(command, options);
  add_state_options(command, options);
  add_fetch_options(command, options);
  add_media_service_options(command, options);
  command.add_option("--log", options.log, "A line about each request on stderr; json: all lines are JSON objects")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "json", "none"}));
  command.add_flag("--log-content", options.service.log_content,
                   "Also what was asked and answered, which is nobody's business unless you need it");
  command
      .add_option("--alias", options.service.aliases,
                  "Another name of the model; a testing aid: NAME=GRAMMAR.ebnf,... answers by these rules (with "
                  "several files the n-th answer since the user spoke by the n-th)")
      ->check(not_empty())
      ->type_name("NAME[=FILES]")
      ->allow_extra_args(false);
  add_queue_options(command, options);
  command
      .add_option("--mmproj", options.session.mmproj, "The encoders of pictures and sound, where they are a file apart")
      ->check(not_empty())
      ->type_name("FILE");
  command
      .add_option("-c,--context", options.session.context,
                  "Tokens of prompt and answer together (default: what fits; of several models 8192)")
      ->check(tokens());
  command.add_option("--kv", options.kv, "Type of the cache")->check(not_empty());
  add_kept_cache_options(command, options.kept_cache);
  command.add_option("--template", options.session.chat_template, "Chat template instead of the model's own")
      ->check(CLI::IsMember({"edge", "large", "gemma3"}));
  command
      .add_option("--grace", options.grace, "Seconds that answers on their way have when the server is told to stop")
      ->capture_default_str()
      ->check(whole(0, 86400));
  add_machine_options(command, options.session.machine);
}

void check_serve_options(const CLI::App& command, const ServeOptions& options) {
  if (options.several()) check_several(options);
  if (!options.several() && command.count("--idle") > 0) fail_usage("--idle", "needs --models or --pulled");
  if (options.service.log_content && options.log == "none")
    fail_usage("--log-content", "needs a log, found --log none");
  if (options.http.certificate.empty() != options.http.private_key.empty()) {
    fail_usage("--certificate", "and --private-key come together");
  }
}

}  // namespace gemma::app

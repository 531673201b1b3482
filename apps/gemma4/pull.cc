// SPDX-License-Identifier: Apache-2.0
// `gemma4 pull`, `list` and `rm`: models of a hub on this machine.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/progress.h"
#include "gemma4/terminal.h"
#include "hub/hub_cache.h"
#include "hub/repository.h"

namespace gemma::app {
namespace {

constexpr const char* kPullExamples = R"(Examples:
  gemma4 pull google/gemma-4-E2B-it                        a folder: config, tokenizer, weights
  gemma4 pull someone/gemma-4-E2B-it-GGUF:q4_0             the GGUF of that type, and its encoders
  gemma4 pull someone/gemma-4-E2B-it-GGUF:model-Q8_0.gguf
  gemma4 run someone/gemma-4-E2B-it-GGUF:q4_0 "Hello"

Files go where the Python package huggingface_hub has them, too (HF_HOME, HF_HUB_CACHE), and are checked by their
hashes. Ctrl-C keeps what has come; the same command goes on there. HF_TOKEN: for models that are not open to all.
HF_ENDPOINT: another hub.)";

constexpr const char* kListExamples = R"(Examples:
  gemma4 list
  gemma4 list --json)";

constexpr const char* kRemoveExamples = R"(Examples:
  gemma4 rm google/gemma-4-E2B-it
  gemma4 rm someone/gemma-4-E2B-it-GGUF:q4_0              that file alone)";

struct PullOptions {
  std::string name;
  bool encoders = true, json = false;
};

hub::HubName name_of(const std::string& text) {
  const std::optional<hub::HubName> name = hub::parse_hub_name(text);
  if (!name) fail_usage("NAME", "expected OWNER/NAME or OWNER/NAME:FILE, found '{}'", text);
  return *name;
}

class Puller {
 public:
  explicit Puller(const PullOptions& options)
      : options_(options),
        name_(name_of(options.name)),
        cache_(hub::HubCache::of_environment()),
        repository_(name_, hub::Endpoint::of_environment(), cache_, [] { return !InterruptGuard::interrupted(); }) {}

  void run() {
    const InterruptGuard guard;
    const auto start = Clock::now();
    const std::optional<hub::Listing> listing = repository_.list();
    if (!listing) return stopped();
    const std::vector<hub::RemoteFile> files = chosen(*listing);
    int64_t all = 0, missing = 0;
    for (const hub::RemoteFile& file : files) {
      all += file.bytes;
      missing += repository_.missing_bytes(file);
    }
    check_space(missing);
    Progress progress(name_.text(), all, Progress::Unit::bytes);
    for (const hub::RemoteFile& file : files) {
      if (!repository_.fetch(*listing, file, [&](int64_t bytes) { progress.add(bytes); })) {
        progress.finish();
        return stopped();
      }
    }
    progress.finish();
    cache_.point(name_, listing->commit);
    said(all, missing, seconds_since(start));
  }

 private:
  std::vector<hub::RemoteFile> chosen(const hub::Listing& listing) const {
    const std::vector<std::string> all = listing.names();
    Result<std::vector<std::string>> names = hub::files_of(name_, all);
    if (!names) fail_message("", names.failure().message());
    std::vector<std::string> wanted = std::move(names).value();
    const std::string encoders = hub::encoders_of(all);
    const bool gguf = wanted[0].ends_with(".gguf");
    if (options_.encoders && gguf && !encoders.empty() && wanted[0] != encoders) wanted.push_back(encoders);
    std::vector<hub::RemoteFile> files;
    for (const std::string& file : wanted) files.push_back(listing.of(file));
    return files;
  }

  /** Before the first byte: nobody wants to hear of it at the end. */
  void check_space(int64_t missing) const {
    std::error_code error;
    std::filesystem::path place = cache_.root();
    while (!std::filesystem::exists(place, error) && place.has_relative_path()) place = place.parent_path();
    const auto space = std::filesystem::space(place, error);
    if (error || static_cast<int64_t>(space.available) >= missing) return;
    fail(cache_.root().string(), "{} needs {}, found {} free", name_.text(), format_bytes(missing),
         format_bytes(static_cast<int64_t>(space.available)));
  }

  void stopped() const {
    fmt::print(stderr, "gemma4: interrupted; what has come of {} is kept, and the same command goes on\n",
               name_.text());
    set_exit_status(kInterrupted);
  }

  void said(int64_t bytes, int64_t fetched, double seconds) const {
    const std::optional<hub::CachedModel> found = cache_.find(name_);
    const std::string path = found ? found->path : "";
    if (options_.json) {
      fmt::print("{}\n", write_json(json::object{{"name", name_.text()},
                                                 {"path", path},
                                                 {"bytes", bytes},
                                                 {"fetched_bytes", fetched},
                                                 {"seconds", seconds}}));
      return;
    }
    fmt::print("{}\n", path);
    fmt::print(stderr, "gemma4: {}: {}{}\n", name_.text(), format_bytes(bytes),
               fetched == 0 ? ", all of it was here" : fmt::format(", {} fetched", format_bytes(fetched)));
  }

  const PullOptions& options_;
  const hub::HubName name_;
  const hub::HubCache cache_;
  hub::Repository repository_;
};

void list(bool as_json) {
  const std::vector<hub::CachedModel> models = hub::HubCache::of_environment().list();
  if (as_json) {
    json::array out;
    for (const hub::CachedModel& model : models) {
      out.push_back(json::object{{"name", model.name.text()}, {"path", model.path}, {"bytes", model.bytes}});
    }
    fmt::print("{}\n", write_json(out));
    return;
  }
  size_t width = 0;
  for (const hub::CachedModel& model : models) width = std::max(width, model.name.text().size());
  for (const hub::CachedModel& model : models) {
    fmt::print("{:<{}}  {:>9}\n", model.name.text(), width, format_bytes(model.bytes));
  }
  if (models.empty()) fmt::print(stderr, "gemma4: no model was pulled yet (gemma4 pull OWNER/NAME)\n");
}

void remove(const std::string& text) {
  const hub::HubCache cache = hub::HubCache::of_environment();
  const std::optional<int64_t> freed = cache.remove(name_of(text));
  if (!freed) fail(text, "is not here (gemma4 list shows what is)");
  fmt::print(stderr, "gemma4: {} is removed, {} are free\n", text, format_bytes(*freed));
}

}  // namespace

void add_pull(CLI::App& app) {
  auto options = std::make_shared<PullOptions>();
  CLI::App* command = app.add_subcommand("pull", "Fetch a model from a Hugging Face hub");
  command->add_option("NAME", options->name, "OWNER/NAME, OWNER/NAME:FILE or :TYPE, OWNER/NAME@REVISION")
      ->required()
      ->check(not_empty());
  command->add_flag("!--no-encoders", options->encoders, "Of a GGUF: without the encoders of pictures and sound");
  command->add_flag("--json", options->json, "Says on stdout what there is now, as JSON");
  command->footer(kPullExamples);
  command->callback([options] { Puller(*options).run(); });
}

void add_list(CLI::App& app) {
  auto as_json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("list", "The models that were pulled");
  command->add_flag("--json", *as_json, "As JSON, with paths");
  command->footer(kListExamples);
  command->callback([as_json] { list(*as_json); });
}

void add_rm(CLI::App& app) {
  auto name = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("rm", "Remove a model that was pulled");
  command->add_option("NAME", *name, "As `list` has it")->required()->check(not_empty());
  command->footer(kRemoveExamples);
  command->callback([name] { remove(*name); });
}

}  // namespace gemma::app

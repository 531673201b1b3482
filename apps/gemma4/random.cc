// SPDX-License-Identifier: Apache-2.0
// gemma4 random SIZE -o FILE: a model of real shapes with random weights, for measuring.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "convert/model_shapes.h"
#include "convert/random_model.h"
#include "file/mmproj_name.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/local_model.h"
#include "gemma4/machine.h"
#include "gemma4/progress.h"
#include "gemma4/session.h"
#include "gemma4/settings.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples =
    R"(The file has the shapes, keys and types of a converted checkpoint of that size,
and weights that are random and the same every time: it loads here and in llama.cpp,
runs as fast and takes as much memory as the real one, and answers nonsense.

With --encoders the encoders of pictures and sound go to a second file, as convert writes it: "mmproj-" and the name of
the first, which run finds there.

Examples:
  gemma4 random e2b --type q4_0 -o e2b-random.gguf
  gemma4 random e2b --type q4_0 --encoders bf16 -o e2b.gguf       and then
  gemma4 run e2b.gguf --image photo.jpg "What is this?"           for the time it takes
  gemma4 random 26b-a4b --type q4_k_m -o moe.gguf --tokenizer other-model.gguf
  gemma4 random e4b --type q8_0 --layers 12 -o short.gguf
  gemma4 random e2b --type q8_0 --drafter -o drafter.gguf
  gemma4 bench --random e2b --type q4_0             without a file)";

constexpr const char* kFetchedModel = "models/gemma-3-270m-q4_k_m.gguf";  // by ./run, in the folder of the source
constexpr int64_t kPiece = int64_t{4} << 20;                              // bytes made and written at a time

struct RandomOptions {
  std::string size, type = "q4_0", target, tokenizer, encoders, mmproj;
  int layers = 0, threads = 0;
  uint64_t seed = 0;
  bool force = false, drafter = false;
};

/** What has the tokenizer where none is named: the model that `run` takes of itself, else what ./run fetched, in a
 *  folder above the program. */
std::string default_tokenizer() {
  namespace fs = std::filesystem;
  SessionOptions defaults;
  take_defaults(defaults, load_settings());
  if (!defaults.model.empty()) {
    const fs::path model = local_model(defaults.model).path;
    return model.extension() == ".safetensors" ? model.parent_path() / "tokenizer.json" : model;
  }
  std::error_code ignored;
  fs::path folder = fs::read_symlink("/proc/self/exe", ignored);
  while (folder.has_relative_path()) {
    folder = folder.parent_path();
    if (fs::exists(folder / kFetchedModel, ignored)) return folder / kFetchedModel;
  }
  fail("random",
       "no default model to take the tokenizer from: name a tokenizer.json or a .gguf with --tokenizer (or none), set "
       "GEMMA4_MODEL, or let ./bootstrap --minimal fetch one");
}

RandomModelOptions model_options(const RandomOptions& o) {
  const auto type = file_type_named(o.type);
  if (!type) fail_usage("--type", "expected one of {}, found '{}'", file_type_names(), o.type);
  if (o.drafter && o.layers > 0) fail_usage("--layers", "a drafter has four of them");
  if (o.drafter && !o.tokenizer.empty()) fail_usage("--tokenizer", "a drafter has its target's");
  std::string tokenizer = o.tokenizer == "none" ? "" : o.tokenizer;
  if (o.tokenizer.empty() && !o.drafter) tokenizer = default_tokenizer();
  return {o.size, *type, o.layers, std::move(tokenizer), o.seed, o.drafter};
}

/** A file that is to be. */
struct Target {
  std::string path;
  std::unique_ptr<ByteSource> content;
};

/** The encoders' file, if one is wanted. */
std::optional<Target> encoders_target(const RandomOptions& o) {
  if (o.encoders.empty() && o.mmproj.empty()) return std::nullopt;
  const auto type = file_type_named(o.encoders.empty() ? "bf16" : o.encoders);
  if (!type ||
      (*type != FileType::bf16 && *type != FileType::q8_0 && *type != FileType::f16 && *type != FileType::f32)) {
    fail_usage("--encoders", "expected bf16, q8_0, f16 or f32, found '{}'", o.encoders);
  }
  if (o.drafter) fail_usage("--encoders", "a drafter has none");
  if (!o.mmproj.empty() && !o.mmproj.ends_with(".gguf")) {
    fail_usage("--mmproj", "expected a name that ends in .gguf, found '{}'", o.mmproj);
  }
  const std::string path = o.mmproj.empty() ? mmproj_name_of(o.target) : o.mmproj;
  if (path == o.target) fail_usage("--mmproj", "expected another name than that of the model");
  return Target{path, random_encoders(o.size, *type, o.seed)};
}

/** False when it was interrupted. */
bool write_all(const ByteSource& source, AtomicFile& file, ThreadPool& pool) {
  Progress progress("writing", source.size(), Progress::Unit::bytes);
  const int64_t pieces = (source.size() + kPiece - 1) / kPiece;
  pool.parallel_claim(pieces, 1, [&](int64_t first, int64_t last) {
    std::vector<std::byte> buffer(static_cast<size_t>(kPiece));
    for (int64_t i = first; i < last && !InterruptGuard::interrupted(); ++i) {
      const int64_t offset = i * kPiece, n = std::min(kPiece, source.size() - offset);
      const std::span<std::byte> bytes = std::span(buffer).first(static_cast<size_t>(n));
      source.read(offset, bytes);
      file.write_at(offset, bytes);
      progress.add(n);
    }
  });
  progress.finish();
  return !InterruptGuard::interrupted();
}

/** False when it was interrupted. */
bool write(const Target& target, ThreadPool& pool) {
  const auto start = Clock::now();
  AtomicFile file(target.path);
  file.reserve(target.content->size());
  if (!write_all(*target.content, file, pool)) {
    fmt::print(stderr, "gemma4: interrupted; {} was not written\n", target.path);
    set_exit_status(kInterrupted);
    return false;
  }
  file.commit();
  fmt::print(stderr, "{}: {}, {:.1f} s\n", target.path, format_bytes(target.content->size()), seconds_since(start));
  return true;
}

void run(const RandomOptions& o) {
  if (!o.target.ends_with(".gguf")) fail_usage("-o", "expected a name that ends in .gguf, found '{}'", o.target);
  std::vector<Target> targets;
  std::optional<Target> encoders = encoders_target(o);
  targets.push_back({o.target, random_model(model_options(o))});
  if (encoders) targets.push_back(std::move(*encoders));
  for (const Target& target : targets) {
    std::error_code ignored;
    if (!o.force && std::filesystem::exists(target.path, ignored)) {
      fail(target.path, "exists already (--force replaces it)");
    }
  }
  const InterruptGuard interrupt;
  ThreadPool pool(o.threads);
  for (const Target& target : targets) {
    if (!write(target, pool)) return;
  }
}

}  // namespace

void add_random(CLI::App& app) {
  auto options = std::make_shared<RandomOptions>();
  CLI::App* command = app.add_subcommand("random", "Write a model of real shapes with random weights, for measuring");
  command->add_option("SIZE", options->size, model_size_names())->required();
  command->add_option("--type", options->type, file_type_names())->capture_default_str();
  command->add_option("-o,--output", options->target, "The .gguf to write")->required()->check(not_empty());
  command->add_option(
      "--tokenizer", options->tokenizer,
      "tokenizer.json, its folder, a .gguf, or none; default: that of the model that run takes of itself");
  command->add_option("--layers", options->layers, "Only so many layers: whole patterns of 5 (e2b) or 6")
      ->check(whole(1, 1000));
  command->add_flag("--drafter", options->drafter, "The drafter of a model of that size, for run and bench --draft");
  command->add_option("--encoders", options->encoders, "Write its encoders too: bf16, q8_0, f16 or f32");
  command->add_option("--mmproj", options->mmproj, "Another name for the file of the encoders");
  command->add_option("--seed", options->seed, "Other weights")->capture_default_str();
  add_threads_option(*command, options->threads);
  command->add_flag("--force", options->force, "Replace what is there");
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

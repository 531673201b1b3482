// SPDX-License-Identifier: Apache-2.0
// gemma4 random SIZE -o FILE: a model of real shapes with random weights, for measuring.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "convert/model_shapes.h"
#include "convert/random_model.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/machine.h"
#include "gemma4/progress.h"
#include "gemma4/terminal.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples =
    R"(The file has the shapes, keys and types of a converted checkpoint of that size,
and weights that are random and the same every time: it loads here and in llama.cpp,
runs as fast and takes as much memory as the real one, and answers nonsense.

Examples:
  gemma4 random e2b --type q4_0 -o e2b-random.gguf
  gemma4 random 26b-a4b --type q4_k_m -o moe.gguf --tokenizer models/gemma-3-270m-q4_k_m.gguf
  gemma4 random e4b --type q8_0 --layers 12 -o short.gguf
  gemma4 random e2b --type q8_0 --drafter -o drafter.gguf
  gemma4 bench --random e2b --type q4_0             without a file)";

constexpr const char* kDefaultTokenizer = "third_party/tokenizer-gemma3";
constexpr int64_t kPiece = int64_t{4} << 20;  // bytes made and written at a time

struct RandomOptions {
  std::string size, type = "q4_0", target, tokenizer;
  int layers = 0, threads = 0;
  uint64_t seed = 0;
  bool force = false, drafter = false;
};

RandomModelOptions model_options(const RandomOptions& o) {
  const auto type = file_type_named(o.type);
  if (!type) fail_usage("--type", "expected one of {}, found '{}'", file_type_names(), o.type);
  if (o.drafter && o.layers > 0) fail_usage("--layers", "a drafter has four of them");
  if (o.drafter && !o.tokenizer.empty()) fail_usage("--tokenizer", "a drafter has its target's");
  std::string tokenizer = o.tokenizer == "none" ? "" : o.tokenizer;
  std::error_code ignored;
  if (o.tokenizer.empty() && !o.drafter) {
    if (!std::filesystem::exists(kDefaultTokenizer, ignored)) {
      fail(kDefaultTokenizer, "is not below this folder: name a tokenizer.json or a .gguf with --tokenizer, or none");
    }
    tokenizer = kDefaultTokenizer;
  }
  return {o.size, *type, o.layers, std::move(tokenizer), o.seed, o.drafter};
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

void run(const RandomOptions& o) {
  if (!o.target.ends_with(".gguf")) fail_usage("-o", "expected a name that ends in .gguf, found '{}'", o.target);
  std::error_code ignored;
  if (!o.force && std::filesystem::exists(o.target, ignored)) fail(o.target, "exists already (--force replaces it)");
  const auto start = Clock::now();
  const std::unique_ptr<ByteSource> source = random_model(model_options(o));
  const InterruptGuard interrupt;
  ThreadPool pool(o.threads);
  AtomicFile file(o.target);
  file.reserve(source->size());
  if (!write_all(*source, file, pool)) {
    fmt::print(stderr, "gemma4: interrupted; nothing was written\n");
    return set_exit_status(kInterrupted);
  }
  file.commit();
  const double seconds = seconds_since(start);
  fmt::print(stderr, "{}: {}, {:.1f} s\n", o.target, format_bytes(source->size()), seconds);
}

}  // namespace

void add_random(CLI::App& app) {
  auto options = std::make_shared<RandomOptions>();
  CLI::App* command = app.add_subcommand("random", "Write a model of real shapes with random weights, for measuring");
  command->add_option("SIZE", options->size, model_size_names())->required();
  command->add_option("--type", options->type, file_type_names())->capture_default_str();
  command->add_option("-o,--output", options->target, "The .gguf to write")->required();
  command->add_option("--tokenizer", options->tokenizer,
                      std::string("tokenizer.json, its folder, a .gguf, or none; default: ") + kDefaultTokenizer);
  command->add_option("--layers", options->layers, "Only so many layers: whole patterns of 5 (e2b) or 6")
      ->check(positive());
  command->add_flag("--drafter", options->drafter, "The drafter of a model of that size, for run and bench --draft");
  command->add_option("--seed", options->seed, "Other weights")->capture_default_str();
  add_threads_option(*command, options->threads);
  command->add_flag("--force", options->force, "Replace what is there");
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// gemma4 info: what a file is, what is in it, what it takes to run it, and (--verify) whether its numbers are numbers.
#include <algorithm>
#include <cstdio>

#include "base/memory.h"
#include "config/drafter_config.h"
#include "config/names.h"
#include "cpu/cpu_ops.h"
#include "engine/memory_plan.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/info_report.h"
#include "gemma4/local_model.h"
#include "gemma4/progress.h"
#include "kv/kv_cache.h"
#include "model/weights.h"
#include "text/tokenizer.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples = R"(Examples:
  gemma4 info model.gguf
  gemma4 info checkpoint-folder --context 32768
  gemma4 info model.gguf --verify          exit status 1 when a number is NaN or infinite
  gemma4 info model.gguf --json | jq .memory.total)";

constexpr int kUnknownContext = 8192;  // of a model that does not say

struct InfoOptions {
  std::string model;
  bool json = false, verify = false;
  int context = 0;
};

/** Whether there is a model's configuration: a safetensors file may also hold just tensors. */
bool has_config(const ModelFile& file) {
  return file.format() == FileFormat::gguf || file.side_file("config.json").has_value();
}

bool same_kind(const LayerKind& a, const LayerKind& b) {
  const auto moe = [](const LayerConfig& l) {
    return l.moe ? std::array{l.moe->experts, l.moe->top_k, l.moe->width} : std::array{0, 0, 0};
  };
  const auto sizes = [](const LayerConfig& l) {
    return std::array{static_cast<int>(l.global), l.heads, l.kv_heads, l.head_dim, l.window, l.mlp_width,
                      static_cast<int>(l.k_is_v)};
  };
  return sizes(a.layer) == sizes(b.layer) && moe(a.layer) == moe(b.layer) && a.shares_kv == b.shares_kv;
}

std::vector<LayerKind> layer_kinds(const Config& config) {
  std::vector<LayerKind> kinds;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerKind kind{config.layers[i], config.layers[i].kv_source != static_cast<int>(i), 1};
    const auto found = std::find_if(kinds.begin(), kinds.end(), [&](const LayerKind& k) { return same_kind(k, kind); });
    if (found != kinds.end()) {
      ++found->count;
    } else {
      kinds.push_back(kind);
    }
  }
  return kinds;
}

/** The name below the checkpoint's prefix as the reference has it; "" for parts other than text. */
std::string bare_name_of(const ModelFile& file, const std::string& name) {
  if (file.format() == FileFormat::gguf) return reference_name(name).value_or(name);
  return std::string(bare_name(name).value_or(""));
}

Parameters count_parameters(const InfoReport& report) {
  Parameters p;
  for (const TensorRecord& t : report.file->tensors()) {
    if (t.name == kRopeFreqs) continue;  // a constant
    const int64_t n = t.shape.count();
    const std::string bare = bare_name_of(*report.file, t.name);
    p.total += n;
    if (bare.empty() && report.config) p.other_parts += n;
    if (bare == "embed_tokens_per_layer.weight") p.per_layer_embedding += n;
    const bool experts = bare.find(".experts.") != std::string::npos || bare.find("_exps.weight") != std::string::npos;
    if (!experts || !report.config) continue;
    for (const LayerConfig& l : report.config->layers) {
      if (!l.moe || l.moe->experts == 0) continue;
      p.idle_experts += n / l.moe->experts * (l.moe->experts - l.moe->top_k);
      break;  // all layers with experts have as many
    }
  }
  return p;
}

std::vector<TypeCount> count_types(const ModelFile& file) {
  std::vector<TypeCount> counts(kDTypes);
  for (const TensorRecord& t : file.tensors()) {
    TypeCount& count = counts[static_cast<size_t>(t.dtype)];
    count.dtype = t.dtype;
    ++count.tensors;
    count.values += t.shape.count();
    count.bytes += t.bytes;
  }
  std::erase_if(counts, [](const TypeCount& c) { return c.tensors == 0; });
  std::stable_sort(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.bytes > b.bytes; });
  return counts;
}

std::optional<TokenizerInfo> find_tokenizer(const ModelFile& file) {
  if (file.format() == FileFormat::gguf) {
    const auto model = file.metadata().string("tokenizer.ggml.model");
    if (!model || *model == "none") return std::nullopt;  // llama.cpp's word for it
    return TokenizerInfo{fmt::format("GGUF \"{}\"", *model), Tokenizer::from(file)->size()};
  }
  const auto text = file.side_file("tokenizer.json");
  if (!text) return std::nullopt;
  return TokenizerInfo{"tokenizer.json", Tokenizer::from_json(file.folder() + "/tokenizer.json", *text)->size()};
}

/** Of a cache for `context` tokens by `--kv TYPE`. */
std::vector<std::pair<KvType, int64_t>> cache_bytes(const Config& config, int context) {
  std::vector<std::pair<KvType, int64_t>> bytes;
  for (int i = 0; i < kKvTypes; ++i) {
    const auto type = static_cast<KvType>(i);
    KvOptions kv;
    kv.types = *cache_types_named(name_of(type));
    bytes.emplace_back(type, KvCache::bytes_for(config, kv, context));
  }
  return bytes;
}

std::vector<MemoryNeed> memory_needs(const InfoReport& report, Ops& ops, int context) {
  const Config& config = *report.config;
  if (report.drafter) {
    int64_t bytes = 0;
    for (const TensorRecord& t : report.file->tensors()) bytes += t.bytes;
    return {{0, bytes, 0, 0, {}}};  // it has no cache of its own
  }
  std::vector<int> contexts{context};
  if (context == 0) {
    const int most = config.context > 0 ? config.context : kUnknownContext;
    contexts = {4096, 32768, most};
    std::erase_if(contexts, [&](int c) { return c > most; });
    contexts.erase(std::unique(contexts.begin(), contexts.end()), contexts.end());
  }
  const int64_t weights = Weights::bytes_for(report.file, config, ops), step = activation_bytes(config, {});
  std::vector<MemoryNeed> needs;
  needs.reserve(contexts.size());
  for (const int c : contexts) {
    needs.push_back({c, weights, KvCache::bytes_for(config, {}, c), step, cache_bytes(config, c)});
  }
  return needs;
}

InfoReport examine(const std::string& path, int context, ThreadPool& pool) {
  InfoReport report;
  report.file = std::make_shared<const ModelFile>(ModelFile::open(local_model(path).path));
  const ModelFile& file = *report.file;
  report.name = file.metadata().string("general.name").value_or("");
  report.types = count_types(file);
  report.available = available_memory();
  if (has_config(file)) {
    report.drafter = is_drafter(file);
    report.config = report.drafter ? DrafterConfig::from(file).stack : Config::from(file);
    report.layers = layer_kinds(*report.config);
    report.tokenizer = find_tokenizer(file);
    if (!report.drafter)
      report.chat = ChatFormat::choose(file, report.config->per_layer_dim > 0, report.config->generation);
    if (report.config->context > 0 && context > report.config->context) {
      fail_usage("--context", "expected at most {} (what the model was made for), found {}", report.config->context,
                 context);
    }
    report.memory = memory_needs(report, *make_cpu_ops(pool), context);
  }
  report.parameters = count_parameters(report);
  return report;
}

std::vector<BadValues> verify_with_progress(const ModelFile& file, ThreadPool& pool) {
  int64_t bytes = 0;
  for (const TensorRecord& t : file.tensors()) bytes += t.bytes;
  Progress progress("reading", bytes, Progress::Unit::bytes);
  auto bad = verify(file, pool, [&](int64_t n) { progress.add(n); });
  progress.finish();
  return bad;
}

void run(const InfoOptions& options) {
  ThreadPool pool;
  InfoReport report = examine(options.model, options.context, pool);
  if (options.verify) report.verified = verify_with_progress(*report.file, pool);
  const std::string text = options.json ? write_json(to_json(report), 2) + "\n" : to_text(report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  if (report.verified && !report.verified->empty()) {
    fail(options.model, "{} of {} tensors hold numbers that are NaN or infinite, the first is '{}'",
         report.verified->size(), report.file->tensors().size(), report.verified->front().tensor);
  }
}

}  // namespace

void add_info(CLI::App& app) {
  auto options = std::make_shared<InfoOptions>();
  CLI::App* command = app.add_subcommand("info", "Say what a model file is and what it takes to run it");
  command->add_option("MODEL", options->model, "A GGUF, a safetensors file, or a Hugging Face folder")
      ->required()
      ->check(not_empty());
  command->add_flag("--json", options->json, "As JSON");
  command->add_option("--context", options->context, "Tokens for which memory is reckoned; default: several")
      ->check(tokens());
  command->add_flag("--verify", options->verify, "Read every byte and look for numbers that are NaN or infinite");
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
#include "convert/random_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "config/names.h"
#include "convert/gguf_keys.h"
#include "convert/inventory.h"
#include "convert/model_shapes.h"
#include "convert/random_source.h"

namespace gemma {
namespace {

constexpr float kRouterGain = 4;  // scores as far apart as a router's are that has learnt something

/** A checkpoint folder of this model without weights, for the functions that read one. */
ModelFile bare_folder(const RandomModelOptions& o, const std::string& name, std::string tokenizer) {
  std::map<std::string, std::string, std::less<>> files{
      {"config.json", write_json(o.drafter ? drafter_config_of_size(o.size) : config_of_size(o.size, o.layers))},
      {"generation_config.json", write_json(generation_config_of_size(o.size))},
  };
  if (!tokenizer.empty()) files.emplace("tokenizer.json", std::move(tokenizer));
  constexpr std::string_view kEmpty("\x02\0\0\0\0\0\0\0{}", 10);  // safetensors that hold nothing
  std::vector<std::byte> bytes(kEmpty.size());
  std::memcpy(bytes.data(), kEmpty.data(), bytes.size());
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source(name, std::move(bytes)));
  return ModelFile::open(std::move(sources), std::move(files));
}

void copy_tokenizer_keys(const ModelFile& from, const Config& config, Metadata& keys) {
  const std::vector<std::string>* pieces = from.metadata().strings("tokenizer.ggml.tokens");
  const size_t found = pieces == nullptr ? 0 : pieces->size();
  if (found != static_cast<size_t>(config.vocab)) {
    fail(from.name(), "expected a tokenizer of {} pieces, found {}", config.vocab, found);
  }
  for (const Metadata::Entry& entry : from.metadata().entries()) {
    if (entry.first.starts_with("tokenizer.")) keys.set(entry.first, entry.second, entry.type);
  }
}

struct Plan {
  Config config;
  Metadata keys;
  std::vector<NewTensor> tensors;  // as GGUF names them
  std::vector<std::string> names;  // as the reference does
  std::vector<float> divisors;     // the values of the last tensor, when there are any
};

constexpr std::string_view kOrdering = "masked_embedding.token_ordering";

void plan_tensors(const RandomModelOptions& o, std::vector<ExpectedTensor> expected, Plan& plan) {
  for (ExpectedTensor& t : expected) {
    if (!t.required) continue;
    const std::string name = gguf_name(t.name).value();
    const DType kept = t.name == kOrdering       ? DType::i32
                       : o.type == FileType::f32 ? DType::f32
                                                 : unquantized_type(name, t.shape, DType::bf16);
    plan.tensors.push_back({name, kept, t.shape});
    plan.names.push_back(std::move(t.name));
  }
  plan.divisors = rope_divisors(plan.config);
  if (!plan.divisors.empty()) {
    plan.tensors.push_back({std::string(kRopeFreqs), DType::f32, Shape{std::ssize(plan.divisors)}});
  }
  const LayerConfig& first = plan.config.layers.front();
  const int experts = first.moe ? first.moe->experts : 0;
  const auto layers = static_cast<int>(plan.config.layers.size());
  const std::vector<DType> types = choose_types(o.type, layers, experts, plan.tensors);
  for (size_t i = 0; i < types.size(); ++i) plan.tensors[i].dtype = types[i];
}

Plan make_plan(const RandomModelOptions& o, const std::string& name) {
  namespace fs = std::filesystem;
  const fs::path path = o.tokenizer;
  const bool gguf = path.extension() == ".gguf";
  std::string tokenizer;
  if (!o.tokenizer.empty() && !gguf) {
    std::error_code ignored;
    tokenizer = read_file(fs::is_directory(path, ignored) ? path / "tokenizer.json" : path);
  }
  const ModelFile folder = bare_folder(o, name, std::move(tokenizer));
  Plan plan;
  if (o.drafter) {
    const DrafterConfig drafter = DrafterConfig::from(folder);
    plan.config = drafter.stack;
    add_drafter_keys(folder, drafter, plan.keys);
    add_file_type_keys(o.type, plan.keys);
    plan_tensors(o, expected_tensors(drafter), plan);
    return plan;
  }
  plan.config = Config::from(folder);
  add_model_keys(folder, plan.config, plan.keys);
  if (gguf) {
    copy_tokenizer_keys(ModelFile::open(o.tokenizer), plan.config, plan.keys);
  } else {
    add_tokenizer_keys(folder, plan.config, plan.keys);
  }
  if (plan.config.generation == 4) name_gemma4_tokens(plan.keys);
  add_file_type_keys(o.type, plan.keys);
  plan_tensors(o, expected_tensors(plan.config), plan);
  return plan;
}

/** Values such that a forward pass keeps its numbers in the ranges of a trained model's. */
RandomTensor values_of(uint64_t seed, size_t index, std::string_view name, const NewTensor& tensor, const Config& c) {
  float centre = 0, spread = 1.0f / std::sqrt(static_cast<float>(tensor.shape.cols()));
  if (tensor.shape.rank == 1) {  // norms and scales
    centre = 1;
    spread = kFactorSpread;
  } else if (name == "embed_tokens_per_layer.weight") {  // rows of many layers side by side
    spread = 1.0f / std::sqrt(static_cast<float>(c.per_layer_dim));
  } else if (name.ends_with("router.proj.weight")) {
    spread *= kRouterGain;
  }
  return RandomTensor(seed, index, tensor.dtype, centre, spread);
}

}  // namespace

std::unique_ptr<ByteSource> random_model(const RandomModelOptions& options) {
  const std::string name =
      fmt::format("random {}{} {}", options.drafter ? "drafter of " : "", options.size, name_of(options.type));
  const Plan plan = make_plan(options, name);
  std::vector<RandomPart> parts;
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const NewTensor& tensor = plan.tensors[i];
    if (tensor.dtype == DType::i32) {  // each token in its place
      std::vector<int32_t> order(static_cast<size_t>(tensor.shape.count()));
      std::iota(order.begin(), order.end(), 0);
      parts.push_back(given_values(order));
    } else if (i < plan.names.size()) {
      const RandomTensor values = values_of(options.seed, i, plan.names[i], tensor, plan.config);
      parts.push_back({std::make_unique<RandomTensor>(values), {}});
    } else {
      parts.push_back(given_values(plan.divisors));
    }
  }
  return random_source(name, plan.keys, plan.tensors, std::move(parts));
}

}  // namespace gemma

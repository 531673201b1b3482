// SPDX-License-Identifier: Apache-2.0
#include "tiny_models.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <map>

#include "base/thread_pool.h"
#include "convert/convert.h"
#include "file/model_file.h"

namespace gemma::testing_engine {
namespace {

struct Backend {
  explicit Backend(int threads) : pool(threads), ops(make_cpu_ops(pool)) {}
  ThreadPool pool;
  std::unique_ptr<Ops> ops;
};

Backend& backend_with(int threads) {
  static std::map<int, std::unique_ptr<Backend>> backends;
  std::unique_ptr<Backend>& backend = backends[threads];
  if (!backend) backend = std::make_unique<Backend>(threads);
  return *backend;
}

}  // namespace

Ops& ops_with(int threads) { return *backend_with(threads).ops; }
ThreadPool& threads_of(int threads) { return backend_with(threads).pool; }

std::vector<std::string> all_models() {
  std::vector<std::string> names(kModels.begin(), kModels.end());
  names.insert(names.end(), {"e_text/hub_style", "unified_text/hub_style", "e_text@q4_0", "moe_text@q8_0"});
  if (const char* path = std::getenv("GEMMA4_TEST_MODEL")) names.emplace_back(path);
  return names;
}

std::string test_name(const std::string& model) {
  std::string name = model;
  std::replace_if(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

namespace {

/** A golden checkpoint in the type that stands behind "@". */
std::shared_ptr<const Model> converted(const std::string& name) {
  const size_t at = name.find('@');
  const ModelFile source = ModelFile::open(std::string(GEMMA4_GOLDEN) + "/" + name.substr(0, at));
  const std::string path = fmt::format("{}gemma-{}-{}.gguf", testing::TempDir(), test_name(name), getpid());
  Conversion::to_gguf(source, *file_type_named(name.substr(at + 1))).run(path, {});
  std::shared_ptr<const Model> model = Model::load(path, ops_with(1), {});
  std::filesystem::remove(path);  // it stays open
  return model;
}

}  // namespace

std::shared_ptr<const Model> tiny_model(const std::string& name, bool blocks) {
  static std::map<std::string, std::shared_ptr<const Model>> models;
  std::shared_ptr<const Model>& model = models[name];
  if (!model && name.find('@') != std::string::npos) model = converted(name);
  if (!model) {
    const std::string path = name.starts_with('/') ? name : std::string(GEMMA4_GOLDEN) + "/" + name;
    const bool whole = std::find(kModels.begin(), kModels.end(), name) != kModels.end();  // its weights are f32
    model = Model::load(path, ops_with(1), {.widen = whole});
  }
  if (!blocks) return model;
  auto changed = std::make_shared<Model>(*model);
  for (LayerConfig& layer : changed->config.layers) layer.bidirectional_media = layer.window > 0;
  return changed;
}

void choose_cache(Dice& dice, KvOptions& options) {
  const auto any = [&] { return static_cast<KvType>(dice.below(kKvTypes)); };
  options.types.full = dice.one_in(2) ? KvTypes{any(), any()} : KvTypes{};
  options.types.windowed = dice.one_in(2) ? options.types.full : KvTypes{any(), any()};
  const bool coded = std::ranges::any_of(std::array{options.types.full, options.types.windowed},
                                         [](KvTypes t) { return is_coded(t.keys) || is_coded(t.values); });
  options.page_size = 1 << (coded ? 5 : dice.between(1, 5));
}

unsigned rounds(unsigned usual) {
  const char* wanted = std::getenv("GEMMA4_TEST_ROUNDS");
  return wanted != nullptr ? static_cast<unsigned>(std::max(1, std::atoi(wanted))) : usual;
}

std::vector<int32_t> random_tokens(Dice& dice, int n) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < n; ++i) tokens.push_back(dice.between(3, 499));
  return tokens;
}

std::vector<MediaRows> random_media(Dice& dice, int tokens, int dim) {
  std::vector<MediaRows> media;
  for (int at = dice.below(8); at < tokens;) {
    const int rows = std::min(tokens - at, dice.between(1, 20));
    MediaRows m{at, rows, !dice.one_in(3), Tensor::host(DType::f32, Shape{rows, dim}), 0};
    m.content = static_cast<uint64_t>(dice.between(1, 1 << 30));
    for (float& value : m.embedding.data_mutable<float>()) value = static_cast<float>(dice.between(-999, 999)) / 300;
    media.push_back(std::move(m));
    at += rows + dice.between(1, 15);
  }
  return media;
}

}  // namespace gemma::testing_engine

// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <cmath>
#include <utility>

#include "config/tensor_map.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

/** sqrt(n) as the reference multiplies with it: in the type of the table (spec section 4). In f32 mode as it is. */
float table_scale(int n, std::optional<DType> table, bool widen) {
  const auto scale = static_cast<float>(std::sqrt(static_cast<double>(n)));
  return table == DType::bf16 && !widen ? bf16_to_f32(f32_to_bf16(scale)) : scale;
}

std::optional<DType> type_of(const TensorMap& map, std::string_view bare) {
  const auto stored = map.find(bare);
  return stored ? std::optional(stored->dtype) : std::nullopt;
}

}  // namespace

std::shared_ptr<const Model> Model::load(std::shared_ptr<const ModelFile> file, Config config, Ops& ops,
                                         Options options) {
  const TensorMap map(*file, config);
  config.embedding_scale = table_scale(config.dim, type_of(map, "embed_tokens.weight"), options.widen);
  config.per_layer_scale =
      table_scale(config.per_layer_dim, type_of(map, "embed_tokens_per_layer.weight"), options.widen);
  auto model = std::make_shared<Model>();
  model->weights = Weights::load(std::move(file), config, ops, options);
  model->config = std::move(config);
  return model;
}

std::shared_ptr<const Model> Model::load(std::shared_ptr<const ModelFile> file, Ops& ops, Options options) {
  Config config = Config::from(*file);
  return load(std::move(file), std::move(config), ops, options);
}

std::shared_ptr<const Model> Model::load(const std::string& path, Ops& ops, Options options) {
  return load(std::make_shared<const ModelFile>(ModelFile::open(path)), ops, options);
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// The weights of a checkpoint under the reference's names, one struct a part. Read once into the layout the device
// likes; the per-layer embedding table alone stays in the file (RowSource).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/config.h"
#include "tensor/ops.h"

namespace gemma {

/** A weight and its reference name, by which an adapter finds it. */
struct Linear {
  Tensor w;  // [out, in]
  std::string name;
};

struct AttentionWeights {
  Linear q, k, v, o;               // k, v undefined on layers that share a cache; v where K = V
  Tensor q_norm, k_norm;           // [head_dim]
  std::vector<float> key_balance;  // AttentionPlan's; of layers that own a cache
};

struct MlpWeights {
  Linear gate, up, down;
};

struct MoeWeights {
  Linear router;                          // [experts, dim]
  Tensor router_scale, per_expert_scale;  // [dim] (with dim^(-1/2) in it), [experts]
  Tensor gate_up, down;                   // [experts, 2 width, dim], [experts, dim, width]
  Tensor post_feedforward_layernorm_1, post_feedforward_layernorm_2, pre_feedforward_layernorm_2;
};

struct PerLayerWeights {
  Linear gate, projection;  // per_layer_input_gate [P, dim], per_layer_projection [dim, P]
  Tensor norm;              // post_per_layer_input_norm [dim]
};

struct LayerWeights {
  Tensor input_layernorm, post_attention_layernorm, pre_feedforward_layernorm, post_feedforward_layernorm;
  AttentionWeights attention;
  MlpWeights mlp;
  std::optional<MoeWeights> moe;
  std::optional<PerLayerWeights> per_layer;
  Tensor layer_scalar;  // [1]; undefined where the model has none
};

/** Rows of a table that is never loaded: read from the file when their tokens come up. Keeps `file` alive. */
class RowSource {
 public:
  RowSource() = default;
  RowSource(std::shared_ptr<const ModelFile> file, const TensorRecord& record);
  bool defined() const { return file_ != nullptr; }
  int64_t rows() const { return record_.shape.rows(); }
  int64_t cols() const { return record_.shape.cols(); }
  DType dtype() const { return record_.dtype; }
  /** Begins to fetch the rows `ids`, so that a disk reads all of them at once, while something else is calculated. */
  void fetch(std::span<const int32_t> ids) const;
  /** The rows `ids` as stored, [ids, cols] in the file's type. */
  Tensor read(std::span<const int32_t> ids, Ops& ops) const;

 private:
  std::shared_ptr<const ModelFile> file_;
  TensorRecord record_;
};

struct WeightOptions {
  bool widen = false;   // every weight as f32
  bool balance = true;  // keys are balanced, which takes a tenth of loading: for caches of coded keys
  bool map = false;     // matrices that memory has no room for stay in the file and are packed as they are used
  int64_t leave = 0;    // so much memory is for other things: with map, no room; of encoders, needed beside them
  int64_t most = std::numeric_limits<int64_t>::max();  // with map: bytes of matrices that are held all the same
};

struct Weights {
  Tensor embedding;  // [vocab, dim]; also the head when that is tied
  std::optional<Tensor> head;
  RowSource per_layer_rows;           // [vocab, layers * P]
  Linear per_layer_model_projection;  // [layers * P, dim]
  Tensor per_layer_projection_norm;   // [P]
  std::vector<LayerWeights> layers;
  Tensor norm;
  std::shared_ptr<const ModelFile> mapped;  // where matrices are; null when they were read

  /** After mapped matrices were used: fails when the file is not what it was. */
  void check() const {
    if (mapped != nullptr) mapped->check();
  }

  /** Fails with name, expected and found shape; before anything is read when memory does not suffice. */
  static Weights load(std::shared_ptr<const ModelFile> file, const Config& config, Ops& ops,
                      const WeightOptions& options = {});
  /** The memory that load takes, with map at least, in bytes; fails as it does, and reads no weight. */
  static int64_t bytes_for(std::shared_ptr<const ModelFile> file, const Config& config, Ops& ops,
                           const WeightOptions& options = {});
};

}  // namespace gemma

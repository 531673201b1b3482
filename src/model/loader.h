// SPDX-License-Identifier: Apache-2.0
// Reads tensors of a checkpoint by reference name, checks their shapes, and brings them into the form that the forward
// pass wants: matrices in the device's layout, vectors as f32, norms as plain w. Internal to this module.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/tensor_map.h"
#include "model/weights.h"
#include "tensor/ops.h"

namespace gemma {

class Loader {
 public:
  /** Bytes of matrices that may stay in the file, those that lie in one piece. A token reads a few experts and all
   *  else: experts are the last to be held. */
  struct Mappable {
    int64_t experts = 0, others = 0;
  };
  struct Options {
    WeightOptions weights;
    Mappable hold = {};       // with map: so much is held; a matrix that is larger than what is left stays in the file
    bool count_only = false;  // reads nothing and returns undefined tensors: bytes() is what loading will take
  };

  Loader(const ModelFile& file, const Config& config, Ops& ops, Options options);

  /** A matrix for linear, embed or moe, in the device's layout. Fails when missing or of another shape. */
  Tensor matrix(std::string_view bare, std::initializer_list<int64_t> shape);
  Linear linear(std::string_view bare, std::initializer_list<int64_t> shape);
  /** A matrix [out, in] whose rows the file has in another order: value order[i] of a row there becomes value i. */
  Linear linear_reordered(std::string_view bare, std::initializer_list<int64_t> shape_in_file,
                          std::span<const int64_t> order);
  /** The rows of a table for embed, as files store them. */
  Tensor table(std::string_view bare, std::initializer_list<int64_t> shape);
  /** f32 values for element-wise ops, times `factor`. */
  Tensor vector(std::string_view bare, int64_t size, float factor = 1.0f);
  /** The values of a tensor in the host's memory; none while only counting. */
  std::vector<float> floats(std::string_view bare, std::initializer_list<int64_t> shape);
  /** One value; 0 while only counting. */
  float number(std::string_view bare);
  /** A norm's factors: w, or 1 + w where the file holds w and means that (Gemma 3 in safetensors). */
  Tensor norm(std::string_view bare, int64_t size);
  /** The record of a tensor that stays in the file. */
  const TensorRecord& record(std::string_view bare, std::initializer_list<int64_t> shape) const;
  /** Whether the file is a GGUF, in which some tensors of encoders are arranged otherwise. */
  bool from_gguf() const { return file_.format() == FileFormat::gguf; }
  bool has(std::string_view bare) const { return map_.find(bare).has_value(); }

  int64_t bytes() const { return bytes_; }
  /** What was left in the file. */
  const Mappable& mapped() const { return mapped_; }

 private:
  StoredTensor find(std::string_view bare, std::initializer_list<int64_t> shape) const;
  /** The matrix in the file; undefined where it is to be held. */
  Tensor map(const StoredTensor& stored);
  Tensor values(std::string_view bare, int64_t size, float factor, float offset);

  const ModelFile& file_;
  const Config& config_;
  Ops& ops_;
  TensorMap map_;
  Options options_;
  int64_t bytes_ = 0;
  Mappable mapped_;
};

/** One decoder layer; `index` is its number in the file. */
LayerWeights load_layer(Loader& loader, const Config& config, int index);

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// Where a file keeps the tensors that the reference names: under a prefix (safetensors), under another name, in parts
// or as rows of a fused one (GGUF).
//
//   TensorMap map(file, config);
//   if (auto t = map.find("layers.0.self_attn.k_proj.weight")) t->read(file, bytes);
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "file/model_file.h"

namespace gemma {

/** Rows first_row .. first_row + rows - 1 of a record seen as [rows, cols]. */
struct Piece {
  const TensorRecord* record = nullptr;
  int64_t first_row = 0, rows = 0;
};

/** A tensor of the reference as it lies in a file: pieces of one type and width, one after another. */
struct StoredTensor {
  std::string name;  // in the file, for messages
  DType dtype = DType::f32;
  Shape shape;
  std::vector<Piece> pieces;

  int64_t bytes() const { return bytes_of(dtype, shape.count()); }
  /** Rows first .. first + n - 1 of all its rows. */
  void read_rows(const ModelFile& file, int64_t first, int64_t n, std::span<std::byte> out) const;
  /** The whole tensor; out.size() == bytes(). */
  void read(const ModelFile& file, std::span<std::byte> out) const;
};

class TensorMap {
 public:
  /** Both outlive the map. `config`: a drafter's stack where the file is a drafter. */
  TensorMap(const ModelFile& file, const Config& config);

  /** By bare reference name (names.h); nullopt when the file has no such tensor. */
  std::optional<StoredTensor> find(std::string_view bare) const;
  /** What the file would call it, for messages. */
  std::string name_in_file(std::string_view bare) const;

 private:
  std::optional<StoredTensor> find_fused(std::string_view bare) const;
  std::optional<StoredTensor> find_split(std::string_view bare) const;

  const ModelFile& file_;
  const Config& config_;
  std::string prefix_, media_prefix_;  // of text tensors and of encoders' in safetensors
};

}  // namespace gemma

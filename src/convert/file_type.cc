// SPDX-License-Identifier: Apache-2.0
#include "convert/file_type.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <numeric>

namespace gemma {
namespace {

struct Row {
  FileType type;
  std::string_view name;
  DType matrices;   // what most matrices become
  int gguf_number;  // llama_ftype
};

constexpr std::array<Row, 8> kRows{{
    {FileType::f32, "f32", DType::f32, 0},
    {FileType::bf16, "bf16", DType::bf16, 32},
    {FileType::f16, "f16", DType::f16, 1},
    {FileType::q8_0, "q8_0", DType::q8_0, 7},
    {FileType::q4_0, "q4_0", DType::q4_0, 2},
    {FileType::q4_k_m, "q4_k_m", DType::q4_k, 15},
    {FileType::q5_k_m, "q5_k_m", DType::q5_k, 17},
    {FileType::q6_k, "q6_k", DType::q6_k, 18},
}};

const Row& row_of(FileType type) { return kRows[static_cast<size_t>(type)]; }

/** N of "blk.N.rest", -1 for tensors of no layer. */
int layer_of(std::string_view name) {
  constexpr std::string_view kHead = "blk.";
  int layer = -1;
  if (name.starts_with(kHead)) std::from_chars(name.data() + kHead.size(), name.data() + name.size(), layer);
  return layer;
}

bool contains(std::string_view name, std::string_view part) { return name.find(part) != std::string_view::npos; }

bool is_matrix(const Shape& shape) {
  // Sizes of 1 in front do not count: [1, n] is a row.
  for (int i = 0; i + 1 < shape.rank; ++i) {
    if (shape[i] > 1) return true;
  }
  return false;
}

bool may_change(const NewTensor& t) {
  const std::string_view name = t.name;
  return is_matrix(t.shape) && name.ends_with("weight") && !contains(name, "_norm.weight") &&
         !contains(name, "ffn_gate_inp.weight") && !contains(name, "per_layer_model_proj");
}

bool is_value_projection(std::string_view name) {
  return contains(name, "attn_v.weight") || contains(name, "attn_qkv.weight");
}

/** The first and last eighth of n, and every third between. */
bool gets_more_bits(int i, int n) { return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2; }

class Chooser {
 public:
  Chooser(FileType type, int layers, int experts, std::span<const NewTensor> tensors)
      : base_(row_of(type).matrices),
        mixed_(type == FileType::q4_k_m || type == FileType::q5_k_m),
        layers_(layers),
        experts_(experts) {
    for (const NewTensor& t : tensors) {
      if (t.name == "output.weight") tied_ = false;
      if (is_value_projection(t.name)) ++value_projections_;
    }
  }

  /** To be called in the order of layers. */
  DType choose(const NewTensor& t) {
    if (!may_change(t)) return t.dtype;
    if (!is_quantized(base_)) return base_;
    return fallback(wish(t), t.shape.cols());
  }

 private:
  DType wish(const NewTensor& t) {
    const std::string_view name = t.name;
    const bool table = name == "token_embd.weight" || name == "per_layer_token_embd.weight";
    if (name == "output.weight" || (tied_ && table)) return head(t.shape.cols());
    if (table) return base_;
    if (is_value_projection(name)) {
      const bool more = gets_more_bits(value_projection_++, value_projections_);
      if (experts_ == 8) return DType::q8_0;
      return mixed_ && more ? DType::q6_k : base_;
    }
    if (contains(name, "attn_k.weight") && experts_ == 8) return DType::q8_0;
    if (contains(name, "attn_output.weight") && experts_ == 8 && base_ == DType::q4_k) return DType::q5_k;
    if (contains(name, "ffn_down")) {
      const int counted = down_projection_++;
      const int layer = experts_ > 1 ? layer_of(name) : counted;
      return mixed_ && gets_more_bits(layer, layers_) ? DType::q6_k : base_;
    }
    return base_;
  }

  DType head(int64_t cols) const {
    return base_ == DType::q8_0 || cols % info(base_).block != 0 ? DType::q8_0 : DType::q6_k;
  }

  static DType fallback(DType type, int64_t cols) {
    if (cols % info(type).block == 0) return type;
    if (type == DType::q4_k) type = DType::q5_0;
    if (type == DType::q5_k) type = DType::q5_1;
    if (type == DType::q6_k) type = DType::q8_0;
    return cols % info(type).block == 0 ? type : DType::f16;
  }

  const DType base_;
  const bool mixed_;
  const int layers_, experts_;
  bool tied_ = true;
  int value_projections_ = 0, value_projection_ = 0, down_projection_ = 0;
};

}  // namespace

std::optional<FileType> file_type_named(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.type;
  }
  return std::nullopt;
}

std::string_view name_of(FileType type) { return row_of(type).name; }

std::string file_type_names() {
  std::string names;
  for (const Row& row : kRows) names.append(names.empty() ? "" : ", ").append(row.name);
  return names;
}

int gguf_file_type(FileType type) { return row_of(type).gguf_number; }

std::vector<DType> choose_types(FileType type, int layers, int experts, std::span<const NewTensor> tensors) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const int layer_a = layer_of(tensors[a].name), layer_b = layer_of(tensors[b].name);
    return layer_a != layer_b ? layer_a < layer_b : tensors[a].name < tensors[b].name;
  });
  Chooser chooser(type, layers, experts, tensors);
  std::vector<DType> types(tensors.size());
  for (const size_t i : order) types[i] = chooser.choose(tensors[i]);
  return types;
}

DType unquantized_type(std::string_view name, const Shape& shape, DType source) {
  if (!is_float(source)) return source;  // the order of a drafter's tokens
  if (shape.rank <= 1 || name.ends_with("_norm.weight") || contains(name, "ffn_gate_inp.weight") ||
      !name.ends_with(".weight")) {
    return DType::f32;
  }
  return source;
}

}  // namespace gemma

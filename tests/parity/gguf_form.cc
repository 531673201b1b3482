// SPDX-License-Identifier: Apache-2.0
#include "gguf_form.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "config/names.h"
#include "config/tensor_map.h"
#include "file/gguf_writer.h"
#include "tensor/pack.h"

namespace gemma::parity {
namespace {

/** Tensors to write, in memory. */
class Image {
 public:
  void add(std::string name, DType dtype, Shape shape, const std::vector<float>& values) {
    std::vector<std::byte> bytes(static_cast<size_t>(bytes_of(dtype, shape.count())));
    pack(dtype, values, bytes);
    add_raw(std::move(name), dtype, shape, std::move(bytes));
  }
  void add_raw(std::string name, DType dtype, Shape shape, std::vector<std::byte> bytes) {
    tensors_.push_back({std::move(name), dtype, shape});
    data_.push_back(std::move(bytes));
  }

  std::shared_ptr<const ModelFile> open(const Metadata& keys) const {
    const GgufHeader header = gguf_header("memory.gguf", keys, tensors_);
    std::vector<std::byte> bytes(static_cast<size_t>(header.file_bytes));
    std::copy(header.bytes.begin(), header.bytes.end(), bytes.begin());
    for (size_t i = 0; i < data_.size(); ++i) {
      std::copy(data_[i].begin(), data_[i].end(), bytes.begin() + header.offsets[i]);
    }
    std::vector<std::unique_ptr<ByteSource>> sources;
    sources.push_back(memory_source("memory.gguf", std::move(bytes)));
    return std::make_shared<const ModelFile>(ModelFile::open(std::move(sources)));
  }

 private:
  std::vector<NewTensor> tensors_;
  std::vector<std::vector<std::byte>> data_;
};

std::vector<float> values_of(const ModelFile& file, const TensorRecord& record) {
  std::vector<std::byte> raw(static_cast<size_t>(record.bytes));
  file.read(record, raw);
  std::vector<float> values(static_cast<size_t>(record.shape.count()));
  unpack(record.dtype, raw, values);
  return values;
}

Metadata keys_of(const Config& c, const std::string& arch) {
  Metadata keys;
  keys.set("general.architecture", arch);
  const auto set = [&](const char* name, MetaValue value, std::optional<MetaType> type = std::nullopt) {
    keys.set(arch + "." + name, std::move(value), type);
  };
  std::vector<int64_t> kv_heads, widths;
  std::vector<bool> sliding;
  int64_t full_dim = c.layers[0].head_dim, sliding_dim = full_dim, window = 1, shared = 0;
  double theta = 1e6, theta_swa = 1e4;
  for (size_t i = 0; i < c.layers.size(); ++i) {
    const LayerConfig& l = c.layers[i];
    kv_heads.push_back(l.kv_heads);
    widths.push_back(l.mlp_width);
    sliding.push_back(!l.global);
    (l.global ? full_dim : sliding_dim) = l.head_dim;
    (l.global ? theta : theta_swa) = l.rope.theta;
    if (!l.global) window = l.window;
    shared += l.kv_source != static_cast<int>(i) && l.kv_source != kTargetLayer;
  }
  const LayerConfig& first = c.layers[0];
  set("context_length", int64_t{c.context});
  set("block_count", static_cast<int64_t>(c.layers.size()));
  set("embedding_length", int64_t{c.dim});
  set("feed_forward_length", widths);
  set("attention.head_count", int64_t{first.heads});
  set("attention.head_count_kv", kv_heads);
  set("attention.layer_norm_rms_epsilon", double{c.norm_eps});
  set("attention.key_length", full_dim);
  set("attention.value_length", full_dim);
  set("attention.sliding_window", window);
  set("attention.sliding_window_pattern", sliding, MetaType::boolean);
  set("rope.freq_base", theta);
  set("rope.freq_base_swa", theta_swa);
  if (c.softcap) set("final_logit_softcapping", double{*c.softcap});
  if (c.generation == 3) return keys;
  set("attention.key_length_swa", sliding_dim);
  set("attention.value_length_swa", sliding_dim);
  set("attention.shared_kv_layers", shared);
  set("embedding_length_per_layer_input", int64_t{c.per_layer_dim});
  set("rope.dimension_count", full_dim);
  set("rope.dimension_count_swa", sliding_dim);
  if (first.moe) {
    set("expert_count", int64_t{first.moe->experts});
    set("expert_used_count", int64_t{first.moe->top_k});
    set("expert_feed_forward_length", int64_t{first.moe->width});
  }
  keys.set("tokenizer.ggml.suppress_tokens", std::vector<int64_t>(c.special.suppress.begin(), c.special.suppress.end()),
           MetaType::i32);
  return keys;
}

void add_rope_divisors(Image& image, const Config& c) {
  for (const LayerConfig& l : c.layers) {
    if (!l.global) continue;
    std::vector<float> divisors;
    for (const float f : l.rope.inverse_frequency) divisors.push_back(f > 0 ? 1.0f : 1e30f);
    image.add(std::string(kRopeFreqs), DType::f32, Shape{static_cast<int64_t>(divisors.size())}, divisors);
    return;
  }
}

/** q, k and v of a layer as the rows of one tensor; false when the layer has not all three. */
bool add_fused(Image& image, const ModelFile& file, const TensorMap& map, size_t layer, DType dtype) {
  std::vector<float> rows;
  int64_t cols = 0;
  for (const char* part : {"q", "k", "v"}) {
    const auto stored = map.find(fmt::format("layers.{}.self_attn.{}_proj.weight", layer, part));
    if (!stored) return false;
    const auto values = values_of(file, *stored->pieces[0].record);
    rows.insert(rows.end(), values.begin(), values.end());
    cols = stored->shape.cols();
  }
  image.add(fmt::format("blk.{}.attn_qkv.weight", layer), dtype, Shape{static_cast<int64_t>(rows.size()) / cols, cols},
            rows);
  return true;
}

/** [experts, gate and up, in] -> two tensors. */
void add_split(Image& image, const std::string& bare, const Shape& shape, const std::vector<float>& values,
               DType dtype) {
  const int64_t half = shape[1] / 2 * shape[2];
  std::vector<float> part[2];
  for (int64_t at = 0; at < shape.count(); at += half) {
    auto& to = part[at / half % 2];
    to.insert(to.end(), values.begin() + at, values.begin() + at + half);
  }
  const std::vector<std::string> names = split_parts(bare);
  for (int i : {0, 1})
    image.add(names[static_cast<size_t>(i)], dtype, Shape{shape[0], shape[1] / 2, shape[2]}, part[i]);
}

bool is_projection(std::string_view bare) {
  return bare.ends_with("q_proj.weight") || bare.ends_with("k_proj.weight") || bare.ends_with("v_proj.weight");
}

void add_tensors(Image& image, const ModelFile& file, const Config& config, GgufForm form) {
  const TensorMap map(file, config);
  std::vector<bool> fused(config.layers.size());
  for (size_t i = 0; form.fused && i < fused.size(); ++i) fused[i] = add_fused(image, file, map, i, form.dtype);
  for (const TensorRecord& record : file.tensors()) {
    const auto bare = bare_name(record.name);
    if (!bare) continue;
    if (is_projection(*bare) && fused[static_cast<size_t>(std::stoi(std::string(bare->substr(7))))]) continue;
    if (record.dtype == DType::i64) {
      std::vector<std::byte> raw(static_cast<size_t>(record.bytes));
      file.read(record, raw);
      image.add_raw(*gguf_name(*bare), record.dtype, record.shape, std::move(raw));
      continue;
    }
    std::vector<float> values = values_of(file, record);
    if (config.generation == 3 && is_shifted_norm(*bare)) {
      for (float& v : values) v += 1.0f;
    }
    const bool whole_blocks = record.shape.cols() % info(form.dtype).block == 0;
    const DType dtype = record.shape.rank > 1 && whole_blocks ? form.dtype : DType::f32;
    if (form.fused && bare->ends_with("gate_up_proj")) {
      add_split(image, std::string(*bare), record.shape, values, dtype);
    } else {
      image.add(*gguf_name(*bare), dtype, record.shape, values);
    }
  }
}

}  // namespace

std::shared_ptr<const ModelFile> as_gguf(const ModelFile& file, const Config& config, GgufForm form) {
  Image image;
  add_tensors(image, file, config, form);
  if (config.generation == 4) add_rope_divisors(image, config);
  return image.open(keys_of(config, config.generation == 3 ? "gemma3" : "gemma4"));
}

std::shared_ptr<const ModelFile> as_gguf(const ModelFile& file, const DrafterConfig& config) {
  Image image;
  add_tensors(image, file, config.stack, {});
  add_rope_divisors(image, config.stack);
  const std::string arch = "gemma4-assistant";
  Metadata keys = keys_of(config.stack, arch);
  keys.set(arch + ".embedding_length_out", int64_t{config.target_dim});
  keys.set(arch + ".nextn_predict_layers", static_cast<int64_t>(config.stack.layers.size()));
  if (config.ordered) keys.set(arch + ".centroid_top_k", int64_t{config.top_centroids});
  return image.open(keys);
}

}  // namespace gemma::parity

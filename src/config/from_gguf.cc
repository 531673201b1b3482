// SPDX-License-Identifier: Apache-2.0
// GGUF keys (spec/gguf.md) -> Config. What has no key is read off the tensors: K = V (no attn_v), layer scalars,
// experts, p-RoPE (rope_freqs).
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "config/config.h"
#include "config/drafter_config.h"
#include "config/gguf_keys.h"
#include "config/names.h"
#include "config/resolve.h"

namespace gemma {
namespace {

bool layer_has(const ModelFile& file, int layer, std::string_view rest) {
  return file.find(fmt::format("blk.{}.{}", layer, rest)) != nullptr;
}

// ---- layers ----

/** Global or not, from a flag per layer (true: sliding), a period, or every sixth where no key says so. */
std::vector<bool> layer_kinds(const GgufKeys& keys, int layers, int generation) {
  const std::string name = keys.full("attention.sliding_window_pattern");
  std::vector<bool> global(static_cast<size_t>(layers), true);
  const MetaValue* value = keys.metadata().find(name);
  if (value == nullptr && generation == 4) fail(keys.file().name(), "key {} is missing", name);
  if (value != nullptr && !std::holds_alternative<int64_t>(*value)) {
    const std::vector<bool> sliding = *keys.metadata().booleans(name);
    if (sliding.size() != global.size()) {
      fail(keys.file().name(), "key {}: expected {} entries, one a layer, found {}", name, layers, sliding.size());
    }
    for (size_t i = 0; i < global.size(); ++i) global[i] = !sliding[i];
    return global;
  }
  if (!keys.metadata().find(keys.full("attention.sliding_window"))) return global;  // no window: all layers see all
  const int period =
      keys.integer("attention.sliding_window_pattern", 1, resolve::kMaxLayers).value_or(resolve::kDefaultPattern);
  for (size_t i = 0; i < global.size(); ++i) global[i] = (static_cast<int>(i) + 1) % period == 0;
  return global;
}

/** The tensor of divisors of the full layers' frequencies: 1 for a rotated pair, 1e30 for one that is not. */
std::vector<float> rope_divisors(const ModelFile& file, int generation) {
  constexpr float kNotRotated = 1e20f, kLeast = 1e-6f;
  const TensorRecord* record = file.find(kRopeFreqs);
  if (record == nullptr) {
    if (generation == 4) fail(file.name(), "tensor '{}' is missing", kRopeFreqs);
    return {};
  }
  if (record->dtype != DType::f32 || record->shape.rank != 1 || record->shape[0] > resolve::kMaxHeadDim) {
    fail(file.name(), "tensor '{}': expected f32 [head size / 2], found {} {}", kRopeFreqs, info(record->dtype).name,
         record->shape.str());
  }
  std::vector<float> divisors(static_cast<size_t>(record->shape[0]));
  file.read(*record, std::as_writable_bytes(std::span(divisors)));
  for (float& d : divisors) {
    if (!(d >= kLeast)) fail(file.name(), "tensor '{}': expected divisors from {}, found {}", kRopeFreqs, kLeast, d);
    if (d >= kNotRotated) d = 0;  // stands for "no rotation" below
  }
  return divisors;
}

Rope divided(Rope rope, const std::vector<float>& divisors, const GgufKeys& keys) {
  if (divisors.empty()) return rope;
  if (divisors.size() != rope.inverse_frequency.size()) {
    fail(keys.file().name(), "tensor '{}': expected [{}], half a head of the full layers, found [{}]", kRopeFreqs,
         rope.inverse_frequency.size(), divisors.size());
  }
  for (size_t i = 0; i < divisors.size(); ++i) {
    float& f = rope.inverse_frequency[i];
    f = divisors[i] == 0 ? 0 : f / divisors[i];
  }
  return rope;
}

double linear_factor(const GgufKeys& keys) {
  const std::string name = keys.full("rope.scaling.type");
  const std::string type = keys.metadata().string(name).value_or("none");
  if (type != "none" && type != "linear") {
    fail(keys.file().name(), "key {}: expected none or linear, found '{}'", name, type);
  }
  return type == "linear" ? keys.number("rope.scaling.factor", 1e-6, 1e6).value_or(1.0) : 1.0;
}

void set_ropes(Config& c, const GgufKeys& keys) {
  const double theta = keys.number("rope.freq_base", resolve::kMinTheta, resolve::kMaxTheta).value_or(1e6);
  const double theta_swa = keys.number("rope.freq_base_swa", resolve::kMinTheta, resolve::kMaxTheta).value_or(1e4);
  const double factor = linear_factor(keys);
  const std::vector<float> divisors = rope_divisors(keys.file(), c.generation);
  for (LayerConfig& layer : c.layers) {
    const char* name = layer.global ? "rope.dimension_count" : "rope.dimension_count_swa";
    const auto rotated = keys.integer(name, 0, resolve::kMaxHeadDim);
    if (c.generation == 4 && rotated && *rotated != layer.head_dim) {
      fail(keys.file().name(), "key {}: expected the head size {}, found {}", keys.full(name), layer.head_dim,
           *rotated);
    }
    const int pairs = layer.head_dim / 2;
    layer.rope = layer.global ? divided(resolve::rope(layer.head_dim, pairs, theta, factor), divisors, keys)
                              : resolve::rope(layer.head_dim, pairs, theta_swa, 1.0);
  }
}

void set_shapes(Config& c, const GgufKeys& keys) {
  const int layers = static_cast<int>(c.layers.size());
  const auto heads = keys.need_per_layer("attention.head_count", layers, 1, resolve::kMaxHeads);
  const auto kv_heads = keys.per_layer("attention.head_count_kv", layers, 1, resolve::kMaxHeads).value_or(heads);
  const auto widths = keys.need_per_layer("feed_forward_length", layers, 1, resolve::kMaxWidth);
  const int full = keys.integer("attention.key_length", 2, resolve::kMaxHeadDim).value_or(c.dim / heads[0]);
  const int sliding = keys.integer("attention.key_length_swa", 2, resolve::kMaxHeadDim).value_or(full);
  for (const auto& [name, size] :
       {std::pair{"attention.value_length", full}, {"attention.value_length_swa", sliding}}) {
    const int found = keys.integer(name, 1, resolve::kMaxHeadDim).value_or(size);
    if (found != size) fail(keys.file().name(), "key {}: expected {}, as keys, found {}", keys.full(name), size, found);
  }
  for (size_t i = 0; i < c.layers.size(); ++i) {
    LayerConfig& layer = c.layers[i];
    layer.heads = heads[i];
    layer.kv_heads = kv_heads[i];
    layer.head_dim = layer.global ? full : sliding;
    layer.mlp_width = widths[i];
  }
}

/** Gemma 3 divides by the square root of the head size, but the 27B by that of dim / heads: no key tells. */
float gemma3_scale(const Config& c, const GgufKeys& keys) {
  constexpr size_t kLayersOf27B = 62;
  if (const auto scale = keys.number("attention.scale", 1e-6, resolve::kMaxScale)) return static_cast<float>(*scale);
  const LayerConfig& layer = c.layers[0];
  const int scalar = c.layers.size() == kLayersOf27B ? c.dim / layer.heads : layer.head_dim;
  return static_cast<float>(1.0 / std::sqrt(static_cast<double>(scalar)));
}

void set_layer_flags(Config& c, const GgufKeys& keys, int window) {
  const ModelFile& file = keys.file();
  const int experts = keys.integer("expert_count", 0, resolve::kMaxExperts).value_or(0);
  for (size_t i = 0; i < c.layers.size(); ++i) {
    LayerConfig& layer = c.layers[i];
    const int n = static_cast<int>(i);
    layer.window = layer.global ? 0 : window;
    layer.v_norm = c.generation == 4;
    layer.layer_scalar = layer_has(file, n, "layer_output_scale.weight");
    layer.k_is_v = layer_has(file, n, "attn_k.weight") && !layer_has(file, n, "attn_v.weight");
    // Models with per-layer embeddings are causal; the others see a picture whole (spec section 1).
    layer.bidirectional_media = c.generation == 4 && c.per_layer_dim == 0 && !layer.global;
    if (c.generation == 3) layer.attention_scale = gemma3_scale(c, keys);
    if (experts > 0 && layer_has(file, n, "ffn_gate_inp.weight")) {
      layer.moe = MoeConfig{experts, keys.need("expert_used_count", 1, resolve::kMaxExperts),
                            keys.need("expert_feed_forward_length", 1, resolve::kMaxWidth)};
    }
  }
}

// ---- tokens ----

int vocabulary(const GgufKeys& keys) {
  const TensorRecord* table = keys.file().find("token_embd.weight");
  if (table == nullptr) fail(keys.file().name(), "tensor 'token_embd.weight' is missing");
  if (table->shape.rank != 2 || table->shape[0] < 1 || table->shape[0] > resolve::kMaxVocab) {
    fail(keys.file().name(), "tensor 'token_embd.weight': expected [vocabulary, width], found {}", table->shape.str());
  }
  return static_cast<int>(table->shape[0]);
}

int32_t id_key(const GgufKeys& keys, std::string_view name, int32_t otherwise) {
  const auto id = keys.metadata().integer(name);
  if (!id) return otherwise;
  if (*id < 0 || *id > INT32_MAX) fail(keys.file().name(), "key {}: expected a token id, found {}", name, *id);
  return static_cast<int32_t>(*id);
}

/** Stop and media tokens have no keys of their own: they are known by their pieces. */
void find_pieces(SpecialTokens& s, const std::vector<std::string>& pieces) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string& piece = pieces[i];
    if (piece.size() < 7 || piece.front() != '<' || piece.back() != '>') continue;
    const int32_t id = static_cast<int32_t>(i);
    if (piece == "<turn|>" || piece == "<|tool_response>" || piece == "<end_of_turn>") s.eos.push_back(id);
    if (piece == "<|image|>") s.image = id;
    if (piece == "<|video|>") s.video = id;
    if (piece == "<|audio|>") s.audio = id;
    if (piece == "<|image>") s.image_begin = id;
    if (piece == "<image|>") s.image_end = id;
    if (piece == "<|audio>") s.audio_begin = id;
    if (piece == "<audio|>") s.audio_end = id;
  }
}

void set_tokens(Config& c, const GgufKeys& keys) {
  SpecialTokens& s = c.special;
  s.bos = id_key(keys, "tokenizer.ggml.bos_token_id", 2);
  s.pad = id_key(keys, "tokenizer.ggml.padding_token_id", 0);
  s.eos = {id_key(keys, "tokenizer.ggml.eos_token_id", 1)};
  if (const auto* pieces = keys.metadata().strings("tokenizer.ggml.tokens")) find_pieces(s, *pieces);
  for (std::string_view name : {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"}) {
    if (const int32_t id = id_key(keys, name, -1); id >= 0) s.eos.push_back(id);
  }
  std::sort(s.eos.begin(), s.eos.end());
  s.eos.erase(std::unique(s.eos.begin(), s.eos.end()), s.eos.end());
  for (int64_t id : keys.metadata().integers("tokenizer.ggml.suppress_tokens").value_or(std::vector<int64_t>{})) {
    if (id >= 0 && id <= INT32_MAX) s.suppress.push_back(static_cast<int32_t>(id));
  }
  resolve::drop_foreign_ids(c);
}

}  // namespace

namespace resolve {

Config text_from_gguf(const ModelFile& file, std::string_view arch) {
  const GgufKeys keys(file, arch);
  Config c;
  c.generation = arch == "gemma3" ? 3 : 4;
  c.architecture = arch;
  c.vocab = vocabulary(keys);
  c.dim = keys.need("embedding_length", 1, kMaxWidth);
  c.context = keys.need("context_length", 1, kMaxTokens);
  c.norm_eps = static_cast<float>(keys.number("attention.layer_norm_rms_epsilon", kMinEps, kMaxEps).value_or(1e-6));
  c.embedding_scale = static_cast<float>(std::sqrt(static_cast<double>(c.dim)));
  const double cap = keys.number("final_logit_softcapping", 0.0, kMaxScale).value_or(0.0);
  if (cap > 0) c.softcap = static_cast<float>(cap);
  c.per_layer_dim = c.generation == 4 ? keys.integer("embedding_length_per_layer_input", 0, kMaxWidth).value_or(0) : 0;
  c.tied_head = file.find("output.weight") == nullptr;
  const int layers = keys.need("block_count", 1, kMaxLayers);
  c.layers.resize(static_cast<size_t>(layers));
  const std::vector<bool> global = layer_kinds(keys, layers, c.generation);
  for (size_t i = 0; i < c.layers.size(); ++i) c.layers[i].global = global[i];
  const bool windowed = std::find(global.begin(), global.end(), false) != global.end();
  const int window = windowed ? keys.need("attention.sliding_window", 1, kMaxTokens) : 0;
  set_shapes(c, keys);
  set_layer_flags(c, keys, window);
  set_ropes(c, keys);
  set_tokens(c, keys);
  return c;
}

Config from_gguf(const ModelFile& file) {
  const std::string arch = file.metadata().string("general.architecture").value_or("");
  if (arch == kGgufDrafter) {
    fail(file.name(), "'{}' is a drafter, not a model of its own: give it with --draft beside its target", arch);
  }
  if (arch == "clip") {
    fail(file.name(), "holds the encoders of pictures and sound that accompany a model (mmproj), not the model");
  }
  if (arch != "gemma4" && arch != "gemma3") refuse_architecture(file.name(), arch.empty() ? "(no name)" : arch);
  Config c = text_from_gguf(file, arch);
  const GgufKeys keys(file, arch);
  const int shared =
      keys.integer("attention.shared_kv_layers", 0, static_cast<int64_t>(c.layers.size()) - 1).value_or(0);
  share_caches(c, c.generation == 4 ? shared : 0, file.name());
  check(c, file.name());
  return c;
}

}  // namespace resolve
}  // namespace gemma

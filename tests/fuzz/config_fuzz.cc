// SPDX-License-Identifier: Apache-2.0
// config.json, with a generation_config.json after a zero byte, or a whole GGUF file: what comes out as a Config is one
// that the forward pass can run, whatever went in. Drafters and encoders of media the same.
// Links: config
#include "config/config.h"

#include <cmath>

#include "config/drafter_config.h"
#include "config/media_config.h"
#include "config/tensor_map.h"
#include "fuzz/fuzz.h"

namespace gemma {
namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

void check_layer(const Config& c, const LayerConfig& l, size_t index) {
  require(l.heads > 0 && l.kv_heads > 0 && l.heads % l.kv_heads == 0);
  require(l.head_dim > 0 && l.head_dim % 2 == 0 && l.mlp_width > 0);
  require(l.global ? l.window == 0 : l.window > 0);
  require(l.rope.inverse_frequency.size() == static_cast<size_t>(l.head_dim / 2));
  for (const float f : l.rope.inverse_frequency) require(std::isfinite(f) && f >= 0);
  require(std::isfinite(l.attention_scale) && l.attention_scale > 0);
  require(!l.moe || (l.moe->experts > 0 && l.moe->width > 0 && l.moe->top_k > 0 && l.moe->top_k <= l.moe->experts));
  if (l.kv_source == kTargetLayer) return;
  require(l.kv_source >= 0 && l.kv_source <= static_cast<int>(index));
  const LayerConfig& source = c.layers[static_cast<size_t>(l.kv_source)];
  require(source.kv_source == l.kv_source && source.global == l.global);
  require(source.kv_heads == l.kv_heads && source.head_dim == l.head_dim);
}

void check(const Config& c) {
  require(c.dim > 0 && c.vocab > 0 && c.context > 0 && !c.layers.empty() && c.per_layer_dim >= 0);
  require(c.norm_eps > 0 && std::isfinite(c.embedding_scale) && (!c.softcap || *c.softcap > 0));
  require(c.special.pad >= 0 && c.special.pad < c.vocab);
  for (const auto* ids : {&c.special.eos, &c.special.suppress}) {
    for (const int32_t id : *ids) require(id >= 0 && id < c.vocab);
  }
  for (size_t i = 0; i < c.layers.size(); ++i) check_layer(c, c.layers[i], i);
}

void check(const MediaConfig& c) {
  if (c.vision) {
    require(c.vision->dim > 0 && c.vision->heads > 0 && c.vision->patch > 0 && c.vision->pool > 0);
    require(c.vision->head_dim % 4 == 0 &&
            c.vision->inverse_frequency.size() == static_cast<size_t>(c.vision->head_dim / 4));
  }
  if (c.audio) {
    require(c.audio->heads > 0 && c.audio->dim % (2 * c.audio->heads) == 0 && c.audio->logit_cap > 0);
    require(c.audio->channels[0] > 0 && c.audio->channels[1] > 0 && c.audio->window <= c.audio->distances);
  }
  require(!c.pixel_blocks || (c.pixel_blocks->side > 0 && c.pixel_blocks->positions > 0));
  require(!c.sample_frames || c.sample_frames->samples > 0);
}

void read_gguf(const uint8_t* data, size_t size) {
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(memory_source("m.gguf", fuzz::bytes(data, size)));
  const ModelFile file = ModelFile::open(std::move(sources));
  check(MediaConfig::from(file));
  const Config config = is_drafter(file) ? DrafterConfig::from(file).stack : Config::from(file);
  check(config);
  const TensorMap map(file, config);
  for (const char* name : {"layers.0.self_attn.k_proj.weight", "layers.0.experts.gate_up_proj", "norm.weight"}) {
    if (const auto t = map.find(name)) {
      std::vector<std::byte> bytes(static_cast<size_t>(t->bytes()));
      t->read(file, bytes);
    }
  }
}

void read_json(std::string_view text) {
  const size_t zero = text.find('\0');
  const json::value config = parse_json_or_fail("config.json", text.substr(0, zero));
  check(MediaConfig::from_json("config.json", config));
  if (text.find("_assistant") != std::string_view::npos) {
    const DrafterConfig drafter = DrafterConfig::from_json("config.json", config);
    check(drafter.stack);
    require(drafter.target_dim > 0);
  } else if (zero == std::string_view::npos) {
    check(Config::from_json("config.json", config));
  } else {
    const json::value generation = parse_json_or_fail("generation_config.json", text.substr(zero + 1));
    check(Config::from_json("config.json", config, &generation));
  }
}

}  // namespace
}  // namespace gemma

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = gemma::fuzz::text(data, size);
  return gemma::fuzz::refuses_or_reads([&] {
    if (text.starts_with("GGUF")) {
      gemma::read_gguf(data, size);
    } else {
      gemma::read_json(text);
    }
  });
}

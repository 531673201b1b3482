// SPDX-License-Identifier: Apache-2.0
#include "config/tensor_map.h"

#include <charconv>

#include "base/error.h"
#include "config/media_names.h"
#include "config/names.h"

namespace gemma {
namespace {

StoredTensor whole(const TensorRecord& record) {
  return {record.name, record.dtype, record.shape, {{&record, 0, record.shape.rows()}}};
}

/** The layer's number in "layers.12.rest", checked against the config; -1 for other names. */
int layer_of(std::string_view bare, const Config& config) {
  constexpr std::string_view kHead = "layers.";
  if (!bare.starts_with(kHead)) return -1;
  int layer = -1;
  std::from_chars(bare.data() + kHead.size(), bare.data() + bare.size(), layer);
  return layer < static_cast<int>(config.layers.size()) ? layer : -1;
}

/** What some checkpoints call it: older ones the head, those that are no more than a dumped state the 12B's blocks of
 *  pixels. "" for most names. */
std::string other_name(std::string_view bare) {
  constexpr std::string_view kBlocks = "vision_embedder.", kProjection = "embed_vision.embedding_projection.weight";
  if (bare == "lm_head.weight") return "language_model.lm_head.weight";
  if (bare == kProjection) return "embed_vision.multimodal_embedder.embedding_projection.weight";
  if (bare.starts_with(kBlocks)) return "embed_vision." + std::string(bare.substr(kBlocks.size()));
  return "";
}

}  // namespace

void StoredTensor::read_rows(const ModelFile& file, int64_t first, int64_t n, std::span<std::byte> out) const {
  GEMMA_CHECK(static_cast<int64_t>(out.size()) == bytes_of(dtype, n * shape.cols()), "room for exactly these rows");
  int64_t start = 0;  // of a piece
  for (const Piece& p : pieces) {
    const int64_t from = std::max(first, start), to = std::min(first + n, start + p.rows);
    if (from < to) {
      const auto at = static_cast<size_t>(bytes_of(dtype, (from - first) * shape.cols()));
      const auto bytes = static_cast<size_t>(bytes_of(dtype, (to - from) * shape.cols()));
      file.read_rows(*p.record, p.first_row + from - start, to - from, out.subspan(at, bytes));
    }
    start += p.rows;
  }
}

void StoredTensor::read(const ModelFile& file, std::span<std::byte> out) const {
  int64_t rows = 0;
  for (const Piece& p : pieces) rows += p.rows;
  read_rows(file, 0, rows, out);
}

TensorMap::TensorMap(const ModelFile& file, const Config& config)
    : file_(file), config_(config), prefix_("model."), media_prefix_("model.") {
  if (file.format() == FileFormat::gguf) return;
  for (const TensorRecord& record : file.tensors()) {
    if (is_media_name(record.name)) media_prefix_.clear();
  }
  for (std::string_view prefix : text_prefixes()) {
    if (file.find(std::string(prefix) + "embed_tokens.weight") != nullptr) {
      prefix_ = prefix;
      return;
    }
  }
}

std::string TensorMap::name_in_file(std::string_view bare) const {
  if (file_.format() == FileFormat::gguf) {
    return (is_media_name(bare) ? media_gguf_name(bare) : gguf_name(bare)).value_or(std::string(bare));
  }
  if (is_media_name(bare)) return media_prefix_ + std::string(bare);
  const bool own = bare.starts_with("pre_projection") || bare.starts_with("post_projection") ||
                   bare.starts_with("masked_embedding") || bare.starts_with("lm_head");
  return own ? std::string(bare) : prefix_ + std::string(bare);
}

std::optional<StoredTensor> TensorMap::find(std::string_view bare) const {
  if (const TensorRecord* record = file_.find(name_in_file(bare))) return whole(*record);
  if (file_.format() == FileFormat::gguf) {
    if (auto fused = find_fused(bare)) return fused;
    return find_split(bare);
  }
  const std::string other = other_name(bare);
  const TensorRecord* record =
      other.empty() ? nullptr : file_.find(is_media_name(bare) ? media_prefix_ + other : other);
  return record != nullptr ? std::optional(whole(*record)) : std::nullopt;
}

std::optional<StoredTensor> TensorMap::find_fused(std::string_view bare) const {
  const auto name = fused_name(bare);
  const int layer = layer_of(bare, config_);
  if (!name || layer < 0) return std::nullopt;
  const TensorRecord* record = file_.find(*name);
  if (record == nullptr || record->shape.rank != 2) return std::nullopt;
  const LayerConfig& l = config_.layers[static_cast<size_t>(layer)];
  const int64_t q = int64_t{l.heads} * l.head_dim, kv = int64_t{l.kv_heads} * l.head_dim;
  if (record->shape.rows() != q + 2 * kv) {
    fail(file_.name(), "tensor '{}': expected {} rows (q, k, v), found {}", *name, q + 2 * kv, record->shape.str());
  }
  const bool is_q = bare.ends_with("q_proj.weight"), is_k = bare.ends_with("k_proj.weight");
  const int64_t first = is_q ? 0 : is_k ? q : q + kv;
  const int64_t rows = is_q ? q : kv;
  return StoredTensor{*name, record->dtype, Shape{rows, record->shape.cols()}, {{record, first, rows}}};
}

std::optional<StoredTensor> TensorMap::find_split(std::string_view bare) const {
  const std::vector<std::string> parts = split_parts(bare);
  if (parts.size() != 2) return std::nullopt;
  const TensorRecord* gate = file_.find(parts[0]);
  const TensorRecord* up = file_.find(parts[1]);
  if (gate == nullptr || up == nullptr) return std::nullopt;
  if (gate->dtype != up->dtype || !(gate->shape == up->shape) || gate->shape.rank != 3) {
    fail(file_.name(), "tensors '{}' and '{}': expected the same type and shape, found {} {} and {} {}", parts[0],
         parts[1], info(gate->dtype).name, gate->shape.str(), info(up->dtype).name, up->shape.str());
  }
  const int64_t experts = gate->shape[0], width = gate->shape[1];
  StoredTensor t{parts[0], gate->dtype, Shape{experts, 2 * width, gate->shape[2]}, {}};
  for (int64_t e = 0; e < experts; ++e) {
    t.pieces.push_back({gate, e * width, width});
    t.pieces.push_back({up, e * width, width});
  }
  return t;
}

}  // namespace gemma

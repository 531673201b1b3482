// SPDX-License-Identifier: Apache-2.0
// Names of the tensors of encoders: the reference's (without a checkpoint's "model.") and those of mmproj files, the
// GGUF files in which encoders accompany a text model (spec/gguf.md).
//
//   media_gguf_name("vision_tower.encoder.layers.3.mlp.down_proj.linear.weight")  -> "v.blk.3.ffn_down.weight"
//   media_gguf_name("vision_tower.encoder.layers.3.mlp.down_proj.input_min")      -> "v.blk.3.ffn_down.input_min"
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gemma {

/** Whether it is a tensor of an encoder, by its reference name. */
bool is_media_name(std::string_view bare);

/** nullopt for other tensors. */
std::optional<std::string> media_gguf_name(std::string_view bare);

}  // namespace gemma

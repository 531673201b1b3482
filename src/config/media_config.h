// SPDX-License-Identifier: Apache-2.0
// The parts of a checkpoint that turn pictures, film and sound into soft tokens, as data (spec sections 8 to 11; the
// 12B's: gemma4_unified.md). Resolved once, like Config; a model without a part has none.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "file/model_file.h"

namespace gemma {

struct VisionConfig {
  int dim = 0, layers = 0, heads = 0, head_dim = 0, mlp_width = 0;
  int patch = 0;      // pixels of a side
  int pool = 0;       // patches of a side that become one soft token
  int positions = 0;  // of the table, for each axis
  float norm_eps = 1e-6f;
  bool clipped = false;       // inputs and outputs of products have bounds
  bool standardized = false;  // soft tokens are shifted and scaled
  double theta = 0;
  std::vector<float> inverse_frequency;  // [head_dim / 4], of each axis
};

struct AudioConfig {
  int dim = 0, layers = 0, heads = 0, output_dim = 0;
  int mel_bins = 0, kernel = 0;  // kernel: of the convolution over time
  std::array<int, 2> channels{};
  int distances = 0;  // that have a relative position: a frame sees earlier ones nearer than that
  int window = 0;     // frames that a frame sees with itself, at most `distances` (spec section 14.1)
  float logit_cap = 0, residual_weight = 0, norm_eps = 1e-6f;
  bool clipped = false;
};

/** The 12B's pictures: blocks of pixels, each a soft token by itself. */
struct PixelBlockConfig {
  int side = 0;  // pixels
  int dim = 0, positions = 0;
  float norm_eps = 1e-6f;
};

/** The 12B's sound: runs of samples, each a soft token by itself. */
struct SampleFrameConfig {
  int samples = 0;
  float norm_eps = 1e-6f;
};

struct MediaConfig {
  std::optional<VisionConfig> vision;
  std::optional<AudioConfig> audio;
  std::optional<PixelBlockConfig> pixel_blocks;
  std::optional<SampleFrameConfig> sample_frames;

  bool sees() const { return vision || pixel_blocks; }
  bool hears() const { return audio || sample_frames; }

  /** Fails with the key, expected and found. */
  static MediaConfig from(const ModelFile& file);
  /** The same from config.json. `where` names the file in messages. */
  static MediaConfig from_json(std::string_view where, const json::value& config);
};

}  // namespace gemma

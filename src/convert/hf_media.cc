// SPDX-License-Identifier: Apache-2.0
// What config.json and processor_config.json say of pictures, film and sound.
#include <cstdlib>

#include "base/error.h"
#include "convert/hf_files.h"
#include "convert/media_tensors.h"

namespace gemma {
namespace {

/** The double nearest to the shortest text of a float. */
double plain(float value) { return std::strtod(fmt::format("{}", value).c_str(), nullptr); }

bool is_unified(const MediaConfig& media) { return media.pixel_blocks || media.sample_frames; }

json::value vision_config(const MediaConfig& media) {
  if (const auto& b = media.pixel_blocks) {
    const PatchGrid cells = patch_grid(media);
    return {{"model_type", "gemma4_unified_vision"},
            {"patch_size", cells.patch},
            {"pooling_kernel_size", cells.pool},
            {"model_patch_size", b->side},
            {"mm_embed_dim", b->dim},
            {"output_proj_dims", b->dim},
            {"mm_posemb_size", b->positions},
            {"rms_norm_eps", plain(b->norm_eps)}};
  }
  if (!media.vision) return nullptr;
  const VisionConfig& v = *media.vision;
  return {{"model_type", "gemma4_vision"},
          {"attention_bias", false},
          {"attention_dropout", 0.0},
          {"head_dim", v.head_dim},
          {"hidden_activation", "gelu_pytorch_tanh"},
          {"hidden_size", v.dim},
          {"initializer_range", 0.02},
          {"intermediate_size", v.mlp_width},
          {"max_position_embeddings", 131072},
          {"num_attention_heads", v.heads},
          {"num_hidden_layers", v.layers},
          {"num_key_value_heads", v.heads},
          {"patch_size", v.patch},
          {"pooling_kernel_size", v.pool},
          {"position_embedding_size", v.positions},
          {"rms_norm_eps", plain(v.norm_eps)},
          {"rope_parameters", {{"rope_type", "axial"}, {"rope_theta", v.theta}}},
          {"standardize", v.standardized},
          {"use_clipped_linears", v.clipped}};
}

json::value audio_config(const MediaConfig& media) {
  if (const auto& s = media.sample_frames) {
    return {{"model_type", "gemma4_unified_audio"},
            {"audio_embed_dim", s->samples},
            {"audio_samples_per_token", s->samples},
            {"rms_norm_eps", plain(s->norm_eps)}};
  }
  if (!media.audio) return nullptr;
  const AudioConfig& a = *media.audio;
  return {{"model_type", "gemma4_audio"},
          {"attention_chunk_size", a.distances - 1},
          {"attention_context_left", a.distances},
          {"attention_context_right", 0},
          {"attention_invalid_logits_value", -1e9},
          {"attention_logit_cap", plain(a.logit_cap)},
          {"conv_kernel_size", a.kernel},
          {"gradient_clipping", 1e10},
          {"hidden_act", "silu"},
          {"hidden_size", a.dim},
          {"initializer_range", 0.02},
          {"num_attention_heads", a.heads},
          {"num_hidden_layers", a.layers},
          {"output_proj_dims", a.output_dim},
          {"residual_weight", plain(a.residual_weight)},
          {"rms_norm_eps", plain(a.norm_eps)},
          {"subsampling_conv_channels", json::array{a.channels[0], a.channels[1]}},
          {"use_clipped_linears", a.clipped}};
}

json::object pictures(const MediaConfig& media, int budget, std::string_view what) {
  const PatchGrid cells = patch_grid(media);
  const bool film = what == "video_processor";
  const std::string name =
      fmt::format("{}{}Processor", is_unified(media) ? "Gemma4Unified" : "Gemma4", film ? "Video" : "Image");
  json::object out{{"do_convert_rgb", true},
                   {"do_normalize", film},
                   {"do_rescale", true},
                   {"do_resize", true},
                   {"image_mean", {0.0, 0.0, 0.0}},
                   {"image_std", {1.0, 1.0, 1.0}},
                   {"max_soft_tokens", budget},
                   {"patch_size", cells.patch},
                   {"pooling_kernel_size", cells.pool},
                   {"resample", 3},
                   {"rescale_factor", 1.0 / 255},
                   {fmt::format("{}_type", what), name}};
  return out;
}

json::object sound(const MediaConfig& media) {
  json::object out{
      {"padding_side", "right"}, {"padding_value", 0.0}, {"return_attention_mask", true}, {"sampling_rate", 16000}};
  if (media.sample_frames) {
    out["feature_extractor_type"] = "Gemma4UnifiedAudioFeatureExtractor";
    out["audio_samples_per_token"] = out["feature_size"] = media.sample_frames->samples;
    return out;
  }
  out["feature_extractor_type"] = "Gemma4AudioFeatureExtractor";
  const json::object mel{{"dither", 0.0},
                         {"feature_size", media.audio->mel_bins},
                         {"fft_length", 512},
                         {"fft_overdrive", false},
                         {"frame_length", 320},
                         {"hop_length", 160},
                         {"input_scale_factor", 1.0},
                         {"max_frequency", 8000.0},
                         {"mel_floor", 0.001},
                         {"min_frequency", 0.0},
                         {"per_bin_mean", nullptr},
                         {"per_bin_stddev", nullptr},
                         {"preemphasis", 0.0},
                         {"preemphasis_htk_flavor", true}};
  for (const auto& [key, value] : mel) out[key] = value;
  return out;
}

}  // namespace

json::object hf_config(std::string_view where, const Config& config, const MediaConfig& media, DType dtype) {
  json::object text = hf_config(where, config, dtype);
  const std::string family = is_unified(media) ? "gemma4_unified" : "gemma4";
  json::object out;
  out["architectures"] =
      json::array{fmt::format("{}ForConditionalGeneration", is_unified(media) ? "Gemma4Unified" : "Gemma4")};
  out["model_type"] = family;
  out["dtype"] = text["dtype"];
  const auto id = [&](const char* key, int32_t value) {
    if (value >= 0) out[key] = value;
  };
  const SpecialTokens& special = config.special;
  id("boi_token_id", special.image_begin), id("eoi_token_id", special.image_end), id("image_token_id", special.image);
  id("video_token_id", special.video);
  id("boa_token_id", special.audio_begin), id("eoa_token_index", special.audio_end),
      id("audio_token_id", special.audio);
  out["initializer_range"] = 0.02;
  out["tie_word_embeddings"] = config.tied_head;
  text.erase("architectures");
  text["model_type"] = family + "_text";
  out["text_config"] = std::move(text);
  out["vision_config"] = vision_config(media);
  out["audio_config"] = audio_config(media);
  return out;
}

json::object hf_processor_config(const MediaConfig& media, const ProcessorConfig& processor) {
  constexpr int kImageBudget = 280, kFrameBudget = 70, kFrames = 32;  // the reference's defaults
  const int budget = processor.image_budget.value_or(kImageBudget);
  json::object out;
  if (media.sees()) {
    out["image_processor"] = pictures(media, budget, "image_processor");
    json::object films = pictures(media, processor.frame_budget.value_or(kFrameBudget), "video_processor");
    films["do_sample_frames"] = true;
    films["num_frames"] = processor.frames.value_or(kFrames);
    films["return_metadata"] = false;
    out["video_processor"] = std::move(films);
  }
  if (media.hears()) out["feature_extractor"] = sound(media);
  out["processor_class"] = is_unified(media) ? "Gemma4UnifiedProcessor" : "Gemma4Processor";
  out["image_seq_length"] = budget;
  out["audio_seq_length"] = 750;
  out["audio_ms_per_token"] = 40;
  return out;
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "model/audio.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"
#include "model/projector.h"

namespace gemma {
namespace {

constexpr float kNoBound = std::numeric_limits<float>::infinity();

Tensor silu(Ops& ops, const Tensor& x) { return ops.gated_sigmoid(x, x); }

}  // namespace

AudioEncoding::AudioEncoding(Ops& ops, const Encoders& encoders, const Tensor& mel)
    : ops_(ops), config_(*encoders.config.audio), weights_(*encoders.audio) {
  GEMMA_CHECK(mel.rows() > 0 && mel.cols() == config_.mel_bins, "frames of mel features");
  GEMMA_CHECK(config_.window > 0 && config_.window <= config_.distances, "a window of known distances");
  x_ = subsample(mel);
  ops_.tap("audio.hidden.0", x_);
}

/** Twice: a convolution by two, norm over channels, ReLU; then all channels of a time together. Frames behind the last
 *  are zeros, as the convolution's edge is. */
Tensor AudioEncoding::subsample(const Tensor& mel) const {
  Tensor x = mel.view(Shape{mel.rows(), mel.cols(), 1});
  for (size_t i = 0; i < weights_.subsample.size(); ++i) {
    const ConvWeights& w = weights_.subsample[i];
    x = ops_.layer_norm(ops_.conv2d(x, w.w), w.norm, nullptr, config_.norm_eps);
    x = ops_.clamp(x, 0.0f, kNoBound);
    if (ops_.listening()) ops_.tap(fmt::format("audio.conv{}", i), x);
  }
  return ops_.linear(x.view(Shape{x.shape()[0], x.shape()[1] * x.shape()[2]}), weights_.input_proj.w);
}

/** x + residual weight * norm(down(silu(up(norm(x))))). */
Tensor AudioEncoding::feed_forward(const AudioFeedForwardWeights& w, const Tensor& x) const {
  const Tensor h = linear(ops_, w.up, ops_.rms_norm(x, &w.pre_layer_norm, config_.norm_eps));
  return ops_.add_norm(x, linear(ops_, w.down, silu(ops_, h)), w.post_layer_norm, config_.norm_eps);
}

/** Each frame sees itself and the few before it; scores have a part by distance, and a cap. */
Tensor AudioEncoding::attention(const AudioLayerWeights& w, const Tensor& x) const {
  const auto k_scale = static_cast<float>(std::log(1.0 + std::numbers::e) / std::numbers::ln2);
  const Tensor q = ops_.mul(linear(ops_, w.q, x), w.q_scale);
  const Tensor k = ops_.scale(linear(ops_, w.k, x), k_scale);
  const Tensor v = linear(ops_, w.v, x);
  const Tensor by_distance = ops_.linear(weights_.distances, w.relative_k.w);
  const Tensor context =
      ops_.audio_attention(q, k, v, by_distance, config_.dim / config_.heads, config_.window, config_.logit_cap);
  return linear(ops_, w.post, context);
}

/** x + a gated convolution over time, of each column by itself. */
Tensor AudioEncoding::convolution(const AudioConvolutionWeights& w, const Tensor& x) const {
  const int64_t dim = config_.dim;
  const Tensor both = linear(ops_, w.start, ops_.rms_norm(x, &w.pre_layer_norm, config_.norm_eps));
  const Tensor gated = ops_.gated_sigmoid(ops_.columns(both, 0, dim), ops_.columns(both, dim, dim));
  const Tensor y = ops_.rms_norm(ops_.depthwise_conv1d(gated, w.depthwise), &w.conv_norm, config_.norm_eps);
  return ops_.add(x, linear(ops_, w.end, silu(ops_, y)));
}

void AudioEncoding::advance() {
  GEMMA_CHECK(!done(), "layers that are left");
  if (layer_ == config_.layers) return finish();
  const AudioLayerWeights& w = weights_.layers[static_cast<size_t>(layer_)];
  const float eps = config_.norm_eps;
  x_ = feed_forward(w.feed_forward1, x_);
  tap("ff1", x_);
  const Tensor h = attention(w, ops_.rms_norm(x_, &w.norm_pre_attn, eps));
  tap("attn.out", h);
  x_ = ops_.add_norm(x_, h, w.norm_post_attn, eps);
  x_ = convolution(w.convolution, x_);
  tap("lconv", x_);
  x_ = feed_forward(w.feed_forward2, x_);
  tap("ff2", x_);
  x_ = ops_.rms_norm(x_, &w.norm_out, eps);
  ++layer_;
  if (ops_.listening()) ops_.tap(fmt::format("audio.hidden.{}", layer_), x_);
}

void AudioEncoding::finish() {
  x_ = ops_.add(ops_.linear(x_, weights_.output_proj.w), weights_.output_bias);
  ops_.tap("audio.tower_out", x_);
  soft_tokens_ = project(ops_, x_, weights_.projection, config_.norm_eps);
  ops_.tap("audio.soft_tokens", soft_tokens_);
  x_ = {};
}

void AudioEncoding::tap(const char* name, const Tensor& x) const {
  if (ops_.listening()) ops_.tap(fmt::format("audio.layer.{}.{}", layer_, name), x);
}

}  // namespace gemma

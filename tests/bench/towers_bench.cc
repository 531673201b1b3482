// SPDX-License-Identifier: Apache-2.0
// How fast the towers are at the sizes of E2B and E4B, with random weights: pictures of 280 and 1120 soft tokens and 30
// seconds of sound, beside what the machine can do at most.
//
//   towers_bench [bf16|q8_0|f32] [threads] [rounds] [--ops] [--only WHAT]   WHAT: 280, 1120, sound
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cpu/cpu_ops.h"
#include "cpu/roofs.h"
#include "gemma4/timed_ops.h"
#include "model/encoding.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

/** Random weights, small enough for activations to stay finite. */
class RandomEncoders {
 public:
  RandomEncoders(Ops& ops, DType type) : ops_(ops), type_(type) {}

  Encoders make() {
    Encoders e;
    e.config.vision = vision_config();
    e.config.audio = audio_config();
    e.vision = vision(*e.config.vision);
    e.audio = audio(*e.config.audio);
    return e;
  }

 private:
  static constexpr int64_t kTextDim = 1536;

  static VisionConfig vision_config() {
    VisionConfig c;
    c.dim = 768, c.layers = 16, c.heads = 12, c.head_dim = 64, c.mlp_width = 3072;
    c.patch = 16, c.pool = 3, c.positions = 10240, c.clipped = true;
    for (int i = 0; i < 16; ++i) c.inverse_frequency.push_back(std::pow(100.0f, -static_cast<float>(i) / 16.0f));
    return c;
  }
  static AudioConfig audio_config() {
    AudioConfig c;
    c.dim = 1024, c.layers = 12, c.heads = 8, c.output_dim = 1536, c.mel_bins = 128, c.kernel = 5;
    c.channels = {128, 32}, c.distances = c.window = 13, c.logit_cap = 50, c.residual_weight = 0.5f, c.clipped = true;
    return c;
  }

  Tensor values(Shape shape, float spread) {
    std::vector<float> x(static_cast<size_t>(shape.count()));
    for (float& v : x) v = spread * (static_cast<float>(dice_() & 0xFFFF) / 32768.0f - 1.0f);
    return Tensor::from(std::span<const float>(x), shape);
  }
  Linear matrix(int64_t out, int64_t in) {
    const Tensor x = values({out, in}, 1.7f / std::sqrt(static_cast<float>(in)));
    Tensor w = Tensor::host(type_, x.shape());
    pack(type_, x.data<float>(), w.raw_mutable());
    return {ops_.prepare_weight(std::move(w)), ""};
  }
  ClippedLinear clipped(int64_t out, int64_t in) { return {matrix(out, in), Bounds{-20, 20, -20, 20}}; }
  Tensor ones(int64_t n) {
    const std::vector<float> x(static_cast<size_t>(n), 1.0f);
    return Tensor::from(std::span<const float>(x), Shape{n});
  }

  VisionWeights vision(const VisionConfig& c) {
    VisionWeights w;
    w.input_proj = matrix(c.dim, 768);
    w.position_table = values({2 * c.positions, c.dim}, 0.1f);
    w.centre = ops_.scale(ones(768), -1.0f);
    for (int i = 0; i < c.layers; ++i) {
      VisionLayerWeights l;
      for (Tensor* norm : {&l.input_layernorm, &l.post_attention_layernorm, &l.pre_feedforward_layernorm,
                           &l.post_feedforward_layernorm}) {
        *norm = ones(c.dim);
      }
      for (ClippedLinear* each : {&l.q, &l.k, &l.v, &l.o}) *each = clipped(c.dim, c.dim);
      l.q_norm = l.k_norm = ops_.scale(ones(c.head_dim), 0.4f);
      l.gate = clipped(c.mlp_width, c.dim);
      l.up = clipped(c.mlp_width, c.dim);
      l.down = clipped(c.dim, c.mlp_width);
      w.layers.push_back(std::move(l));
    }
    w.projection = matrix(kTextDim, c.dim);
    return w;
  }

  AudioFeedForwardWeights feed_forward(int64_t dim) {
    return {ones(dim), ops_.scale(ones(dim), 0.5f), clipped(4 * dim, dim), clipped(dim, 4 * dim)};
  }

  AudioWeights audio(const AudioConfig& c) {
    AudioWeights w;
    w.subsample = {ConvWeights{values({c.channels[0], 9}, 0.5f), ones(c.channels[0])},
                   ConvWeights{values({c.channels[1], 9 * c.channels[0]}, 0.05f), ones(c.channels[1])}};
    w.input_proj = matrix(c.dim, 1024);
    w.distances = values({c.distances, c.dim}, 1.0f);
    for (int i = 0; i < c.layers; ++i) {
      AudioLayerWeights l;
      l.feed_forward1 = feed_forward(c.dim);
      l.feed_forward2 = feed_forward(c.dim);
      l.norm_pre_attn = l.norm_post_attn = l.norm_out = ones(c.dim);
      for (ClippedLinear* each : {&l.q, &l.k, &l.v, &l.post}) *each = clipped(c.dim, c.dim);
      l.q_scale = ops_.scale(ones(c.dim), 0.1f);
      l.relative_k = matrix(c.dim, c.dim);
      l.convolution = {ones(c.dim), ones(c.dim), clipped(2 * c.dim, c.dim), clipped(c.dim, c.dim),
                       values({c.kernel, c.dim}, 0.5f)};
      w.layers.push_back(std::move(l));
    }
    w.output_proj = matrix(c.output_dim, c.dim);
    w.output_bias = ones(c.output_dim);
    w.projection = matrix(kTextDim, c.output_dim);
    return w;
  }

  Ops& ops_;
  DType type_;
  std::mt19937 dice_{7};
};

/** Multiplications and additions: of products with weights, and of attention, which is in f32. */
struct Work {
  double products = 0, attention = 0;
};

Work work_of(const VisionConfig& c, double patches) {
  const double layer = 4.0 * c.dim * c.dim + 3.0 * c.dim * c.mlp_width;
  return {2 * patches * (c.layers * layer + 768.0 * c.dim), 4 * patches * patches * c.dim * c.layers};
}

Work work_of(const AudioConfig& c, double frames) {
  const double rows = frames / 4, dim = c.dim, layer = (2 * 8 + 4 + 3) * dim * dim;
  const double convolutions = frames / 2 * 64 * 9 * 128 + frames / 4 * 32 * 9 * 128 * 32;
  return {2 * (rows * (c.layers * layer + dim * dim + dim * c.output_dim) + convolutions),
          6 * rows * c.window * dim * c.layers};
}

struct Options {
  DType type = DType::bf16;
  int threads = 2, rounds = 3;
  bool ops = false;
  std::string only;  // what is measured; empty: all
};

class TowersBench {
 public:
  explicit TowersBench(const Options& o)
      : o_(o),
        pool_(o.threads),
        plain_(make_cpu_ops(pool_)),
        timed_(*plain_, Weights()),
        encoders_(RandomEncoders(*plain_, o.type).make()) {
    fmt::print("{}, {} threads\n", info(o.type).name, o.threads);
  }

  void run(const char* what, const MediaInput& input, const Work& work) {
    for (int i = 0; i < o_.rounds; ++i) {
      // What the machine can do is asked before and behind: others may be at work on it.
      const double before = least_seconds(work);
      const auto start = Clock::now();
      Encoding encoding = Encoding::of(o_.ops ? static_cast<Ops&>(timed_) : *plain_, encoders_, input);
      while (!encoding.done()) encoding.advance();
      const double seconds = seconds_since(start), least = (before + least_seconds(work)) / 2;
      fmt::print("{:22} {:7.3f} s  {:6.0f} Gop/s  {:4.0f} % of the roof\n", what, seconds,
                 (work.products + work.attention) / seconds / 1e9, 100 * least / seconds);
      for (const app::OpTime& op : timed_.take()) {
        fmt::print("    {:20} {:6} calls {:8.3f} s\n", op.name, op.calls, op.seconds);
      }
    }
  }

  const Encoders& encoders() const { return encoders_; }

 private:
  /** By the roofs of this moment. */
  double least_seconds(const Work& work) {
    constexpr int64_t kSmallBlock = int64_t{1} << 26;  // reading is not asked for
    const auto roofs = cpu::measure_roofs(pool_, kSmallBlock).operations.front();
    const double products = o_.type == DType::f32 ? roofs.f32 : o_.type == DType::bf16 ? roofs.bf16 : roofs.int8;
    return work.products / products + work.attention / roofs.f32;
  }

  Options o_;
  ThreadPool pool_;
  std::unique_ptr<Ops> plain_;
  app::TimedOps timed_;
  Encoders encoders_;
};

Tensor filled(int64_t rows, int64_t cols) {
  Tensor x = Tensor::host(DType::f32, Shape{rows, cols});
  uint32_t state = 1;
  for (float& v : x.data_mutable<float>())
    v = static_cast<float>((state = state * 1664525 + 1013904223) >> 8) / 16777216.0f;
  return x;
}

int main_of(int argc, char** argv) {
  Options o;
  std::vector<std::string> numbers;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (const auto type = dtype_named(arg)) {
      o.type = *type;
    } else if (arg == "--ops") {
      o.ops = true;
    } else if (arg == "--only" && i + 1 < argc) {
      o.only = argv[++i];
    } else {
      numbers.push_back(arg);
    }
  }
  if (!numbers.empty()) o.threads = std::atoi(numbers[0].c_str());
  if (numbers.size() > 1) o.rounds = std::atoi(numbers[1].c_str());
  TowersBench bench(o);
  const MediaConfig& c = bench.encoders().config;
  const auto wanted = [&](std::string_view what) { return what.find(o.only) != std::string_view::npos; };
  for (const auto& [what, columns, rows] :
       {std::tuple{"picture, 280 tokens", 60, 42}, {"picture, 1120 tokens", 120, 84}}) {
    if (!wanted(what)) continue;
    bench.run(what, {{filled(int64_t{columns} * rows, 768), columns}, {}}, work_of(*c.vision, columns * rows));
  }
  if (wanted("sound, 30 s")) bench.run("sound, 30 s", {{}, filled(3000, 128)}, work_of(*c.audio, 3000));
  return 0;
}

}  // namespace
}  // namespace gemma

int main(int argc, char** argv) { return gemma::main_of(argc, argv); }

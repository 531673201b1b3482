// SPDX-License-Identifier: Apache-2.0
// How fast the towers are at the sizes of E2B and E4B, with random weights: pictures of 280 and 1120 soft tokens and 30
// seconds of sound, beside what the machine can do at most, and how long the longest slice keeps others waiting.
//
//   towers_bench [bf16|q8_0|f32] [threads] [rounds] [--ops] [--only WHAT]   WHAT: 280, 1120, sound
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cpu/cpu_ops.h"
#include "cpu/roofs.h"
#include "gemma4/timed_ops.h"
#include "model/encoding.h"
#include "random_encoders.h"

namespace gemma {
namespace {

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
  FileType type = FileType::bf16;
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
        encoders_(random_encoders(*plain_, o.type)) {
    const auto roofs = roofs_now();
    fmt::print("{}, {} threads; roofs: f32 {:.0f}, bf16 {:.0f}, 8 bits {:.0f} Gop/s\n", name_of(o.type), o.threads,
               roofs.f32 / 1e9, roofs.bf16 / 1e9, roofs.int8 / 1e9);
  }

  void run(const char* what, const MediaInput& input, const Work& work) {
    for (int i = 0; i < o_.rounds; ++i) {
      // What the machine can do is asked before and behind: others may be at work on it.
      const double before = least_seconds(work);
      const auto start = Clock::now();
      Encoding encoding = Encoding::of(o_.ops ? static_cast<Ops&>(timed_) : *plain_, *encoders_, input);
      double longest = 0;
      while (!encoding.done()) {
        const auto slice = Clock::now();
        encoding.advance();
        longest = std::max(longest, seconds_since(slice));
      }
      const double seconds = seconds_since(start), least = (before + least_seconds(work)) / 2;
      fmt::print("{:22} {:7.3f} s  {:6.0f} Gop/s  {:4.0f} % of the roof, slice {:.2f} s\n", what, seconds,
                 (work.products + work.attention) / seconds / 1e9, 100 * least / seconds, longest);
      for (const app::OpTime& op : timed_.take()) {
        fmt::print("    {:20} {:6} calls {:8.3f} s\n", op.name, op.calls, op.seconds);
      }
    }
  }

  const Encoders& encoders() const { return *encoders_; }

 private:
  cpu::Roofs::Operations roofs_now() {
    constexpr int64_t kSmallBlock = int64_t{1} << 26;  // reading is not asked for
    return cpu::measure_roofs(pool_, kSmallBlock).operations.front();
  }
  /** By the roofs of this moment. */
  double least_seconds(const Work& work) {
    const auto roofs = roofs_now();
    // Without instructions for bf16 its products are those of f32.
    const double bf16 = std::max(roofs.bf16, roofs.f32);
    const double products = o_.type == FileType::f32 ? roofs.f32 : o_.type == FileType::bf16 ? bf16 : roofs.int8;
    return work.products / products + work.attention / roofs.f32;
  }

  Options o_;
  ThreadPool pool_;
  std::unique_ptr<Ops> plain_;
  app::TimedOps timed_;
  std::shared_ptr<const Encoders> encoders_;
};

int main_of(int argc, char** argv) {
  Options o;
  std::vector<std::string> numbers;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (const auto type = file_type_named(arg)) {
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
    bench.run(what, {{random_input(int64_t{columns} * rows, 768), columns}, {}}, work_of(*c.vision, columns * rows));
  }
  if (wanted("sound, 30 s")) bench.run("sound, 30 s", {{}, random_input(3000, 128)}, work_of(*c.audio, 3000));
  return 0;
}

}  // namespace
}  // namespace gemma

int main(int argc, char** argv) { return gemma::main_of(argc, argv); }

// SPDX-License-Identifier: Apache-2.0
// Speed of the CPU backend against the roofs of this machine, measured in the same run: memory read in GB/s for one
// row, fused multiply-adds in GFLOP/s for many.
//
//   kernels_bench [threads [types of weights] [shapes]]   GEMMA4_ISA=avx2 kernels_bench 1; kernels_bench 2 q4_0 q8_0
//   kernels_bench 2 q4_0 8x2048x262144                    8 rows of 2048 with a matrix of 262144 rows, beyond every
//   cache
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <numeric>
#include <random>
#include <string_view>
#include <vector>

#include "cpu/cpu_ops.h"
#include "cpu/kernels/select.h"
#include "tensor/pack.h"

namespace gemma {
namespace {

/** Processor time of one thread is not lengthened by what else runs on the machine; of several it says nothing. */
double now(bool one_thread) {
  if (one_thread) return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool one_thread = false;

/** Least seconds of a call over about half a second of calls: what the code takes where nothing disturbs it. */
double seconds(const std::function<void()>& call) {
  double best = 1e9, total = 0;
  for (int i = 0; total < 0.5 || i < 5; ++i) {
    const double start = now(one_thread);
    call();
    const double time = now(one_thread) - start;
    best = std::min(best, time);
    total += time;
  }
  return best;
}

Tensor random_tensor(DType type, Shape shape) {
  Tensor t = Tensor::host(type, shape);
  std::mt19937 random(1);
  if (!is_quantized(type)) {
    std::vector<float> values(static_cast<size_t>(shape.count()));
    for (float& v : values) v = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31f;
    pack(type, values, t.raw_mutable());
    return t;
  }
  std::vector<float> values(4096);
  for (float& v : values) v = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31f;
  std::vector<std::byte> blocks(static_cast<size_t>(bytes_of(type, 4096)));
  if (can_pack(type)) {
    pack(type, values, blocks);
  } else {
    std::ranges::fill(blocks, std::byte{0x11});
  }
  const std::span<std::byte> bytes = t.raw_mutable();
  for (size_t i = 0; i < bytes.size(); i += blocks.size()) {
    std::copy_n(blocks.begin(), std::min(blocks.size(), bytes.size() - i),
                bytes.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return t;
}

constexpr DType kTypes[] = {DType::f32,  DType::bf16, DType::f16,  DType::q8_0,   DType::q4_0,
                            DType::q4_1, DType::q5_0, DType::q5_1, DType::q4_k,   DType::q5_k,
                            DType::q6_k, DType::q2_k, DType::q3_k, DType::iq4_nl, DType::iq4_xs};

void bench_reading(ThreadPool& threads) {
  Tensor big = Tensor::host(DType::u8, {256 << 20});
  std::ranges::fill(big.raw_mutable(), std::byte{1});
  const auto* words = reinterpret_cast<const uint64_t*>(big.raw().data());
  std::vector<uint64_t> sums(64);
  const double s = seconds([&] {
    threads.parallel_for(big.bytes() / 64, 1, [&](int64_t begin, int64_t end) {
      uint64_t sum[8] = {};
      for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j < 8; ++j) sum[j] += words[i * 8 + j];
      }
      for (uint64_t v : sum) sums[static_cast<size_t>(begin % 64)] += v;
    });
  });
  fmt::print("memory read                 {:7.1f} GB/s\n", static_cast<double>(big.bytes()) / s * 1e-9);
}

void bench_linear(Ops& ops, std::span<const DType> types, int64_t rows, int64_t n, int64_t out) {
  for (DType type : types) {
    const Tensor w = ops.prepare_weight(random_tensor(type, {out, n})), x = random_tensor(DType::f32, {rows, n});
    const double s = seconds([&] { ops.linear(x, w); });
    fmt::print("linear {:4} x {:5} x {:6} {:6} {:7.1f} GB/s {:8.1f} GFLOP/s {:9.3f} ms\n", rows, n, out,
               info(type).name, static_cast<double>(w.bytes()) / s * 1e-9,
               2e-9 * static_cast<double>(rows * n * out) / s, s * 1e3);
  }
}

Tensor random_pages(KvType type, int64_t pages, int64_t page_size, int64_t head_dim) {
  if (!is_coded(type)) {
    return random_tensor(type == KvType::f32 ? DType::f32 : DType::bf16, {pages, 1, page_size, head_dim});
  }
  Tensor t = Tensor::host(DType::u8, {pages, 1, kv_page_bytes(type, page_size, head_dim)});
  std::ranges::fill(t.raw_mutable(), std::byte{0x3c});  // codes, and scales of 0.01
  return t;
}

void bench_attention(Ops& ops, KvType type, int64_t rows, int64_t context, int heads, int head_dim) {
  AttentionPlan plan;
  plan.page_size = 64;
  plan.kv_heads = 1;
  plan.head_dim = head_dim;
  const int64_t pages = (context + 63) / 64;
  plan.types = {type, type};
  plan.keys = random_pages(type, pages, plan.page_size, head_dim);
  plan.values = random_pages(type, pages, plan.page_size, head_dim);
  AttentionSegment segment;
  segment.rows = rows;
  std::vector<int32_t> numbers(static_cast<size_t>(pages));
  std::iota(numbers.begin(), numbers.end(), 0);
  segment.pages = numbers;
  plan.segments.push_back(segment);
  double products = 0;
  for (int64_t i = 0; i < rows; ++i) {
    plan.visible.push_back({0, static_cast<int32_t>(context - rows + i + 1)});
    products += static_cast<double>(context - rows + i + 1);
  }
  const Tensor q = random_tensor(DType::f32, {rows, int64_t{heads} * head_dim});
  const double s = seconds([&] { ops.attention(q, plan); });
  fmt::print("attention {:4} rows {:6} keys {} heads of {:3} {:5} {:9.3f} ms {:7.1f} GFLOP/s {:7.1f} GB/s\n", rows,
             context, heads, head_dim, name_of(type), s * 1e3, 4e-9 * products * heads * head_dim / s,
             2e-9 * static_cast<double>(plan.keys.bytes()) / s);
}

void bench_rows(Ops& ops, int64_t rows, int64_t n) {
  const Tensor x = random_tensor(DType::f32, {rows, n}), w = random_tensor(DType::f32, {n});
  const auto report = [&](const char* what, const std::function<void()>& call) {
    fmt::print("{:12} {:4} x {:6} {:9.4f} ms\n", what, rows, n, seconds(call) * 1e3);
  };
  report("rms_norm", [&] { ops.rms_norm(x, &w, 1e-6f); });
  report("gated_gelu", [&] { ops.gated_gelu(x, x); });
  report("softcap", [&] { ops.softcap(x, 30.0f); });
  report("candidates", [&] { ops.candidates(x, {}, 64); });
}

struct Product {
  int64_t rows = 0, n = 0, out = 0;
};

/** Of "8x2048x262144". */
Product product_of(std::string_view word) {
  Product p;
  char* at = nullptr;
  p.rows = std::strtoll(word.data(), &at, 10);
  p.n = std::strtoll(at + 1, &at, 10);
  p.out = std::strtoll(at + 1, nullptr, 10);
  return p;
}

void bench_products(Ops& ops, std::span<const DType> types) {
  bench_linear(ops, types, 1, 2048, 65536);
  for (const int64_t rows : {4, 8}) bench_linear(ops, types, rows, 2048, 16384);
  bench_linear(ops, types, 512, 2048, 2048);
}

void bench_others(Ops& ops) {
  for (int i = 0; i < kKvTypes; ++i) {
    const auto type = static_cast<KvType>(i);
    bench_attention(ops, type, 1, 8192, 8, 256);
    bench_attention(ops, type, 1, 16384, 8, 512);
    bench_attention(ops, type, 512, 4096, 8, 256);
    bench_attention(ops, type, 512, 512, 8, 512);
  }
  bench_rows(ops, 1, 262144);
  bench_rows(ops, 512, 2048);
}

}  // namespace
}  // namespace gemma

int main(int argc, char** argv) {
  const std::vector<std::string_view> words(argv + std::min(argc, 2), argv + argc);
  gemma::ThreadPool threads(argc > 1 ? std::atoi(argv[1]) : 0);
  gemma::one_thread = threads.size() == 1;
  const std::unique_ptr<gemma::Ops> ops = gemma::make_cpu_ops(threads);
  fmt::print("{}, {} threads\n", gemma::cpu::kernels().name, threads.size());
  gemma::bench_reading(threads);
  std::vector<gemma::DType> types;
  std::vector<gemma::Product> products;
  for (const std::string_view word : words) {
    if (word.find('x') != word.npos) products.push_back(gemma::product_of(word));
  }
  const bool all = words.size() == products.size();
  for (gemma::DType type : gemma::kTypes) {
    if (all || std::ranges::find(words, gemma::info(type).name) != words.end()) types.push_back(type);
  }
  for (const auto& p : products) gemma::bench_linear(*ops, types, p.rows, p.n, p.out);
  if (products.empty()) gemma::bench_products(*ops, types);
  if (words.empty()) gemma::bench_others(*ops);
  return 0;
}

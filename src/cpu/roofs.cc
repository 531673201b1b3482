// SPDX-License-Identifier: Apache-2.0
#include "cpu/roofs.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <functional>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "cpu/kernels/packed.h"
#include "cpu/kernels/select.h"

namespace gemma::cpu {
namespace {

constexpr int64_t kSmallestBlock = int64_t{64} << 20;
constexpr int64_t kPage = int64_t{2} << 20;  // of memory: what a thread claims at a time
constexpr int kReads = 4, kTries = 3;
constexpr double kTrySeconds = 0.03;
constexpr std::byte kFill{0x3c};  // as f32 and as bf16 a small number, as int8 a middling one

/** Least seconds of a call. */
double best_of(int tries, const std::function<void()>& call) {
  double best = 1e9;
  for (int i = 0; i < tries; ++i) {
    const auto start = Clock::now();
    call();
    best = std::min(best, seconds_since(start));
  }
  return best;
}

void measure_read(ThreadPool& threads, const RoofKernels& kernels, int64_t wish, Roofs& roofs) {
  const int64_t bytes = std::max(std::min(wish, available_memory() / 4) / kPage * kPage, kSmallestBlock);
  const std::unique_ptr<std::byte, std::function<void(std::byte*)>> block(
      take_memory(bytes), [&](std::byte* data) { give_back_memory(data, bytes); });
  if (!block) fail("roofs", "not enough memory to measure how fast it is read: needed {}", format_bytes(bytes));
  std::byte* data = block.get();
  threads.parallel_for(bytes / kPage, 1, [&](int64_t first, int64_t last) {
    std::memset(data + first * kPage, static_cast<int>(kFill), static_cast<size_t>((last - first) * kPage));
  });
  std::atomic<uint64_t> sum{0};
  const double seconds = best_of(kReads, [&] {
    threads.parallel_for(bytes / kPage, 1, [&](int64_t first, int64_t last) {
      sum.fetch_add(kernels.read(data + first * kPage, (last - first) * kPage));
    });
  });
  GEMMA_CHECK(sum.load() != 0, "what was read is what was written");
  roofs.bytes_per_second = static_cast<double>(bytes) / seconds;
  roofs.read_bytes = bytes;
}

double operations_per_second(ThreadPool& threads, const RoofKernels::Multiply& multiply) {
  const auto work = [&](int64_t rounds) {
    threads.parallel_for(threads.size(), 1, [&](int64_t first, int64_t last) {
      alignas(64) std::byte block[kRoofBlock + 64], out[kRoofOut];
      std::fill(std::begin(block), std::end(block), kFill);
      for (int64_t i = first; i < last; ++i) multiply.run(block, rounds, out);
    });
  };
  int64_t rounds = 64;
  while (best_of(1, [&] { work(rounds); }) < kTrySeconds) rounds *= 2;
  const double seconds = best_of(kTries, [&] { work(rounds); });
  return static_cast<double>(rounds) * threads.size() * multiply.ops / seconds;
}

}  // namespace

bool multiplied_as_int4(DType type) {
  const PackedFormat& format = kPackedFormats[static_cast<size_t>(type)];
  return format.bits == 4 && !format.codebook;
}

Roofs measure_roofs(ThreadPool& threads, int64_t read_block) {
  Roofs roofs;
  std::vector<RoofKernels> all = all_roof_kernels();
  const auto in_use = [](const RoofKernels& k) { return std::string_view(k.name) == kernels().name; };
  std::stable_partition(all.begin(), all.end(), in_use);
  measure_read(threads, all.front(), read_block, roofs);
  for (const RoofKernels& k : all) {
    roofs.operations.push_back({k.name, operations_per_second(threads, k.f32), operations_per_second(threads, k.bf16),
                                operations_per_second(threads, k.int8), operations_per_second(threads, k.int4)});
  }
  return roofs;
}

}  // namespace gemma::cpu

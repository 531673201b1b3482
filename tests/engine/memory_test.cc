// SPDX-License-Identifier: Apache-2.0
// Memory as the system sees it. A process that fills a cache to its limit, gives everything back and fills it again in
// another shape never holds more than the limit and a little; one that encodes takes what is planned for that.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <string>

#include "../bench/random_encoders.h"
#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
#include "engine/memory_plan.h"
#include "kv/kv_cache.h"

namespace gemma {
namespace {

constexpr int64_t kLimit = 120'000'000, kSlack = 30'000'000;

Config wide_config() {
  Config config;
  for (int i = 0; i < 6; ++i) {
    LayerConfig layer;
    layer.heads = layer.kv_heads = 4;
    layer.head_dim = 256;
    layer.window = i % 3 == 2 ? 0 : 512;
    layer.kv_source = i;
    config.layers.push_back(layer);
  }
  return config;
}

bool feed(KvCache& cache, Ops& ops, const Config& config, SeqId id, int rows) {
  Batch batch;
  batch.tokens.assign(static_cast<size_t>(rows), 7);
  batch.segments = {{id, 0, rows}};
  if (!cache.reserve(batch)) return false;
  for (int layer = 0; layer < static_cast<int>(config.layers.size()); ++layer) {
    Tensor k = Tensor::host(DType::f32, Shape{rows, 4 * 256});
    for (float& value : k.data_mutable<float>()) value = 1;
    ops.write_kv(cache.plan(layer, batch), k, k);
  }
  cache.commit(batch);
  return true;
}

/** "VmRSS:" is what this process holds, "VmHWM:" the most it has held. */
int64_t memory_of(const std::string& kind) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(kind)) return std::stoll(line.substr(kind.size())) * 1024;
  }
  return 0;
}

/** Fills the cache in several shapes; the most memory this process has held for it. */
int64_t fill() {
  const int64_t before = memory_of("VmRSS:");
  const Config config = wide_config();
  ThreadPool pool(1);
  const std::unique_ptr<Ops> ops = make_cpu_ops(pool);
  KvOptions options;
  options.byte_limit = kLimit;
  KvCache cache(config, options, *ops);
  for (int round = 0; round < 2; ++round) {
    std::vector<SeqId> many{cache.create()};
    while (feed(cache, *ops, config, many.back(), 256)) many.push_back(cache.create());  // many short ones
    for (SeqId id : many) cache.release(id);
    const SeqId one = cache.create();
    while (feed(cache, *ops, config, one, 64)) {  // a long one
    }
    if (cache.length(one) < 4000 || cache.bytes_used() < kLimit * 3 / 4) return -1;  // the limit was not used
    cache.release(one);
  }
  return memory_of("VmHWM:") - before;
}

/** What `run` returns, in a process of its own: what other tests have held does not count. */
int64_t apart(const std::function<int64_t()>& run) {
  int64_t result = 0;
  int ends[2];
  if (pipe(ends) != 0) return -1;
  const pid_t child = fork();
  if (child == 0) {
    result = run();
    _exit(write(ends[1], &result, sizeof(result)) == sizeof(result) ? 0 : 1);
  }
  int status = 0;
  const bool done = waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                    read(ends[0], &result, sizeof(result)) == static_cast<ssize_t>(sizeof(result));
  close(ends[0]);
  close(ends[1]);
  return done ? result : -1;
}

TEST(Memory, TheCacheKeepsItsByteLimit) {
  const int64_t peak = apart(fill);
  EXPECT_GT(peak, kLimit / 2);
  EXPECT_LE(peak, kLimit + kSlack);
  RecordProperty("peak_bytes", std::to_string(peak));
}

/** Encodes by encoders of E2B's widths; the most memory this process has held for it. */
int64_t encode(const std::function<MediaInput()>& make) {
  ThreadPool pool(1);
  const std::unique_ptr<Ops> ops = make_cpu_ops(pool);
  const auto encoders = random_encoders(*ops, FileType::bf16, 1);  // more layers take no more
  const MediaInput input = make();
  std::ofstream("/proc/self/clear_refs") << 5;  // what loading took at its peak is another matter
  const int64_t before = memory_of("VmRSS:");
  Encoding encoding = Encoding::of(*ops, *encoders, input);
  while (!encoding.done()) encoding.advance();
  return memory_of("VmHWM:") - before;
}

MediaInput picture(int64_t columns, int64_t rows) {
  return {{Tensor::host(DType::f32, Shape{columns * rows, 768}), columns}, {}};
}

/** The most memory that attention of one head takes beside q, k and v. */
int64_t attend(int64_t patches) {
  ThreadPool pool(1);
  const std::unique_ptr<Ops> ops = make_cpu_ops(pool);
  Tensor q = Tensor::host(DType::f32, Shape{patches, 64});
  std::ranges::fill(q.data_mutable<float>(), 0.1f);
  std::ofstream("/proc/self/clear_refs") << 5;
  const int64_t before = memory_of("VmRSS:");
  const Tensor y = ops->attention_dense(q, ops->dense_keys(q, q, 64));
  return memory_of("VmHWM:") - before;
}

/** 1120 soft tokens: a matrix of scores would be 406 MB. */
TEST(Memory, AttentionKeepsNoMatrixOfScores) {
  const int64_t patches = 10'080, rows = patches * 64 * 4;  // what comes out, and keys and values as they are laid out
  const int64_t peak = apart([&] { return attend(patches); });
  EXPECT_GT(peak, 2 * rows);
  EXPECT_LT(peak, 5 * rows);
}

TEST(Memory, WhatEncodersTakeIsPlanned) {
  const MediaConfig both = random_media_config(1);
  MediaConfig sight, hearing;
  sight.vision = both.vision;
  hearing.audio = both.audio;
  const auto check = [](const char* what, int64_t peak, int64_t planned) {
    EXPECT_LE(peak, planned) << what;
    EXPECT_GT(peak, planned / 2) << what;
    ::testing::Test::RecordProperty(what, std::to_string(peak));
  };
  EngineOptions options;
  options.picture_tokens = 280;
  check("280 tokens", apart([] { return encode([] { return picture(60, 42); }); }), encoding_bytes(sight, options));
  options.picture_tokens = 560;
  check("560 tokens", apart([] { return encode([] { return picture(84, 60); }); }), encoding_bytes(sight, options));
  options.picture_tokens = 1120;
  check("1120 tokens", apart([] { return encode([] { return picture(120, 84); }); }), encoding_bytes(sight, options));
  check("30 s", apart([] { return encode([] { return MediaInput{{}, Tensor::host(DType::f32, Shape{3000, 128})}; }); }),
        encoding_bytes(hearing, options));
}

}  // namespace
}  // namespace gemma

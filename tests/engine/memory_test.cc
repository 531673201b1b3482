// SPDX-License-Identifier: Apache-2.0
// The cache's byte limit as the system sees it: a process that fills a cache to its limit, gives everything back and
// fills it again in another shape never holds more than the limit and a little.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
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

TEST(Memory, TheCacheKeepsItsByteLimit) {
  int64_t peak = 0;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t child = fork();  // a process of its own: what other tests have held does not count
  if (child == 0) {
    peak = fill();
    _exit(write(ends[1], &peak, sizeof(peak)) == sizeof(peak) ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  ASSERT_EQ(read(ends[0], &peak, sizeof(peak)), static_cast<ssize_t>(sizeof(peak)));
  EXPECT_GT(peak, kLimit / 2);
  EXPECT_LE(peak, kLimit + kSlack);
  RecordProperty("peak_bytes", std::to_string(peak));
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// Fixed workers for data-parallel loops. It does not queue tasks and does not nest: one loop at a time, each worker one
// contiguous share, of whose end the others take when they are done with their own. Which worker computes which element
// never changes what is computed.
#pragma once

#include <cstdint>
#include <memory>

#include "base/function_ref.h"

namespace gemma {

class ThreadPool {
 public:
  /** threads <= 0: one per physical core that this process may use. The calling thread counts as one. */
  explicit ThreadPool(int threads = 0);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  /** Calls fn(begin, end) on ranges that cover 0..n, and returns when all are done. Each worker has a share of at least
   *  `grain` elements where possible, goes through it in order, in a few pieces, and takes from what others have left
   *  then; pieces are no smaller than a quarter of `grain`, and a share of one element stays its worker's. With n <=
   *  grain (or one thread) it runs on the calling thread. The first exception is thrown again here. Called from one
   *  thread at a time. */
  void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> fn);

  /** The same, with pieces of `piece` elements claimed from a counter, for elements of unequal cost. */
  void parallel_claim(int64_t n, int64_t piece, FunctionRef<void(int64_t, int64_t)> fn);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/** Physical cores in this process's affinity mask and cgroup quota, at least 1. */
int physical_cores();

}  // namespace gemma

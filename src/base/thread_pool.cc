// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"

namespace gemma {
namespace {

// Long enough to stay awake between the ops of a token, short enough not to burn a core between requests. Waking a
// sleeping worker costs some 60 us, a spinning one 0.5 us.
constexpr auto kSpin = std::chrono::microseconds(300);

/** Waits until `value` is no longer `old`: spins for a while, then sleeps. */
template <class T>
void wait_while(const std::atomic<T>& value, T old, bool sleep) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  for (int i = 0; value.load(std::memory_order_acquire) == old; ++i) {
    if (i % 64 != 63) continue;
    if (std::chrono::steady_clock::now() < end) continue;
    if (sleep) {
      value.wait(old, std::memory_order_acquire);
    } else {
      std::this_thread::yield();
    }
  }
}

int quota_cores() {
  std::ifstream in("/sys/fs/cgroup/cpu.max");
  double quota = 0, period = 0;
  if (in >> quota >> period && period > 0) return std::max(1, static_cast<int>(quota / period + 0.5));
  return 1 << 20;
}

}  // namespace

int physical_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof(mask), &mask) != 0) {
    return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  std::set<std::string> cores;  // the list of threads that share a core is the same text for each of them
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    std::ifstream in(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    std::string siblings;
    if (!std::getline(in, siblings)) siblings = fmt::format("cpu {}", cpu);
    cores.insert(siblings);
  }
  return std::clamp(static_cast<int>(cores.size()), 1, quota_cores());
}

struct ThreadPool::State {
  using Body = FunctionRef<void(int64_t, int64_t)>;

  std::vector<std::thread> workers;
  std::atomic<uint32_t> round{0};  // a new loop is there when this changes
  std::atomic<int> busy{0};        // workers that have not finished the loop
  std::atomic<bool> stop{false};
  std::atomic<int64_t> claimed{0};
  // The loop, written before `round` changes and read after.
  const Body* body = nullptr;
  int64_t n = 0, piece = 0;  // piece 0: contiguous shares
  int shares = 1;
  std::vector<std::exception_ptr> errors;

  int size() const { return static_cast<int>(workers.size()) + 1; }

  void work(int index) {
    try {
      if (piece > 0) {
        for (int64_t begin; (begin = claimed.fetch_add(piece, std::memory_order_relaxed)) < n;) {
          (*body)(begin, std::min(n, begin + piece));
        }
      } else if (index < shares) {
        const int64_t begin = n * index / shares, end = n * (index + 1) / shares;
        if (begin < end) (*body)(begin, end);
      }
    } catch (...) {
      errors[static_cast<size_t>(index)] = std::current_exception();
    }
  }

  void worker(int index) {
    uint32_t seen = 0;
    while (true) {
      wait_while(round, seen, true);
      seen = round.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_acquire)) return;
      work(index);
      if (busy.fetch_sub(1, std::memory_order_acq_rel) == 1) busy.notify_one();
    }
  }

  void run(int64_t count, int64_t piece_size, int share_count, const Body& fn) {
    body = &fn;
    n = count;
    piece = piece_size;
    shares = share_count;
    claimed.store(0, std::memory_order_relaxed);
    busy.store(size() - 1, std::memory_order_relaxed);
    round.fetch_add(1, std::memory_order_release);
    round.notify_all();
    work(0);
    for (int left; (left = busy.load(std::memory_order_acquire)) != 0;) wait_while(busy, left, true);
    for (std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(std::exchange(error, nullptr));
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  const int count = threads > 0 ? threads : physical_cores();
  state_->errors.resize(static_cast<size_t>(count));
  // Signals that a person sends are for the thread that made the pool: what waits there sees them at once.
  sigset_t person, before;
  sigemptyset(&person);
  sigaddset(&person, SIGINT);
  sigaddset(&person, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &person, &before);
  for (int i = 1; i < count; ++i) state_->workers.emplace_back([this, i] { state_->worker(i); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

ThreadPool::~ThreadPool() {
  state_->stop.store(true, std::memory_order_release);
  state_->round.fetch_add(1, std::memory_order_release);
  state_->round.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
}

int ThreadPool::size() const { return state_->size(); }

void ThreadPool::parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> fn) {
  if (n <= 0) return;
  const int64_t shares = std::min<int64_t>(size(), n / std::max<int64_t>(grain, 1));
  if (shares <= 1) return fn(0, n);
  state_->run(n, 0, static_cast<int>(shares), fn);
}

void ThreadPool::parallel_claim(int64_t n, int64_t piece, FunctionRef<void(int64_t, int64_t)> fn) {
  if (n <= 0) return;
  piece = std::max<int64_t>(piece, 1);
  if (n <= piece || size() == 1) return fn(0, n);
  state_->run(n, piece, size(), fn);
}

}  // namespace gemma

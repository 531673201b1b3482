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
// sleeping worker costs 60 us, on some virtual machines 300; a spinning one 0.5.
constexpr auto kSpin = std::chrono::microseconds(1000);
// Units of what is worth waking a worker for; the most units of a loop.
constexpr int64_t kUnits = 4, kMostUnits = int64_t{1} << 31;

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

/** What is left of a worker's share, in units. Its worker takes from the front, half of it each time, so that it goes
 * on where it was; who has nothing left takes half from the end, but never the last unit: a share of one stays its
 *  worker's. */
class alignas(64) Share {
 public:
  struct Range {
    uint32_t begin, end;
  };

  void set(int64_t begin, int64_t end) {
    left_.store({static_cast<uint32_t>(begin), static_cast<uint32_t>(end)}, std::memory_order_relaxed);
  }
  Range take(bool own) {
    Range left = left_.load(std::memory_order_relaxed);
    while (true) {
      const uint32_t count = left.end - left.begin, some = own ? (count + 1) / 2 : count / 2;
      if (some == 0) return {0, 0};
      const Range taken = own ? Range{left.begin, left.begin + some} : Range{left.end - some, left.end};
      const Range rest = own ? Range{taken.end, left.end} : Range{left.begin, taken.begin};
      if (left_.compare_exchange_weak(left, rest, std::memory_order_relaxed)) return taken;
    }
  }

 private:
  std::atomic<Range> left_{Range{0, 0}};
};

struct ThreadPool::State {
  using Body = FunctionRef<void(int64_t, int64_t)>;

  std::vector<std::thread> workers;
  std::atomic<uint32_t> round{0};  // a new loop is there when this changes
  std::atomic<int> busy{0};        // workers that have not finished the loop
  std::atomic<bool> stop{false};
  std::atomic<int64_t> claimed{0};
  // The loop, written before `round` changes and read after.
  const Body* body = nullptr;
  int64_t n = 0, piece = 0;  // of parallel_claim
  int64_t unit = 1;          // of shares, in elements
  int shares = 0;            // none: of parallel_claim
  std::vector<Share> left;
  std::vector<std::exception_ptr> errors;

  int size() const { return static_cast<int>(workers.size()) + 1; }

  void work(int index) {
    try {
      if (shares == 0) {
        for (int64_t begin; (begin = claimed.fetch_add(piece, std::memory_order_relaxed)) < n;) {
          (*body)(begin, std::min(n, begin + piece));
        }
      }
      if (index < shares) work_on_shares(index);
    } catch (...) {
      errors[static_cast<size_t>(index)] = std::current_exception();
    }
  }

  /** A worker's own share, then what others have left of theirs. */
  void work_on_shares(int index) {
    for (int i = 0; i < shares; ++i) {
      Share& share = left[static_cast<size_t>((index + i) % shares)];
      for (Share::Range some; (some = share.take(i == 0)).end > 0;) {
        (*body)(some.begin* unit, std::min(n, some.end * unit));
      }
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

  void run_shares(int64_t count, int64_t grain, int share_count, const Body& fn) {
    shares = share_count;
    unit = std::max(grain / kUnits, count / kMostUnits + 1);
    const int64_t units = (count + unit - 1) / unit;
    for (int i = 0; i < shares; ++i) left[static_cast<size_t>(i)].set(units * i / shares, units * (i + 1) / shares);
    run(count, fn);
  }

  void run_pieces(int64_t count, int64_t piece_size, const Body& fn) {
    shares = 0;
    piece = piece_size;
    claimed.store(0, std::memory_order_relaxed);
    run(count, fn);
  }

  void run(int64_t count, const Body& fn) {
    body = &fn;
    n = count;
    busy.store(size() - 1, std::memory_order_relaxed);
    round.fetch_add(1, std::memory_order_release);
    round.notify_all();
    work(0);
    for (int others; (others = busy.load(std::memory_order_acquire)) != 0;) wait_while(busy, others, true);
    for (std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(std::exchange(error, nullptr));
    }
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>()) {
  const int count = threads > 0 ? threads : physical_cores();
  state_->errors.resize(static_cast<size_t>(count));
  state_->left = std::vector<Share>(static_cast<size_t>(count));
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
  state_->run_shares(n, grain, static_cast<int>(shares), fn);
}

void ThreadPool::parallel_claim(int64_t n, int64_t piece, FunctionRef<void(int64_t, int64_t)> fn) {
  if (n <= 0) return;
  piece = std::max<int64_t>(piece, 1);
  if (n <= piece || size() == 1) return fn(0, n);
  state_->run_pieces(n, piece, fn);
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// What `gemma4 bench` is asked for, what it measures, and what it reckons: shared by the files bench_*.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "cpu/roofs.h"
#include "engine/engine.h"
#include "gemma4/machine.h"
#include "gemma4/timed_ops.h"
#include "model/model.h"

namespace gemma::app {

struct BenchOptions {
  std::string model, random_size;  // one of them
  std::string type, kv = "bf16";
  std::string speculate = "off", drafter;  // drafter: a file, or "random"
  int prompt = 512, gen = 64, depth = 0, batch = 1, repeat = 5, layers = 0;
  MachineOptions machine;
  bool json = false, per_op = false, no_roofs = false;
  std::string roofline;  // an .svg to write
};

/** A model and an engine as a request meets them. */
struct BenchModel {
  std::shared_ptr<const ModelFile> file;
  std::shared_ptr<const Tokenizer> tokenizer;  // none in a random model
  std::shared_ptr<const Model> model;
  std::shared_ptr<const Drafter> drafter;
  double load_seconds = 0;
  int64_t load_bytes = 0;  // of weights
};
/** Fails when there is no such model, or when its weights, or they and the cache, do not fit the memory, before any are
 *  read or made. */
void check_bench_model(const BenchOptions& options, Ops& ops);
BenchModel load_bench_model(const BenchOptions& options, Ops& ops);
/** Bytes a second that all threads copy from the file of the model in the page cache into memory new to the process. As
 *  much as a third of the available memory takes: a virtual machine gives pages that have lain idle many times slower
 *  than others, so what is loaded afterwards shall find as many of the others as the copy did. */
double copy_speed(const BenchOptions& options, ThreadPool& threads);

inline constexpr int kBenchBatchTokens = 512;  // rows of a step
KvOptions bench_kv_options(const BenchOptions& options);

/** Seconds of one repetition. */
struct BenchRun {
  double prefill_seconds = 0, decode_seconds = 0;
  int64_t prompt_tokens = 0, gen_tokens = 0;  // of all sequences together
  int64_t steps = 0;                          // in which they answered; with guesses of several tokens each
  int64_t drafted = 0, accepted = 0;          // guesses while they answered
  int64_t drafter_tokens = 0;                 // of them a drafter's
  double draft_seconds = 0;                   // that it took, of decode_seconds
};

/** Requests through an engine: prompts of random ids, greedy answers. The tokens at --depth are fed once, kept by the
 *  engine and taken up again by every request. */
class Bencher {
 public:
  Bencher(const BenchModel& model, const BenchOptions& options, Ops& ops, ThreadPool& threads);
  ~Bencher();
  /** `between`: called when the prompts are done and answers begin. */
  BenchRun run(const std::function<void()>& between = {});
  const Engine& engine() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/** What a phase must read and calculate at least, in bytes and operations (a multiplication and an addition are two).
 */
struct BenchWork {
  double weight_bytes = 0, row_bytes = 0, cache_bytes = 0;       // rows: of the embedding tables
  double int4_ops = 0, int8_ops = 0, bf16_ops = 0, f32_ops = 0;  // int4: weights of up to four bits

  double bytes() const { return weight_bytes + row_bytes + cache_bytes; }
  double ops() const { return int4_ops + int8_ops + bf16_ops + f32_ops; }
};
/** One step of `batch` sequences that hold `held` tokens each; `rows`: the last token of each and, on the average, its
 *  guesses. What a drafter does is not counted. */
BenchWork decode_work(const Model& model, const KvOptions& kv, int batch, double rows, int held);
/** The prompt of one sequence that holds `held` tokens already. */
BenchWork prefill_work(const Model& model, const KvOptions& kv, int rows, int held);
/** The least seconds that the work takes by these roofs: reading and calculating go on at once. */
double least_seconds(const BenchWork& work, const cpu::Roofs& roofs);

struct Spread {
  double median = 0, low = 0, high = 0;
};
Spread spread_of(std::vector<double> values);

struct BenchResult {
  std::string name, isa;
  BenchOptions options;  // with the number of threads in use
  double load_seconds = 0;
  int64_t load_bytes = 0, file_bytes = 0;
  double copy_speed = 0;  // beside loading, in bytes a second; 0 where it was not measured
  std::vector<BenchRun> runs;
  BenchWork prefill, decode;  // of the prompt of one sequence, of one step of all
  cpu::Roofs roofs;           // with --no-roofs none
  ProcessMemory memory;       // at the end; its peak is of both together
  ProcessMemory at_peak;      // of loading and the first run: own and file when both together were most
  int64_t cache_bytes = 0;    // pools of keys and values
  // With --per-op: one more run, call by call.
  BenchRun timed_run;
  std::vector<OpTime> prefill_ops, decode_ops;

  Spread prefill_rate() const;  // tokens per second
  Spread decode_rate() const;
  double prefill_seconds() const;  // of the prompt of one sequence, at the median rate
  double step_seconds() const;     // the median
  double tokens_per_step() const;  // of all sequences
  double rows_per_step() const;    // of one: its last token and guesses
  double load_speed() const { return static_cast<double>(load_bytes) / load_seconds; }
  BenchRun sums() const;  // of all runs
};

std::string to_text(const BenchResult& result);
json::object to_json(const BenchResult& result);
/** An .svg of the roofs and where this result lies under them. */
void write_roofline(const BenchResult& result, const std::string& path);

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// gemma4 bench: how fast a model answers here, and how near that is to what the machine can do.
#include "gemma4/bench.h"

#include <fmt/format.h>

#include <cstdio>

#include "base/error.h"
#include "base/peak_watch.h"
#include "convert/file_type.h"
#include "convert/model_shapes.h"
#include "cpu/cpu_ops.h"
#include "cpu/kernels/select.h"
#include "gemma4/cache_types.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/session.h"

namespace gemma::app {
namespace {

constexpr const char* kExamples =
    R"(Random prompts go through the engine as requests do. Reported are the median of --repeat runs
and their extremes, after one run that does not count; what a token reads and calculates at
least; and the share of the roofs of this machine (reading of memory, multiplying), which are
measured first. docs/bench.md says what each figure means.

Examples:
  gemma4 bench model.gguf
  gemma4 bench model.gguf --prompt 2048 --gen 128 --threads 2 --json
  gemma4 bench --random e2b --type q4_0            weights of that shape, in memory alone
  gemma4 bench --random 26b-a4b --type q4_k_m --depth 8192
  gemma4 bench model.gguf --batch 8                eight sequences at once
  gemma4 bench model.gguf --per-op --roofline roof.svg
  gemma4 bench --random e2b --draft random --speculate 4   what a drafter's tokens cost)";

void check(const BenchOptions& o) {
  if (o.model.empty() == o.random_size.empty()) fail_usage("bench", "expected a model, or --random and a size");
  if (o.random_size.empty() && !o.type.empty()) fail_usage("--type", "belongs to --random: a file has its own types");
  if (o.random_size.empty() && o.layers > 0) fail_usage("--layers", "belongs to --random");
  const auto in_range = [](const char* option, int value, int low, int high) {
    if (value < low || value > high) fail_usage(option, "expected {} to {}, found {}", low, high, value);
  };
  in_range("--prompt", o.prompt, 1, 1 << 20);
  in_range("--gen", o.gen, 1, 1 << 20);
  in_range("--depth", o.depth, 0, 1 << 20);
  in_range("--batch", o.batch, 1, 256);
  in_range("--repeat", o.repeat, 1, 1000);
  bench_kv_options(o);
  if (speculation_length(o.speculate) == 0 && !o.drafter.empty()) fail_usage("--draft", "needs --speculate");
  if (o.drafter == "random" && o.random_size.empty()) fail_usage("--draft", "random belongs to --random");
  if (o.roofline.empty()) return;
  if (!o.roofline.ends_with(".svg")) {
    fail_usage("--roofline", "expected a name that ends in .svg, found '{}'", o.roofline);
  }
  if (o.no_roofs) fail_usage("--roofline", "needs the roofs that --no-roofs leaves out");
}

/** One more run through ops that are timed one by one; the runs that count go without. */
void measure_ops(const BenchModel& model, Ops& ops, ThreadPool& threads, BenchResult& result) {
  TimedOps timed(ops, model.model->weights);
  Bencher bencher(model, result.options, timed, threads);
  bencher.run();
  timed.take();
  result.timed_run = bencher.run([&] { result.prefill_ops = timed.take(); });
  result.decode_ops = timed.take();
}

BenchResult measure(const BenchOptions& o) {
  BenchResult result;
  result.options = o;
  ThreadPool pool(o.machine.threads);
  const std::unique_ptr<Ops> ops = make_cpu_ops(pool);
  result.isa = cpu::kernels().name;
  check_bench_model(o, *ops);
  if (!o.no_roofs) result.roofs = cpu::measure_roofs(pool);
  if (!o.no_roofs && o.random_size.empty()) result.copy_speed = copy_speed(o, pool);
  forget_peak_memory();
  PeakWatch watch;
  const BenchModel model = load_bench_model(o, *ops);
  result.name = model.file->name();
  result.file_bytes = model.file->total_bytes();
  result.load_seconds = model.load_seconds;
  result.load_bytes = model.load_bytes;
  {
    Bencher bencher(model, o, *ops, pool);
    bencher.run();  // pools grow, pages are touched
    result.at_peak = watch.stop();
    for (int i = 0; i < o.repeat; ++i) result.runs.push_back(bencher.run());
    result.memory = process_memory();
    result.cache_bytes = bencher.engine().cache().bytes_allocated();
  }
  if (o.per_op) measure_ops(model, *ops, pool, result);
  const KvOptions kv = bench_kv_options(o);
  result.prefill = prefill_work(*model.model, kv, o.prompt, o.depth);
  result.decode = decode_work(*model.model, kv, o.batch, result.rows_per_step(), o.depth + o.prompt + o.gen / 2);
  return result;
}

void run(BenchOptions o) {
  check(o);
  take_machine_options(o.machine);
  if (o.machine.threads == 0) o.machine.threads = physical_cores();
  const BenchResult result = measure(o);
  if (!o.roofline.empty()) write_roofline(result, o.roofline);
  const std::string text = o.json ? write_json(to_json(result), 2) + "\n" : to_text(result);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) != 0) fail("stdout", "cannot write the result");
}

}  // namespace

void add_bench(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command = app.add_subcommand("bench", "Measure speed and memory, and the machine's limits beside them");
  command->add_option("MODEL", options->model, "A GGUF, a safetensors file, or a Hugging Face folder")
      ->check(not_empty());
  command->add_option("--random", options->random_size, "Instead: random weights of " + model_size_names());
  command->add_option("--type", options->type, "With --random: " + file_type_names() + "; default: q4_0");
  command->add_option("--layers", options->layers, "With --random: only so many layers, whole patterns of 5 or 6");
  command->add_option("--prompt", options->prompt, "Tokens of a prompt")->capture_default_str();
  command->add_option("--gen", options->gen, "Tokens of an answer")->capture_default_str();
  command->add_option("--depth", options->depth, "Tokens in the cache before the prompt")->capture_default_str();
  command->add_option("--batch", options->batch, "Sequences that answer together")->capture_default_str();
  command->add_option("--kv", options->kv, kCacheTypesHelp)->capture_default_str();
  command
      ->add_option(
          "--speculate", options->speculate,
          "Tokens guessed ahead: off, auto, or how many at once; answers of random prompts may run in circles, "
          "which are easily guessed")
      ->capture_default_str();
  command->add_option("--draft", options->drafter, "A drafter guesses, too: its file; with --random also: random");
  add_machine_options(*command, options->machine);
  command->add_option("--repeat", options->repeat, "Runs that count")->capture_default_str();
  command->add_flag("--no-roofs", options->no_roofs, "Do not measure the machine's limits, which takes some seconds");
  command->add_flag("--per-op", options->per_op, "Where the time of a prompt and of a token goes, op by op");
  command->add_option("--roofline", options->roofline, "Draw the machine's limits and these figures: an .svg to write");
  command->add_flag("--json", options->json, "As JSON");
  command->footer(kExamples);
  command->callback([options] { run(*options); });
}

}  // namespace gemma::app

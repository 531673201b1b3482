// SPDX-License-Identifier: Apache-2.0
// The measuring part of `gemma4 bench`: requests through the engine, as a person's would go.
#include <algorithm>
#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "convert/random_model.h"
#include "engine/memory_plan.h"
#include "gemma4/bench.h"
#include "gemma4/cache_types.h"
#include "gemma4/local_model.h"
#include "gemma4/session.h"
#include "gemma4/tokenizer_beside.h"

namespace gemma::app {
namespace {

constexpr uint64_t kDepthKey = 1, kPromptKey = 2;  // of random ids

/** Random ids of ordinary pieces: the first few hundred are control tokens and bytes. */
void add_ids(std::vector<int32_t>& ids, int n, uint64_t key, uint64_t sequence, int vocab) {
  const int first = std::min(512, vocab / 2);
  const KeyedBits bits(key, sequence);
  for (int i = 0; i < n; ++i) {
    const auto span = static_cast<uint64_t>(vocab - first);
    ids.push_back(first + static_cast<int32_t>(bits(static_cast<uint64_t>(i)) % span));
  }
}

/** Of --random and --type: the model, or a drafter for it. */
ModelFile random_file(const BenchOptions& o, bool drafter) {
  const auto type = file_type_named(o.type.empty() ? "q4_0" : o.type);
  if (!type) fail_usage("--type", "expected one of {}, found '{}'", file_type_names(), o.type);
  std::vector<std::unique_ptr<ByteSource>> sources;
  sources.push_back(
      random_model({.size = o.random_size, .type = *type, .layers = drafter ? 0 : o.layers, .drafter = drafter}));
  return ModelFile::open(std::move(sources));
}

std::shared_ptr<ModelFile> open_file(const BenchOptions& o) {
  return std::make_shared<ModelFile>(o.random_size.empty() ? ModelFile::open(local_model(o.model).path)
                                                           : random_file(o, false));
}

std::shared_ptr<const Drafter> load_drafter(const BenchOptions& o, const Config& target, Ops& ops) {
  if (o.drafter.empty()) return nullptr;
  if (o.drafter != "random") return Drafter::load(o.drafter, target, ops, {});
  return Drafter::load(random_file(o, true), target, ops, {});
}

bool has_tokenizer(const ModelFile& file) {
  if (file.format() != FileFormat::gguf) return file.side_file("tokenizer.json").has_value();
  return file.metadata().string("tokenizer.ggml.model").value_or("none") != "none";
}

EngineOptions engine_options(const BenchOptions& o, std::shared_ptr<const Drafter> drafter) {
  EngineOptions e;
  e.max_sequences = o.batch;
  e.batch_tokens = kBenchBatchTokens;
  e.kv = bench_kv_options(o);
  // Sequences answer already while the prompts of others are fed.
  const int steps = o.batch * (o.prompt / kLeastPromptRows + 2);
  e.context = o.depth + o.prompt + o.gen + steps + 1;
  e.speculation = {speculation_length(o.speculate), std::move(drafter)};
  if (e.speculation.length != 0) e.context += Speculation::kMost * (steps + 1);
  return e;
}

/** A sequence that had to wait for another's pages would be no sequence that answers together with it. */
int64_t bytes_beside_weights(const Config& config, const BenchOptions& o, const EngineOptions& e) {
  return activation_bytes(config, e) + o.batch * KvCache::bytes_for(config, e.kv, e.context, kBenchBatchTokens);
}

std::string cache_words(const BenchOptions& o, const EngineOptions& e) {
  return fmt::format("{} times {} tokens", o.batch, e.context);
}

}  // namespace

void check_bench_model(const BenchOptions& options, Ops& ops) {
  const std::shared_ptr<const ModelFile> file = open_file(options);
  const Config config = Config::from(*file);
  const EngineOptions engine = engine_options(options, nullptr);
  const int64_t beside = bytes_beside_weights(config, options, engine);
  const int64_t weights = Weights::bytes_for(file, config, ops, weight_options(options.machine, beside));
  require_memory(file->name(), "weights", weights);
  require_memory(file->name(), fmt::format("weights and {}", cache_words(options, engine)), weights + beside);
}

BenchModel load_bench_model(const BenchOptions& options, Ops& ops) {
  const auto start = Clock::now();
  BenchModel out;
  const std::shared_ptr<ModelFile> file = open_file(options);
  out.file = file;
  std::optional<TokenizerBeside> tokenizer;
  if (has_tokenizer(*file)) tokenizer.emplace(file, options.machine);
  Config config = Config::from(*file);
  config.special.eos.clear();  // an answer is as long as it is asked to be
  out.drafter = load_drafter(options, config, ops);
  const int64_t leave = bytes_beside_weights(config, options, engine_options(options, out.drafter));
  WeightOptions weights = weight_options(options.machine, leave);
  weights.balance = has_coded_keys(cache_types("--kv", options.kv));
  out.load_bytes = Weights::bytes_for(file, config, ops, weights);
  out.model = Model::load(file, std::move(config), ops, weights);
  if (tokenizer) out.tokenizer = tokenizer->get();
  out.load_seconds = seconds_since(start);
  return out;
}

double copy_speed(const BenchOptions& options, ThreadPool& threads) {
  constexpr int64_t kPiece = int64_t{1} << 20;
  constexpr int kTries = 3;  // the first may find pages that are still on the disk
  const std::shared_ptr<const ModelFile> file = open_file(options);
  const ByteSource& source = file->source(0);
  const int64_t bytes = std::min(source.size(), available_memory() / 3);
  double best = 0;
  for (int i = 0; i < kTries; ++i) {
    const std::shared_ptr<Storage> block = host_storage(bytes);
    const auto start = Clock::now();
    threads.parallel_claim(bytes, kPiece, [&](int64_t first, int64_t last) {
      source.read(first, {block->host() + first, static_cast<size_t>(last - first)});
    });
    best = std::max(best, static_cast<double>(bytes) / seconds_since(start));
  }
  return best;
}

KvOptions bench_kv_options(const BenchOptions& options) {
  KvOptions kv;
  kv.types = cache_types("--kv", options.kv);
  // What is at --depth must outlive the prompts of a repetition, of which a few places each are kept.
  kv.remembered = options.depth > 0 ? 32 * options.batch : 0;
  return kv;
}

/** A sequence of a repetition and what has come of it. */
struct Answering {
  Ticket ticket = 0;
  int tokens = 0;
  std::string error;
};

struct Bencher::State {
  State(const BenchModel& model, const BenchOptions& o, Ops& ops, ThreadPool& threads)
      : options(o), vocab(model.model->config.vocab) {
    EngineOptions e = engine_options(o, model.drafter);
    e.threads = &threads;
    engine.emplace(model.model, model.tokenizer, ops, e);
    require_memory(model.file->name(), cache_words(o, e), bytes_beside_weights(model.model->config, o, e));
  }

  /** The ids that sequence `i` has before those of a repetition. */
  std::vector<int32_t> prefix(int i) const {
    std::vector<int32_t> ids;
    add_ids(ids, options.depth, kDepthKey, static_cast<uint64_t>(i), vocab);
    return ids;
  }

  Ticket submit(std::vector<int32_t> prompt, int i, int max_tokens, Answering& answering) {
    Request request;
    request.prompt = std::move(prompt);
    request.sampling.temperature = 0;
    request.max_tokens = max_tokens;
    request.loop_stop = false;
    request.salt = static_cast<uint64_t>(i) + 1;
    return engine->submit(std::move(request), [&answering](const Event& event) {
      answering.tokens += event.token >= 0;
      if (event.finish == Finish::error) answering.error = event.error;
    });
  }

  /** Steps until all sequences have `tokens` tokens. */
  void step_until(const std::vector<Answering>& all, int tokens) {
    const auto behind = [&](const Answering& a) { return a.tokens < tokens; };
    while (std::any_of(all.begin(), all.end(), behind)) {
      const bool worked = engine->step();
      for (const Answering& a : all) {
        if (!a.error.empty()) fail("bench", "{}", a.error);
      }
      GEMMA_CHECK(worked, "sequences that are behind have something to do");
    }
  }

  void feed_depth() {
    std::vector<Answering> all(static_cast<size_t>(options.batch));
    for (int i = 0; i < options.batch; ++i) submit(prefix(i), i, 1, all[static_cast<size_t>(i)]);
    step_until(all, 1);
    while (engine->step()) {
    }
  }

  BenchOptions options;
  int vocab;
  std::optional<Engine> engine;
  uint64_t repetition = 0;
};

Bencher::Bencher(const BenchModel& model, const BenchOptions& options, Ops& ops, ThreadPool& threads)
    : state_(std::make_unique<State>(model, options, ops, threads)) {
  if (options.depth > 0) state_->feed_depth();
}
Bencher::~Bencher() = default;

const Engine& Bencher::engine() const { return *state_->engine; }

BenchRun Bencher::run(const std::function<void()>& between) {
  State& s = *state_;
  std::vector<Answering> all(static_cast<size_t>(s.options.batch));
  std::vector<std::vector<int32_t>> prompts;
  const uint64_t key = kPromptKey + s.repetition++;
  for (int i = 0; i < s.options.batch; ++i) {
    prompts.push_back(s.prefix(i));
    add_ids(prompts.back(), s.options.prompt, key, static_cast<uint64_t>(i), s.vocab);
  }
  BenchRun run;
  const int64_t fed = s.engine->stats().prompt_tokens;
  auto start = Clock::now();
  for (int i = 0; i < s.options.batch; ++i) {
    Answering& answering = all[static_cast<size_t>(i)];
    answering.ticket = s.submit(std::move(prompts[static_cast<size_t>(i)]), i, 0, answering);
  }
  s.step_until(all, 1);
  run.prefill_seconds = seconds_since(start);
  run.prompt_tokens = s.engine->stats().prompt_tokens - fed;
  for (Answering& a : all) a.tokens = 0;
  if (between) between();
  const EngineStats before = s.engine->stats();
  start = Clock::now();
  s.step_until(all, s.options.gen);
  run.decode_seconds = seconds_since(start);
  const EngineStats& after = s.engine->stats();
  run.drafted = after.drafted_tokens - before.drafted_tokens;
  run.accepted = after.accepted_tokens - before.accepted_tokens;
  run.drafter_tokens = after.drafter_tokens - before.drafter_tokens;
  run.draft_seconds = after.draft_seconds - before.draft_seconds;
  run.steps = after.steps - before.steps;
  for (const Answering& a : all) {
    run.gen_tokens += a.tokens;
    s.engine->cancel(a.ticket);
  }
  while (s.engine->step()) {
  }
  return run;
}

}  // namespace gemma::app

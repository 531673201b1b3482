// SPDX-License-Identifier: Apache-2.0
#include "gemma4/session.h"

#include <fmt/format.h>

#include <charconv>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "base/memory.h"
#include "cpu/cpu_ops.h"
#include "engine/memory_plan.h"
#include "file/mmproj_name.h"
#include "gemma4/cache_types.h"
#include "gemma4/checks.h"
#include "gemma4/kept_cache.h"
#include "gemma4/local_model.h"
#include "gemma4/settings.h"
#include "gemma4/terminal.h"
#include "gemma4/tokenizer_beside.h"
#include "kv/prefix_store.h"

namespace gemma::app {
namespace {

constexpr int64_t kBesidePiece = 300;    // bytes of a tokenizer and of masks, for each of its pieces
constexpr int kRememberedByMany = 4096;  // places in prompts of many conversations; they give way to what runs

/** What the weights of encoders take, about. */
int64_t bytes_of_encoders(const ModelFiles& files, bool sees, bool hears) {
  int64_t weights = 0;
  for (const TensorRecord& tensor : files.encoders->tensors()) {
    const std::string_view name = tensor.name;
    const auto has = [&](std::string_view part) { return name.find(part) != std::string_view::npos; };
    const bool sight = has("vision") || name.starts_with("v.") || name.starts_with("mm.input_projection");
    const bool hearing = has("audio") || name.starts_with("a.") || name.starts_with("mm.a.");
    if ((sight && sees) || (hearing && hears)) weights += tensor.bytes;
  }
  return weights;
}

/** What of the cache may wait for its disk. */
int64_t bytes_to_disk(const SessionOptions& options) {
  return options.cache_folder != nullptr ? PrefixStore::kMostWaiting : 0;
}

/** What encoders that are not loaded yet will take, about. */
int64_t bytes_of_others(const ModelFiles& files, const Config& config, const EngineOptions& options) {
  const MediaConfig* present = options.encoders != nullptr ? &options.encoders->config : nullptr;
  const MediaConfig& all = files.media.encoders;
  const bool sees_later = all.sees() && (present == nullptr || !present->sees());
  const bool hears_later = all.hears() && (present == nullptr || !present->hears());
  if (!sees_later && !hears_later) return 0;
  return bytes_of_encoders(files, sees_later, hears_later) + working_bytes(config, options, &all) -
         working_bytes(config, options, present);
}

/** Those of `some`, and what only `more` has; weights are shared, not copied. */
std::shared_ptr<const Encoders> together(const Encoders& some, const Encoders& more) {
  auto all = std::make_shared<Encoders>(some);
  const auto take = [](auto& field, const auto& other) {
    if (!field) field = other;
  };
  take(all->config.vision, more.config.vision), take(all->vision, more.vision);
  take(all->config.pixel_blocks, more.config.pixel_blocks), take(all->pixel_blocks, more.pixel_blocks);
  take(all->config.audio, more.config.audio), take(all->audio, more.audio);
  take(all->config.sample_frames, more.config.sample_frames), take(all->sample_projection, more.sample_projection);
  return all;
}

EngineOptions engine_options(const SessionOptions& options) {
  EngineOptions engine;
  engine.context = options.context;
  engine.max_sequences = options.max_sequences;
  engine.queue_limit = options.queue_limit;
  engine.key_queue_limit = options.key_queue_limit;
  engine.encoded_bytes = room_of(options.encoder_cache);
  if (options.max_sequences > 1) engine.kv.remembered = kRememberedByMany;
  engine.kv.types = cache_types("--kv", options.kv);
  engine.speculation.length = speculation_length(options.speculate);
  return engine;
}

}  // namespace

void take_defaults(SessionOptions& options, const Settings& settings, const std::string& kv) {
  const char* variable = std::getenv("GEMMA4_MODEL");
  if (options.model.empty() && variable != nullptr) options.model = variable;
  if (options.model.empty()) options.model = settings.model.value_or("");
  if (options.chat_template.empty()) options.chat_template = settings.chat_template.value_or("");
  if (options.context == 0) options.context = static_cast<int>(settings.context.value_or(0));
  if (options.machine.threads == 0) options.machine.threads = static_cast<int>(settings.threads.value_or(0));
  if (options.machine.memory.empty()) options.machine.memory = settings.memory.value_or("");
  options.kv = !kv.empty() ? kv : settings.kv.value_or(options.kv);
}

std::optional<Template> choose_template(const ModelFile& file, const Config& config, const std::string& named,
                                        std::string& note) {
  if (!named.empty()) {
    const std::optional<Template> which = template_named(named);
    if (!which) fail("--template", "expected edge, large or gemma3, found '{}'", named);
    return which;
  }
  const ChatFormat::Choice choice = ChatFormat::choose(file, config.per_layer_dim > 0, config.generation);
  if (!choice.present) {
    note =
        fmt::format("{} has no chat template: it is asked in a frame of two worked examples (--raw: plain completion)",
                    file.name());
    return std::nullopt;
  }
  if (!choice.recognised) {
    note = fmt::format("the chat template of {} is not one that is known: '{}' is used (--template chooses)",
                       file.name(), name_of(choice.which));
  }
  return choice.which;
}

int speculation_length(const std::string& text) {
  if (text == "auto") return Speculation::kAuto;
  if (text == "off") return 0;
  int length = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, length);
  if (error != std::errc() || stop != end || length < 1 || length > Speculation::kMost) {
    fail_usage("--speculate", "expected auto, off, or 1 to {} guesses a step, found '{}'", Speculation::kMost, text);
  }
  return length;
}

ModelFiles ModelFiles::open(const SessionOptions& options) {
  ModelFiles files;
  const LocalModel local = local_model(options.model);
  files.model = std::make_shared<ModelFile>(ModelFile::open(local.path));
  files.config = Config::from(*files.model);
  std::string mmproj = options.mmproj.empty() ? local.encoders : options.mmproj;
  if (mmproj.empty() && files.model->format() == FileFormat::gguf) mmproj = find_mmproj(local.path);
  files.encoders = mmproj.empty() ? files.model : std::make_shared<const ModelFile>(ModelFile::open(mmproj));
  files.media = MediaModel::of(*files.encoders);
  options.hearing.set(files.media);
  if (!options.mmproj.empty() && !files.media.encoders.sees() && !files.media.encoders.hears()) {
    fail(options.mmproj, "holds no encoders of pictures or sound");
  }
  return files;
}

void ModelFiles::require(Medium kind) const {
  if (media.takes(kind)) return;
  const std::string& name = model->name();
  if (model->format() == FileFormat::gguf && encoders == model) {
    fail(name,
         "has no encoders of pictures and sound; if the model has them, they are in a file of their own: name it with "
         "--mmproj");
  }
  if (kind == Medium::audio) fail(name, "has no audio tower; E2B, E4B and 12B are models that hear");
  fail(name, "has no vision tower; those of Gemma 4 that are not for text alone have one");
}

std::shared_ptr<const Encoders> Session::load_encoders(const Config& text, Senses senses, int64_t beside) const {
  return Encoders::load(*files.encoders, only(files.media.encoders, senses), text, *ops, {.leave = beside});
}

void Session::use(Senses senses) {
  senses = senses & Senses::of(files.media.encoders);
  const Senses present = encoders_ != nullptr ? Senses::of(encoders_->config) : Senses{};
  senses = senses.without(present);
  if (!senses.any()) return;
  Senses all = present;
  all |= senses;
  const int64_t beside = engine->needed_beside(only(files.media.encoders, all));
  const auto missing = load_encoders(model->config, senses, beside);
  encoders_ = encoders_ != nullptr ? together(*encoders_, *missing) : missing;
  engine->use_encoders(encoders_);
}

int64_t Session::least_bytes(const SessionOptions& options, const ModelFiles& files) {
  ThreadPool pool(1);
  const std::unique_ptr<Ops> ops = make_cpu_ops(pool);  // which knows how weights are packed
  const EngineOptions engine = engine_options(options);
  const MediaConfig& encoders = files.media.encoders;
  const bool media = encoders.sees() || encoders.hears();
  return Weights::bytes_for(files.model, files.config, *ops, {}) + bytes_of_encoders(files, true, true) +
         working_bytes(files.config, engine, media ? &encoders : nullptr) +
         KvCache::bytes_for(files.config, engine.kv, options.context, engine.batch_tokens) + bytes_to_disk(options) +
         files.config.vocab * kBesidePiece;
}

std::unique_ptr<Session> Session::open(const SessionOptions& options, ModelFiles files, Senses senses) {
  const auto start = Clock::now();
  auto session = std::make_unique<Session>();
  session->file = files.model;
  Config config = files.config;
  session->files = std::move(files);
  session->pool = std::make_unique<ThreadPool>(options.machine.threads);
  session->ops = make_cpu_ops(*session->pool);
  TokenizerBeside tokenizer(session->files.model, options.machine);
  EngineOptions engine = engine_options(options);
  if (!options.drafter.empty()) {
    engine.speculation.drafter = Drafter::load(options.drafter, config, *session->ops, {});
  }
  senses = senses & Senses::of(session->files.media.encoders);
  if (senses.any()) engine.encoders = session->encoders_ = session->load_encoders(config, senses);
  if (options.cache_spare) {
    const int64_t least = KvCache::bytes_for(config, engine.kv, options.context, engine.batch_tokens);
    engine.kv.byte_limit = least + *options.cache_spare;
  }
  const int64_t usual = usual_bytes(config, engine);
  const int64_t later = options.beside + bytes_to_disk(options) +
                        (options.shows_later ? bytes_of_others(session->files, config, engine) : 0);
  WeightOptions weights = weight_options(options.machine, usual + later);
  weights.balance = has_coded_keys(engine.kv.types);
  session->model = Model::load(session->file, std::move(config), *session->ops, weights);
  session->tokenizer = tokenizer.get();
  if (usual + later <= available_memory()) engine.kept_free = later;
  engine.threads = session->pool.get();
  engine.kv.folder = options.cache_folder;
  if (options.cache_folder != nullptr) engine.kv.origin = cache_origin(session->files);
  session->engine = std::make_unique<Engine>(session->model, session->tokenizer, *session->ops, engine);
  session->least_cache =
      KvCache::bytes_for(session->model->config, engine.kv, session->engine->context(), engine.batch_tokens);
  const int context = session->engine->context(), most = session->model->config.context;
  if (!options.machine.memory.empty() && options.context == 0 && context < most) {
    session->memory_note = fmt::format("--memory {} leaves a context of {} tokens, of {} that the model has",
                                       options.machine.memory, context, most);
  }
  session->chat_template =
      choose_template(*session->file, session->model->config, options.chat_template, session->template_note);
  session->load_seconds = seconds_since(start);
  return session;
}

const Answer& run_to_end(Session& session, Exchange& exchange, Exchange::Sink sink) {
  bool finished = false;
  const bool taken = exchange.submit(std::move(sink), [&] { finished = true; });
  GEMMA_CHECK(taken, "an idle engine has room for a request");
  while (!finished) {
    if (InterruptGuard::interrupted()) exchange.cancel();
    session.engine->step();
  }
  return exchange.answer();
}

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// gemma4 forward: the forward pass by itself, tensors in, tensors out. What parity with another implementation is
// checked with; people use `run`.
#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/thread_pool.h"
#include "cpu/cpu_ops.h"
#include "engine/memory_plan.h"
#include "file/safetensors_writer.h"
#include "gemma4/cache_types.h"
#include "gemma4/checks.h"
#include "gemma4/command.h"
#include "gemma4/forward_inputs.h"
#include "gemma4/local_model.h"
#include "gemma4/machine.h"
#include "gemma4/media_options.h"
#include "model/drafter.h"
#include "model/single.h"

namespace gemma::app {
namespace {

constexpr const char* kAbout = R"(
Inputs (safetensors): input_ids [tokens], i32 or i64; where wanted position_ids, mm_token_type_ids (0 text, 1 image,
2 video, 3 audio) and the soft tokens of media: vision.soft_tokens, video.soft_tokens, audio.soft_tokens; or what the
model's encoders make them of: imageN.patches or imageN.patches_u8 [patches, values] (f32 0 to 1, or bytes) with
imageN.positions_xy, video.patches [frames, patches, values] with video.positions_xy, audioN.features [frames, values]
with audioN.mask. Names may have a prefix, "PROMPT/input_ids": then every prompt is run, or the one that --prompt names.

Outputs (safetensors): logits and final_norm of every row; with --greedy greedy_ids and greedy_logits; with --draft
seed_token, seed_hidden, draft_ids, draft_logits and draft_state; and what --tap names, as hidden.3, layer.0.attn.q,
layer.2.mlp.out, ple.combined, layer.1.router.index, vision.soft_tokens, audio.hidden.2. What passes several times, as
of two pictures, is written with a number behind: vision.soft_tokens.1 is the second.

Examples:
  gemma4 forward hf-folder --inputs in.safetensors --outputs out.safetensors --dtype f32
  gemma4 forward model.gguf --inputs in.safetensors --outputs out.safetensors --greedy 32
  gemma4 forward hf-folder --inputs in.safetensors --outputs out.safetensors --tap hidden.0 --tap layer.0.attn.q)";

constexpr int64_t kLogitRows = 32;  // rows of logits in memory at a time

struct ForwardOptions {
  std::string model, inputs, outputs, dtype = "model", kv, prompt, drafter, config, masks = "window", mmproj;
  Hearing hearing;
  std::vector<std::string> taps;
  int greedy = 0, drafts = 5;
  MachineOptions machine;
};

using Named = std::vector<std::pair<std::string, Tensor>>;

/** What one prompt gave. Logits of all rows are made while they are written. */
struct Outcome {
  std::string prefix;
  Tensor state;  // [rows, dim]
  Named tensors;
};

class Forward {
 public:
  explicit Forward(const ForwardOptions& options)
      : options_(options), pool_(options.machine.threads), ops_(make_cpu_ops(pool_)) {
    auto file = std::make_shared<const ModelFile>(ModelFile::open(local_model(options.model).path));
    const bool widen = options.dtype == "f32";
    Config config = options.config.empty() ? Config::from(*file) : config_from(*file);
    kv_.types = cache_types("--kv", !options.kv.empty() ? options.kv : widen ? "f32" : "bf16");
    kv_.media_overlay = options.masks == "overlay";
    if (!options.drafter.empty()) drafter_ = Drafter::load(options.drafter, config, *ops_, {.widen = widen});
    prompts_ = read_prompts(ModelFile::open(options.inputs), options.prompt, config);
    int64_t leave = 0;
    for (const ForwardPrompt& prompt : prompts_) {
      leave = std::max(leave, bytes_beside_weights(config, prompt));
      if (!prompt.pending.empty() && encoders_ == nullptr) load_encoders(config);
    }
    WeightOptions weights = weight_options(options.machine, leave);
    weights.widen = widen;
    model_ = Model::load(std::move(file), std::move(config), *ops_, weights);
  }

  void run() {
    std::vector<Outcome> outcomes;
    for (ForwardPrompt& prompt : prompts_) outcomes.push_back(run_prompt(std::move(prompt)));
    write(outcomes);
  }

 private:
  Config config_from(const ModelFile& file) const {
    const json::value config = parse_json_or_fail(options_.config, read_file(options_.config));
    const auto generation = file.side_json("generation_config.json");
    return Config::from_json(options_.config, config, generation ? &*generation : nullptr);
  }

  int64_t bytes_beside_weights(const Config& config, const ForwardPrompt& prompt) const {
    EngineOptions step;
    step.batch_tokens = static_cast<int>(prompt.batch.tokens.size());
    return activation_bytes(config, step) +
           KvCache::bytes_for(config, kv_, step.batch_tokens + options_.greedy, step.batch_tokens);
  }

  Outcome run_prompt(ForwardPrompt prompt) {
    const auto rows = static_cast<int64_t>(prompt.batch.tokens.size());
    if (rows + options_.greedy > model_->config.context) {
      fail(options_.inputs, "{} tokens and {} more: expected at most the model's context of {}", rows, options_.greedy,
           model_->config.context);
    }
    require_memory(options_.model, fmt::format("{} tokens", rows + options_.greedy),
                   bytes_beside_weights(model_->config, prompt));
    const int32_t next = prompt.batch.positions.back() + 1;
    SingleSequence sequence(*model_, *ops_, kv_);
    Outcome out{std::move(prompt.prefix), {}, {}};
    {
      Trace trace(*ops_, [this](std::string_view name) { return wants(name); });
      encode_media(prompt);
      out.state = sequence.feed(std::move(prompt.batch));
      out.tensors = std::move(trace.tensors());
    }
    number_repeated(out.tensors);
    for (const std::string& name : options_.taps) check_tapped(name, out.tensors);
    const Tensor last = ops_->gather_rows(out.state, std::vector<int32_t>{static_cast<int32_t>(rows) - 1});
    if (drafter_) add_drafts(out.tensors, sequence, last, next);
    if (options_.greedy > 0) add_greedy(out.tensors, sequence, last, next);
    return out;
  }

  void load_encoders(const Config& text) {
    const ModelFile file = ModelFile::open(options_.mmproj.empty() ? options_.model : options_.mmproj);
    MediaConfig media = MediaConfig::from(file);
    options_.hearing.set(media);
    encoders_ = Encoders::load(file, std::move(media), text, *ops_, {.widen = options_.dtype == "f32"});
  }

  void encode_media(ForwardPrompt& prompt) const {
    size_t next = 0;
    for (MediaRows& media : prompt.batch.media) {
      if (media.embedding.defined()) continue;
      media.embedding = encode(*ops_, *encoders_, prompt.pending[next++], media.rows, options_.inputs);
    }
  }

  /** Names of outputs are unique. */
  static void number_repeated(Named& tensors) {
    std::map<std::string, int> seen;
    for (auto& [name, tensor] : tensors) {
      if (const int n = seen[name]++; n > 0) name += fmt::format(".{}", n);
    }
  }

  bool wants(std::string_view name) const {
    if (name == "final_norm") return true;
    return std::any_of(options_.taps.begin(), options_.taps.end(),
                       [&](const std::string& tap) { return tap == "all" || tap == name; });
  }

  void check_tapped(const std::string& name, const Named& tensors) const {
    const bool known = name == "all" || name == "logits" ||
                       std::any_of(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first == name; });
    if (!known) fail("--tap", "'{}' is no tensor of this model's forward pass (--tap all writes every one)", name);
  }

  std::vector<float> host_logits(const SingleSequence& sequence, const Tensor& state) const {
    const Tensor logits = sequence.logits(state);
    std::vector<float> values(static_cast<size_t>(logits.shape().count()));
    ops_->read(logits, std::as_writable_bytes(std::span(values)));
    return values;
  }

  void add_greedy(Named& out, SingleSequence& sequence, Tensor state, int32_t position) const {
    std::vector<int32_t> ids;
    std::vector<float> rows;
    while (true) {
      const std::vector<float> logits = host_logits(sequence, state);
      rows.insert(rows.end(), logits.begin(), logits.end());
      ids.push_back(greedy_choice(logits, model_->config.special.suppress));
      if (static_cast<int>(ids.size()) == options_.greedy) break;
      state = sequence.feed(batch_rows(std::span(&ids.back(), 1), position++));
    }
    out.emplace_back("greedy_ids", Tensor::from(std::span<const int32_t>(ids), Shape{options_.greedy}));
    out.emplace_back("greedy_logits",
                     Tensor::from(std::span<const float>(rows), Shape{options_.greedy, model_->config.vocab}));
  }

  void add_drafts(Named& out, SingleSequence& sequence, const Tensor& state, int32_t position) const {
    const int32_t seed = greedy_choice(host_logits(sequence, state), model_->config.special.suppress);
    const auto drafts = draft(*ops_, *drafter_, *model_, sequence.cache(), sequence.id(), seed, state, position,
                              options_.drafts, DraftLogits::keep);
    std::vector<int32_t> ids;
    for (const Draft& d : drafts) ids.push_back(d.token);
    out.emplace_back("seed_token", Tensor::from(std::span(&seed, 1), Shape{1}));
    out.emplace_back("seed_hidden", host_rows({state}).view(Shape{model_->config.dim}));
    out.emplace_back("draft_ids", Tensor::from(std::span<const int32_t>(ids), Shape{options_.drafts}));
    std::vector<Tensor> logits, states;
    for (const Draft& d : drafts) logits.push_back(d.logits), states.push_back(d.state);
    out.emplace_back("draft_logits", host_rows(logits));
    out.emplace_back("draft_state", host_rows(states));
  }

  /** [1, n] tensors, one below the other. */
  Tensor host_rows(const std::vector<Tensor>& rows) const {
    std::vector<float> all(rows.size() * static_cast<size_t>(rows[0].cols()));
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto n = static_cast<size_t>(rows[0].cols());
      ops_->read(rows[i], std::as_writable_bytes(std::span(all).subspan(i * n, n)));
    }
    return Tensor::from(std::span<const float>(all), Shape{static_cast<int64_t>(rows.size()), rows[0].cols()});
  }

  void write(const std::vector<Outcome>& outcomes) const {
    std::vector<NewTensor> names;
    for (const Outcome& o : outcomes) {
      names.push_back({o.prefix + "logits", DType::f32, Shape{o.state.rows(), model_->config.vocab}});
      for (const auto& [name, tensor] : o.tensors) names.push_back({o.prefix + name, tensor.dtype(), tensor.shape()});
    }
    SafetensorsWriter writer(options_.outputs, names);
    size_t index = 0;
    for (const Outcome& o : outcomes) {
      write_logits(writer, index++, o.state);
      for (const auto& each : o.tensors) writer.write(index++, 0, each.second.raw());
    }
    writer.finish();
  }

  void write_logits(SafetensorsWriter& writer, size_t index, const Tensor& state) const {
    int64_t at = 0;
    for (int64_t row = 0; row < state.rows(); row += kLogitRows) {
      const Tensor part = state.slice(row, std::min(kLogitRows, state.rows() - row));
      const Tensor logits = gemma::logits(*ops_, model_->config, model_->weights, part);
      std::vector<std::byte> bytes(static_cast<size_t>(logits.bytes()));
      ops_->read(logits, bytes);
      writer.write(index, at, bytes);
      at += logits.bytes();
    }
  }

  const ForwardOptions& options_;
  ThreadPool pool_;
  std::unique_ptr<Ops> ops_;
  std::shared_ptr<const Model> model_;
  std::shared_ptr<const Drafter> drafter_;
  std::shared_ptr<const Encoders> encoders_;  // when a prompt has something for them
  KvOptions kv_;
  std::vector<ForwardPrompt> prompts_;
};

}  // namespace

void add_forward(CLI::App& app) {
  auto options = std::make_shared<ForwardOptions>();
  CLI::App* command = app.add_subcommand("forward", "Run the model on given token ids and write its tensors");
  command->add_option("model", options->model, "A GGUF file, a safetensors file or a Hugging Face folder")
      ->required()
      ->check(not_empty());
  command->add_option("--inputs", options->inputs, "safetensors with input_ids")->required()->check(not_empty());
  command->add_option("--outputs", options->outputs, "safetensors to write")->required()->check(not_empty());
  command->add_option("--greedy", options->greedy, "Choose this many tokens after the prompt, with the cache")
      ->check(whole(1, 1 << 20));
  command->add_option("--dtype", options->dtype, "f32: weights widened, f32 cache; model: as stored, bf16 cache")
      ->check(CLI::IsMember({"f32", "model"}))
      ->capture_default_str();
  command->add_option("--kv", options->kv, kCacheTypesHelp);
  command->add_option("--tap", options->taps, "Also write this tensor; all: every one")->take_all();
  command->add_option("--prompt", options->prompt, "Read PROMPT/input_ids and its like");
  command->add_option("--draft", options->drafter, "A drafter: also write what it proposes");
  command->add_option("--drafts", options->drafts, "Tokens to draft")->check(whole(1, 64))->capture_default_str();
  command->add_option("--config", options->config, "Read this instead of the model's config.json");
  command->add_option("--media-masks", options->masks, "overlay: pictures are seen whole on every layer")
      ->check(CLI::IsMember({"window", "overlay"}))
      ->capture_default_str();
  command->add_option("--mmproj", options->mmproj, "The encoders' file, where they are not in the model's folder");
  add_audio_window_option(*command, options->hearing);
  add_machine_options(*command, options->machine);
  command->footer(kAbout);
  command->callback([options] {
    if (!options->outputs.ends_with(".safetensors")) {
      fail_usage("--outputs", "expected a name that ends in .safetensors, found '{}'", options->outputs);
    }
    take_machine_options(options->machine);
    Forward(*options).run();
  });
}

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
#include "gemma4/session.h"

#include <fmt/format.h>

#include <charconv>
#include "base/clock.h"
#include "cpu/cpu_ops.h"
#include "engine/memory_plan.h"
#include "gemma4/cache_types.h"

namespace gemma::app {
namespace {

/** The template that --template names, the model's own, or the nearest. None: the model has no template. What a person
 *  should know of it goes to `note`. */
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

}  // namespace

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

std::unique_ptr<Session> Session::open(const SessionOptions& options) {
  const auto start = Clock::now();
  auto session = std::make_unique<Session>();
  session->file = std::make_shared<const ModelFile>(ModelFile::open(options.model));
  session->pool = std::make_unique<ThreadPool>(options.machine.threads);
  session->ops = make_cpu_ops(*session->pool);
  session->tokenizer = Tokenizer::from(*session->file);
  Config config = Config::from(*session->file);
  EngineOptions engine;
  engine.context = options.context;
  engine.max_sequences = options.max_sequences;
  engine.kv.types = cache_types("--kv", options.kv);
  engine.speculation.length = speculation_length(options.speculate);
  if (!options.drafter.empty()) {
    engine.speculation.drafter = Drafter::load(options.drafter, config, *session->ops, {});
  }
  const WeightOptions weights = weight_options(options.machine, usual_bytes(config, engine));
  session->model = Model::load(session->file, std::move(config), *session->ops, weights);
  session->engine = std::make_unique<Engine>(session->model, session->tokenizer, *session->ops, engine);
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

}  // namespace gemma::app

// SPDX-License-Identifier: Apache-2.0
// Session: a model opened for use, everything from its files to its engine.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "exchange/exchange.h"
#include "exchange/media_model.h"
#include "exchange/senses.h"
#include "gemma4/machine.h"
#include "gemma4/media_options.h"
#include "model/model.h"
#include "tensor/ops.h"
#include "text/tokenizer.h"

namespace gemma::app {

struct SessionOptions {
  std::string model;
  std::string mmproj;  // the encoders' file, or "": as the model's place has it
  Hearing hearing;
  std::string encoder_cache = "64MiB";  // room_of: soft tokens that are kept to be found again
  int context = 0;                      // 0: the model's, cut to what memory allows
  MachineOptions machine;
  int max_sequences = 1;
  int queue_limit = 256, key_queue_limit = 256;  // requests that wait, in all and of one key
  std::string chat_template;                     // "": the model's own
  std::string speculate = "auto";                // speculation_length
  std::string drafter;                           // a file, or ""
  std::string kv = "bf16";                       // types of keys and values
  std::shared_ptr<CacheFolder> cache_folder;     // where prompts are kept over restarts, or null
  int64_t beside = 0;                            // bytes that others of the process will take
  bool shows_later = false;                      // encoders may be wanted that are not loaded at first
  std::optional<int64_t> cache_spare;  // bytes that the cache may have beyond what `context` needs; none: what there is
};

struct Settings;
/** What the command line left open, from GEMMA4_MODEL and then config.toml. kv: of the command line, or "". */
void take_defaults(SessionOptions& options, const Settings& settings, const std::string& kv = "");

/** "auto", "off" or a number, as Speculation::length. */
int speculation_length(const std::string& text);

/** The template that is named, else the model's own, or the nearest. None: the model has no template. What a person
 *  should know of it goes to `note`. Fails on a name that is none. */
std::optional<Template> choose_template(const ModelFile& file, const Config& config, const std::string& named,
                                        std::string& note);

/** A model's files before any weights are read. */
struct ModelFiles {
  static ModelFiles open(const SessionOptions& options);
  /** Fails, saying which models can, when this one cannot take it. */
  void require(Medium kind) const;

  std::shared_ptr<ModelFile> model;
  std::shared_ptr<const ModelFile> encoders;  // may be the same
  Config config;
  MediaModel media;  // what it can take, and how
};

struct Session {
  static std::unique_ptr<Session> open(const SessionOptions& options) {
    return open(options, ModelFiles::open(options));
  }
  static std::unique_ptr<Session> open(const SessionOptions& options, ModelFiles files, Senses senses = {});

  /** The memory that it takes with a context of options.context, which is not 0, and all its encoders. */
  static int64_t least_bytes(const SessionOptions& options, const ModelFiles& files);

  /** Loads those of the model's encoders that are wanted and not there yet. While nothing runs. Fails, and leaves
   *  everything as it was, when they or what they work with have no room beside the context. */
  void use(Senses senses);
  Speaker speaker() const { return {*engine, *tokenizer, model->config, chat_template}; }

  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<Ops> ops;
  ModelFiles files;
  std::shared_ptr<const ModelFile> file;  // files.model
  std::shared_ptr<const Tokenizer> tokenizer;
  std::shared_ptr<const Model> model;
  std::unique_ptr<Engine> engine;
  std::optional<Template> chat_template;  // none: the few-shot frame
  std::string template_note;              // "", or what a person should be told of the template, once
  std::string memory_note;                // the same of a context that --memory made shorter
  double load_seconds = 0;
  int64_t least_cache = 0;  // bytes that keys and values of the whole context need

 private:
  std::shared_ptr<const Encoders> load_encoders(const Config& text, Senses senses, int64_t beside = 0) const;
  std::shared_ptr<const Encoders> encoders_;  // those that are there; the engine's
};

/** Runs one exchange to its end; Ctrl-C cancels it (InterruptGuard). */
const Answer& run_to_end(Session& session, Exchange& exchange, Exchange::Sink sink);

}  // namespace gemma::app

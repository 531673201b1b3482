// SPDX-License-Identifier: Apache-2.0
// Service: which request goes where, and whether it may. Knows the models, the routes, the keys, and who works on what.
// Its handler() is what an HttpServer is given.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "serve/generation.h"
#include "serve/http/message.h"
#include "serve/keys.h"
#include "serve/metrics.h"
#include "serve/model_registry.h"
#include "serve/routes.h"
#include "serve/workers.h"

namespace gemma::serve {

class FileStore;
class ResponseDesk;

struct ServiceOptions {
  std::vector<std::string> aliases;  // names of the first model beside its own and "default"
  /** More names, for tests: what each answers, first, second and so on since the user has spoken. */
  std::map<std::string, std::vector<std::shared_ptr<const Grammar>>, std::less<>> forced;
  int workers = 4;                               // threads that read requests and decode media
  bool share_cache = false;                      // whether keys find what others have cached
  std::function<void(const json::object&)> log;  // what there is to say of each request; may be empty
  bool log_content = false;                      // with what was asked and answered
  std::function<int64_t()> lost_lines;           // of the log, that nobody has taken
  std::function<int()> connections;              // that are open
  std::shared_ptr<ResponseDesk> responses;       // that are kept
  std::shared_ptr<FileStore> files;              // that clients have left
  MediaIntakeOptions media;
  int64_t most_answers = 256;     // that one request may ask for: as many as begin at once and may wait
  int64_t body_bytes = 64 << 20;  // of a request: also of what it goes on from
  int queue_seconds = 0;          // the longest that a request waits before it is begun; 0: as long as its client does
};

class Service {
 public:
  /** Null for keys: everybody may do everything. */
  Service(std::shared_ptr<ModelRegistry> models, std::shared_ptr<EngineThread> engines, std::shared_ptr<Keys> keys,
          ServiceOptions options);
  ~Service();

  Handler handler();

  // For the protocols' own files.
  /** A name that a client gave ("" for none) as it is known here: without Ollama's tag, if need be. */
  std::optional<std::string> known(std::string_view name) const;
  /** The model of a known name. Null where it has to be loaded first: then the call has been taken over, and comes to
   *  its route once more, or is refused. */
  std::shared_ptr<ServedModel> take(Call& call, const std::string& name);
  /** How long the model of a known name, which is loaded, stays when nobody asks for it (ModelRegistry::keep). */
  bool keep(const std::string& name, Clock::duration idle) { return models_->keep(model_of(name), idle); }
  /** What is known of the model of a known name. */
  std::optional<ModelState> state_of(const std::string& name) const;
  /** Of all that can be asked for, the first one first. look: also those that have come since. */
  std::vector<ModelState> models(bool look = false) const;
  EngineThread& engines() const { return *engines_; }
  Metrics& metrics() { return metrics_; }
  MediaIntake& intake() { return intake_; }
  const ServiceOptions& options() const { return options_; }
  const std::shared_ptr<ResponseDesk>& responses() const { return options_.responses; }
  const std::shared_ptr<FileStore>& files() const { return options_.files; }
  bool has_keys() const { return keys_ != nullptr; }
  /** Makes an answer the caller's: keys share the engine evenly and find what they have cached themselves. */
  void own(const Call& call, AnswerOptions& answer) const;
  /** What such a name answers, whatever is asked; null where it is no name for tests. */
  const std::vector<std::shared_ptr<const Grammar>>* forced(std::string_view name) const;
  /** Until when a request must have been begun that comes now, or that has waited for its model. */
  std::optional<Clock::time_point> deadline(const Call& call) const;
  /** On a worker's thread: sends the request on its way, and cancels it when the client leaves. */
  void generate(Call& call, const std::shared_ptr<ServedModel>& model, Ask ask, std::shared_ptr<Reply> reply);
  /** The same, not begun, of a client that may leave: it goes on until it is cancelled. To be begun by begin(). */
  std::shared_ptr<Generation> generation(const Call& call, const std::shared_ptr<ServedModel>& model, Ask ask,
                                         std::shared_ptr<Reply> reply);
  void begin(const std::shared_ptr<Generation>& generation);
  /** How many tokens the prompt of a chat has, media included. */
  void count(Call& call, const std::shared_ptr<ServedModel>& model, Ask ask,
             std::function<void(const Result<int64_t>&)> tell);

 private:
  void answer(Call& call);
  /** Until this model is loaded, or cannot be, or it has waited too long. */
  void wait_for(const std::string& model, const std::shared_ptr<Call>& waiting);
  std::string model_of(const std::string& name) const;
  void dispatch(HttpRequest request, std::shared_ptr<Responder> responder);
  std::shared_ptr<Responder> observed(const HttpRequest& request, std::string path,
                                      const std::shared_ptr<LogEntry>& entry, std::shared_ptr<Responder> responder);
  std::shared_ptr<const Key> key_of(const HttpRequest& request) const;

  ServiceOptions options_;
  std::shared_ptr<Keys> keys_;
  std::shared_ptr<ModelRegistry> models_;
  std::shared_ptr<EngineThread> engines_;
  Metrics metrics_;
  MediaIntake intake_;
  Workers workers_;
  Workers fetching_;   // threads apart for what waits for others' servers
  Workers compiling_;  // threads apart for grammars, behind those that answer
};

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "serve/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <exception>
#include <utility>

#include "base/clock.h"
#include "base/heap.h"
#include "serve/observed.h"
#include "serve/openai_wire.h"
#include "serve/response_desk.h"
#include "serve/web_pages.h"

namespace gemma::serve {
namespace {

constexpr size_t kLargeBody = size_t{1} << 20;
constexpr int kFetchingThreads = 4;
constexpr int kCompilingThreads = 2;
/** A thirtieth of a processor's time where all are busy answering. */
constexpr int kCompilingNiceness = 15;

/** How often the model has spoken since: with calls, of which it has the results. */
size_t turns_since_user(const json::array& messages) {
  size_t turns = 0;
  for (const json::value& message : messages) {
    const json::value& role = message.at("role");
    if (role == "user") turns = 0;
    if (role == "assistant") ++turns;
  }
  return turns;
}

/** "Bearer KEY", in letters of any case, or the header that Anthropic's clients have. */
std::string_view secret_of(const HttpRequest& request) {
  constexpr std::string_view kBearer = "bearer ";
  const std::string_view given = request.header("authorization");
  const auto same = [](unsigned char a, char b) { return std::tolower(a) == b; };
  if (std::ranges::equal(given.substr(0, kBearer.size()), kBearer, same)) return given.substr(kBearer.size());
  return request.header("x-api-key");
}

/** What a header holds, where it is fit for a line of a log. */
std::string_view plain(std::string_view text) {
  const bool good = text.size() <= 128 && std::all_of(text.begin(), text.end(), [](unsigned char c) {
                      return c > ' ' && c < 127 && c != '"' && c != '\\';
                    });
  return good ? text : std::string_view();
}

/** Why a request may not go this way; nothing where it may. */
std::optional<Refusal> refusal_of(const Route& route, const HttpRequest& request, const Key* key, Keys* keys) {
  if (!route.scope) return std::nullopt;
  if (keys == nullptr) {
    const auto foreign = from_foreign_page(request);
    return foreign ? std::optional(Refusal(403, *foreign)) : std::nullopt;
  }
  if (key == nullptr) return Refusal(401, {"", "expected a key that is known here (Authorization: Bearer KEY)"});
  if (!key->may(*route.scope)) return Refusal(403, {"", fmt::format("the key '{}' is not for that", key->name)});
  if (const auto seconds = keys->wait_for(*key)) {
    Refusal refusal(429, {"", fmt::format("the key '{}' has used up its requests for now", key->name)});
    refusal.retry_after = *seconds;
    return refusal;
  }
  return std::nullopt;
}

}  // namespace

std::string Call::turn() const {
  return key != nullptr ? key->name : fmt::format("{}:{}", request.peer, request.peer_port);
}

Service::Service(std::shared_ptr<ModelRegistry> models, std::shared_ptr<EngineThread> engines,
                 std::shared_ptr<Keys> keys, ServiceOptions options)
    : options_(std::move(options)),
      keys_(std::move(keys)),
      models_(std::move(models)),
      engines_(std::move(engines)),
      intake_(options_.media),
      workers_(options_.workers),
      fetching_(options_.media.fetch ? kFetchingThreads : 0),
      compiling_(kCompilingThreads, kCompilingNiceness) {}
Service::~Service() {
  // Here, and not where the last of those goes who hold a model: that may be the engines' own thread.
  intake_.stop();
  workers_.stop();
  fetching_.stop();
  compiling_.stop();
  models_->stop();
  engines_->stop();
  if (options_.responses) options_.responses->stop();
}

std::string Service::model_of(const std::string& name) const {
  if (models_->knows(name)) return name;  // no alias takes a model's own name away
  const auto& aliases = options_.aliases;
  const bool alias = std::find(aliases.begin(), aliases.end(), name) != aliases.end() || options_.forced.contains(name);
  return name.empty() || name == "default" || alias ? models_->first() : name;
}

std::optional<std::string> Service::known(std::string_view name) const {
  constexpr std::string_view kTag = ":latest";
  const std::string given(name), bare(name.substr(0, name.size() - (name.ends_with(kTag) ? kTag.size() : 0)));
  for (const std::string& each : {given, bare}) {
    if (const auto state = models_->find(model_of(each)); state && state->loaded) return each;
  }
  models_->scan();  // it may have come since, or gone
  if (models_->knows(model_of(given))) return given;
  if (!bare.empty() && models_->knows(model_of(bare))) return bare;
  return std::nullopt;
}

std::optional<ModelState> Service::state_of(const std::string& name) const { return models_->find(model_of(name)); }

std::vector<ModelState> Service::models(bool look) const {
  if (look) models_->scan();
  std::vector<ModelState> models = models_->models();
  std::erase_if(models, [](const ModelState& model) { return !model.card.fault.empty(); });
  return models;
}

std::shared_ptr<ServedModel> Service::take(Call& call, const std::string& name) {
  call.model = name;
  if (call.lent) return call.lent;
  const std::string model = model_of(name);
  if (auto loaded = models_->take(model)) return loaded;
  wait_for(model, std::make_shared<Call>(std::move(call)));
  return nullptr;
}

void Service::wait_for(const std::string& model, const std::shared_ptr<Call>& waiting) {
  const auto until = waiting->deadline = deadline(*waiting);
  // Once it waits the call is another thread's, which may have set its own when_gone() by the time this goes on.
  const std::shared_ptr<Responder> responder = waiting->responder;
  const int64_t ticket = models_->ticket();
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  responder->when_gone([models = models_, ticket, gone] {
    gone->store(true);
    models->forget(ticket);
  });
  auto then = [this, waiting](Result<std::shared_ptr<ServedModel>> found) {
    workers_.post([this, waiting, found = std::move(found)] {
      const auto refuse = [&](const Refusal& why) { waiting->responder->respond(waiting->route->error(why)); };
      if (!found) return refuse({500, found.failure()});
      if (waiting->deadline && Clock::now() > *waiting->deadline) return refuse(waited_too_long());
      waiting->lent = found.value();
      answer(*waiting);
    });
  };
  if (!models_->want(model, ticket, std::move(then), options_.most_answers)) {
    return responder->respond(waiting->route->error(queue_is_full()));
  }
  if (gone->load()) models_->forget(ticket);
  if (!until) return;
  // Who takes the ticket back answers. Not kept by its own responder, the call ends when nobody answers it any more.
  responder->when_late(*until, [models = models_, ticket, weak = std::weak_ptr(waiting)] {
    const auto late = weak.lock();
    if (models->forget(ticket)) late->responder->respond(late->route->error(waited_too_long()));
  });
}

std::shared_ptr<const Key> Service::key_of(const HttpRequest& request) const {
  const std::string_view secret = secret_of(request);
  return keys_ && !secret.empty() ? keys_->find(secret) : nullptr;
}

void Service::own(const Call& call, AnswerOptions& answer) const {
  if (call.key == nullptr) return;
  answer.key = call.key->salt;
  if (!options_.share_cache) answer.salt = call.key->salt;
}

const std::vector<std::shared_ptr<const Grammar>>* Service::forced(std::string_view name) const {
  const auto found = options_.forced.find(name);
  return found == options_.forced.end() || models_->knows(found->first) ? nullptr : &found->second;
}

std::optional<Clock::time_point> Service::deadline(const Call& call) const {
  if (call.deadline) return call.deadline;
  if (options_.queue_seconds == 0) return std::nullopt;
  return Clock::now() + std::chrono::seconds(options_.queue_seconds);
}

std::shared_ptr<Generation> Service::generation(const Call& call, const std::shared_ptr<ServedModel>& model, Ask ask,
                                                std::shared_ptr<Reply> reply) {
  own(call, ask.answer);
  ask.turn = call.turn();
  ask.log = call.log;
  if (const auto* answers = forced(call.model)) {
    ask.forced = (*answers)[std::min(turns_since_user(ask.messages), answers->size() - 1)];
  }
  return std::make_shared<Generation>(model, std::move(ask), std::move(reply), intake_, metrics_);
}

void Service::generate(Call& call, const std::shared_ptr<ServedModel>& model, Ask ask, std::shared_ptr<Reply> reply) {
  ask.answer.deadline = deadline(call);
  const auto begun = generation(call, model, std::move(ask), std::move(reply));
  call.responder->when_gone([begun] { begun->cancel(); });
  begin(begun);
}

void Service::begin(const std::shared_ptr<Generation>& generation) {
  auto work = [this, generation] {
    if (!generation->fits(options_.most_answers) || !generation->take_media()) return;
    if (!generation->compiles()) {
      if (generation->take_form()) generation->begin();
      return;
    }
    auto compile = [this, generation] {
      if (generation->take_form()) workers_.post([generation] { generation->begin(); });
    };
    compiling_.post(std::move(compile), generation->turn());
  };
  generation->waits_for_others() ? fetching_.post(std::move(work), generation->turn()) : work();
}

void Service::count(Call& call, const std::shared_ptr<ServedModel>& model, Ask ask,
                    std::function<void(const Result<int64_t>&)> tell) {
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  call.responder->when_gone([gone] { gone->store(true); });
  own(call, ask.answer);
  const bool waits = intake_.waits_for_others(ask.media);
  auto work = [this, model, ask = std::make_shared<Ask>(std::move(ask)), gone, tell = std::move(tell)] {
    auto media = intake_.take(*model, *ask, [gone] { return !gone->load(); });
    if (!media) return tell(media.failure());
    tell(Exchange::count(model->speaker, ask->messages, std::move(media).value(), ask->answer));
  };
  waits ? fetching_.post(std::move(work), call.turn()) : work();
}

std::shared_ptr<Responder> Service::observed(const HttpRequest& request, std::string path,
                                             const std::shared_ptr<LogEntry>& entry,
                                             std::shared_ptr<Responder> responder) {
  return std::make_shared<Observed>(
      std::move(responder),
      Headers{{"x-request-id", request.id}, {"request-id", request.id}},  // OpenAI's and Anthropic's clients
      [this, path = std::move(path), entry, begun = Clock::now()](int status) {
        const double seconds = seconds_since(begun);
        metrics_.request(path, status, seconds);
        entry->set("status", status);
        entry->set("seconds", seconds);
        if (options_.log) options_.log(entry->take());
      });
}

void Service::dispatch(HttpRequest request, std::shared_ptr<Responder> responder) {
  request.id = new_id("req_");
  const Route* route = find_route(request.method == "HEAD" ? "GET" : request.method, request.path);
  const auto key = key_of(request);
  const std::string path(route != nullptr ? route->path : "(none)");
  json::object begin{{"id", request.id},
                     {"peer", request.peer},
                     {"key", key != nullptr ? key->name : "-"},
                     {"method", request.method},
                     {"path", path}};
  if (const auto trace = plain(request.header("traceparent")); !trace.empty()) begin["traceparent"] = trace;
  const auto entry = std::make_shared<LogEntry>(std::move(begin), options_.log && options_.log_content);
  responder = observed(request, path, entry, std::move(responder));
  if (route == nullptr) return responder->respond(no_route(request));
  if (const auto refusal = refusal_of(*route, request, key.get(), keys_.get()))
    return responder->respond(route->error(*refusal));
  Call call{*this, std::move(request), std::move(responder), {}, {}, key, route, entry};
  call.rest = call.request.path.substr(std::min(head_of(*route).size(), call.request.path.size()));
  answer(call);
}

void Service::answer(Call& call) {
  const auto responder = call.responder;
  try {
    call.route->handle(call);
  } catch (const std::exception& error) {
    responder->respond(call.route->error({500, {"", error.what()}}));
  }
}

Handler Service::handler() {
  return [this](HttpRequest request, std::shared_ptr<Responder> responder) {
    // std::function wants what can be copied.
    auto shared = std::make_shared<HttpRequest>(std::move(request));
    workers_.post([this, shared, responder = std::move(responder)]() mutable {
      const size_t bytes = shared->body.size();
      dispatch(std::move(*shared), std::move(responder));
      if (bytes > kLargeBody) trim_heap();  // or this thread keeps for itself what reading it took
    });
  };
}

}  // namespace gemma::serve

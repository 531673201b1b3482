// SPDX-License-Identifier: Apache-2.0
#include "serve/reception.h"

#include <memory>
#include <utility>

#include "base/json.h"
#include "serve/service.h"

namespace gemma::serve {
namespace {

constexpr int kRetrySoon = 1;  // seconds

HttpResponse answer(const HttpRequest& request, bool ends) {
  if (request.path == "/health/live") {
    const json::object alive{{"status", ends ? "ending" : "loading"}, {"models_loaded", 0}};
    return {.body = write_json(alive)};
  }
  Refusal refusal(503, {"", ends ? "the server is about to end" : "the model is being loaded"});
  refusal.retry_after = kRetrySoon;
  return error_of(request.path, refusal);
}

}  // namespace

Handler Reception::handler() {
  return [this](HttpRequest request, std::shared_ptr<Responder> responder) {
    Service* service = service_.load();
    if (service == nullptr || closed_.load()) return responder->respond(answer(request, service != nullptr));
    service->handler()(std::move(request), std::move(responder));
  };
}

}  // namespace gemma::serve

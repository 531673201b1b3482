// SPDX-License-Identifier: Apache-2.0
#include "serve/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <utility>

#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

const std::vector<Route>& routes() {
  static const std::vector<Route> all = [] {
    std::vector<Route> out;
    for (const auto& some : {openai_routes(), plain_routes()}) out.insert(out.end(), some.begin(), some.end());
    return out;
  }();
  return all;
}

bool matches(const Route& route, std::string_view path) {
  if (route.path.ends_with('/') && route.path.size() > 1) {
    return path.starts_with(route.path) && path.size() > route.path.size();
  }
  return path == route.path;
}

/** What is said where no route has been found, whose way of saying it would count. */
HttpResponse lost(const HttpRequest& request) {
  std::vector<std::string_view> methods;
  for (const Route& route : routes()) {
    if (matches(route, request.path)) methods.push_back(route.method);
  }
  if (methods.empty()) return openai_error({404, {"", fmt::format("there is no {} here", request.path)}});
  HttpResponse response = openai_error(
      {405, {"", fmt::format("{} takes {}, found {}", request.path, fmt::join(methods, ", "), request.method)}});
  response.headers.emplace_back("allow", fmt::format("{}", fmt::join(methods, ", ")));
  return response;
}

}  // namespace

Service::Service(std::shared_ptr<ServedModel> model, ServiceOptions options)
    : options_(std::move(options)), models_{std::move(model)}, workers_(options_.workers) {}
Service::~Service() = default;

std::shared_ptr<ServedModel> Service::find(std::string_view name) const {
  const auto& aliases = options_.aliases;
  if (name.empty() || name == "default" || std::find(aliases.begin(), aliases.end(), name) != aliases.end()) {
    return models_.front();
  }
  for (const auto& model : models_) {
    if (model->name == name) return model;
  }
  return nullptr;
}

void Service::generate(const std::shared_ptr<ServedModel>& model, Ask ask, std::shared_ptr<Reply> reply,
                       Responder& responder) {
  auto generation = std::make_shared<Generation>(model, std::move(ask), std::move(reply));
  responder.when_gone([generation] { generation->cancel(); });
  generation->begin();
}

void Service::dispatch(HttpRequest request, std::shared_ptr<Responder> responder) {
  const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  const auto route = std::find_if(routes().begin(), routes().end(), [&](const Route& each) {
    return each.method == method && matches(each, request.path);
  });
  if (route == routes().end()) return responder->respond(lost(request));
  Call call{*this, std::move(request), std::move(responder), {}};
  call.rest = std::string_view(call.request.path).substr(std::min(route->path.size(), call.request.path.size()));
  try {
    route->handle(call);
  } catch (const std::exception& error) {
    call.responder->respond(route->error({500, {"", error.what()}}));
  }
}

Handler Service::handler() {
  return [this](HttpRequest request, std::shared_ptr<Responder> responder) {
    // std::function wants what can be copied.
    auto shared = std::make_shared<HttpRequest>(std::move(request));
    workers_.post([this, shared, responder = std::move(responder)]() mutable {
      dispatch(std::move(*shared), std::move(responder));
    });
  };
}

}  // namespace gemma::serve

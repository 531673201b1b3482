// SPDX-License-Identifier: Apache-2.0
#include "serve/routes.h"

#include <fmt/format.h>

#include "serve/ollama.h"
#include "serve/openai_wire.h"

namespace gemma::serve {
namespace {

/** Whether there is a name in the path where the route has room for one. */
bool matches(const Route& route, std::string_view path) {
  const std::string_view head = head_of(route);
  if (!path.starts_with(head)) return false;
  std::string_view name = path.substr(head.size());
  if (head.size() == route.path.size()) return head.size() > 1 && head.ends_with('/') && !name.empty();
  const std::string_view tail = route.path.substr(head.size() + 2);
  if (!name.ends_with(tail)) return false;
  name.remove_suffix(tail.size());
  return !name.empty() && name.find('/') == std::string_view::npos;
}

/** All that lead there: of that path, else with a name in it. */
std::vector<const Route*> routes_to(std::string_view path) {
  std::vector<const Route*> own, named;
  for (const Route& route : all_routes()) {
    if (route.path == path) own.push_back(&route);
    if (matches(route, path)) named.push_back(&route);
  }
  return own.empty() ? named : own;
}

/** How the API says it that a path belongs to. */
HttpResponse (*error_below(std::string_view path))(const Refusal& refusal) {
  const auto routes = routes_to(path);
  if (!routes.empty()) return routes.back()->error;
  return path.starts_with("/api/") ? ollama_error : openai_error;
}

}  // namespace

std::string_view head_of(const Route& route) { return route.path.substr(0, route.path.find("{}")); }

const std::vector<Route>& all_routes() {
  static const std::vector<Route> all = [] {
    std::vector<Route> out;
    for (const auto& some : {openai_routes(), responses_routes(), files_routes(), transcription_routes(),
                             anthropic_routes(), ollama_routes(), plain_routes(), page_routes()}) {
      out.insert(out.end(), some.begin(), some.end());
    }
    return out;
  }();
  return all;
}

const Route* find_route(std::string_view method, std::string_view path) {
  for (const Route* route : routes_to(path)) {
    if (route->method == method) return route;
  }
  return nullptr;
}

HttpResponse error_of(std::string_view path, const Refusal& refusal) { return error_below(path)(refusal); }

HttpResponse no_route(const HttpRequest& request) {
  std::vector<std::string_view> methods;
  for (const Route* route : routes_to(request.path)) methods.push_back(route->method);
  if (methods.empty()) return error_of(request.path, {404, {"", fmt::format("there is no {} here", request.path)}});
  const std::string allowed = fmt::format("{}", fmt::join(methods, ", "));
  HttpResponse response =
      error_of(request.path, {405, {"", fmt::format("{} takes {}, found {}", request.path, allowed, request.method)}});
  response.headers.emplace_back("allow", allowed);
  return response;
}

}  // namespace gemma::serve

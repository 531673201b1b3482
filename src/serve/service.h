// SPDX-License-Identifier: Apache-2.0
// Service: which request goes where. Knows the model, the routes, and who works on what.
//
//   Service service(model, options);
//   HttpServer server(http, service.handler());
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "serve/generation.h"
#include "serve/http/message.h"
#include "serve/workers.h"

namespace gemma::serve {

struct ServiceOptions {
  std::vector<std::string> aliases;  // names beside the model's own and "default"
  int workers = 4;                   // threads that read requests, decode media, compile grammars
};

class Service {
 public:
  Service(std::shared_ptr<ServedModel> model, ServiceOptions options);
  ~Service();

  Handler handler();

  // For the protocols' own files.
  /** By a name that a client gave, "" for none. Null: there is no such model. */
  std::shared_ptr<ServedModel> find(std::string_view name) const;
  const std::vector<std::shared_ptr<ServedModel>>& models() const { return models_; }
  /** On a worker's thread: sends the request on its way, and cancels it when the client leaves. */
  void generate(const std::shared_ptr<ServedModel>& model, Ask ask, std::shared_ptr<Reply> reply, Responder& responder);

 private:
  void dispatch(HttpRequest request, std::shared_ptr<Responder> responder);

  ServiceOptions options_;
  std::vector<std::shared_ptr<ServedModel>> models_;
  Workers workers_;  // goes first
};

/** A request that is being worked on. */
struct Call {
  Service& service;
  HttpRequest request;
  std::shared_ptr<Responder> responder;
  std::string_view rest;  // of the path, behind a route that ends in "/"
};

/** One way in. A path that ends in "/" takes everything below it. */
struct Route {
  std::string_view method, path;
  void (*handle)(Call& call);
  HttpResponse (*error)(const Refusal& refusal);  // how this API says that something is wrong
};

/** Of all protocols; each adds its own in its own file. */
std::vector<Route> openai_routes();
std::vector<Route> plain_routes();  // health, tokens

}  // namespace gemma::serve

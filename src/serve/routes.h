// SPDX-License-Identifier: Apache-2.0
// Routes: which requests there are, of all protocols, and what one is while it is answered.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "serve/http/message.h"
#include "serve/keys.h"
#include "serve/log_entry.h"
#include "serve/refusal.h"

namespace gemma::serve {

class Service;
struct Route;
struct ServedModel;

struct Call {
  Service& service;
  HttpRequest request;
  std::shared_ptr<Responder> responder;
  std::string rest;                     // of the path, from where the route has a name on
  std::string model;                    // by which name the client has asked for it
  std::shared_ptr<const Key> key = {};  // whose it is, where there are keys
  const Route* route = nullptr;
  std::shared_ptr<LogEntry> log = {};              // what is to be said of it
  std::shared_ptr<ServedModel> lent = {};          // of one that has waited for it
  std::optional<Clock::time_point> deadline = {};  // of one that waits: until when it must have been begun

  /** Whose is what is kept of it: the key's name, "" where there are no keys. */
  std::string owner() const { return key != nullptr ? key->name : ""; }
  /** Whose turn it takes where keys take turns: without keys connections do. */
  std::string turn() const;
};

/** One way in. A path may have a "{}" for a name, or take everything below it, where it ends in "/". */
struct Route {
  std::string_view method, path;
  void (*handle)(Call& call);
  HttpResponse (*error)(const Refusal& refusal);  // how this API says that something is wrong
  std::optional<Scope> scope = Scope::generate;   // what a key must be for; none: no key is needed
};

/** Of all protocols; each adds its own in its own file. */
std::vector<Route> openai_routes();
std::vector<Route> responses_routes();
std::vector<Route> files_routes();
std::vector<Route> transcription_routes();
std::vector<Route> anthropic_routes();
std::vector<Route> ollama_routes();
std::vector<Route> plain_routes();  // health, metrics, tokens
std::vector<Route> page_routes();   // the chat at "/", page.h

/** All these. */
const std::vector<Route>& all_routes();
/** Null: no way leads there. */
const Route* find_route(std::string_view method, std::string_view path);
/** How what is wrong with a request to this path is said: as the API says it that it belongs to. */
HttpResponse error_of(std::string_view path, const Refusal& refusal);
/** What is said where find_route() finds nothing. */
HttpResponse no_route(const HttpRequest& request);
/** The path of a route, up to where there is a name. */
std::string_view head_of(const Route& route);

}  // namespace gemma::serve

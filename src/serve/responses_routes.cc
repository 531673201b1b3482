// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <utility>

#include "serve/files.h"
#include "serve/json_request.h"
#include "serve/observed.h"
#include "serve/openai_page.h"
#include "serve/openai_wire.h"
#include "serve/response_desk.h"
#include "serve/responses.h"

namespace gemma::serve {
namespace {

constexpr int kMostItems = 100, kUsualItems = 20;

void respond(const Call& call, const json::object& object) {
  HttpResponse response;
  response.body = write_json(object);
  call.responder->respond(std::move(response));
}

/** Reads it all; nothing where that has been refused. */
std::optional<ResponsesRequest> read(Call& call, const JsonRequest& given, ResponsesPurpose purpose) {
  const auto refuse = [&](const Failure& failure) {
    call.responder->respond(openai_error(failure));
    return std::nullopt;
  };
  auto request = read_responses_request(given.body, given.model->facts, purpose);
  if (!request) return refuse(request.failure());
  json::array before;
  if (const std::string& previous = request.value().previous; !previous.empty()) {
    const int64_t most = call.service.options().body_bytes;
    auto items = call.service.responses()->store().items_up_to(previous, call.owner(), most);
    if (!items) return refuse({"previous_response_id", items.failure().reason});
    before = std::move(items).value();
  }
  if (auto failure = read_responses_input(request.value(), before, files_of(call))) return refuse(*failure);
  return std::move(request).value();
}

/** In a header and in the log: who sees the response alone finds it in its "tools". */
void say_what_is_left_out(Call& call) {
  call.log->set("left_out", "web_search");
  const Headers headers{{"x-gemma4-warning", "tools: web_search is left out: nothing here searches the web"}};
  call.responder = std::make_shared<Observed>(call.responder, headers, nullptr);
}

void create(Call& call) {
  auto given = read_json_request(call, openai_error);
  if (!given) return;
  auto request = read(call, *given, ResponsesPurpose::answer);
  if (!request) return;
  if (request->leaves_out_search) say_what_is_left_out(call);
  const std::shared_ptr<ResponseDesk> desk = call.service.responses();
  StoredResponse stored;
  stored.response = response_object(*request, given->name, request->background ? "queued" : "in_progress");
  stored.id = stored.response["id"].get_string();
  stored.owner = call.owner();
  stored.previous = request->previous;
  if (request->store) stored.input = request->input;
  auto reply = responses_reply(call.responder, *request, *given->model, desk, stored);
  if (!request->background) return call.service.generate(call, given->model, std::move(request->ask), reply);
  if (const auto failure = desk->store().put(stored)) {
    const std::string why = "the response cannot be kept: " + failure->reason;
    return call.responder->respond(openai_error({500, {"", why}}));
  }
  auto generation = call.service.generation(call, given->model, std::move(request->ask), reply);
  desk->begin(stored.id, generation);
  call.service.begin(generation);
}

void count(Call& call) {
  auto given = read_json_request(call, openai_error);
  if (!given) return;
  auto request = read(call, *given, ResponsesPurpose::count);
  if (!request) return;
  call.service.count(call, given->model, std::move(request->ask), [call](const Result<int64_t>& tokens) {
    if (!tokens) return call.responder->respond(openai_error(tokens.failure()));
    respond(call, {{"object", "response.input_tokens"}, {"input_tokens", tokens.value()}});
  });
}

/** "ID" or "ID/WAY". */
struct Place {
  std::string id, way;
};
Place place_of(const Call& call) {
  const size_t slash = call.rest.find('/');
  return {percent_decoded(call.rest.substr(0, slash)), slash == std::string::npos ? "" : call.rest.substr(slash + 1)};
}

/** The response that the path names, where it is of that way; else that has been said. */
std::optional<StoredResponse> find(Call& call, const Place& place, std::string_view way) {
  auto found = place.way == way ? call.service.responses()->store().find(place.id, call.owner()) : std::nullopt;
  if (!found) {
    call.responder->respond(openai_error({404, {"", fmt::format("there is no response '{}' here", call.rest)}}));
  }
  return found;
}

/** As it stands: one in the background whose end could not be kept does not go on for ever. */
json::object as_it_stands(Call& call, StoredResponse stored) {
  json::value& status = stored.response["status"];
  if ((status == "queued" || status == "in_progress") && !call.service.responses()->known(stored.id)) {
    status = "failed";
    stored.response["error"] = json::object{{"code", "server_error"}, {"message", "what came of it was not kept"}};
  }
  return std::move(stored.response);
}

/** A page of the items that were asked with. */
void list_items(Call& call, const StoredResponse& stored) {
  if (const auto unknown = unknown_parameter(call.request.query, {"after", "order", "limit"})) {
    return call.responder->respond(openai_error(*unknown));
  }
  auto page = openai_page(stored.input, call.request.query, kUsualItems, kMostItems);
  if (!page) return call.responder->respond(openai_error(page.failure()));
  respond(call, page.value());
}

void retrieve(Call& call) {
  const Place place = place_of(call);
  const bool items = place.way == "input_items";
  auto stored = find(call, place, items ? "input_items" : "");
  if (!stored) return;
  if (items) return list_items(call, *stored);
  if (const auto unknown = unknown_parameter(call.request.query, {"stream"})) {
    return call.responder->respond(openai_error(*unknown));
  }
  if (query_value(call.request.query, "stream") == "true") {
    return call.responder->respond(
        openai_error(Failure{"stream", "is not supported: ask again until \"status\" says that it has ended"}));
  }
  respond(call, as_it_stands(call, std::move(*stored)));
}

void forget(Call& call) {
  const Place place = place_of(call);
  if (!find(call, place, "")) return;
  const std::shared_ptr<ResponseDesk> desk = call.service.responses();
  desk->cancel(place.id);
  desk->forget(place.id, call.owner(), [call, id = place.id](const std::optional<Failure>& failure) {
    if (failure) {
      const std::string why = "the response cannot be deleted: " + failure->reason;
      return call.responder->respond(openai_error({500, {"", why}}));
    }
    respond(call, {{"id", id}, {"object", "response"}, {"deleted", true}});
  });
}

void cancel(Call& call) {
  const Place place = place_of(call);
  auto stored = find(call, place, "cancel");
  if (!stored) return;
  const json::value* background = stored->response.if_contains("background");
  if (background == nullptr || *background != true) {
    return call.responder->respond(openai_error(Failure{"", "only a response in the background can be cancelled"}));
  }
  const std::shared_ptr<ResponseDesk> desk = call.service.responses();
  if (!desk->cancel(place.id)) return respond(call, as_it_stands(call, std::move(*stored)));
  stored->response["status"] = "cancelled";
  desk->keep(*stored, [call, response = stored->response](bool) mutable { respond(call, response); });
}

}  // namespace

std::vector<Route> responses_routes() {
  return {{"POST", "/v1/responses", create, openai_error},
          {"POST", "/v1/responses/input_tokens", count, openai_error},
          {"GET", "/v1/responses/{}", retrieve, openai_error},
          {"GET", "/v1/responses/{}/input_items", retrieve, openai_error},
          {"DELETE", "/v1/responses/{}", forget, openai_error},
          {"POST", "/v1/responses/{}/cancel", cancel, openai_error}};
}

}  // namespace gemma::serve

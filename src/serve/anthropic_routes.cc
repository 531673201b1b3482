// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "serve/anthropic.h"
#include "serve/files.h"
#include "serve/json_request.h"

namespace gemma::serve {
namespace {

void messages(Call& call) {
  auto given = read_json_request(call, anthropic_error);
  if (!given) return;
  auto request = read_messages_request(given->body, given->model->facts, Purpose::answer, files_of(call));
  if (!request) return call.responder->respond(anthropic_error(request.failure()));
  auto reply = messages_reply(call.responder, request.value(), given->name);
  call.service.generate(call, given->model, std::move(request.value().ask), std::move(reply));
}

void count_tokens(Call& call) {
  auto given = read_json_request(call, anthropic_error);
  if (!given) return;
  auto request = read_messages_request(given->body, given->model->facts, Purpose::count, files_of(call));
  if (!request) return call.responder->respond(anthropic_error(request.failure()));
  call.service.count(call, given->model, std::move(request.value().ask),
                     [responder = call.responder](const Result<int64_t>& tokens) {
                       if (!tokens) return responder->respond(anthropic_error(tokens.failure()));
                       HttpResponse response;
                       response.body = write_json(json::object{{"input_tokens", tokens.value()}});
                       responder->respond(std::move(response));
                     });
}

}  // namespace

std::vector<Route> anthropic_routes() {
  return {{"POST", "/v1/messages", messages, anthropic_error},
          {"POST", "/v1/messages/count_tokens", count_tokens, anthropic_error}};
}

}  // namespace gemma::serve

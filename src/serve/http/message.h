// SPDX-License-Identifier: Apache-2.0
// What goes over the wire, free of how: requests as they came, whole, and the two ways to answer, a response at once or
// a stream of pieces.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gemma::serve {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method, path, query;  // "POST", "/v1/models/gemma%204", "beta=true": as sent, not decoded
  Headers headers;                  // names in lower case
  std::string body;
  std::string peer;   // the other side's address
  int peer_port = 0;  // which tells its connections apart
  std::string id;     // of the request, for logs and for the other side (x-request-id)

  /** The first of that name (lower case), else "". */
  std::string_view header(std::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string type = "application/json";  // of the body; "" for none
  std::string body;
  Headers headers = {};
  std::string keep_alive =
      {};  // of a stream: what is sent when there has been nothing to say for a while; "" for nothing
};

/** The way back to who asked. From any thread; of a client that is gone, whatever is said is lost. */
class Responder {
 public:
  virtual ~Responder() = default;

  /** The whole answer. Once, and nothing else then. */
  virtual void respond(HttpResponse response) = 0;
  /** Or a stream: its head (`body` is its first piece), pieces, the end. */
  virtual void begin(HttpResponse head) = 0;
  virtual void write(std::string piece) = 0;
  virtual void end() = 0;
  /** Calls `gone` once, on a thread of the server's, when the client leaves before the answer's end, or reads too
   *  slowly; at once if it has. */
  virtual void when_gone(std::function<void()> gone) = 0;
  /** Calls `late` once, on a thread of the server's, a tenth of a second after `at` or sooner, where nothing has been
   *  answered by then and the client is still there. */
  virtual void when_late(std::chrono::steady_clock::time_point at, std::function<void()> late) = 0;
};

/** Answers a request, then or later, on whatever thread. It runs on the thread of all connections and must not wait. */
using Handler = std::function<void(HttpRequest, std::shared_ptr<Responder>)>;

/** "%20" and, where `plus` says so, "+" decoded; what is no such thing stays as it is. */
std::string percent_decoded(std::string_view text, bool plus = false);
/** The first value of `name` in a query, decoded; "" where it is not there. */
std::string query_value(std::string_view query, std::string_view name);

}  // namespace gemma::serve

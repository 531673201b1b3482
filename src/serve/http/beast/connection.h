// SPDX-License-Identifier: Apache-2.0
// One connection, from its first request to its last; for the server's own files only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>

#include "serve/http/server.h"

namespace gemma::serve {

class Connection;

/** What connections have in common. Of the one thread. */
struct Shared {
  Shared(const HttpOptions& http_options, const Handler& http_handler) : options(http_options), handler(http_handler) {}
  const HttpOptions& options;
  const Handler& handler;
  std::set<Connection*> open;
  int64_t body_bytes = 0;    // of requests that are being received
  int64_t answer_bytes = 0;  // whole, and being sent
  bool stopping = false;
};

/** So that a server can close those that wait for a request: when it stops, and when others have no room. */
class Connection {
 public:
  /** Those come first that are closed first: before all others those that have never asked for anything. */
  struct Idle {
    bool has_asked = false;
    std::chrono::steady_clock::time_point since;
    auto operator<=>(const Idle&) const = default;
  };
  virtual ~Connection() = default;
  /** While it waits for a request. */
  virtual std::optional<Idle> idle() const = 0;
  /** Whether there is something to read, so that a request may be on its way that nobody has looked at. */
  virtual bool has_bytes() const = 0;
  virtual void close() = 0;
};

using PlainStream = boost::beast::tcp_stream;
using TlsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

/** Serves until the client or the server has enough. */
boost::asio::awaitable<void> serve_plain(std::shared_ptr<PlainStream> stream, Shared& shared);
boost::asio::awaitable<void> serve_tls(std::shared_ptr<TlsStream> stream, Shared& shared);

}  // namespace gemma::serve

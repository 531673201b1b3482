// SPDX-License-Identifier: Apache-2.0
// One connection, from its first request to its last; for the server's own files only.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <cstdint>
#include <memory>
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
  int64_t body_bytes = 0;  // of requests that are being received
  bool stopping = false;
};

/** So that a server that stops can close those that wait for a request. */
class Connection {
 public:
  virtual ~Connection() = default;
  virtual void close_if_idle() = 0;
};

using PlainStream = boost::beast::tcp_stream;
using TlsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;

/** Serves until the client or the server has enough. */
boost::asio::awaitable<void> serve_plain(std::shared_ptr<PlainStream> stream, Shared& shared);
boost::asio::awaitable<void> serve_tls(std::shared_ptr<TlsStream> stream, Shared& shared);

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server: one thread for all connections, as coroutines over Boost.Beast, which parses and writes. What a
// client may take is bounded everywhere: header, body, time to send both, time to read an answer, bytes that wait for
// it, connections.
//
//   HttpServer server({.address = "127.0.0.1", .port = 8080}, handler);
//   server.start();               // if there is something to do meanwhile
//   server.run();                 // until stop()
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "serve/http/message.h"
#include "serve/refusal.h"

namespace gemma::serve {

/** How it is said that a request to this path cannot be taken (of a connection that is too many no path is known). */
using Complain = std::function<HttpResponse(std::string_view path, const Refusal& refusal)>;
HttpResponse complain_plainly(std::string_view path, const Refusal& refusal);

struct HttpOptions {
  std::string address = "127.0.0.1";
  int port = 8080;  // 0: any that is free
  Complain complain = complain_plainly;
  std::string certificate, private_key;  // files (PEM); both or neither: with them it speaks TLS

  int64_t header_bytes = 64 << 10, body_bytes = 64 << 20;
  int64_t all_bodies_bytes = 512 << 20;  // of all requests that are being received; as many of whole answers
  int connections = 1024;
  int64_t waiting_bytes = 4 << 20;               // written for a client and not yet taken by it
  std::chrono::seconds header_time{15};          // from the first byte of a request to the end of its header
  std::chrono::seconds body_time{120};           // of its body
  std::chrono::seconds idle_time{75};            // between requests
  std::chrono::seconds write_time{30};           // for one piece to be taken
  std::chrono::milliseconds quiet_time{10'000};  // after which a stream sends HttpResponse::keep_alive
};

/** Whoever answers later than the handler returns is stopped before the server is destroyed. */
class HttpServer {
 public:
  /** Listens from here on. Fails with the address when it cannot, and with the file when a certificate is no good. */
  HttpServer(HttpOptions options, Handler handler);
  ~HttpServer();

  int port() const;
  /** Serves from here on, on a thread of its own. */
  void start();
  /** Serves until stop(). */
  void run();
  /** Any thread. Answers on their way are ended, and run() returns when the last one is, or after `grace`. Until then
   *  each connection has one more request: whoever looks can be told that the server ends. */
  void stop(std::chrono::milliseconds grace);

  /** Before run(): the first SIGINT or SIGTERM calls `said` and stop(grace), the second one stop(0). After
   *  run() they end the process as if nobody had asked for them. */
  void stop_on_signals(std::chrono::milliseconds grace, std::function<void()> said);
  /** Before run(): what stop() waits for beside answers to connections, within the same time; asked on run()'s thread.
   */
  void wait_for(std::function<bool()> others);

  /** At the start of a program, before it has threads: a SIGHUP waits for on_hangup(). */
  static void hold_hangups();
  /** Before run(): what SIGHUP does, on run()'s thread, instead of ending the process. */
  void on_hangup(std::function<void()> act);
  /** The same thread: reads the certificate and its key again, for connections that come from here on. Fails as the
   *  constructor does, and then those that were read before stay. */
  void read_certificate();

  int open_connections() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gemma::serve

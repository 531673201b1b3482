// SPDX-License-Identifier: Apache-2.0
// What comes over a connection, to a server that answers whatever it takes for a request. It must still answer a good
// one afterwards.
// Links: serve
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/error.h"
#include "fuzz/fuzz.h"
#include "serve/http/server.h"

namespace {

/** Lives as long as the process. */
gemma::serve::HttpServer& server() {
  static gemma::serve::HttpServer* running = [] {
    gemma::serve::HttpOptions options;
    options.port = 0;
    options.header_bytes = 4096;
    options.body_bytes = 4096;
    options.header_time = std::chrono::seconds(1);
    auto* made = new gemma::serve::HttpServer(
        options, [](gemma::serve::HttpRequest request, const std::shared_ptr<gemma::serve::Responder>& responder) {
          gemma::serve::HttpResponse response;
          response.body = request.path + request.body;
          if (request.method == "PUT") {
            responder->begin(std::move(response));
            responder->write(request.query);
            return responder->end();
          }
          responder->respond(std::move(response));
        });
    std::thread([made] { made->run(); }).detach();
    return made;
  }();
  return *running;
}

std::string ask(std::string_view bytes) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(static_cast<uint16_t>(server().port()));
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  std::string out;
  if (::connect(fd, reinterpret_cast<sockaddr*>(&place), sizeof place) == 0) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) break;
      bytes.remove_prefix(static_cast<size_t>(sent));
    }
    pollfd look{fd, POLLIN, 0};
    char buffer[4096];
    // What is no whole request gets no answer: not long, or fuzzing would be nothing but waiting.
    while (::poll(&look, 1, out.empty() ? 20 : 5) > 0) {
      const ssize_t got = ::recv(fd, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      out.append(buffer, static_cast<size_t>(got));
    }
  }
  ::close(fd);
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ask({reinterpret_cast<const char*>(data), size});
  static int count = 0;
  if (++count % 64 == 1) {
    const std::string answer = ask("GET /alive HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    GEMMA_CHECK(answer.empty() || answer.find("/alive") != std::string::npos, "a good request is answered");
  }
  return 0;
}

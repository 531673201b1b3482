// SPDX-License-Identifier: Apache-2.0
#include "serve/http/server.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/json.h"

namespace gemma::serve {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

/** A client that sends what it is told to, however wrong. */
class Client {
 public:
  explicit Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_port = htons(static_cast<uint16_t>(port));
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&place), sizeof place), 0);
  }
  ~Client() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void send(std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return;
      text.remove_prefix(static_cast<size_t>(sent));
    }
  }
  void end() { ::shutdown(fd_, SHUT_WR); }
  /** At most so many bytes. */
  size_t take(size_t bytes) {
    std::string into(bytes, '\0');
    size_t got = 0;
    while (got < bytes) {
      const ssize_t more = ::recv(fd_, into.data() + got, bytes - got, 0);
      if (more <= 0) break;
      got += static_cast<size_t>(more);
    }
    return got;
  }
  /** Until `end` has come, the other side has closed, or five seconds are over. */
  std::string read(std::string_view end = "\xff") {
    std::string text;
    pollfd look{fd_, POLLIN, 0};
    while (text.find(end) == std::string::npos && ::poll(&look, 1, 5000) > 0) {
      char buffer[4096];
      const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
      if (got <= 0) break;
      text.append(buffer, static_cast<size_t>(got));
    }
    return text;
  }

 private:
  int fd_;
};

/** A server on a thread of its own. */
class Running {
 public:
  explicit Running(Handler handler, HttpOptions options = {}) : server_(port_free(std::move(options)), handler) {
    thread_ = std::thread([this] { server_.run(); });
  }
  ~Running() {
    server_.stop(0ms);
    thread_.join();
  }
  HttpServer& server() { return server_; }
  Client client() { return Client(server_.port()); }
  std::string ask(std::string_view request, std::string_view end = "\xff") {
    Client asker = client();
    asker.send(request);
    return asker.read(end);
  }

 private:
  static HttpOptions port_free(HttpOptions options) {
    options.port = 0;
    return options;
  }
  HttpServer server_;
  std::thread thread_;
};

void echo(HttpRequest request, const std::shared_ptr<Responder>& responder) {
  HttpResponse response;
  response.type = "text/plain";
  response.body = request.method + " " + request.path + " " + request.query + " " + request.body;
  responder->respond(std::move(response));
}

HttpOptions options_of(std::string address, int port) {
  HttpOptions options;
  options.address = std::move(address);
  options.port = port;
  return options;
}

HttpOptions with_tls(std::string certificate) {
  HttpOptions options = options_of("127.0.0.1", 0);
  options.certificate = std::move(certificate);
  options.private_key = "/no/such.key";
  return options;
}

constexpr const char* kClose = "connection: close\r\n\r\n";

TEST(HttpServer, AnswersAndKeepsTheConnection) {
  Running running(echo);
  Client client = running.client();
  for (int i = 0; i < 3; ++i) {
    client.send("POST /a/b?c=d HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello");
    const std::string answer = client.read("hello");
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\n\r\nPOST /a/b c=d hello"));
  }
}

TEST(HttpServer, ChunkedBodiesPipeliningHeadAndOldClients) {
  Running running(echo);
  EXPECT_THAT(running.ask(std::string("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n") + kClose +
                          "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
              HasSubstr("POST /  abcde"));
  const std::string two =
      running.ask(std::string("GET /1 HTTP/1.1\r\nhost: x\r\n\r\nGET /2 HTTP/1.1\r\nhost: x\r\n") + kClose);
  EXPECT_THAT(two, HasSubstr("GET /1"));
  EXPECT_THAT(two, HasSubstr("GET /2"));
  const std::string head = running.ask(std::string("HEAD /x HTTP/1.1\r\nhost: x\r\n") + kClose);
  EXPECT_THAT(head, HasSubstr("Content-Length: 9\r\n"));
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
  EXPECT_THAT(running.ask("GET /old HTTP/1.0\r\n\r\n"), HasSubstr("GET /old"));
}

TEST(HttpServer, WaitsForTheWordToGoOn) {
  Running running(echo);
  Client client = running.client();
  client.send("POST /e HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n");
  EXPECT_THAT(client.read("\r\n\r\n"), StartsWith("HTTP/1.1 100"));
  client.send("ok");
  EXPECT_THAT(client.read("ok"), HasSubstr("POST /e  ok"));
}

TEST(HttpServer, RefusesWhatIsNoRequestOrTooMuch) {
  HttpOptions options;
  options.header_bytes = 2000;
  options.body_bytes = 100;
  options.header_time = 1s;
  Running running(echo, options);
  EXPECT_THAT(running.ask("nonsense\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(running.ask("GET / HTTP/1.1\r\nhost: x\r\nx: " + std::string(4000, 'y') + "\r\n\r\n"),
              StartsWith("HTTP/1.1 431"));
  EXPECT_THAT(running.ask("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 101\r\n\r\n"), StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(running.ask("POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nff\r\n" +
                          std::string(255, 'z') + "\r\n0\r\n\r\n"),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(running.ask("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_EQ(running.ask("GET / HTTP/1.1\r\nhost: x\r\nslow: "), "");  // slowloris: closed when its time is over
  EXPECT_THAT(running.ask(std::string("GET /alive HTTP/1.1\r\nhost: x\r\n") + kClose), HasSubstr("GET /alive"));
}

TEST(HttpServer, StreamsPieces) {
  Running running([](HttpRequest, const std::shared_ptr<Responder>& responder) {
    std::thread([responder] {
      HttpResponse head;
      head.type = "text/event-stream";
      head.body = "first ";
      responder->begin(std::move(head));
      std::this_thread::sleep_for(20ms);
      responder->write("second ");
      responder->write("third");
      responder->end();
    }).detach();
  });
  const std::string answer = running.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n", "\r\n0\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_THAT(answer, HasSubstr("\r\n6\r\nfirst \r\n"));
  EXPECT_TRUE(answer.ends_with("third\r\n0\r\n\r\n")) << answer;
  EXPECT_TRUE(running.ask("GET / HTTP/1.0\r\n\r\n").ends_with("first second third"));  // until it is closed
}

TEST(HttpServer, AQuietStreamIsKeptAlive) {
  HttpOptions options;
  options.quiet_time = 50ms;
  std::shared_ptr<Responder> held;
  Running running(
      [&](HttpRequest, std::shared_ptr<Responder> responder) {
        HttpResponse head;
        head.keep_alive = ": still here\n\n";
        responder->begin(std::move(head));
        held = std::move(responder);
      },
      options);
  EXPECT_THAT(running.ask("GET / HTTP/1.1\r\nhost: x\r\n\r\n", "still here"), HasSubstr("still here"));
}

TEST(HttpServer, SaysThatAClientHasLeft) {
  std::atomic<bool> gone{false};
  Running running([&](HttpRequest, const std::shared_ptr<Responder>& responder) {
    responder->begin({});
    responder->when_gone([&] { gone.store(true); });
  });
  Client client = running.client();
  client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  client.read("\r\n\r\n");
  EXPECT_FALSE(gone.load());
  client.close();
  for (int i = 0; i < 100 && !gone.load(); ++i) std::this_thread::sleep_for(20ms);
  EXPECT_TRUE(gone.load());
}

TEST(HttpServer, SaysThatARequestHasWaitedSoLong) {
  std::shared_ptr<Responder> held;
  Running running([&](HttpRequest, std::shared_ptr<Responder> responder) {
    held = std::move(responder);
    held->when_late(std::chrono::steady_clock::now() + 30ms, [&] { held->respond({.status = 503, .body = "late"}); });
  });
  Client client = running.client();
  for (int i = 0; i < 2; ++i) {
    client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
    EXPECT_THAT(client.read("late"), StartsWith("HTTP/1.1 503 ")) << i;
  }
}

TEST(HttpServer, DropsAClientThatReadsTooSlowly) {
  HttpOptions options;
  options.waiting_bytes = 1 << 20;
  std::atomic<bool> gone{false};
  Running running(
      [&](HttpRequest, const std::shared_ptr<Responder>& responder) {
        responder->begin({});
        responder->when_gone([&] { gone.store(true); });
        std::thread([&, responder] {
          for (int i = 0; i < 400 && !gone.load(); ++i) {
            responder->write(std::string(100'000, 'x'));
            std::this_thread::sleep_for(5ms);
          }
        }).detach();
      },
      options);
  Client client = running.client();
  client.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  for (int i = 0; i < 200 && !gone.load(); ++i) std::this_thread::sleep_for(20ms);
  EXPECT_TRUE(gone.load());
}

TEST(HttpServer, ThoseThatNeverAskMakeRoomFirst) {
  HttpOptions options;
  options.connections = 3;
  Running running(echo, options);
  Client known = running.client();
  known.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  EXPECT_THAT(known.read("GET /a"), HasSubstr("200"));
  std::vector<std::unique_ptr<Client>> crowd;
  for (int i = 0; i < 50; ++i) crowd.push_back(std::make_unique<Client>(running.server().port()));
  EXPECT_EQ(crowd[0]->read(), "");
  known.send("GET /b HTTP/1.1\r\nhost: x\r\n\r\n");
  EXPECT_THAT(known.read("GET /b"), HasSubstr("200"));
}

TEST(HttpServer, IdleConnectionsMakeRoomForRequests) {
  HttpOptions options;
  options.connections = 2;
  Running running(echo, options);
  Client first = running.client(), second = running.client();
  first.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  EXPECT_THAT(first.read("GET /a"), HasSubstr("200"));
  second.send("GET /b HTTP/1.1\r\nhost: x\r\n\r\n");
  EXPECT_THAT(second.read("GET /b"), HasSubstr("200"));
  for (int i = 0; i < 50; ++i) {
    EXPECT_THAT(running.ask("GET /c HTTP/1.1\r\nhost: x\r\n\r\n", "GET /c"), HasSubstr("200")) << i;
  }
  EXPECT_EQ(first.read(), "");  // longest without a request: closed
}

TEST(HttpServer, WhereAllHaveRequestsOthersAreTurnedAway) {
  HttpOptions options;
  options.connections = 1;
  std::vector<std::shared_ptr<Responder>> held;
  std::atomic<int> asked{0};
  Running running(
      [&](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
        held.push_back(responder);
        ++asked;
      },
      options);
  Client busy = running.client();
  busy.send("GET /a HTTP/1.1\r\nhost: x\r\n\r\n");
  while (asked == 0) std::this_thread::sleep_for(1ms);
  const std::string refusal = running.client().read();
  EXPECT_THAT(refusal, StartsWith("HTTP/1.1 503 "));
  const size_t body = refusal.find("\r\n\r\n") + 4;
  EXPECT_THAT(refusal, HasSubstr(fmt::format("Content-Length: {}\r\n", refusal.size() - body)));
  EXPECT_TRUE(parse_json(refusal.substr(body)));
  held[0]->respond({.body = "done"});
  EXPECT_THAT(busy.read("done"), HasSubstr("200"));
}

TEST(HttpServer, StopsWhenAnswersAreOut) {
  std::shared_ptr<Responder> held;
  std::atomic<bool> asked{false};
  HttpOptions options;
  options.port = 0;
  HttpServer server(options, [&](HttpRequest, std::shared_ptr<Responder> responder) {
    held = std::move(responder);
    asked.store(true);
  });
  std::thread thread([&] { server.run(); });
  Client idle(server.port()), busy(server.port());
  busy.send("GET / HTTP/1.1\r\nhost: x\r\n\r\n");
  while (!asked.load()) std::this_thread::sleep_for(1ms);
  server.stop(10s);
  std::this_thread::sleep_for(50ms);
  HttpResponse last;
  last.body = "the end";
  held->respond(std::move(last));
  EXPECT_THAT(busy.read("the end"), HasSubstr("Connection: close"));
  thread.join();
}

TEST(HttpServer, SaysToWhoComesThatItEnds) {
  std::shared_ptr<Responder> held;
  std::atomic<bool> asked{false};
  HttpOptions options;
  options.port = 0;
  HttpServer server(options, [&](HttpRequest request, std::shared_ptr<Responder> responder) {
    if (request.path == "/held") held = responder;
    if (request.path != "/held") responder->respond({.status = 503, .body = "it ends"});
    asked.store(true);
  });
  server.start();
  Client early(server.port()), busy(server.port());
  busy.send("GET /held HTTP/1.1\r\nhost: x\r\n\r\n");
  while (!asked.load()) std::this_thread::sleep_for(1ms);
  server.stop(60s);
  std::this_thread::sleep_for(50ms);
  Client late(server.port());
  for (Client* each : {&early, &late}) {
    each->send("GET /late HTTP/1.1\r\nhost: x\r\n\r\n");
    const std::string said = each->read();
    EXPECT_THAT(said, StartsWith("HTTP/1.1 503 "));
    EXPECT_THAT(said, HasSubstr("Connection: close"));
  }
  const Client idle(server.port());  // which holds up nobody
  held->respond({.body = "the end"});
  EXPECT_THAT(busy.read("the end"), HasSubstr("200 OK"));
  const auto begun = std::chrono::steady_clock::now();
  server.run();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 10s);
}

TEST(HttpServer, WhatCannotBeTakenIsSaidAsThePathHasIt) {
  HttpOptions options;
  options.body_bytes = 100;
  options.all_bodies_bytes = 50;
  options.complain = [](std::string_view path, const Refusal& refusal) {
    return HttpResponse{.status = refusal.status, .body = fmt::format("[{} {}]", path, refusal.retry_after)};
  };
  Running running(echo, options);
  const auto said = [&](const char* target, const char* rest) {
    return running.ask(fmt::format("POST {} HTTP/1.1\r\nhost: x\r\n{}", target, rest));
  };
  EXPECT_THAT(said("/a?b=c", "content-length: 101\r\n\r\n"), HasSubstr("[/a 0]"));
  EXPECT_THAT(said("http://x/b/c?d", "content-encoding: br\r\nconnection: close\r\n\r\n"), HasSubstr("[/b/c 0]"));
  const std::string body = "content-length: 90\r\n\r\n" + std::string(90, 'x');
  EXPECT_THAT(said("/d", body.c_str()), HasSubstr("[/d 1]"));
  EXPECT_THAT(running.ask("nonsense\r\n\r\n"), HasSubstr("[ 0]"));
}

TEST(HttpServer, AsksForWhatHttpAsksFor) {
  Running running(echo);
  const auto ask = [&](const std::string& first, const std::string& fields) {
    return running.ask(first + " HTTP/1.1\r\n" + fields + kClose);
  };
  EXPECT_THAT(ask("GET /", ""), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET /", "host: a\r\nhost: b\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET http://a:1/b?c", "host: a:1\r\n"), HasSubstr("GET /b c"));
  EXPECT_THAT(ask("GET HTTPS://a?c", "host: a\r\n"), HasSubstr("GET / c"));
  EXPECT_THAT(ask("GET http://a", "host: a\r\n"), HasSubstr("GET / "));
  EXPECT_THAT(ask("POST /", "host: a\r\ncontent-encoding: gzip\r\ncontent-length: 0\r\n"), StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(ask("POST /", "host: a\r\ncontent-encoding: identity\r\ncontent-length: 0\r\n"),
              StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(ask("POST /", "host: a\r\ntransfer-encoding: gzip, chunked\r\n") + "0\r\n\r\n",
              Not(StartsWith("HTTP/1.1 200")));
}

TEST(HttpServer, WhoClosesTheSendingEndStillGetsWhatComesAtOnce) {
  Running running([](HttpRequest request, std::shared_ptr<Responder> responder) {
    std::thread([request = std::move(request), responder] { echo(request, responder); }).detach();
  });
  for (int i = 0; i < 20; ++i) {
    Client client = running.client();
    client.send("GET /x HTTP/1.1\r\nhost: x\r\n\r\n");
    client.end();
    EXPECT_THAT(client.read(), HasSubstr("GET /x")) << i;
  }
}

TEST(HttpServer, WhoTakesALargeAnswerSlowlyGetsAllOfIt) {
  HttpOptions options;
  options.write_time = 1s;
  const size_t size = size_t{24} << 20;  // more than sockets hold
  Running running(
      [&](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
        HttpResponse response;
        response.body = std::string(size, 'x');
        responder->respond(std::move(response));
      },
      options);
  Client client = running.client();
  client.send(std::string("GET / HTTP/1.1\r\nhost: x\r\n") + kClose);
  size_t taken = 0;
  for (int i = 0; i < 5; ++i) {  // longer than a piece may take
    taken += client.take(size_t{4} << 20);
    std::this_thread::sleep_for(400ms);
  }
  EXPECT_GT(taken + client.read().size(), size);
}

TEST(HttpServer, LargeAnswersOnTheirWayAreBounded) {
  HttpOptions options;
  options.all_bodies_bytes = 40 << 20;
  Running running(
      [](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
        HttpResponse response;
        response.body = std::string(size_t{30} << 20, 'x');
        responder->respond(std::move(response));
      },
      options);
  Client reads_nothing = running.client();
  reads_nothing.send(std::string("GET / HTTP/1.1\r\nhost: x\r\n") + kClose);
  EXPECT_THAT(reads_nothing.read("200 OK"), HasSubstr("200 OK"));
  EXPECT_THAT(running.ask(std::string("GET / HTTP/1.1\r\nhost: x\r\n") + kClose), StartsWith("HTTP/1.1 503"));
}

TEST(HttpServer, APieceLargerThanWhatMayWaitIsNoSlowClient) {
  HttpOptions options;
  options.waiting_bytes = 1 << 16;
  const size_t size = size_t{1} << 20;
  Running running(
      [&](const HttpRequest&, const std::shared_ptr<Responder>& responder) {
        HttpResponse head;
        head.body = std::string(size, 'a');
        responder->begin(std::move(head));
        responder->write(std::string(size, 'b'));
        responder->end();
      },
      options);
  const std::string answer = running.ask(std::string("GET / HTTP/1.1\r\nhost: x\r\n") + kClose);
  EXPECT_GT(answer.size(), 2 * size);
  EXPECT_TRUE(answer.ends_with("0\r\n\r\n"));
}

TEST(HttpServer, SaysWhatIsWrongWithItsOptions) {
  const auto what = [](HttpOptions options) -> std::string {
    try {
      HttpServer server(std::move(options), echo);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_THAT(what(options_of("nowhere", 0)), HasSubstr("expected an address"));
  EXPECT_THAT(what(with_tls("/no/such.pem")), StartsWith("/no/such.pem: "));
  Running running(echo);
  EXPECT_THAT(what(options_of("127.0.0.1", running.server().port())), HasSubstr("cannot listen there"));
}

TEST(HttpMessage, DecodesAddresses) {
  EXPECT_EQ(percent_decoded("gemma%204%2fx%zz%2"), "gemma 4/x%zz%2");
  EXPECT_EQ(query_value("a=1&b=two%20words+more&c", "b"), "two words more");
  EXPECT_EQ(query_value("a=1&b", "b"), "");
}

}  // namespace
}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "serve/http/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <csignal>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/json.h"
#include "serve/http/beast/connection.h"

namespace gemma::serve {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::chrono::milliseconds kRest{50};  // when no descriptor is left for another connection
constexpr std::chrono::milliseconds kLook{50};  // between two looks at what is waited for beside connections
constexpr std::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nServer: gemma4\r\nContent-Type: application/json\r\nRetry-After: 1\r\n"
    "Connection: close\r\nContent-Length: 110\r\n\r\n"
    R"({"error": {"message": "too many connections; try again", "type": "server_error", "param": null, "code": null}})";

asio::ip::address address_of(const std::string& text) {
  error_code error;
  const auto address = asio::ip::make_address(text == "localhost" ? "127.0.0.1" : text, error);
  if (error) fail("--host", "expected an address such as 127.0.0.1 or ::1, found '{}'", text);
  return address;
}

std::optional<asio::ssl::context> tls_of(const HttpOptions& options) {
  if (options.certificate.empty() && options.private_key.empty()) return std::nullopt;
  asio::ssl::context context(asio::ssl::context::tls_server);
  error_code error;
  context.set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_tlsv1 |
                          asio::ssl::context::no_tlsv1_1 | asio::ssl::context::single_dh_use,
                      error);
  context.use_certificate_chain_file(options.certificate, error);
  if (error) fail(options.certificate, "is no certificate that can be used: {}", error.message());
  bool encrypted = false;
  context.set_password_callback([&](std::size_t, asio::ssl::context::password_purpose) {
    encrypted = true;
    return std::string();
  });
  context.use_private_key_file(options.private_key, asio::ssl::context::pem, error);
  if (encrypted)
    fail(options.private_key, "is encrypted: expected a key without a password (openssl pkey -in ... -out ...)");
  if (error) fail(options.private_key, "is no key of that certificate: {}", error.message());
  return context;
}

/** Of this thread, and of those that it starts from here on. how: SIG_BLOCK or SIG_UNBLOCK. */
void mask_hangup(int how) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(how, &set, nullptr);
}

/** Whether no connection has a request. */
bool all_idle(const Shared& shared) {
  return std::ranges::all_of(shared.open, [](const Connection* each) { return each->idle() && !each->has_bytes(); });
}

/** Makes room for another connection; false where all have a request. */
bool close_one_idle(const Shared& shared) {
  Connection* first = nullptr;
  for (Connection* each : shared.open) {
    if (each->idle() && (first == nullptr || each->idle() < first->idle())) first = each;
  }
  if (first != nullptr) first->close();
  return first != nullptr;
}

}  // namespace

HttpResponse complain_plainly(std::string_view, const Refusal& refusal) {
  HttpResponse response;
  response.status = refusal.status;
  response.body = write_json(json::object{{"error", json::object{{"message", refusal.failure.message()}}}});
  if (refusal.retry_after > 0) response.headers.emplace_back("retry-after", std::to_string(refusal.retry_after));
  return response;
}

struct HttpServer::State {
  State(HttpOptions o, Handler h)
      : options(std::move(o)), handler(std::move(h)), shared(options, handler), tls(tls_of(options)) {}

  HttpOptions options;
  Handler handler;
  // What connections use outlives the context, which holds those that have not ended.
  Shared shared;
  std::optional<asio::ssl::context> tls;
  asio::io_context context{1};
  tcp::acceptor acceptor{context};
  asio::steady_timer grace{context}, look{context};
  std::function<bool()> others;  // on their way without a connection; may be empty
  asio::signal_set signals{context}, hangups{context};
  std::atomic<int> connections{0};
  std::thread thread;
  int port = 0;

  void listen() {
    const tcp::endpoint place(address_of(options.address), static_cast<unsigned short>(options.port));
    error_code error;
    acceptor.open(place.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(place, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      fail(fmt::format("{}:{}", options.address, options.port), "cannot listen there: {}", error.message());
    }
    port = acceptor.local_endpoint().port();
  }

  asio::awaitable<void> accept() {
    asio::steady_timer rest(context);
    while (true) {
      error_code error;
      tcp::socket socket(context);
      co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, error));
      if (error) {
        if (close_one_idle(shared)) continue;
        rest.expires_after(kRest);
        co_await rest.async_wait(asio::redirect_error(asio::use_awaitable, error));
        continue;
      }
      if (connections.load() >= options.connections && !close_one_idle(shared)) {
        turn_away(std::move(socket));
        continue;
      }
      socket.set_option(tcp::no_delay(true), error);
      start(std::move(socket));
    }
  }

  /** In one go: who is too many gets no memory and no time. */
  void turn_away(tcp::socket socket) const {
    if (tls) return;
    error_code ignored;
    socket.non_blocking(true, ignored);
    socket.write_some(asio::buffer(kTooMany), ignored);
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  void start(tcp::socket socket) {
    connections.fetch_add(1);
    const auto over = [this](const std::exception_ptr&) {
      connections.fetch_sub(1);
      if (shared.stopping && all_idle(shared)) finish();
    };
    if (tls) {
      auto stream = std::make_shared<TlsStream>(PlainStream(std::move(socket)), *tls);
      asio::co_spawn(context, serve_tls(std::move(stream), shared), over);
    } else {
      auto stream = std::make_shared<PlainStream>(std::move(socket));
      asio::co_spawn(context, serve_plain(std::move(stream), shared), over);
    }
  }

  /** Who has connected and not yet asked is about to: such connections are not closed while others are answered. */
  void stop(std::chrono::milliseconds time) {
    if (!std::exchange(shared.stopping, true)) {
      for (Connection* each : shared.open) {
        if (each->idle() && each->idle()->has_asked && !each->has_bytes()) each->close();
      }
    }
    grace.expires_after(time);
    grace.async_wait([this](error_code error) {
      if (!error) context.stop();
    });
    if (all_idle(shared)) finish();
  }

  void finish() {
    if (!others || !others()) return context.stop();
    look.expires_after(kLook);
    look.async_wait([this](error_code error) {
      if (!error) finish();
    });
  }

  void wait_for_signal(std::chrono::milliseconds time, std::function<void()> said) {
    signals.async_wait([this, time, said = std::move(said)](error_code error, int) {
      if (error) return;
      if (said) said();
      stop(time);
      wait_for_signal(std::chrono::milliseconds(0), {});
    });
  }

  void wait_for_hangup(std::function<void()> act) {
    hangups.async_wait([this, act = std::move(act)](error_code error, int) {
      if (error) return;
      act();
      wait_for_hangup(act);
    });
  }
};

HttpServer::HttpServer(HttpOptions options, Handler handler)
    : state_(std::make_unique<State>(std::move(options), std::move(handler))) {
  state_->listen();
}
HttpServer::~HttpServer() {
  state_->context.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

int HttpServer::port() const { return state_->port; }
int HttpServer::open_connections() const { return state_->connections.load(); }

void HttpServer::start() {
  asio::co_spawn(state_->context, state_->accept(), asio::detached);
  state_->thread = std::thread([this] { state_->context.run(); });
}

void HttpServer::run() {
  if (!state_->thread.joinable()) start();
  state_->thread.join();
  error_code ignored;
  state_->signals.clear(ignored);  // whoever is not content with how the rest ends has the system's way
}

void HttpServer::stop_on_signals(std::chrono::milliseconds grace, std::function<void()> said) {
  state_->signals.add(SIGINT);
  state_->signals.add(SIGTERM);
  asio::post(state_->context, [this, grace, said = std::move(said)] { state_->wait_for_signal(grace, said); });
}

void HttpServer::hold_hangups() { mask_hangup(SIG_BLOCK); }

void HttpServer::on_hangup(std::function<void()> act) {
  state_->hangups.add(SIGHUP);
  asio::post(state_->context, [this, act = std::move(act)] { state_->wait_for_hangup(act); });
  mask_hangup(SIG_UNBLOCK);
}

void HttpServer::read_certificate() { state_->tls = tls_of(state_->options); }

void HttpServer::wait_for(std::function<bool()> others) { state_->others = std::move(others); }

void HttpServer::stop(std::chrono::milliseconds grace) {
  asio::post(state_->context, [this, grace] { state_->stop(grace); });
}

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "serve/http/beast/connection.h"

#include <fmt/format.h>
#include <poll.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cctype>
#include <optional>
#include <utility>

#include "serve/http/outbox.h"

namespace gemma::serve {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Parser = http::request_parser<http::string_body>;

constexpr int kRetrySoon = 1;                    // seconds
constexpr std::chrono::milliseconds kPeek{100};  // how often it is looked whether a client has left

/** What HTTP asks for and a request lacks, or what is not understood of it. */
template <class Message>
std::optional<Refusal> fault_in(const Message& message) {
  if (message.version() >= 11 && message.count(http::field::host) != 1) {
    return Refusal(400, {"", "expected one Host field, as HTTP/1.1 asks for"});
  }
  const auto coded = [&](http::field field, std::string_view plain) {
    const std::string_view value = message[field];
    return !value.empty() && !beast::iequals(value, plain);
  };
  if (coded(http::field::transfer_encoding, "chunked")) {
    return Refusal(501, {"", "Transfer-Encoding: expected chunked, or none"});
  }
  if (coded(http::field::content_encoding, "identity")) {
    return Refusal(415, {"", "Content-Encoding: expected none: bodies are sent as they are"});
  }
  return std::nullopt;
}

/** "http://host/path" as "/path": a request may name its target in full (RFC 9112, 3.2.2). */
std::string origin_form(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!beast::iequals(target.substr(0, scheme.size()), scheme)) continue;
    const size_t path = target.find_first_of("/?", scheme.size());
    if (path == std::string_view::npos) return "/";
    return (target[path] == '?' ? "/" : "") + std::string(target.substr(path));
  }
  return std::string(target);
}

/** Adds to a sum for as long as it lives. */
class Counted {
 public:
  Counted(int64_t& sum, int64_t n) : sum_(sum), n_(n) { sum_ += n_; }
  ~Counted() { sum_ -= n_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  int64_t& sum_;
  int64_t n_;
};

template <class Stream>
class Talk final : public Connection {
 public:
  Talk(std::shared_ptr<Stream> stream, Shared& shared)
      : stream_(std::move(stream)), shared_(shared), news_(stream_->get_executor()) {
    shared_.open.insert(this);
    error_code error;
    const auto peer = beast::get_lowest_layer(*stream_).socket().remote_endpoint(error);
    if (error) return;
    peer_ = peer.address().to_string();
    peer_port_ = peer.port();
  }
  ~Talk() override { shared_.open.erase(this); }

  std::optional<Idle> idle() const override { return idle_; }
  bool has_bytes() const override {
    error_code error;
    return beast::get_lowest_layer(*stream_).socket().available(error) > 0;
  }
  void close() override {
    idle_.reset();
    beast::get_lowest_layer(*stream_).close();
  }

  /** From here on it may be closed when others have no room. */
  void wait() { idle_ = Idle{has_asked_, Clock::now()}; }

  asio::awaitable<void> run() {
    bool another = true;
    while (another) another = co_await one_request() && !shared_.stopping;
    error_code ignored;
    beast::get_lowest_layer(*stream_).socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
  }

 private:
  void allow(Clock::duration time) { beast::get_lowest_layer(*stream_).expires_after(time); }

  /** False: the connection ends here. */
  asio::awaitable<bool> one_request() {
    error_code error;
    const bool begun = co_await first_bytes();
    if (!begun) co_return false;
    Parser parser;
    parser.header_limit(static_cast<std::uint32_t>(shared_.options.header_bytes));
    parser.body_limit(static_cast<std::uint64_t>(shared_.options.body_bytes));
    allow(shared_.options.header_time);
    co_await http::async_read_header(*stream_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
    if (!error) {
      allow(shared_.options.body_time);
      error = co_await read_body(parser);
    }
    const std::string target = origin_form(parser.get().target());
    path_ = target.substr(0, target.find('?'));
    if (error) {
      co_await refuse(error);
      co_return false;
    }
    auto message = parser.release();
    if (const auto wrong = fault_in(message)) {
      allow(shared_.options.write_time);
      co_return co_await write_whole(complaint(*wrong), message.version(), message.keep_alive(), false) &&
          message.keep_alive();
    }
    const bool keep = message.keep_alive();
    const unsigned version = message.version();
    const bool head_only = message.method() == http::verb::head;
    co_return co_await answer(request_of(std::move(message)), version, keep, head_only);
  }

  /** Waits for a request to begin, which may take long. */
  asio::awaitable<bool> first_bytes() {
    if (buffer_.size() > 0) co_return true;
    error_code error;
    wait();
    allow(shared_.options.idle_time);
    const auto room = buffer_.prepare(4096);
    const size_t bytes = co_await stream_->async_read_some(room, asio::redirect_error(asio::use_awaitable, error));
    buffer_.commit(bytes);
    idle_.reset();
    co_return !error;
  }

  asio::awaitable<error_code> read_body(Parser& parser) {
    error_code error;
    if (beast::iequals(parser.get()[http::field::expect], "100-continue")) {
      const std::string go_on = "HTTP/1.1 100 Continue\r\n\r\n";
      co_await asio::async_write(*stream_, asio::buffer(go_on), asio::redirect_error(asio::use_awaitable, error));
    }
    int64_t counted = 0;
    while (!error && !parser.is_done()) {
      co_await http::async_read_some(*stream_, buffer_, parser, asio::redirect_error(asio::use_awaitable, error));
      const auto size = static_cast<int64_t>(parser.get().body().size());
      shared_.body_bytes += size - std::exchange(counted, size);
      if (!error && shared_.body_bytes > shared_.options.all_bodies_bytes) error = http::error::buffer_overflow;
    }
    shared_.body_bytes -= counted;
    co_return error;
  }

  HttpRequest request_of(http::request<http::string_body> message) {
    HttpRequest request;
    request.method = std::string(message.method_string());
    const std::string target = origin_form(message.target());
    const size_t query = target.find('?');
    request.path = target.substr(0, query);
    if (query != std::string::npos) request.query = target.substr(query + 1);
    for (const auto& field : message) {
      std::string name(field.name_string());
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      request.headers.emplace_back(std::move(name), std::string(field.value()));
    }
    request.body = std::move(message.body());
    request.peer = peer_;
    request.peer_port = peer_port_;
    return request;
  }

  /** As the API says it that the request is meant for, as far as that is known. */
  HttpResponse complaint(const Refusal& refusal) const { return shared_.options.complain(path_, refusal); }

  asio::awaitable<void> refuse(error_code error) {
    if (error == http::error::end_of_stream || error == asio::error::operation_aborted) co_return;
    Refusal refusal(400, {"", fmt::format("not a request that can be read: {}", error.message())});
    if (error == http::error::body_limit) {
      refusal = {413, {"", fmt::format("the body has more than {} bytes", shared_.options.body_bytes)}};
    } else if (error == http::error::header_limit) {
      refusal = {431, {"", fmt::format("the header has more than {} bytes", shared_.options.header_bytes)}};
    } else if (error == http::error::buffer_overflow) {
      refusal = {503, {"", "too many large requests are being received; try again soon"}};
      refusal.retry_after = kRetrySoon;
    } else if (error.category() != http::make_error_code(http::error::bad_method).category()) {
      co_return;  // the connection broke, or took too long and is closed
    }
    allow(shared_.options.write_time);
    co_await write_whole(complaint(refusal), 11, false, false);
    co_await linger();
  }

  /** Reads on for a moment, so that the refusal is not lost to a reset. */
  asio::awaitable<void> linger() {
    error_code error;
    beast::get_lowest_layer(*stream_).socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
    allow(std::chrono::seconds(1));
    std::string away(65536, '\0');
    for (int i = 0; i < 1024 && !error; ++i) {
      co_await beast::get_lowest_layer(*stream_).async_read_some(asio::buffer(away),
                                                                 asio::redirect_error(asio::use_awaitable, error));
    }
  }

  asio::awaitable<bool> answer(HttpRequest request, unsigned version, bool keep, bool head_only) {
    // The outbox may outlive this connection by far: it wakes it through what is alive as long as it is.
    auto wake = std::make_shared<Waker>(news_.get_executor(), this);
    auto outbox = std::make_shared<Outbox>(shared_.options.waiting_bytes, [wake](Outbox::Wake why) { (*wake)(why); });
    beast::get_lowest_layer(*stream_).expires_never();
    has_asked_ = true;
    shared_.handler(std::move(request), outbox);
    const bool arrived = co_await send(*outbox, version, keep, head_only);
    wake->forget();
    if (arrived) {
      outbox->close();
    } else {
      outbox->leave();
    }
    co_return arrived&& keep && !(streamed_ && version < 11);
  }

  /** Calls the coroutine that waits for news, from any thread, as long as it is there. */
  struct Waker : std::enable_shared_from_this<Waker> {
    Waker(asio::any_io_executor e, Talk* t) : executor(std::move(e)), talk(t) {}
    void operator()(Outbox::Wake why) {
      asio::post(executor, [self = this->shared_from_this(), why] {
        if (self->talk == nullptr) return;
        self->talk->news_.cancel();
        // What is being written will not be taken: the write ends with this.
        if (why == Outbox::Wake::overflow) beast::get_lowest_layer(*self->talk->stream_).close();
      });
    }
    void forget() { talk = nullptr; }  // on the connections' thread
    asio::any_io_executor executor;
    Talk* talk;
  };

  /** Sends what comes into the outbox. True: all of it has arrived. */
  asio::awaitable<bool> send(Outbox& outbox, unsigned version, bool keep, bool head_only) {
    streamed_ = false;
    std::string keep_alive;
    auto last = Clock::now();
    for (bool waited = false;; waited = true) {
      Outbox::News news = outbox.take();
      if (news.head && news.whole) co_return co_await write_whole(std::move(*news.head), version, keep, head_only);
      if (news.head) {
        streamed_ = true;
        keep_alive = news.head->keep_alive;
        const bool written = co_await write_head(*news.head, version, keep);
        if (!written) co_return false;
      }
      if (!news.any() && !keep_alive.empty() && Clock::now() - last > shared_.options.quiet_time) {
        news.pieces = keep_alive;
      }
      if (!news.pieces.empty()) {
        const bool written = co_await write_pieces(outbox, news.pieces, version, keep_alive);
        if (!written) co_return false;
        last = Clock::now();
      }
      if (news.ended) co_return co_await write_end(version);
      if (!news.any()) {
        // Who closes the sending end alone may have what comes at once: of who waits longer nobody can tell the two
        // apart.
        if (waited && has_left()) co_return false;
        outbox.tell_late(Clock::now());
        error_code ignored;
        news_.expires_after(kPeek);
        co_await news_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
      }
    }
  }

  /** Whether the other side has closed its end: nobody reads the rest. */
  bool has_left() {
    if (!beast::get_lowest_layer(*stream_).socket().is_open()) return true;
    pollfd look{beast::get_lowest_layer(*stream_).socket().native_handle(), POLLRDHUP, 0};
    return ::poll(&look, 1, 0) > 0 && (look.revents & (POLLRDHUP | POLLERR | POLLHUP | POLLNVAL)) != 0;
  }

  template <class Message>
  void fill(Message& message, const HttpResponse& response, bool keep) {
    message.set(http::field::server, "gemma4");
    if (!response.type.empty()) message.set(http::field::content_type, response.type);
    for (const auto& [name, value] : response.headers) message.insert(name, value);
    message.keep_alive(keep && !shared_.stopping);
  }

  asio::awaitable<bool> write_whole(HttpResponse response, unsigned version, bool keep, bool head_only) {
    const auto bytes = static_cast<int64_t>(response.body.size());
    if (shared_.answer_bytes + bytes > shared_.options.all_bodies_bytes) {
      Refusal refusal(503, {"", "too many large answers are on their way; try again soon"});
      refusal.retry_after = kRetrySoon;
      response = complaint(refusal);
    }
    const Counted counted(shared_.answer_bytes, static_cast<int64_t>(response.body.size()));
    http::response<http::string_body> message(static_cast<http::status>(response.status), version);
    fill(message, response, keep);
    message.body() = std::move(response.body);
    message.prepare_payload();
    if (head_only) message.body().clear();
    http::response_serializer<http::string_body> serializer(message);
    error_code error;
    if (head_only) {
      allow(shared_.options.write_time);
      co_await http::async_write_header(*stream_, serializer, asio::redirect_error(asio::use_awaitable, error));
    }
    while (!head_only && !error && !serializer.is_done()) {
      allow(shared_.options.write_time);
      co_await http::async_write_some(*stream_, serializer, asio::redirect_error(asio::use_awaitable, error));
    }
    co_return !error;
  }

  asio::awaitable<bool> write_head(const HttpResponse& head, unsigned version, bool keep) {
    error_code error;
    allow(shared_.options.write_time);
    http::response<http::empty_body> message(static_cast<http::status>(head.status), version);
    fill(message, head, keep && version >= 11);
    if (version >= 11) message.chunked(true);
    http::response_serializer<http::empty_body> serializer(message);
    co_await http::async_write_header(*stream_, serializer, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  asio::awaitable<bool> write_pieces(Outbox& outbox, const std::string& pieces, unsigned version,
                                     const std::string& keep_alive) {
    error_code error;
    allow(shared_.options.write_time);
    const auto bytes = asio::buffer(pieces);
    if (version >= 11) {
      const auto chunk = http::make_chunk(bytes);
      co_await asio::async_write(*stream_, chunk, asio::redirect_error(asio::use_awaitable, error));
    } else {
      co_await asio::async_write(*stream_, bytes, asio::redirect_error(asio::use_awaitable, error));
    }
    if (pieces != keep_alive) outbox.taken(pieces.size());
    co_return !error;
  }

  asio::awaitable<bool> write_end(unsigned version) {
    error_code error;
    if (version < 11) co_return true;
    allow(shared_.options.write_time);
    const auto last = http::make_chunk_last();
    co_await asio::async_write(*stream_, last, asio::redirect_error(asio::use_awaitable, error));
    co_return !error;
  }

  std::shared_ptr<Stream> stream_;
  Shared& shared_;
  beast::flat_buffer buffer_;
  asio::steady_timer news_;  // rung when there is news in the outbox
  std::string path_;         // of the request
  std::string peer_;
  int peer_port_ = 0;
  std::optional<Idle> idle_;
  bool has_asked_ = false, streamed_ = false;
};

}  // namespace

asio::awaitable<void> serve_plain(std::shared_ptr<PlainStream> stream, Shared& shared) {
  Talk<PlainStream> talk(std::move(stream), shared);
  co_await talk.run();
}

asio::awaitable<void> serve_tls(std::shared_ptr<TlsStream> stream, Shared& shared) {
  error_code error;
  Talk<TlsStream> talk(stream, shared);
  talk.wait();
  beast::get_lowest_layer(*stream).expires_after(shared.options.header_time);
  co_await stream->async_handshake(asio::ssl::stream_base::server, asio::redirect_error(asio::use_awaitable, error));
  if (!error) co_await talk.run();
}

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "hub/http_client.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/error.h"

namespace gemma::hub {
namespace {

constexpr long kConnectSeconds = 30, kQuietSeconds = 60, kRedirects = 10;
constexpr int kOk = 200, kPartial = 206;

struct Transfer {
  CURL* curl;
  const HttpRequest& request;
  int64_t place = -1;  // of the next byte; -1: nothing has come
  bool stopped = false;
};

size_t on_piece(char* bytes, size_t, size_t count, void* data) {
  auto& transfer = *static_cast<Transfer*>(data);
  long status = 0;
  curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
  if (status != kOk && status != kPartial) return count;  // the page about an error
  if (transfer.place < 0) transfer.place = status == kPartial ? transfer.request.from : 0;
  const std::span piece(reinterpret_cast<const std::byte*>(bytes), count);
  if (!transfer.request.take(transfer.place, piece)) {
    transfer.stopped = true;
    return 0;
  }
  transfer.place += static_cast<int64_t>(count);
  return count;
}

/** The address is the one that will be connected to: no name is looked up between here and there. */
curl_socket_t open_allowed(void* data, curlsocktype, curl_sockaddr* address) {
  const auto& transfer = *static_cast<Transfer*>(data);
  if (!transfer.request.may_connect(address->addr)) return CURL_SOCKET_BAD;
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int on_progress(void* data, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(data);
  if (transfer.request.go_on()) return 0;
  transfer.stopped = true;
  return 1;
}

}  // namespace

struct HttpClient::Handle {
  Handle() {
    // Once a process, which the library does not do by itself safely.
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = ready == CURLE_OK ? curl_easy_init() : nullptr;
    if (curl == nullptr) fail("libcurl", "cannot be started");
  }
  ~Handle() { curl_easy_cleanup(curl); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;

  template <class Value>
  void set(CURLoption option, Value value) {
    curl_easy_setopt(curl, option, value);
  }
  CURL* curl;
};

HttpClient::HttpClient() : handle_(std::make_unique<Handle>()) {}
HttpClient::~HttpClient() = default;

HttpReply HttpClient::get(const HttpRequest& request) {
  Handle& h = *handle_;
  Transfer transfer{h.curl, request};
  std::string reason(CURL_ERROR_SIZE, '\0');
  curl_easy_reset(h.curl);
  h.set(CURLOPT_URL, request.url.c_str());
  h.set(CURLOPT_PROTOCOLS_STR, "http,https");
  h.set(CURLOPT_REDIR_PROTOCOLS_STR, request.url.starts_with("https:") ? "https" : "http,https");
  h.set(CURLOPT_FOLLOWLOCATION, 1L);
  h.set(CURLOPT_MAXREDIRS, kRedirects);
  h.set(CURLOPT_USERAGENT, "gemma4");
  h.set(CURLOPT_NOSIGNAL, 1L);
  h.set(CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  h.set(CURLOPT_LOW_SPEED_LIMIT, 1L);
  h.set(CURLOPT_LOW_SPEED_TIME, kQuietSeconds);
  h.set(CURLOPT_ERRORBUFFER, reason.data());
  h.set(CURLOPT_WRITEFUNCTION, on_piece);
  h.set(CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
  h.set(CURLOPT_NOPROGRESS, 0L);
  h.set(CURLOPT_XFERINFOFUNCTION, on_progress);
  h.set(CURLOPT_XFERINFODATA, static_cast<void*>(&transfer));
  // Not CURLOPT_RESUME_FROM: that is an error where the server sends all of it.
  const std::string range = fmt::format("{}-", request.from);
  if (request.from > 0) h.set(CURLOPT_RANGE, range.c_str());
  if (!request.token.empty()) {
    h.set(CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    h.set(CURLOPT_XOAUTH2_BEARER, request.token.c_str());
  }
  h.set(CURLOPT_TIMEOUT, static_cast<long>(request.seconds));
  if (request.may_connect) {
    h.set(CURLOPT_FOLLOWLOCATION, 0L);
    h.set(CURLOPT_PROXY, "");
    h.set(CURLOPT_OPENSOCKETFUNCTION, open_allowed);
    h.set(CURLOPT_OPENSOCKETDATA, static_cast<void*>(&transfer));
  }
  const CURLcode done = curl_easy_perform(h.curl);
  HttpReply reply;
  long status = 0;
  curl_easy_getinfo(h.curl, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  reply.stopped = transfer.stopped;
  reply.late = done == CURLE_OPERATION_TIMEDOUT;
  const char* redirect = nullptr;
  curl_easy_getinfo(h.curl, CURLINFO_REDIRECT_URL, &redirect);
  if (redirect != nullptr) reply.redirect = redirect;
  reason.resize(reason.find('\0') == std::string::npos ? reason.size() : reason.find('\0'));
  if (done != CURLE_OK) reply.error = reason.empty() ? curl_easy_strerror(done) : reason;
  return reply;
}

std::optional<UrlParts> parts_of_url(const std::string& url) {
  if (url.find('\0') != std::string::npos) return std::nullopt;
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
  if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return std::nullopt;
  const auto part = [&](CURLUPart which, unsigned flags = 0) {
    char* text = nullptr;
    const bool there = curl_url_get(parsed.get(), which, &text, flags) == CURLUE_OK;
    std::string out = there ? text : "";
    curl_free(text);
    return out;
  };
  UrlParts out{part(CURLUPART_SCHEME), part(CURLUPART_HOST), part(CURLUPART_PORT, CURLU_DEFAULT_PORT),
               part(CURLUPART_URL), !part(CURLUPART_USER).empty() || !part(CURLUPART_PASSWORD).empty()};
  for (std::string* each : {&out.scheme, &out.host}) {
    std::transform(each->begin(), each->end(), each->begin(), [](unsigned char c) { return std::tolower(c); });
  }
  const auto is_ascii = [](unsigned char c) { return c < 0x80; };  // other names have a form of letters, "xn--..."
  if (out.host.empty() || !std::ranges::all_of(out.host, is_ascii) || (out.scheme != "http" && out.scheme != "https"))
    return std::nullopt;
  return out;
}

std::string url_path(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool plain =
        std::isalnum(static_cast<unsigned char>(c)) != 0 || std::string_view("-._~/").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

}  // namespace gemma::hub

// SPDX-License-Identifier: Apache-2.0
// GET by libcurl, which sees to redirects, proxies and certificates. One thread at a time; connections are kept.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

struct sockaddr;

namespace gemma::hub {

struct HttpRequest {
  std::string url;
  std::string token;  // "": none; it goes to the url's host only, wherever that leads
  int64_t from = 0;   // first byte that is wanted
  /** Whether to go on; asked some times a second. */
  std::function<bool()> go_on = [] { return true; };
  /** Takes a piece of the body, of status 200 or 206 only; `begin`: the place of its first byte, 0 where the server
   *  sends all of it although `from` was said. False ends the transfer. */
  std::function<bool(int64_t begin, std::span<const std::byte> piece)> take;
  /** Set for what a stranger wants fetched: asked of each address just before it is connected to. Then there are no
   *  proxies, and redirects are not followed (HttpReply::redirect). */
  std::function<bool(const sockaddr& address)> may_connect = {};
  int seconds = 0;  // for all of it; 0: as long as something comes
};

struct HttpReply {
  int status = 0;        // 0: there was none
  std::string error;     // why not all of it came, one line; "" where it did
  bool stopped = false;  // by go_on or take
  bool late = false;     // HttpRequest::seconds were over
  std::string redirect;  // where a redirect that was not followed leads, whole
};

class HttpClient {
 public:
  HttpClient();
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  HttpReply get(const HttpRequest& request);

 private:
  struct Handle;
  std::unique_ptr<Handle> handle_;
};

/** A url as the client reads it. */
struct UrlParts {
  std::string scheme, host, port, text;  // lower case; the scheme's port where it names none; all of it, in order
  bool has_user = false;                 // a name or a password is in it
};
/** Nothing where it is none of http or https. */
std::optional<UrlParts> parts_of_url(const std::string& url);

/** A path as a url has it: what has a meaning there becomes %XX; slashes stay. */
std::string url_path(std::string_view path);

}  // namespace gemma::hub

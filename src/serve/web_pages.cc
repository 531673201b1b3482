// SPDX-License-Identifier: Apache-2.0
#include "serve/web_pages.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace gemma::serve {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

/** "name:8080" or "[::1]:8080" without the port. */
std::string_view without_port(std::string_view host) {
  const size_t colon = host.rfind(':');
  return colon == std::string_view::npos || host.ends_with(']') ? host : host.substr(0, colon);
}

bool is_address(const std::string& host) {
  in_addr parsed{};
  return host.starts_with('[') || inet_pton(AF_INET, host.c_str(), &parsed) == 1;
}

/** Whether nobody elsewhere can say what it stands for (RFC 6761 and ICANN's ".internal"). */
bool is_own_name(std::string_view header) {
  std::string host(without_port(header));
  if (host.ends_with('.')) host.pop_back();
  return is_address(host) || host == "localhost" || host.ends_with(".localhost") || host.ends_with(".internal");
}

}  // namespace

std::optional<Failure> from_foreign_page(const HttpRequest& request) {
  const std::string host = lower(request.header("host")), origin = lower(request.header("origin"));
  if (!host.empty() && !is_own_name(host)) {
    return Failure{"", fmt::format("expected an address or 'localhost' as Host, found '{}': without --keys only this "
                                   "machine is answered, by its own names",
                                   host)};
  }
  const bool page = origin == "null" || origin.starts_with("http://") || origin.starts_with("https://");
  if (!page || origin.substr(origin.find("//") + 2) == host) return std::nullopt;  // extensions, apps; our own page
  return Failure{"", fmt::format("is asked by a web page of another origin, '{}': without --keys none may", origin)};
}

}  // namespace gemma::serve

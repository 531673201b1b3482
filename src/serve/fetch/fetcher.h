// SPDX-License-Identifier: Apache-2.0
// Fetching what requests name by its address, for a server whose operator allows it: from hosts on a list, from public
// addresses, so much and so long. The address that is connected to is the one that has been looked at, whatever a name
// server says the next time; where a redirect leads is looked at as well.
//
//   Fetcher fetcher({.hosts = {*FetchHost::from("*.example.com")}});
//   auto bytes = fetcher.get("https://a.example.com/bike.jpg", most_bytes, [&] { return !gone; });
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace gemma::serve {

/** What may be fetched from. */
struct FetchHost {
  std::string scheme, host, port;  // host: "example.com"; "*.example.com" for all below it
  /** "HOST" or "*.HOST", with ":PORT" behind it and "https://" (else that is meant) or "http://" before it. */
  static std::optional<FetchHost> from(std::string_view text);
};

struct FetchOptions {
  std::vector<FetchHost> hosts;
  bool private_addresses = false;  // whether these hosts may be in the machine's own network
  int seconds = 30;                // for each file, redirects included
};

class Fetcher {
 public:
  explicit Fetcher(FetchOptions options) : options_(std::move(options)) {}

  /** The bytes at an address; waits. Failures name no field. go_on is asked some times a second. */
  Result<std::string> get(const std::string& url, int64_t most, const std::function<bool()>& go_on) const;

 private:
  FetchOptions options_;
};

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
// Fetching what requests name by its address, for a server whose operator allows it: from hosts on a list, from public
// addresses, so much and so long. The address that is connected to is the one that has been looked at, whatever a name
// server says the next time; where a redirect leads is looked at as well.
//
//   Fetcher fetcher({.hosts = {*FetchHost::from("*.example.com")}}, most_bytes);
//   auto bytes = fetcher.get("https://a.example.com/bike.jpg", [&] { return !gone; });
#pragma once

#include <cstdint>
#include <functional>
#include <map>
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
  int seconds = 30;                // for all that a request names, redirects included
};

/** Of one request, all of whose files have FetchOptions::seconds and `most` bytes together. */
class Fetcher {
 public:
  Fetcher(FetchOptions options, int64_t most);

  /** The bytes at an address; waits. Failures name no field. go_on is asked some times a second. */
  Result<std::string> get(const std::string& url, const std::function<bool()>& go_on);

 private:
  Result<std::string> get_within(const std::string& url, const std::function<bool()>& go_on, double seconds) const;

  const FetchOptions options_;
  const int64_t most_;
  int64_t bytes_ = 0;                         // that have come
  double seconds_ = 0;                        // that they took
  std::map<std::string, std::string> known_;  // by address: each is asked once
};

}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "serve/fetch/fetcher.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "base/clock.h"
#include "hub/http_client.h"
#include "serve/fetch/public_address.h"

namespace gemma::serve {
namespace {

constexpr int kMostRedirects = 3;
constexpr int kOk = 200;
constexpr std::string_view kBelow = "*.";

bool is_listed(const FetchHost& listed, const hub::UrlParts& url) {
  if (url.scheme != listed.scheme || url.port != listed.port) return false;
  if (!listed.host.starts_with(kBelow)) return url.host == listed.host;
  const std::string_view tail = std::string_view(listed.host).substr(1);
  return url.host.size() > tail.size() && url.host.ends_with(tail);
}

/** One file, without redirects. */
struct Got {
  hub::HttpReply reply;
  std::string bytes;
  std::string refused;  // address that is not public
  bool too_large = false;
};

Got get_once(hub::HttpRequest request, int64_t most, bool private_addresses) {
  Got got;
  request.take = [&](int64_t, std::span<const std::byte> piece) {
    got.too_large = got.bytes.size() + piece.size() > static_cast<size_t>(most);
    if (!got.too_large) got.bytes.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    return !got.too_large;
  };
  request.may_connect = [&](const sockaddr& address) {
    if (private_addresses || is_public(address)) return true;
    got.refused = text_of(address);
    return false;
  };
  got.reply = hub::HttpClient().get(request);
  return got;
}

Failure because(std::string reason) { return {"", std::move(reason)}; }

/** Why it has not come, whole. */
std::optional<Failure> fault_of(const Got& got, const std::string& host, int64_t most, int seconds) {
  if (got.too_large) return because(fmt::format("'{}' sends more than {} bytes", host, most));
  if (got.reply.stopped) return because("nobody waits for it any more");
  if (got.reply.late) {
    return because(fmt::format("'{}' did not send it within the {} s that all files of a request have", host, seconds));
  }
  if (got.reply.status == 0 && !got.refused.empty()) {
    return because(fmt::format("'{}' is at {}, which is no public address", host, got.refused));
  }
  if (!got.reply.error.empty()) return because(fmt::format("cannot be fetched: {}", got.reply.error));
  if (got.reply.status == kOk) return std::nullopt;
  return because(fmt::format("'{}' answers with status {}, expected {}", host, got.reply.status, kOk));
}

}  // namespace

std::optional<FetchHost> FetchHost::from(std::string_view text) {
  const size_t scheme = text.find("://");
  const std::string whole = (scheme == std::string_view::npos ? "https://" : std::string(text.substr(0, scheme + 3))) +
                            std::string(scheme == std::string_view::npos ? text : text.substr(scheme + 3));
  std::string plain = whole;  // without the star, which is in no url
  const size_t star = whole.find("://" + std::string(kBelow));
  if (star != std::string::npos) plain.erase(star + 3, kBelow.size());
  const auto url = hub::parts_of_url(plain);
  if (!url || url->has_user || url->port == "0" || url->host.find_first_of("*%") != std::string::npos) {
    return std::nullopt;
  }
  if (url->host.starts_with('-')) return std::nullopt;  // no name begins so, but an option does
  if (plain.find_first_of("/?#", plain.find("://") + 3) != std::string::npos) return std::nullopt;
  return FetchHost{url->scheme, (star != std::string::npos ? std::string(kBelow) : "") + url->host, url->port};
}

Fetcher::Fetcher(FetchOptions options, int64_t most) : options_(std::move(options)), most_(most) {}

Result<std::string> Fetcher::get(const std::string& url, const std::function<bool()>& go_on) {
  if (const auto known = known_.find(url); known != known_.end()) return known->second;
  const double left = options_.seconds - seconds_;
  if (left <= 0) return because(fmt::format("the {} s that all files of a request have are over", options_.seconds));
  const auto begun = Clock::now();
  auto bytes = get_within(url, go_on, left);
  seconds_ += seconds_since(begun);
  if (!bytes) return bytes;
  bytes_ += static_cast<int64_t>(bytes.value().size());
  return known_[url] = std::move(bytes).value();
}

Result<std::string> Fetcher::get_within(const std::string& url, const std::function<bool()>& go_on,
                                        double seconds) const {
  const auto begun = Clock::now();
  std::string next = url;
  for (int redirects = 0;; ++redirects) {
    const auto parts = hub::parts_of_url(next);
    if (!parts) return because("expected an address that can be read (https://HOST/..., HOST in plain letters)");
    if (parts->has_user) return because("expected an address without a name or password");
    const auto listed = [&](const FetchHost& each) { return is_listed(each, *parts); };
    if (std::none_of(options_.hosts.begin(), options_.hosts.end(), listed)) {
      return because(fmt::format("{}'{}://{}:{}' is none of the hosts that this server fetches from",
                                 redirects > 0 ? "leads elsewhere: " : "", parts->scheme, parts->host, parts->port));
    }
    hub::HttpRequest request;
    request.url = parts->text;
    request.go_on = go_on;
    request.seconds = std::max(1, static_cast<int>(std::ceil(seconds - seconds_since(begun))));
    const int64_t most = most_ - bytes_;
    const Got got = get_once(std::move(request), most, options_.private_addresses);
    const bool led_on = !got.reply.redirect.empty() && !got.reply.stopped && !got.reply.late;
    if (!led_on) {
      if (auto fault = fault_of(got, parts->host, most, options_.seconds)) return std::move(*fault);
      return std::move(got.bytes);
    }
    if (redirects == kMostRedirects) return because(fmt::format("leads elsewhere more than {} times", kMostRedirects));
    next = got.reply.redirect;
  }
}

}  // namespace gemma::serve

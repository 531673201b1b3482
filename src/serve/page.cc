// SPDX-License-Identifier: Apache-2.0
#include "serve/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "serve/openai_wire.h"
#include "serve/service.h"

namespace gemma::serve {
namespace {

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

/** `word` is in small letters. */
bool is_word(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](unsigned char a, char b) { return std::tolower(a) == b; });
}

/** Calls `found` with each part of a header that commas divide, until it says true. */
template <class Found>
bool any_part(std::string_view header, Found found) {
  while (!header.empty()) {
    const size_t comma = std::min(header.find(','), header.size());
    if (found(trimmed(header.substr(0, comma)))) return true;
    header.remove_prefix(std::min(comma + 1, header.size()));
  }
  return false;
}

/** ";q=0", ";q=0.000": not this one. */
bool weighs_nothing(std::string_view parameters) {
  const size_t at = parameters.find("q=");
  if (at == std::string_view::npos) return false;
  return trimmed(parameters.substr(at + 2)).find_first_not_of("0.") == std::string_view::npos;
}

void asset(Call& call) {
  const auto& all = page_assets();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.path == call.request.path; });
  call.responder->respond(page_response(*found, call.request));
}

void no_page(Call& call) {
  HttpResponse response;
  response.type = "text/plain; charset=utf-8";
  response.body = "This gemma4 was built without its page (./bootstrap --web, then build again); the API is at /v1.\n";
  call.responder->respond(std::move(response));
}

}  // namespace

bool takes_gzip(std::string_view accept_encoding) {
  bool refused = false;
  const bool taken = any_part(accept_encoding, [&](std::string_view part) {
    const size_t semicolon = std::min(part.find(';'), part.size());
    const std::string_view name = trimmed(part.substr(0, semicolon));
    const bool gzip = is_word(name, "gzip");
    if (!gzip && name != "*") return false;
    const bool nothing = weighs_nothing(part.substr(semicolon));
    refused = refused || (gzip && nothing);
    return !nothing;
  });
  return taken && !refused;
}

bool matches_tag(std::string_view if_none_match, std::string_view tag) {
  return any_part(if_none_match, [&](std::string_view part) {
    if (part.starts_with("W/")) part.remove_prefix(2);
    return part == "*" || part == tag;
  });
}

HttpResponse page_response(const PageAsset& asset, const HttpRequest& request) {
  const bool packed = !asset.gzip.empty() && takes_gzip(request.header("accept-encoding"));
  // What is packed is another representation, and needs a tag of its own.
  const std::string tag = fmt::format("\"{}{}\"", asset.tag, packed ? "-gzip" : "");
  HttpResponse response;
  for (const auto& [name, value] : asset.headers) response.headers.emplace_back(name, value);
  response.headers.emplace_back("etag", tag);
  response.headers.emplace_back("cache-control", asset.immutable ? "public, max-age=31536000, immutable" : "no-cache");
  if (!asset.gzip.empty()) response.headers.emplace_back("vary", "accept-encoding");
  if (matches_tag(request.header("if-none-match"), tag)) {
    response.status = 304;
    response.type.clear();
    return response;
  }
  response.type = asset.type;
  if (packed) response.headers.emplace_back("content-encoding", "gzip");
  response.body = packed ? asset.gzip : asset.bytes;
  return response;
}

// Nobody needs a key for the page itself, which asks for one.
std::vector<Route> page_routes() {
  if (page_assets().empty()) return {{"GET", "/", no_page, openai_error, std::nullopt}};
  std::vector<Route> routes;
  for (const PageAsset& each : page_assets()) routes.push_back({"GET", each.path, asset, openai_error, std::nullopt});
  return routes;
}

}  // namespace gemma::serve

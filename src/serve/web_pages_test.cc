// SPDX-License-Identifier: Apache-2.0
#include "serve/web_pages.h"

#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

bool is_foreign(const char* host, const char* origin = "") {
  HttpRequest request;
  if (*host != 0) request.headers.emplace_back("host", host);
  if (*origin != 0) request.headers.emplace_back("origin", origin);
  return from_foreign_page(request).has_value();
}

TEST(WebPages, HostsThatNobodyElseGivesOut) {
  for (const char* own : {"", "127.0.0.1", "127.0.0.1:8080", "[::1]:8080", "[::1]", "localhost", "LocalHost:8080",
                          "localhost.:1", "a.localhost:1", "host.docker.internal:8080", "192.168.1.3:8080"}) {
    EXPECT_FALSE(is_foreign(own)) << own;
  }
  for (const char* other : {"evil.example", "evil.example:8080", "localhost.evil.example", "127.0.0.1.evil.example",
                            "notlocalhost", "internal.example", "1.2.3"}) {
    EXPECT_TRUE(is_foreign(other)) << other;
  }
}

TEST(WebPages, PagesOfOtherOrigins) {
  EXPECT_FALSE(is_foreign("127.0.0.1:8080", "http://127.0.0.1:8080")) << "its own";
  EXPECT_FALSE(is_foreign("localhost:8080", "https://LOCALHOST:8080")) << "its own, by TLS";
  EXPECT_FALSE(is_foreign("localhost:8080", "chrome-extension://abcdef"));
  EXPECT_FALSE(is_foreign("localhost:8080", "tauri://localhost"));
  for (const char* other : {"http://evil.example", "https://evil.example:8080", "http://localhost:3000",
                            "http://localhost", "null", "HTTP://EVIL.EXAMPLE", "http://127.0.0.1:8080"}) {
    EXPECT_TRUE(is_foreign("localhost:8080", other)) << other;
  }
}

}  // namespace
}  // namespace gemma::serve

// SPDX-License-Identifier: Apache-2.0
#include "serve/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "serve/service.h"

namespace gemma::serve {
namespace {

using ::testing::Contains;
using ::testing::Pair;

const PageAsset kAsset{"/a.js", "text/javascript", "long text", "packed", "abc", true, {{"x-one", "1"}}};

HttpRequest asking(Headers headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return request;
}

TEST(Page, PackedForThoseWhoTakeIt) {
  const HttpResponse plain = page_response(kAsset, asking({}));
  EXPECT_EQ(plain.body, "long text");
  EXPECT_THAT(plain.headers, Contains(Pair("etag", "\"abc\"")));
  const HttpResponse packed = page_response(kAsset, asking({{"accept-encoding", "br, gzip;q=0.8"}}));
  EXPECT_EQ(packed.body, "packed");
  EXPECT_THAT(packed.headers, Contains(Pair("content-encoding", "gzip")));
  EXPECT_THAT(packed.headers, Contains(Pair("etag", "\"abc-gzip\"")));
  EXPECT_THAT(packed.headers, Contains(Pair("vary", "accept-encoding")));
  EXPECT_THAT(packed.headers, Contains(Pair("x-one", "1")));
}

TEST(Page, EncodingsAreReadAsTheyAreMeant) {
  for (const char* yes : {"gzip", "GZip", "deflate, gzip", "*", "gzip; q=0.001", "*;q=0.5, br"}) {
    EXPECT_TRUE(takes_gzip(yes)) << yes;
  }
  for (const char* no : {"", "br", "gzip;q=0", "gzip; q=0.0, *", "*;q=0", "xgzip", ",,"}) {
    EXPECT_FALSE(takes_gzip(no)) << no;
  }
}

TEST(Page, WhatTheClientHasIsNotSentAgain) {
  for (const char* has : {"\"abc\"", "W/\"abc\"", "\"x\", \"abc\"", "*"}) {
    const HttpResponse response = page_response(kAsset, asking({{"if-none-match", has}}));
    EXPECT_EQ(response.status, 304) << has;
    EXPECT_TRUE(response.body.empty() && response.type.empty()) << has;
  }
  EXPECT_EQ(page_response(kAsset, asking({{"if-none-match", "\"abcd\""}})).status, 200);
  EXPECT_EQ(page_response(kAsset, asking({{"if-none-match", "\"abc\""}, {"accept-encoding", "gzip"}})).status, 200);
}

TEST(Page, NamesThatChangeWithTheirContentAreKept) {
  const auto control = [](bool immutable) {
    PageAsset asset = kAsset;
    asset.immutable = immutable;
    for (const auto& [name, value] : page_response(asset, asking({})).headers) {
      if (name == "cache-control") return value;
    }
    return std::string();
  };
  EXPECT_THAT(control(true), ::testing::HasSubstr("immutable"));
  EXPECT_EQ(control(false), "no-cache");
}

TEST(Page, RootIsServedWhateverTheBuildHas) {
  const auto routes = page_routes();
  EXPECT_THAT(routes, Contains(::testing::Field(&Route::path, "/")));
  for (const PageAsset& asset : page_assets()) EXPECT_FALSE(asset.bytes.empty()) << asset.path;
}

}  // namespace
}  // namespace gemma::serve

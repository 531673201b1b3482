// SPDX-License-Identifier: Apache-2.0
#include "serve/fetch/public_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>

#include <cstring>
#include <sstream>
#include <string>

#include "serve/fetch/fetcher.h"

namespace gemma::serve {
namespace {

bool public_text(const char* text) {
  sockaddr_storage storage{};
  auto& address = reinterpret_cast<sockaddr&>(storage);
  if (std::strchr(text, ':') != nullptr) {
    auto& six = reinterpret_cast<sockaddr_in6&>(storage);
    six.sin6_family = AF_INET6;
    EXPECT_EQ(::inet_pton(AF_INET6, text, &six.sin6_addr), 1) << text;
  } else {
    auto& four = reinterpret_cast<sockaddr_in&>(storage);
    four.sin_family = AF_INET;
    EXPECT_EQ(::inet_pton(AF_INET, text, &four.sin_addr), 1) << text;
  }
  EXPECT_EQ(text_of(address), text);
  return is_public(address);
}

constexpr const char* kPublic =
    "1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 "
    "169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 192.167.255.255 192.169.0.0 "
    "198.17.255.255 198.20.0.0 223.255.255.255 2000:: 2606:4700:4700::1111 2a00:1450::1 2001:200::1 "
    "2001:db7::1 2001:db9::1 2003::1 3fff:1000::1 ::ffff:8.8.8.8 64:ff9b::808:808 ";
constexpr const char* kOthers =
    "0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 "
    "169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 192.88.99.1 192.168.0.1 "
    "198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 "
    "::2 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b::a00:1 64:ff9b:1::1 100::1 "
    "1fff:ffff::1 2001::1 2001:1ff:ffff::1 2001:db8::1 2002:7f00:1::1 2002:808:808::1 3fff::1 "
    "3fff:fff::1 4000::1 fc00::1 fd12:3456::1 fe80::1 fec0::1 ff02::1 ";

TEST(PublicAddress, Table) {
  std::istringstream open(kPublic), closed(kOthers);
  for (std::string text; open >> text;) EXPECT_TRUE(public_text(text.c_str())) << text;
  for (std::string text; closed >> text;) EXPECT_FALSE(public_text(text.c_str())) << text;
  sockaddr other{};
  other.sa_family = AF_UNIX;
  EXPECT_FALSE(is_public(other));
}

std::string listed(std::string_view text) {
  const auto host = FetchHost::from(text);
  return host ? host->scheme + " " + host->host + " " + host->port : "";
}

TEST(FetchHost, IsReadAsUrlsAre) {
  EXPECT_EQ(listed("example.com"), "https example.com 443");
  EXPECT_EQ(listed("Example.COM:8443"), "https example.com 8443");
  EXPECT_EQ(listed("http://example.com"), "http example.com 80");
  EXPECT_EQ(listed("*.example.com"), "https *.example.com 443");
  EXPECT_EQ(listed("http://*.example.com:81"), "http *.example.com 81");
  EXPECT_EQ(listed("[::1]:9"), "https [::1] 9");
  for (const char* text :
       {"", "*", "*.", "a.*.com", "**.com", "ftp://a.com", "a.com/", "a.com/x", "a.com?x", "u@a.com", "u:p@a.com",
        "a b.com", "a.com:port", "a.com:99999", "a.com:0", "-a.com", "https://", "a.com#x"}) {
    EXPECT_EQ(listed(text), "") << text;
  }
}

std::string refused(const std::string& url) {
  Fetcher fetcher({.hosts = {*FetchHost::from("a.example"), *FetchHost::from("*.b.example"),
                             *FetchHost::from("http://localhost:1")}},
                  100);
  auto bytes = fetcher.get(url, [] { return true; });
  return bytes ? "" : bytes.failure().reason;
}

TEST(Fetcher, HostsThatAreNotListed) {
  const std::string none = "is none of the hosts";
  for (const char* url :
       {"http://a.example/", "https://a.example:444/", "https://x.a.example/", "https://b.example/",
        "https://xb.example/", "https://a.example./", "https://a.example.evil/", "https://evil/a.example",
        "https://evil#a.example", "https://evil?a.example", "https://localhost:1/", "http://127.0.0.1:1/"}) {
    EXPECT_NE(refused(url).find(none), std::string::npos) << url << refused(url);
  }
  for (const char* url : {"https://a.example@evil/", "https://u:p@a.example/"}) {
    EXPECT_NE(refused(url).find("without a name"), std::string::npos) << url << refused(url);
  }
  for (const char* url : {"", "file:///etc/passwd", "ftp://a.example/", "a.example", "https://", "gopher://a.example/",
                          "https://a.example\n/", "https://b\xc3\xbc.example/"}) {
    EXPECT_NE(refused(url).find("address that can be read"), std::string::npos) << url << refused(url);
  }
  EXPECT_NE(refused(std::string("https://a.example/ok\0x", 22)).find("address that can be read"), std::string::npos);
  EXPECT_FALSE(FetchHost::from("b\xc3\xbc.example"));
  // Listed, but this name is of this machine.
  EXPECT_NE(refused("http://localhost:1/").find("no public address"), std::string::npos)
      << refused("http://localhost:1/");
}

}  // namespace
}  // namespace gemma::serve

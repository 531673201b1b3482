// SPDX-License-Identifier: Apache-2.0
#include "serve/fetch/public_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace gemma::serve {
namespace {

struct Range4 {
  uint32_t first;
  int bits;
};
constexpr uint32_t v4(uint32_t a, uint32_t b, uint32_t c, uint32_t d) { return a << 24 | b << 16 | c << 8 | d; }
constexpr Range4 kSpecial4[] = {
    {v4(0, 0, 0, 0), 8},        // this network
    {v4(10, 0, 0, 0), 8},       // private
    {v4(100, 64, 0, 0), 10},    // shared by a carrier's customers
    {v4(127, 0, 0, 0), 8},      // this machine
    {v4(169, 254, 0, 0), 16},   // this link; where clouds keep their secrets
    {v4(172, 16, 0, 0), 12},    // private
    {v4(192, 0, 0, 0), 24},     // of protocols
    {v4(192, 0, 2, 0), 24},     // of documents
    {v4(192, 88, 99, 0), 24},   // 6to4's relays, which are no more
    {v4(192, 168, 0, 0), 16},   // private
    {v4(198, 18, 0, 0), 15},    // of benchmarks
    {v4(198, 51, 100, 0), 24},  // of documents
    {v4(203, 0, 113, 0), 24},   // of documents
    {v4(224, 0, 0, 0), 3},      // to many, reserved, to all
};

bool is_public(uint32_t address) {
  return std::none_of(std::begin(kSpecial4), std::end(kSpecial4),
                      [&](const Range4& range) { return (address ^ range.first) >> (32 - range.bits) == 0; });
}

using Bytes16 = std::array<uint8_t, 16>;
struct Range6 {
  Bytes16 first;
  int bits;
};
/** Of what is public at all. */
constexpr Range6 kSpecial6[] = {
    {{0x20, 0x01, 0x00}, 23},        // of protocols, Teredo's tunnels among them
    {{0x20, 0x01, 0x0d, 0xb8}, 32},  // of documents
    {{0x20, 0x02}, 16},              // 6to4: tunnels to an IPv4 address
    {{0x3f, 0xff, 0x00}, 20},        // of documents
};
constexpr Range6 kPublic6 = {{0x20}, 3};
/** The last 32 bits are an IPv4 address: as sockets write it, and as a translator (NAT64) does. */
constexpr Range6 kStandsFor4[] = {{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 96}, {{0x00, 0x64, 0xff, 0x9b}, 96}};

bool within(const Bytes16& address, const Range6& range) {
  for (int bit = 0; bit < range.bits; bit += 8) {
    const auto at = static_cast<size_t>(bit / 8);
    const int shift = std::max(0, 8 - (range.bits - bit));
    if ((address[at] ^ range.first[at]) >> shift != 0) return false;
  }
  return true;
}

bool is_public(const Bytes16& address) {
  const auto holds = [&](const Range6& range) { return within(address, range); };
  if (std::any_of(std::begin(kStandsFor4), std::end(kStandsFor4), holds)) {
    return is_public(v4(address[12], address[13], address[14], address[15]));
  }
  return holds(kPublic6) && std::none_of(std::begin(kSpecial6), std::end(kSpecial6), holds);
}

}  // namespace

bool is_public(const sockaddr& address) {
  if (address.sa_family == AF_INET) {
    sockaddr_in four;
    std::memcpy(&four, &address, sizeof(four));
    return is_public(ntohl(four.sin_addr.s_addr));
  }
  if (address.sa_family != AF_INET6) return false;
  sockaddr_in6 six;
  std::memcpy(&six, &address, sizeof(six));
  Bytes16 bytes;
  std::memcpy(bytes.data(), &six.sin6_addr, bytes.size());
  return is_public(bytes);
}

std::string text_of(const sockaddr& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.sa_family == AF_INET) {
    sockaddr_in four;
    std::memcpy(&four, &address, sizeof(four));
    ::inet_ntop(AF_INET, &four.sin_addr, text.data(), text.size());
  } else if (address.sa_family == AF_INET6) {
    sockaddr_in6 six;
    std::memcpy(&six, &address, sizeof(six));
    ::inet_ntop(AF_INET6, &six.sin6_addr, text.data(), text.size());
  }
  return text.data();
}

}  // namespace gemma::serve

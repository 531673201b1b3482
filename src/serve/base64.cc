// SPDX-License-Identifier: Apache-2.0
#include "serve/base64.h"

#include <algorithm>
#include <cstdint>

namespace gemma::serve {
namespace {

int value_of(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

}  // namespace

std::optional<std::string> base64_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size() / 4 * 3 + 3);
  uint32_t bits = 0;
  int digits = 0, padding = 0;  // digits: of the group of four that is being read
  for (const char c : text) {
    if (c == '\n' || c == '\r') continue;
    if (c == '=') {
      if (++padding > 2) return std::nullopt;
      continue;
    }
    const int value = value_of(c);
    if (value < 0 || padding > 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if (++digits < 4) continue;
    out += static_cast<char>(bits >> 16 & 255);
    out += static_cast<char>(bits >> 8 & 255);
    out += static_cast<char>(bits & 255);
    bits = 0;
    digits = 0;
  }
  if (digits == 1 || (padding > 0 && digits + padding != 4)) return std::nullopt;
  if (digits >= 2) out += static_cast<char>(bits >> (6 * (digits - 2) + 4) & 255);
  if (digits == 3) out += static_cast<char>(bits >> 2 & 255);
  return out;
}

std::string base64_encoded(std::string_view bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) out += k <= left ? kDigits[bits >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

}  // namespace gemma::serve

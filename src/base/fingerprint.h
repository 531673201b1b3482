// SPDX-License-Identifier: Apache-2.0
// Fingerprint: 128 bits of what something is made of. Two things with one fingerprint are taken to be the same. It
// guards against mistakes, not against somebody who wants to deceive.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gemma {

struct Fingerprint {
  std::array<uint64_t, 2> words{};

  static Fingerprint of(std::span<const std::byte> bytes);
  static Fingerprint of(std::string_view text);
  auto operator<=>(const Fingerprint&) const = default;
  /** 32 hexadecimal digits. */
  std::string hex() const;
};

/** Of all bytes of a file. */
Fingerprint fingerprint_of_file(const std::string& path);

}  // namespace gemma

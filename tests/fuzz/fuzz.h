// SPDX-License-Identifier: Apache-2.0
// What every fuzz target shares. A target is one function over a byte string:
//
//   // Links: file
//   #include "fuzz/fuzz.h"
//   extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
//     return gemma::fuzz::refuses_or_reads([&] { parse(gemma::fuzz::text(data, size)); });
//   }
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace gemma::fuzz {

inline std::string_view text(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

inline std::vector<std::byte> bytes(const uint8_t* data, size_t size) {
  const auto* first = reinterpret_cast<const std::byte*>(data);
  return {first, first + size};
}

/** Bad input may be refused in one way only, by gemma::Error with a message of one line; all else that leaves `body`
 *  (another exception, a sanitizer's report, a failed GEMMA_CHECK) is a find. */
template <class Body>
int refuses_or_reads(Body&& body) {
  try {
    body();
  } catch (const Error& e) {
    const std::string_view message = e.what();
    if (message.empty() || message.find('\n') != std::string_view::npos) __builtin_trap();
  }
  return 0;
}

}  // namespace gemma::fuzz

// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cstdio>
#include <cstdlib>

#include "base/interrupted.h"

namespace gemma {
namespace {

/** Messages quote names and values of files: none of them may break the line or speak to the terminal. */
std::string one_line(const std::string& text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out;
}

}  // namespace

void fail_message(std::string_view where, std::string_view what) {
  throw Error(one_line(where.empty() ? std::string(what) : fmt::format("{}: {}", where, what)));
}

void fail_usage_message(std::string_view option, std::string_view what) {
  throw UsageError(one_line(fmt::format("{}: {}", option, what)));
}

void fail_interrupted(std::string_view where) { throw Interrupted(one_line(fmt::format("{}: interrupted", where))); }

void check_failed(const char* condition, std::string_view what, const char* file, int line) {
  fmt::print(stderr, "{}:{}: internal error: {} (does not hold: {})\n", file, line, what, condition);
  std::abort();
}

}  // namespace gemma

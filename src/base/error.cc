// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <cstdio>
#include <cstdlib>

#include "base/interrupted.h"
#include "base/one_line.h"

namespace gemma {

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

// SPDX-License-Identifier: Apache-2.0
#include "eval/windows.h"

#include <algorithm>
#include <utility>

namespace gemma {

int64_t WindowPlan::rows() const {
  int64_t sum = 0;
  for (const Window& window : windows) sum += rows(window);
  return sum;
}

std::optional<Failure> fault_in(const WindowOptions& options) {
  const auto& [context, skip, stride] = options;
  if (context < 2) return Failure{"context", fmt::format("expected at least 2 tokens, found {}", context)};
  if (skip < 0 || skip > context - 2) {
    return Failure{"skip", fmt::format("expected 0 to {} (the context less 2), found {}", context - 2, skip)};
  }
  if (stride < 1) return Failure{"stride", fmt::format("expected at least 1 token, found {}", stride)};
  return std::nullopt;
}

WindowPlan plan_windows(std::string_view where, std::vector<int32_t> tokens, std::optional<int32_t> bos,
                        WindowOptions options) {
  GEMMA_CHECK(!fault_in(options), "options that were checked");
  const auto& [context, skip, stride] = options;
  const auto n = static_cast<int64_t>(tokens.size());
  if (n < context) fail(where, "{} tokens: expected at least {}, one whole window", n, context);

  WindowPlan plan{std::move(tokens), bos, options, {}};
  int64_t next = 0;  // the first token that no window has counted
  for (int64_t begin = 0; begin + context <= n; begin += stride) {
    const auto uncounted = static_cast<int>(std::max<int64_t>(0, next - begin - 1));
    plan.windows.push_back({begin, std::max(skip, uncounted)});
    next = begin + context;
  }
  return plan;
}

}  // namespace gemma

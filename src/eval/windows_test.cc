// SPDX-License-Identifier: Apache-2.0
#include "eval/windows.h"

#include <gmock/gmock.h>

#include <numeric>

namespace gemma {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<int32_t> text(int n) {
  std::vector<int32_t> ids(static_cast<size_t>(n));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

/** The tokens that count, in order. */
std::vector<int64_t> targets(const WindowPlan& plan) {
  std::vector<int64_t> out;
  for (const Window& w : plan.windows) {
    for (int row = w.first_row; row < plan.options.context - 1; ++row) out.push_back(w.begin + row + 1);
  }
  return out;
}

TEST(Windows, AreCutAsLlamaDoesIt) {
  // Disjoint, the second half of each, what is left over is left out: 4 of 512 would be 255 tokens each.
  const WindowPlan plan = plan_windows("t", text(27), 2, {.context = 8, .skip = 4, .stride = 8});
  EXPECT_THAT(targets(plan), ElementsAre(5, 6, 7, 13, 14, 15, 21, 22, 23));
  EXPECT_EQ(plan.rows(), 9);
  EXPECT_EQ(plan_windows("t", text(2048), 2, {}).rows(), 4 * 255);
}

TEST(Windows, ThatOverlapCountATokenOnce) {
  const WindowPlan plan = plan_windows("t", text(15), {}, {.context = 8, .skip = 2, .stride = 3});
  EXPECT_THAT(targets(plan), ElementsAre(3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13));
  // skip = stride - 1 loses none; one row more leaves gaps.
  EXPECT_EQ(plan_windows("t", text(80), {}, {.context = 8, .skip = 3, .stride = 4}).rows(), 76);
  EXPECT_EQ(plan_windows("t", text(80), {}, {.context = 8, .skip = 4, .stride = 4}).rows(), 19 * 3);
}

TEST(Windows, MaySampleAText) {
  const WindowPlan plan = plan_windows("t", text(20), {}, {.context = 4, .skip = 0, .stride = 8});
  EXPECT_THAT(targets(plan), ElementsAre(1, 2, 3, 9, 10, 11, 17, 18, 19));
}

TEST(Windows, RefuseWhatMakesNoSense) {
  const auto field = [](WindowOptions options) {
    const auto fault = fault_in(options);
    return fault ? fault->field : "";
  };
  EXPECT_EQ(field({}), "");
  EXPECT_EQ(field({.context = 2, .skip = 0, .stride = 1}), "");
  EXPECT_EQ(field({.context = 1, .skip = 0, .stride = 1}), "context");
  EXPECT_EQ(field({.context = 8, .skip = 7, .stride = 8}), "skip");
  EXPECT_EQ(field({.context = 8, .skip = -1, .stride = 8}), "skip");
  EXPECT_EQ(field({.context = 8, .skip = 0, .stride = 0}), "stride");
  try {
    plan_windows("letter.txt", text(511), {}, {});
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("letter.txt: 511 tokens: expected at least 512"));
  }
}

}  // namespace
}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "base/function_ref.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace gemma {
namespace {

int twice(FunctionRef<int(int)> f) { return f(f(3)); }

TEST(FunctionRef, CallsWhatItRefersTo) {
  const std::array<int, 20> large{1};
  int calls = 0;
  EXPECT_EQ(twice([&calls, large](int x) { return ++calls, x + large[0]; }), 5);
  EXPECT_EQ(calls, 2);
  const std::function<int(int)> function = [](int x) { return 2 * x; };
  EXPECT_EQ(twice(function), 12);
  auto counting = [n = 0](int x) mutable { return x + ++n; };
  EXPECT_EQ(twice(counting), 6);
  EXPECT_EQ(counting(0), 3);  // it was called itself, not a copy
}

TEST(FunctionRef, PassesOnWhatItIsGiven) {
  const auto take = [](FunctionRef<std::string(std::unique_ptr<std::string>)> f) {
    return f(std::make_unique<std::string>("moved"));
  };
  EXPECT_EQ(take([](std::unique_ptr<std::string> text) { return *text; }), "moved");
}

}  // namespace
}  // namespace gemma

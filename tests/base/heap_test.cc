// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/memory.h"

namespace gemma {
namespace {

constexpr size_t kSize = 200, kCount = 200'000;

TEST(Heap, WhatAnotherThreadLetGoOfIsUsedAgain) {
  share_heap();
  std::vector<std::unique_ptr<std::string>> left, own;
  const auto make = [](auto& list, size_t count) {
    for (size_t i = 0; i < count; ++i) list.push_back(std::make_unique<std::string>(kSize, 'x'));
  };
  std::thread([&] {
    make(left, kCount);
    for (size_t i = 0; i < kCount; ++i) {
      if (i % 10 != 0) left[i].reset();  // no page is left empty
    }
  }).join();
  const int64_t before = process_memory().own;
  make(own, kCount * 9 / 10);
  EXPECT_LT(process_memory().own, before + int64_t{kSize * kCount} / 4);
}

}  // namespace
}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "base/memo.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace gemma {
namespace {

using Texts = Memo<std::string>;
constexpr auto kSize = [](const std::string& text) { return text.size(); };

Texts::Made made(const std::string& text) { return std::make_shared<const std::string>(text); }

TEST(Memo, MakesEachOnceAndKeepsTheLatestUsed) {
  Texts memo(2, 100);
  int times = 0;
  const auto get = [&](const std::string& key) {
    return *memo.get(key, [&] { return ++times, made(key + "!"); }, kSize).value();
  };
  EXPECT_EQ("a!", get("a"));
  EXPECT_EQ("b!", get("b"));
  EXPECT_EQ("a!", get("a"));
  EXPECT_EQ(2, times);
  get("c");  // b goes
  get("a");
  EXPECT_EQ(3, times);
  get("b");
  EXPECT_EQ(4, times);
}

TEST(Memo, KeepsNoMoreThanItsSize) {
  Texts memo(10, 8);
  const auto get = [&](const std::string& key, size_t size) {
    return memo.get(key, [&] { return made(std::string(size, 'x')); }, kSize).value()->size();
  };
  get("a", 5);
  get("b", 3);
  EXPECT_EQ(8u, memo.bytes());
  get("c", 4);
  EXPECT_EQ(7u, memo.bytes());
  EXPECT_EQ(9u, get("d", 9)) << "too large to be kept, but made";
  EXPECT_EQ(0u, memo.bytes());
}

TEST(Memo, KeepsNoFailure) {
  Texts memo(2, 100);
  EXPECT_FALSE(memo.get("a", [] { return Texts::Made(Failure{"a", "not yet"}); }, kSize).ok());
  EXPECT_TRUE(memo.get("a", [] { return made("now"); }, kSize).ok());
}

TEST(Memo, OneThreadMakesWhatSeveralWantAndDifferentOnesAreMadeAtOnce) {
  Texts memo(10, 1000);
  std::atomic<int> times{0}, inside{0};
  std::atomic<bool> both{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, key = std::string(i % 2 == 0 ? "even" : "odd")] {
      const auto value = memo.get(
          key,
          [&] {
            ++times;
            ++inside;
            while (inside < 2) std::this_thread::yield();  // ends when the other one is made too
            both = true;
            return made(key);
          },
          kSize);
      EXPECT_EQ(key, *value.value());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(both);
  EXPECT_EQ(2, times);
}

TEST(Memo, AFailureThatIsThrownLetsOthersTry) {
  Texts memo(2, 100);
  EXPECT_THROW((void)memo.get("a", []() -> Texts::Made { fail("a", "broken"); }, kSize), Error);
  EXPECT_TRUE(memo.get("a", [] { return made("now"); }, kSize).ok());
}

}  // namespace
}  // namespace gemma

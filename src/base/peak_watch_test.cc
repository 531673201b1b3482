// SPDX-License-Identifier: Apache-2.0
#include "base/peak_watch.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

namespace gemma {
namespace {

TEST(PeakWatch, SeesWhatIsGoneByTheEnd) {
  constexpr int64_t kBytes = int64_t{64} << 20;
  const ProcessMemory before = process_memory();
  PeakWatch watch;
  std::byte* block = take_memory(kBytes);
  std::memset(block, 1, kBytes);
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  give_back_memory(block, kBytes);
  const ProcessMemory most = watch.stop();
  EXPECT_GT(most.own, before.own + kBytes * 3 / 4);
  EXPECT_LE(most.own, most.peak);
  EXPECT_EQ(watch.stop().own, most.own);
}

}  // namespace
}  // namespace gemma

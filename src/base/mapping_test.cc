// SPDX-License-Identifier: Apache-2.0
#include "base/mapping.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <numeric>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/memory.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

class MappingTest : public testing::Test {
 protected:
  void SetUp() override {
    AtomicFile out(path_);
    out.write(std::string(kBytes, 'a'));
    out.commit();
  }
  void TearDown() override { fs::remove(path_); }

  static int64_t sum(std::span<const std::byte> bytes) {
    return std::accumulate(bytes.begin(), bytes.end(), int64_t{0},
                           [](int64_t s, std::byte b) { return s + static_cast<int64_t>(b); });
  }

  static constexpr int64_t kBytes = 100'000;
  std::string path_ = (fs::temp_directory_path() / fmt::format("gemma4_mapping_test_{}", ::getpid())).string();
};

TEST_F(MappingTest, HoldsTheFile) {
  const Mapping mapping(File::open(path_));  // the file may be closed
  EXPECT_EQ(sum(mapping.bytes()), kBytes * 'a');
  EXPECT_FALSE(mapping.broken());
}

TEST_F(MappingTest, ACutFileIsNoCrash) {
  const Mapping whole(File::open(path_));
  fs::resize_file(path_, 8192 + 10);
  std::thread other([&] { EXPECT_EQ(sum(whole.bytes()), int64_t{8192 + 10} * 'a'); });  // on any thread
  other.join();
  EXPECT_TRUE(whole.broken());
  EXPECT_EQ(sum(whole.bytes()), int64_t{8192 + 10} * 'a');
  const Mapping rest(File::open(path_));
  EXPECT_EQ(sum(rest.bytes()), int64_t{8192 + 10} * 'a');
  EXPECT_FALSE(rest.broken());
}

TEST_F(MappingTest, AnEmptyFileHasNoMapping) {
  fs::resize_file(path_, 0);
  EXPECT_THAT([&] { Mapping(File::open(path_)); }, testing::ThrowsMessage<Error>(testing::HasSubstr("empty")));
}

TEST_F(MappingTest, PlacesAreGivenBack) {
  for (int i = 0; i < 600; ++i) {
    const Mapping mapping(File::open(path_));
    ASSERT_EQ(mapping.bytes()[0], std::byte{'a'});
  }
}

TEST_F(MappingTest, OtherBusErrorsEndTheProcess) {
  const Mapping mapping(File::open(path_));
  EXPECT_DEATH(::raise(SIGBUS), "");
}

}  // namespace
}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "base/file_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "base/file.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre, testing::IsEmpty;

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

class FileWriterTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_ = fs::temp_directory_path() / fmt::format("gemma4_file_writer_test_{}", ::getpid());
  std::vector<std::string> failures_;
  FileWriter writer_{1000, [this](const std::string& why) { failures_.push_back(why); }};
};

TEST_F(FileWriterTest, FilesAreAsTheyWereToldToBeLast) {
  writer_.write(path("a"), bytes_of("one"));
  writer_.write(path("b"), bytes_of("two"));
  writer_.remove(path("a"));
  writer_.write(path("a"), bytes_of("three"));
  writer_.remove(path("b"));
  const int64_t job = writer_.replace(path("index"), "four");
  writer_.finish();
  EXPECT_GE(writer_.done(), job);
  EXPECT_EQ(read_file(path("a")), "three");
  EXPECT_EQ(read_file(path("index")), "four");
  EXPECT_FALSE(fs::exists(path("b")));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 2);
  EXPECT_THAT(failures_, IsEmpty());
}

/** A pipe without a reader is a disk that stands still. */
TEST_F(FileWriterTest, WhatWaitsIsCountedAndCanBeRead) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), S_IRUSR | S_IWUSR), 0);
  writer_.write(path("pipe"), bytes_of("x"));
  writer_.write(path("a"), bytes_of("one"));
  writer_.write(path("a"), bytes_of("two"));
  EXPECT_TRUE(writer_.has_room(993));
  EXPECT_FALSE(writer_.has_room(994));
  std::vector<std::byte> found(3);
  EXPECT_TRUE(writer_.find(path("a"), found));
  EXPECT_EQ(found, bytes_of("two"));
  EXPECT_FALSE(writer_.find(path("b"), found));
  writer_.remove(path("a"));
  EXPECT_FALSE(writer_.find(path("a"), found));
  writer_.wait(std::chrono::milliseconds(1));
  EXPECT_EQ(writer_.done(), 0);
  const int reader = ::open(path("pipe").c_str(), O_RDWR | O_CLOEXEC);
  writer_.finish();
  ::close(reader);
  EXPECT_TRUE(writer_.has_room(1000));
  EXPECT_FALSE(fs::exists(path("a")));
}

TEST_F(FileWriterTest, AfterAFailureItRemovesAndWritesNothing) {
  writer_.write(path("a"), bytes_of("one"));
  writer_.write(path("none/b"), bytes_of("two"));
  writer_.write(path("c"), bytes_of("three"));
  writer_.replace(path("index"), "four");
  writer_.remove(path("a"));
  writer_.finish();
  EXPECT_FALSE(writer_.works());
  EXPECT_EQ(writer_.done(), 1);
  EXPECT_THAT(failures_, ElementsAre("No such file or directory"));
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(FileWriterTest, AFileThatCannotBeReplacedStays) {
  fs::create_directories(path("index"));
  writer_.replace(path("index"), "one");
  writer_.finish();
  EXPECT_THAT(failures_, ElementsAre("Is a directory"));
  EXPECT_FALSE(fs::exists(path("index.new")));
}

}  // namespace
}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>

#include "base/error.h"

namespace gemma {
namespace {

namespace fs = std::filesystem;

class FileTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), {})); }
  fs::path folder_ = fs::temp_directory_path() / fmt::format("gemma4_file_test_{}", ::getpid());
};

TEST_F(FileTest, IsWholeOrAbsent) {
  {
    AtomicFile out(path("a"));
    out.write("half");
    EXPECT_FALSE(fs::exists(path("a")));
  }
  EXPECT_EQ(files(), 0u);
  AtomicFile out(path("a"));
  out.reserve(5);
  out.write("hello");
  out.write_at(1, std::as_bytes(std::span("a", 1)));
  out.commit();
  EXPECT_EQ(read_file(path("a")), "hallo");
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, WhatAKilledProcessLeftIsRemovedAndNothingElse) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);  // its number is free
  const std::string dead = fmt::format("{}.{}.partial", path("a"), child);
  const std::vector<std::string> kept = {path("a.1.partial"), path("a.x.partial"), path("a..partial"),
                                         path(fmt::format("b.{}.partial", child)), path(fmt::format("a.{}", child))};
  for (const std::string& name : kept) fs::create_directories(name);
  fs::create_directories(dead + "/inside");
  EXPECT_EQ(partial_name(path("a")), fmt::format("{}.{}.partial", path("a"), ::getpid()));
  EXPECT_FALSE(fs::exists(dead));
  for (const std::string& name : kept) EXPECT_TRUE(fs::exists(name)) << name;
}

TEST_F(FileTest, ChangesWhileItIsOpen) {
  const auto write = [&](const char* name, std::string_view text) {
    AtomicFile out(path(name));
    out.write(text);
    out.commit();
  };
  std::array<std::byte, 4> bytes;
  write("a", "12345678");
  const File replaced = File::open(path("a"));
  write("a", "abcd");  // a new file of that name: the open one is as it was
  replaced.read(4, bytes);
  EXPECT_EQ(static_cast<char>(bytes[0]), '5');

  const File cut = File::open(path("a"));
  fs::resize_file(path("a"), 2);
  EXPECT_THAT(
      [&] { cut.read(0, bytes); },
      testing::ThrowsMessage<Error>(path("a") + ": the file changed while it was open: expected 4 bytes, found 2"));
  write("b", "12345678");
  const File grown = File::open(path("b"));
  fs::resize_file(path("b"), 9);
  EXPECT_THAT([&] { grown.read(0, bytes); }, testing::ThrowsMessage<Error>(testing::HasSubstr("found 9")));

  write("c", "12345678");
  const File written = File::open(path("c"));
  written.read(0, bytes);
  fs::last_write_time(path("c"), fs::last_write_time(path("c")) + std::chrono::seconds(1));
  EXPECT_THAT([&] { written.read(0, bytes); }, testing::ThrowsMessage<Error>(testing::HasSubstr("it was written to")));
  EXPECT_THROW(written.check_unchanged(), Error);
}

TEST_F(FileTest, WhatALinkLeadsToIsReplaced) {
  AtomicFile(path("target")).commit();
  fs::create_symlink("target", path("link"));
  AtomicFile out(path("link"));
  out.write("new");
  out.commit();
  EXPECT_TRUE(fs::is_symlink(path("link")));
  EXPECT_EQ(read_file(path("target"), 10), "new");
}

TEST_F(FileTest, WhatIsNoFileIsNotReplaced) {
  ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
  EXPECT_THAT([&] { AtomicFile(path("pipe")); },
              testing::ThrowsMessage<Error>(path("pipe") +
                                            ": cannot replace: expected a regular file or a new name, found a pipe"));
  EXPECT_THAT([&] { AtomicFile(folder_.string()); }, testing::ThrowsMessage<Error>(testing::HasSubstr("a folder")));
  EXPECT_THAT([] { AtomicFile("/dev/null"); }, testing::ThrowsMessage<Error>(testing::HasSubstr("found a device")));
}

TEST_F(FileTest, SaysWhatIsWrong) {
  EXPECT_THAT([&] { File::open(path("none")); },
              testing::ThrowsMessage<Error>(path("none") + ": cannot open: No such file or directory"));
  EXPECT_THAT([&] { File::open(folder_.string()); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("expected a regular file, found a folder")));
  EXPECT_THAT([&] { AtomicFile(path("no/such/folder")); },
              testing::ThrowsMessage<Error>(testing::HasSubstr("cannot create")));
  AtomicFile out(path("b"));
  out.write("12345");
  out.commit();
  const File file = File::open(path("b"));
  std::array<std::byte, 4> bytes;
  EXPECT_THAT([&] { file.read(2, bytes); },
              testing::ThrowsMessage<Error>(path("b") + ": cannot read 4 bytes at byte 2: file ends after 5"));
  EXPECT_THAT([&] { file.read(-1, bytes); }, testing::ThrowsMessage<Error>(testing::HasSubstr("at byte -1")));
  EXPECT_THAT([&] { read_file(path("b"), 4); }, testing::ThrowsMessage<Error>(testing::HasSubstr("at most 4")));
}

}  // namespace
}  // namespace gemma

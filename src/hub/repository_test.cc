// SPDX-License-Identifier: Apache-2.0
#include "hub/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "hub/digest.h"

namespace gemma::hub {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const HubName kName = *parse_hub_name("owner/name");
const std::string kCommit(40, 'a'), kGit(40, 'b'), kSha(64, 'c');

std::string listing_of(const std::string& sha, const std::string& file) {
  return R"({"sha": ")" + sha + R"(", "siblings": [)" + file + "]}";
}
std::string reason(const std::string& text) {
  const auto listing = parse_listing(kName, text);
  return listing ? "" : listing.failure().message();
}

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("gemma4-hub-" + std::to_string(::getpid()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  fs::path write(const fs::path& name, const std::string& text) const {
    fs::create_directories((path_ / name).parent_path());
    std::ofstream(path_ / name) << text;
    return path_ / name;
  }

 private:
  fs::path path_;
};

TEST(HubListing, HasLargeAndSmallFiles) {
  const std::string large = R"({"rfilename": "m.gguf", "size": 7, "blobId": ")" + kGit + R"(", "lfs": {"sha256": ")" +
                            kSha + R"(", "size": 123456789012, "pointerSize": 135}})";
  const std::string small = R"({"rfilename": "config.json", "size": 7, "blobId": ")" + kGit + R"("})";
  const auto listing = parse_listing(kName, listing_of(kCommit, large + "," + small));
  ASSERT_TRUE(listing) << listing.failure().message();
  EXPECT_EQ(listing.value().commit, kCommit);
  EXPECT_EQ(listing.value().of("m.gguf").hash, kSha);
  EXPECT_EQ(listing.value().of("m.gguf").bytes, 123456789012);
  EXPECT_EQ(listing.value().of("config.json").hash, kGit);
}

TEST(HubListing, WhatAHubSaysIsChecked) {
  const auto file = [](const std::string& name, const std::string& hash, const std::string& size) {
    return R"({"rfilename": ")" + name + R"(", "blobId": ")" + hash + R"(", "size": )" + size + "}";
  };
  EXPECT_THAT(reason("<html>"), HasSubstr("owner/name: the hub's list of files"));
  EXPECT_THAT(reason("[]"), HasSubstr("expected an object"));
  EXPECT_THAT(reason(listing_of("../..", "")), HasSubstr("expected a commit"));
  EXPECT_THAT(reason(listing_of(kCommit, "3")), HasSubstr("expected objects"));
  for (const char* name : {"../m", "/etc/m", "a//b", "a\\\\b", ""}) {
    EXPECT_THAT(reason(listing_of(kCommit, file(name, kGit, "1"))), HasSubstr("within the repository")) << name;
  }
  for (const char* hash : {"", "../x", "ABCDEF"}) {
    EXPECT_THAT(reason(listing_of(kCommit, file("m", hash, "1"))), HasSubstr("expected a hash")) << hash;
  }
  for (const char* size : {"-1", "1e99", "\"1\"", "null", "9007199254740993000"}) {
    EXPECT_THAT(reason(listing_of(kCommit, file("m", kGit, size))), HasSubstr("expected a size")) << size;
  }
}

TEST(HubDigest, IsWhatGitAndSha256sumSay) {
  const Folder folder;
  const std::string path = folder.write("hello", "hello\n").string();
  const auto on = [] { return true; };
  EXPECT_EQ(git_hash_of(path, on), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(sha256_of(path, on), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_EQ(sha256_of(path, [] { return false; }), "");
}

TEST(HubCache, FindsListsAndRemovesWhatIsLinked) {
  const Folder folder;
  const HubCache cache(folder.path());
  const fs::path blobs = cache.folder(kName) / "blobs";
  folder.write(blobs.lexically_relative(folder.path()) / "b1", "12345");
  folder.write(blobs.lexically_relative(folder.path()) / "b2", "123");
  EXPECT_FALSE(cache.find(kName));
  cache.link(kName, kCommit, "m-q4_0.gguf", "b1");
  EXPECT_FALSE(cache.find(kName)) << "nothing is called main yet";
  cache.point(kName, kCommit);
  cache.link(kName, kCommit, "m-q4_0.gguf", "b1");  // again
  ASSERT_TRUE(cache.find(kName));
  EXPECT_EQ(cache.find(kName)->bytes, 5);
  cache.link(kName, kCommit, "sub/m-q8_0.gguf", "b2");
  cache.link(kName, kCommit, "mmproj-f16.gguf", "b2");
  EXPECT_THROW(cache.find(kName), Error) << "which one?";
  const auto q8 = *parse_hub_name("owner/name:q8_0");
  EXPECT_THAT(cache.find(q8)->path, testing::EndsWith("sub/m-q8_0.gguf"));
  EXPECT_THAT(cache.find(q8)->encoders, testing::EndsWith("mmproj-f16.gguf"));
  EXPECT_FALSE(cache.find(*parse_hub_name("owner/name:q6_k")));
  ASSERT_EQ(cache.list().size(), 2U);
  EXPECT_EQ(cache.list()[1].name.text(), "owner/name:sub/m-q8_0.gguf");
  EXPECT_EQ(cache.remove(q8), 0) << "its blob has another name, too";
  EXPECT_EQ(cache.remove(*parse_hub_name("owner/name:m-q4_0.gguf")), 5);
  EXPECT_EQ(cache.remove(kName), 3);
  EXPECT_FALSE(cache.remove(kName));
  EXPECT_TRUE(cache.list().empty());
}

TEST(HubBlob, GoesOnWhereItEndedAndBelongsToOne) {
  const Folder folder;
  const fs::path blob = folder.path() / "blobs" / "b", lock = folder.path() / "b.lock";
  const auto bytes = [](std::string_view text) { return std::as_bytes(std::span(text)); };
  {
    PartialBlob partial(blob, lock);
    EXPECT_TRUE(partial.write(0, bytes("abc")));
    EXPECT_THROW(PartialBlob(blob, lock), Error);
  }
  PartialBlob partial(blob, lock);
  EXPECT_EQ(partial.size(), 3);
  EXPECT_FALSE(partial.write(5, bytes("x")));
  EXPECT_TRUE(partial.write(3, bytes("def")));
  EXPECT_TRUE(partial.write(0, bytes("xyz")));  // a server that begins anew
  EXPECT_EQ(partial.size(), 3);
  partial.commit();
  EXPECT_EQ(fs::file_size(blob), 3U);
}

}  // namespace
}  // namespace gemma::hub

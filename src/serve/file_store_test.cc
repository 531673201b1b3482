// SPDX-License-Identifier: Apache-2.0
#include "serve/file_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemma::serve {
namespace {

constexpr int64_t kRoom = 1100, kNow = 1000;

KeptFile file(std::string id, std::string owner = {}, int64_t expires = 0) {
  return {std::move(id), std::move(owner), "a.png", "vision", 0, kNow, expires};
}

TEST(FileStore, KeepsFindsAndForgets) {
  FileStore store(std::make_shared<StateFile>(""), kRoom);
  const std::string bytes("a\0b", 3);
  EXPECT_FALSE(store.add(file("1"), bytes, kNow));
  const KeptFile found = store.find("1", "", kNow).value();
  EXPECT_EQ(found.name + " " + found.purpose, "a.png vision");
  EXPECT_EQ(found.bytes, 3);
  EXPECT_EQ(store.content("1", "", kNow), bytes);
  EXPECT_FALSE(store.add(file("2"), "", kNow));
  EXPECT_EQ(store.list("", "", kNow).size(), 2U);
  EXPECT_EQ(store.list("", "user_data", kNow).size(), 0U);
  EXPECT_TRUE(store.remove("1", "", kNow).value());
  EXPECT_FALSE(store.remove("1", "", kNow).value());
  EXPECT_FALSE(store.content("1", "", kNow));
  EXPECT_EQ(store.content("2", "", kNow), "");
}

TEST(FileStore, WhoseItIsDecides) {
  FileStore store(std::make_shared<StateFile>(""), kRoom);
  EXPECT_FALSE(store.add(file("1", "alice"), "x", kNow));
  EXPECT_FALSE(store.find("1", "bob", kNow));
  EXPECT_FALSE(store.content("1", "bob", kNow));
  EXPECT_FALSE(store.remove("1", "bob", kNow).value());
  EXPECT_TRUE(store.list("bob", "", kNow).empty());
  EXPECT_TRUE(store.find("1", "alice", kNow));
}

/** A name counts, and 512 bytes of a row. */
TEST(FileStore, WhatHasNoRoomIsRefused) {
  FileStore store(std::make_shared<StateFile>(""), kRoom);
  EXPECT_FALSE(store.add(file("1"), std::string(83, 'x'), kNow));
  EXPECT_THAT(store.add(file("2"), "", kNow).value().message(),
              testing::HasSubstr("517 bytes have no room: of 1100 that files may have here 500 are free"));
  EXPECT_TRUE(store.remove("1", "", kNow).value());
  EXPECT_FALSE(store.add(file("2"), std::string(500, 'x'), kNow));
  EXPECT_TRUE(store.remove("2", "", kNow).value());
  KeptFile named = file("3");
  named.name = std::string(1000, 'n');
  EXPECT_TRUE(store.add(named, "x", kNow));
}

TEST(FileStore, WhatCannotBeRemovedIsSaid) {
  const auto state = std::make_shared<StateFile>("");
  FileStore store(state, kRoom);
  EXPECT_FALSE(store.add(file("1"), "x", kNow));
  state->number("PRAGMA query_only = ON");
  EXPECT_THAT(store.remove("1", "", kNow).failure().reason, testing::HasSubstr("readonly"));
  EXPECT_FALSE(store.remove("2", "", kNow).value()) << "it was never there";
  EXPECT_TRUE(store.find("1", "", kNow));
}

TEST(FileStore, WhatHasExpiredIsGone) {
  FileStore store(std::make_shared<StateFile>(""), kRoom);
  EXPECT_FALSE(store.add(file("1", "", kNow + 10), std::string(100, 'x'), kNow));
  EXPECT_TRUE(store.find("1", "", kNow + 9));
  EXPECT_FALSE(store.find("1", "", kNow + 10));
  EXPECT_FALSE(store.add(file("2"), std::string(100, 'x'), kNow + 10));
}

TEST(FileStore, ADiskThatIsFullIsSaid) {
  const auto state = std::make_shared<StateFile>("");
  FileStore store(state, int64_t{1} << 30);
  state->number("PRAGMA max_page_count = 1");  // no more than there is
  EXPECT_THAT(store.add(file("1"), std::string(100'000, 'x'), kNow).value().reason, testing::HasSubstr("full"));
  EXPECT_TRUE(store.list("", "", kNow).empty());
}

}  // namespace
}  // namespace gemma::serve

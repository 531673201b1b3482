// SPDX-License-Identifier: Apache-2.0
#include "serve/response_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace gemma::serve {
namespace {

constexpr int64_t kRoom = 1 << 20;

StoredResponse response(std::string id, std::string previous = {}, std::string owner = {},
                        std::string_view status = "completed") {
  StoredResponse out;
  out.id = id;
  out.owner = std::move(owner);
  out.previous = std::move(previous);
  out.input = {json::value("asked " + id)};
  out.response = {{"status", status}, {"output", json::array{json::value("said " + id)}}};
  return out;
}

class ResponseStoreTest : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const char* name) {
    std::filesystem::create_directories(folder_);
    return folder_ / name;
  }
  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / fmt::format("store_{}", static_cast<const void*>(this));
};

TEST_F(ResponseStoreTest, KeepsFindsAndForgets) {
  ResponseStore store(std::make_shared<StateFile>(""), kRoom);
  EXPECT_FALSE(store.put(response("a")));
  EXPECT_FALSE(store.put(response("a", "", "", "failed")));
  EXPECT_EQ(store.find("a", "").value().response.at("status"), "failed");
  EXPECT_FALSE(store.find("b", ""));
  EXPECT_TRUE(store.remove("a", "").value());
  EXPECT_FALSE(store.remove("a", "").value());
  EXPECT_EQ(store.bytes(), 0);
}

TEST_F(ResponseStoreTest, WhoseItIsDecides) {
  ResponseStore store(std::make_shared<StateFile>(""), kRoom);
  EXPECT_FALSE(store.put(response("a", "", "alice")));
  EXPECT_FALSE(store.find("a", "bob"));
  EXPECT_FALSE(store.remove("a", "bob").value());
  EXPECT_FALSE(store.items_up_to("a", "", kRoom).ok());
  EXPECT_TRUE(store.find("a", "alice"));
}

TEST_F(ResponseStoreTest, ItemsUpToAResponse) {
  ResponseStore store(std::make_shared<StateFile>(""), kRoom);
  store.put(response("a")), store.put(response("b", "a")), store.put(response("c", "b"));
  EXPECT_EQ(write_json(store.items_up_to("b", "", kRoom).value()), R"(["asked a", "said a", "asked b", "said b"])");
  store.put(response("d", "c", "", "in_progress"));
  EXPECT_EQ(store.items_up_to("d", "", kRoom).failure().reason, "the response 'd' is still on its way");
  EXPECT_TRUE(store.remove("a", "").value());
  EXPECT_EQ(store.items_up_to("c", "", kRoom).failure().reason, "there is no response 'a' here");
}

TEST_F(ResponseStoreTest, WhatIsGoneOnFromIsBounded) {
  ResponseStore store(std::make_shared<StateFile>(""), 64 * kRoom);
  store.put(response("a")), store.put(response("b", "a"));
  EXPECT_TRUE(store.items_up_to("b", "", kRoom).ok());
  EXPECT_EQ(store.items_up_to("b", "", 100).failure().reason, "up to it there are more than 100 bytes");
  StoredResponse many = response("c", "b");
  for (int i = 0; i < 600'000; ++i) many.input.emplace_back(i % 10);
  store.put(many);
  EXPECT_TRUE(store.items_up_to("c", "", 64 * kRoom).ok());
  many.id = "d", many.previous = "c";
  store.put(many);
  EXPECT_EQ(store.items_up_to("d", "", 64 * kRoom).failure().reason, "up to it there are more than 1000000 values");
}

TEST_F(ResponseStoreTest, NobodysGoForAnothersWhoHasMore) {
  const auto large = [](std::string id, std::string owner, std::string_view status = "completed") {
    StoredResponse out = response(std::move(id), "", std::move(owner), status);
    out.input.emplace_back(std::string(1000, 'x'));
    return out;
  };
  ResponseStore store(std::make_shared<StateFile>(""), 10'000);
  EXPECT_FALSE(store.put(large("small", "bob")));
  EXPECT_FALSE(store.put(large("waits", "alice", "in_progress")));
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(store.put(large(fmt::format("a{}", i), "alice")));
  EXPECT_TRUE(store.find("small", "bob"));
  EXPECT_TRUE(store.find("waits", "alice"));  // older than all of hers that have gone
  EXPECT_FALSE(store.find("a0", "alice"));
  EXPECT_TRUE(store.find("a19", "alice"));
  EXPECT_LE(store.bytes(), 10'000);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(store.put(large(fmt::format("b{}", i), "bob")));  // who has less
  EXPECT_TRUE(store.find("small", "bob"));
}

TEST_F(ResponseStoreTest, ThoseOnTheirWayStay) {
  ResponseStore store(std::make_shared<StateFile>(""), 1000);
  int kept = 0;
  while (kept < 100 && !store.put(response(fmt::format("{}", kept), "", "alice", "queued"))) ++kept;
  EXPECT_GT(kept, 3);
  EXPECT_LT(kept, 100);
  const auto full = store.put(response("more", "", "bob"));
  ASSERT_TRUE(full);
  EXPECT_EQ(full->reason, "too many responses are on their way");
  EXPECT_TRUE(store.find("0", "alice"));
  EXPECT_FALSE(store.put(response("0", "", "alice")));  // it has ended
  EXPECT_FALSE(store.put(response("more", "", "bob")));
  EXPECT_FALSE(store.find("0", "alice"));
}

TEST_F(ResponseStoreTest, WhatCannotBeRemovedIsSaid) {
  const auto state = std::make_shared<StateFile>("");
  ResponseStore store(state, kRoom);
  store.put(response("a"));
  state->number("PRAGMA query_only = ON");
  EXPECT_FALSE(store.remove("a", "").ok());
  EXPECT_TRUE(store.find("a", ""));
}

TEST_F(ResponseStoreTest, TheOldestGo) {
  ResponseStore measure(std::make_shared<StateFile>(""), kRoom);
  measure.put(response("a"));
  const int64_t one = measure.bytes();
  ResponseStore store(std::make_shared<StateFile>(""), 3 * one);
  for (const char* id : {"a", "b", "c", "d"}) EXPECT_FALSE(store.put(response(id)));
  EXPECT_FALSE(store.find("a", ""));
  EXPECT_TRUE(store.find("b", ""));
  EXPECT_EQ(store.bytes(), 3 * one);
  StoredResponse large = response("e");
  large.input = {json::value(std::string(1000, 'x'))};
  EXPECT_THAT(store.put(large).value().reason, testing::HasSubstr("more than is kept"));
}

TEST_F(ResponseStoreTest, AFileIsThereAgain) {
  const std::string file = path("state.db");
  {
    ResponseStore store(std::make_shared<StateFile>(file), kRoom);
    store.put(response("a"));
    store.put(response("b", "", "", "in_progress"));
  }
  ResponseStore store(std::make_shared<StateFile>(file), kRoom);
  EXPECT_EQ(store.find("a", "").value().response.at("status"), "completed");
  EXPECT_EQ(store.find("b", "").value().response.at("status"), "failed");
  EXPECT_EQ(store.find("b", "").value().response.at("error").at("code"), "server_error");
  EXPECT_EQ(std::filesystem::status(file).permissions(), std::filesystem::perms(0600));
  EXPECT_GT(store.bytes(), 0);
}

TEST_F(ResponseStoreTest, AnOlderOneStaysWhereANewOneHasNoRoomOnTheDisk) {
  const auto state = std::make_shared<StateFile>("");
  ResponseStore store(state, kRoom);
  EXPECT_FALSE(store.put(response("a")));
  const int64_t bytes = store.bytes();
  state->number("PRAGMA max_page_count = 1");  // no more than there is
  StoredResponse large = response("a", "", "", "failed");
  large.input = {json::value(std::string(100'000, 'x'))};
  EXPECT_THAT(store.put(large).value().reason, testing::HasSubstr("full"));
  EXPECT_EQ(store.find("a", "").value().response.at("status"), "completed");
  EXPECT_EQ(store.bytes(), bytes);
}

TEST(StateFile, WhatIsNoSuchFileIsSaid) {
  const std::filesystem::path folder(testing::TempDir());
  const auto fault = [](const std::string& file) {
    try {
      const StateFile state(file);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  std::ofstream(folder / "text.txt") << std::string(2000, 'x');
  EXPECT_THAT(fault(folder / "text.txt"), testing::HasSubstr("text.txt: "));
  EXPECT_THAT(fault(folder / "nowhere" / "state.db"), testing::HasSubstr("cannot be opened"));
  const StateFile first(folder / "state.db");
  EXPECT_THAT(fault(folder / "state.db"), testing::HasSubstr("another server has it"));
}

}  // namespace
}  // namespace gemma::serve

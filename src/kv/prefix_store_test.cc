// SPDX-License-Identifier: Apache-2.0
// What is remembered, kept on disk over restarts: every key that is read back is checked by whoever sees it.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <memory>

#include "base/file.h"
#include "file/testing/files.h"
#include "kv/prefix_index.h"
#include "kv/prefix_store.h"
#include "kv/testing/checked_cache.h"
#include "kv/testing/random_texts.h"

namespace gemma::testing_kv {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMuch = 1 << 30;
const auto kNever = [] { return false; };

/** A folder and the lines that were said about it. */
struct Disk {
  gemma::testing::TempFolder temporary;
  std::string path = temporary / "cache";
  std::vector<std::string> lines;

  std::shared_ptr<CacheFolder> open(int64_t limit = kMuch) {
    return CacheFolder::open(path, limit, [this](const std::string& line) { lines.push_back(line); });
  }
  KvOptions options(std::string_view origin = "", int64_t limit = kMuch) {
    KvOptions options = small_options();
    options.folder = open(limit);
    options.origin = Fingerprint::of(origin);
    return options;
  }
  /** All files of pages and indices. */
  std::vector<fs::path> files() const {
    std::vector<fs::path> files;
    for (const auto& each : fs::recursive_directory_iterator(path)) {
      if (each.is_regular_file() && each.path().parent_path() != path) files.push_back(each.path());
    }
    std::ranges::sort(files);
    return files;
  }
  int64_t bytes() const {
    int64_t bytes = 0;
    for (const fs::path& each : files()) bytes += static_cast<int64_t>(fs::file_size(each));
    return bytes;
  }
};

/** What a process does: it reads so many tokens, remembers places of them, and ends. */
PrefixKey keep_text(KvOptions options, int tokens, std::vector<int64_t> places, int32_t first_token = 1,
                    uint64_t salt = 0) {
  Checked c(small_config(), std::move(options));
  c.next_token = first_token;
  const SeqId a = c.create();
  for (int left = tokens; left > 0; left -= 10) EXPECT_TRUE(c.feed(a, std::min(left, 10)));
  PrefixKey key = c.key(a);
  key.salt = salt;
  for (const int64_t place : places) {  // a place needs its window, so that each is remembered when it is reached
    const SeqId b = c.create();
    Batch batch;
    batch.tokens.assign(key.tokens.begin(), key.tokens.begin() + place);
    batch.segments = {{b, 0, place}};
    EXPECT_TRUE(c.step(batch));
    c.cache.remember({batch.tokens, {}, salt}, b);
    c.cache.release(b);
  }
  c.cache.save(kNever);
  return key;
}

/** What the next process finds of a text; what it then reads behind that is checked. */
int found(Checked& c, PrefixKey key, bool from_disk = true) {
  key.tokens.push_back(-7);
  if (from_disk) c.cache.restore(key);
  const SeqId id = c.create();
  const int length = c.cache.match_prefix(key, id);
  c.held[id].assign(key.tokens.begin(), key.tokens.begin() + length);
  EXPECT_TRUE(c.feed(id, 9));
  c.cache.release(id);
  return length;
}

int found(KvOptions options, const PrefixKey& key) {
  Checked c(small_config(), std::move(options));
  return found(c, key);
}

TEST(PrefixStore, TheNextProcessFindsWhatThisOneRemembered) {
  Disk disk;
  const PrefixKey key = keep_text(disk.options(), 100, {30, 64, 100});
  Checked c(small_config(), disk.options());
  EXPECT_EQ(found(c, key, false), 0);  // it is brought when somebody asks for it
  EXPECT_EQ(c.cache.bytes_used(), 0);
  EXPECT_EQ(found(c, key), 100);
  PrefixKey other = key;
  other.tokens[62] = -1;
  EXPECT_EQ(found(c, other), 62);
  other.tokens[29] = -1;
  EXPECT_EQ(found(c, other), 29);
  EXPECT_EQ(found(c, key, false), 100);
  other = key;
  other.salt = 1;
  EXPECT_EQ(found(c, other), 0);
  EXPECT_THAT(disk.lines, ::testing::IsEmpty());
}

TEST(PrefixStore, WhatIsThereIsNotWrittenAgain) {
  Disk disk;
  const KvOptions options = disk.options();
  Checked c(small_config(), options);
  const SeqId a = c.create();
  ASSERT_TRUE(c.feed(a, 20));
  EXPECT_FALSE(c.cache.unsaved());
  c.cache.remember(c.key(a), a);
  EXPECT_TRUE(c.cache.unsaved());
  c.cache.save(kNever);
  EXPECT_FALSE(c.cache.unsaved());
  const auto before = disk.files();
  ASSERT_TRUE(c.feed(a, 4));
  c.cache.remember(c.key(a), a);
  c.cache.save(kNever);
  EXPECT_EQ(disk.files().size(), before.size() + 2);  // a page of each group
  EXPECT_EQ(disk.bytes(), c.cache.bytes_on_disk());
  EXPECT_EQ(options.folder->bytes(), c.cache.bytes_on_disk());
}

TEST(PrefixStore, ItGoesOnFromWhatItWasTwoProcessesAgo) {
  Disk disk;
  const PrefixKey first = keep_text(disk.options(), 40, {40}), second = keep_text(disk.options(), 40, {40}, 1000);
  EXPECT_EQ(found(disk.options(), first), 40);
  EXPECT_EQ(found(disk.options(), second), 40);
}

TEST(PrefixStore, SavingThatIsInterruptedGoesOnTheNextTime) {
  Disk disk;
  std::vector<PrefixKey> keys;
  {
    Checked c(small_config(), disk.options());
    for (int i = 0; i < 5; ++i) {
      const SeqId a = c.create();
      ASSERT_TRUE(c.feed(a, 30));
      c.cache.remember(c.key(a), a);
      keys.push_back(c.key(a));
    }
    for (int round = 0; c.cache.unsaved(); ++round) {
      ASSERT_LT(round, 20);
      int pages = 0;
      c.cache.save([&] { return ++pages > 15; });
    }
  }
  for (const PrefixKey& key : keys) EXPECT_EQ(found(disk.options(), key), 30);
}

TEST(PrefixStore, ModelsLieBesideOneAnother) {
  Disk disk;
  const PrefixKey key = keep_text(disk.options("a"), 40, {40});
  EXPECT_EQ(found(disk.options("b"), key), 0);
  KvOptions larger = disk.options("a");
  larger.page_size = 8;
  EXPECT_EQ(found(larger, key), 0);
  larger = {};
  KvOptions coarse = disk.options("a");
  coarse.types = *cache_types_named("bf16");
  {
    Checked c(small_config(), coarse);
    EXPECT_EQ(c.cache.restore(key), 0);
  }
  coarse = {};
  EXPECT_EQ(found(disk.options("a"), key), 40);
  EXPECT_THAT(disk.lines, ::testing::IsEmpty());
}

TEST(PrefixStore, OneProcessAtATimeHasAFolder) {
  Disk disk;
  const KvOptions first = disk.options();
  EXPECT_EQ(disk.open(), nullptr);
  ASSERT_EQ(disk.lines.size(), 1u);
  EXPECT_THAT(disk.lines[0], ::testing::HasSubstr("another process"));
  const Checked a(small_config(), first);
  EXPECT_EQ(found(first, {{1, 2, 3}, {}, 0}), 0);  // the same model once more in one process: without
  ASSERT_EQ(disk.lines.size(), 2u);
  EXPECT_THAT(disk.lines[1], ::testing::HasSubstr("served twice"));
}

TEST(PrefixStore, TheLimitIsKeptAndThoseUsedLongestAgoGo) {
  Disk disk;
  constexpr int64_t kLimit = 16'000;
  keep_text(disk.options("another model", kLimit), 100, {100});
  std::vector<PrefixKey> keys;
  {
    Checked c(small_config(), disk.options("", kLimit));
    for (int i = 0; i < 12; ++i) {
      const SeqId a = c.create();
      ASSERT_TRUE(c.feed(a, 40));
      c.cache.remember(c.key(a), a);
      keys.push_back(c.key(a));
      c.cache.release(a);
      EXPECT_EQ(found(c, keys[0]), 40);  // stays fresh
      c.cache.save(kNever);
      EXPECT_LE(disk.bytes(), kLimit);
      EXPECT_EQ(disk.bytes(), c.cache.bytes_on_disk() + (i < 4 ? disk.bytes() - c.cache.bytes_on_disk() : 0));
    }
  }
  Checked c(small_config(), disk.options("", kLimit));
  EXPECT_EQ(found(c, keys[0]), 40);
  EXPECT_EQ(found(c, keys[11]), 40);
  EXPECT_EQ(found(c, keys[1]), 0);
  EXPECT_EQ(disk.bytes(), c.cache.bytes_on_disk());  // of the other model nothing is left
}

TEST(PrefixStore, ASmallerLimitIsKeptFromTheStartOn) {
  Disk disk;
  const PrefixKey old = keep_text(disk.options(), 100, {100}), fresh = keep_text(disk.options(), 40, {40}, 1000);
  ASSERT_GT(disk.bytes(), 10'000);
  Checked c(small_config(), disk.options("", 8'000));
  EXPECT_LE(disk.bytes(), 8'000);
  EXPECT_EQ(found(c, fresh), 40);
  EXPECT_EQ(found(c, old), 0);
}

TEST(PrefixStore, WhatDoesNotFitIsLeftOut) {
  Disk disk;
  const PrefixKey small = keep_text(disk.options("", 10'000), 20, {20});
  keep_text(disk.options("", 10'000), 300, {300}, 1000);
  EXPECT_EQ(found(disk.options("", 10'000), small), 20);
}

TEST(PrefixStore, BringingItBackKeepsTheLimitOfMemory) {
  Disk disk;
  const PrefixKey key = keep_text(disk.options(), 200, {100, 200});
  KvOptions options = disk.options();
  options.byte_limit = KvCache::bytes_for(small_config(), options, 120, 10);
  Checked c(small_config(), options);
  PrefixKey half = key;
  half.tokens.resize(100);
  EXPECT_EQ(found(c, half), 100);
  EXPECT_LE(c.ops.meter.most, options.byte_limit);
  EXPECT_LE(c.cache.restore(key), 200);  // it does not fit
  EXPECT_LE(c.ops.meter.most, options.byte_limit);
}

TEST(PrefixStore, AFullDiskEndsTheSavingAndNothingElse) {
  Disk disk;
  const PrefixKey key = keep_text(disk.options(), 40, {40});
  const auto before = disk.files();
  rlimit usual{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = usual;
  small.rlim_cur = 300;  // bytes of a file: the larger pages do not fit
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  keep_text(disk.options(), 60, {60}, 1000);
  ::setrlimit(RLIMIT_FSIZE, &usual);
  std::signal(SIGXFSZ, handler);
  ASSERT_EQ(disk.lines.size(), 1u);
  EXPECT_THAT(disk.lines[0], ::testing::HasSubstr("cannot be written: File too large"));
  EXPECT_EQ(disk.files(), before);
  EXPECT_EQ(found(disk.options(), key), 40);
}

/** Reads 30 tokens that nobody has read before, and remembers them. */
PrefixKey remember_one(Checked& c) {
  const SeqId id = c.create();
  EXPECT_TRUE(c.feed(id, 30));
  PrefixKey key = c.key(id);
  c.cache.remember(key, id);
  c.cache.release(id);
  return key;
}

/** Of a cache that remembers one place. */
KvOptions forgetful(Disk& disk) {
  KvOptions options = disk.options();
  options.remembered = 1;
  return options;
}

TEST(PrefixStore, WhatMemoryGivesUpIsOnDiskThoughNothingWasSaved) {
  Disk disk;
  Checked c(small_config(), forgetful(disk));
  std::vector<PrefixKey> keys;
  for (int i = 0; i < 5; ++i) keys.push_back(remember_one(c));
  EXPECT_EQ(found(c, keys[0], false), 0);
  EXPECT_EQ(found(c, keys[3]), 30);  // which may still be on its way
  for (const PrefixKey& key : keys) EXPECT_EQ(found(c, key), 30);
  EXPECT_THAT(disk.lines, ::testing::IsEmpty());
}

TEST(PrefixStore, WhatWasGivenUpIsInTheNextIndex) {
  Disk disk;
  PrefixKey key;
  {
    Checked c(small_config(), forgetful(disk));
    key = remember_one(c);
    remember_one(c);
    c.cache.forget_remembered();
    c.cache.save(kNever);
    EXPECT_FALSE(c.cache.unsaved());
  }
  EXPECT_EQ(found(disk.options(), key), 30);
}

/** A pipe that nobody reads takes nothing: it is a disk that stands still. */
TEST(PrefixStore, ADiskThatIsSlowIsNotWaitedFor) {
  Disk disk;
  Config large;  // 8 MB of 30 tokens
  large.layers = {layer_of(6, 1, 2, 0), layer_of(0, 64, 512, 1)};
  Checked c(large, forgetful(disk));
  const fs::path folder = *std::ranges::find_if(fs::directory_iterator(disk.path), fs::directory_iterator(),
                                                [](const auto& each) { return each.is_directory(); });
  const std::string pipe = folder / "0-0";  // the first page that is written
  ASSERT_EQ(::mkfifo(pipe.c_str(), S_IRUSR | S_IWUSR), 0);
  std::vector<PrefixKey> keys;
  for (int i = 0; i < 12; ++i) keys.push_back(remember_one(c));
  EXPECT_LE(c.cache.bytes_on_disk(), PrefixStore::kMostWaiting);
  EXPECT_EQ(found(c, keys[10]), 0);
  EXPECT_EQ(found(c, keys[1]), 30);  // which waits to be written
  int asked = 0;
  c.cache.save([&asked] { return ++asked > 3; });  // as the server does it until a request comes
  const int reader = ::open(pipe.c_str(), O_RDWR | O_CLOEXEC);
  c.cache.save(kNever);
  ::close(reader);
  const PrefixKey key = remember_one(c);
  remember_one(c);
  EXPECT_EQ(found(c, key), 30);
  EXPECT_THAT(disk.lines, ::testing::IsEmpty());
}

PageForm some_form() { return {Fingerprint::of("x"), 4, {100, 200}}; }

std::vector<StoredNode> some_nodes() {
  return {{-1, 7, -1, {1, 2, 3, 4}, {{2, 9, true, 5}}, {{0, 11}, {-1, 0}}},
          {0, 0, 3, {5, 6, 7, 8}, {{2, 9, true, 5}}, {{1, 12}, {0, 21}}},
          {-1, 8, 9, {1}, {}, {{2, 13}, {1, 22}}}};
}

bool same(const StoredNode& a, const StoredNode& b) {
  return write_index(some_form(), std::span(&a, 1)) == write_index(some_form(), std::span(&b, 1));
}

/** Each byte, and each length. */
TEST(PrefixStore, AnIndexIsWhatWasWrittenUpToItsDamage) {
  const std::vector<StoredNode> nodes = some_nodes();
  const std::string good = write_index(some_form(), nodes);
  const PrefixIndex whole = read_index(some_form(), good);
  EXPECT_EQ(whole.damage, "");
  ASSERT_EQ(whole.nodes.size(), nodes.size());
  for (size_t place = 0; place < good.size(); ++place) {
    for (int bit = -1; bit < 8; ++bit) {
      std::string bad = good;
      if (bit < 0) bad.resize(place);
      if (bit >= 0) bad[place] = static_cast<char>(bad[place] ^ 1 << bit);
      const PrefixIndex read = read_index(some_form(), bad);
      EXPECT_NE(read.damage, "") << place;
      ASSERT_LT(read.nodes.size(), nodes.size());
      for (size_t i = 0; i < read.nodes.size(); ++i) EXPECT_TRUE(same(read.nodes[i], nodes[i]));
    }
  }
  PageForm other = some_form();
  other.fingerprint = Fingerprint::of("y");
  EXPECT_THAT(read_index(other, good).damage, ::testing::HasSubstr("begun anew"));
}

TEST(PrefixStore, AnIndexThatCannotBeIsRefused) {
  const auto refused = [](auto&& change) {
    std::vector<StoredNode> nodes = some_nodes();
    change(nodes);
    return read_index(some_form(), write_index(some_form(), nodes)).damage != "";
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[1].parent = 1; }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[1].parent = 2; }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[1].parent = -2; }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[0].tokens.pop_back(); }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[0].tokens.push_back(1); }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[2].tokens.clear(); }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[1].media[0].rows = 2; }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[1].media[0].rows = -1; }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[1].media[0].first = -1; }));
  EXPECT_TRUE(refused([](auto& nodes) { nodes[1].media.push_back({9, 4, true, 1}); }));
}

/** What is found is right, and what is lost is said in a line. */
TEST(PrefixStore, DamageIsFoundOut) {
  Disk disk;
  const PrefixKey key = keep_text(disk.options(), 22, {10, 22});
  int lost = 0;
  for (const fs::path& file : disk.files()) {
    const std::string good = read_file(file);
    for (size_t place = 0; place < good.size(); place += 37) {
      for (const bool cut : {false, true}) {
        std::string bad = good;
        if (cut) bad.resize(place);
        if (!cut) bad[place] = static_cast<char>(bad[place] ^ 4);
        std::ofstream(file, std::ios::binary) << bad;
        fs::copy(disk.path, disk.path + ".kept", fs::copy_options::recursive);
        disk.lines.clear();
        const int length = found(disk.options(), key);
        EXPECT_GE(static_cast<int>(disk.lines.size()), length < 22) << file << " at " << place;
        EXPECT_LE(disk.lines.size(), 1u);
        lost += length < 22;
        fs::remove_all(disk.path);
        fs::rename(disk.path + ".kept", disk.path);
      }
    }
    std::ofstream(file, std::ios::binary) << good;
  }
  EXPECT_GT(lost, 20);
  EXPECT_EQ(found(disk.options(), key), 22);
}

TEST(PrefixStore, FilesThatNobodyNeedsAreRemoved) {
  Disk disk;
  const PrefixKey key = keep_text(disk.options(), 22, {22});
  const auto files = disk.files();
  const fs::path folder = files[0].parent_path();
  for (const char* name : {"0-77", "1-16777216", "9-1", "x", "index.new", "0-"}) {
    std::ofstream(folder / name) << std::string(kMuch / kMuch * 192, 'x');
  }
  EXPECT_EQ(found(disk.options(), key), 22);
  EXPECT_EQ(disk.files(), files);
}

TEST(PrefixStore, OnlyTheOwnerReadsIt) {
  Disk disk;
  disk.open()->secret();
  keep_text(disk.options(), 22, {22});
  for (const auto& each : fs::recursive_directory_iterator(disk.path)) {
    EXPECT_EQ(each.status().permissions() & (fs::perms::group_all | fs::perms::others_all), fs::perms::none) << each;
  }
}

TEST(PrefixStore, TheSecretStays) {
  Disk disk;
  const HashKey secret = disk.open()->secret();
  EXPECT_EQ(disk.open()->secret(), secret);
  EXPECT_EQ(secret, process_hash_key());
}

/** Processes that end after some texts, under limits of memory and of disk. */
void read_many(unsigned seed) {
  Random random(seed);
  Disk disk;
  const Config config = small_config(1 + random.below(12));
  const int64_t disk_limit = random.below(2) != 0 ? kMuch : 20'000 + random.below(60'000);
  std::vector<Text> texts{random.text(nullptr)};
  int64_t restored = 0;
  for (int process = 0; process < 8 && !::testing::Test::HasFatalFailure(); ++process) {
    KvOptions options = disk.options("", disk_limit);
    options.byte_limit = random.below(2) != 0 ? KvCache::bytes_for(config, options, 200, 24) * 2 : 0;
    options.remembered = 1 + random.below(60);
    Checked c(config, options);
    for (int i = 0; i < 8 && !::testing::Test::HasFatalFailure(); ++i) {
      const Text* from = random.below(5) != 0 ? &texts[static_cast<size_t>(random.below(texts.size()))] : nullptr;
      Text text = random.text(from);
      if (text.key.tokens.size() > 190) text = random.text(nullptr);
      restored += c.cache.restore(text.key);
      const SeqId id = c.create();
      c.cache.match_prefix(text.key, id);
      read(c, random, text, id, [] {});
      if (random.below(3) != 0) c.cache.remember(text.key, id);
      c.cache.release(id);
      ASSERT_EQ(c.cache.bytes_remembered(), c.cache.bytes_used());
      if (options.byte_limit > 0) {
        ASSERT_LE(c.ops.meter.most, options.byte_limit);
      }
      if (random.below(4) == 0) c.cache.save([&] { return random.below(40) == 0; });
      ASSERT_LE(options.folder->bytes(), disk_limit);
      texts.push_back(std::move(text));
    }
    c.cache.save(kNever);
    ASSERT_EQ(disk.bytes(), c.cache.bytes_on_disk());
    c.cache.forget_remembered();
    ASSERT_EQ(c.cache.bytes_used(), 0);
  }
  EXPECT_GT(restored, 0);
  EXPECT_THAT(disk.lines, ::testing::IsEmpty());
}

TEST(PrefixStore, AnyTextsOverRestarts) {
  for (unsigned seed = 0; seed < 12 && !HasFatalFailure(); ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    read_many(seed);
  }
}

}  // namespace
}  // namespace gemma::testing_kv

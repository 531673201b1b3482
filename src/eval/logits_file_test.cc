// SPDX-License-Identifier: Apache-2.0
#include "eval/logits_file.h"

#include <gmock/gmock.h>

#include <limits>

#include "file/testing/files.h"

namespace gemma {
namespace {

using ::testing::AnyOf;
using testing::error_of;
using ::testing::HasSubstr;
using testing::TempFolder;

constexpr int kVocab = 7, kKept = 3;

WindowPlan small_plan() {
  return plan_windows("t", {2, 5, 1, 0, 6, 6, 3, 4, 1}, 2, {.context = 4, .skip = 1, .stride = 4});
}

KeptLogits row(int i) {
  std::vector<float> logits;
  for (int id = 0; id < kVocab; ++id) logits.push_back(static_cast<float>((id * 5 + i * 3) % kVocab));
  return keep_best(logits, i, kKept);
}

std::vector<int64_t> small_targets() { return {2, 3, 6, 7}; }

/** A whole file of four rows. */
std::vector<std::byte> small_file() {
  const TempFolder folder;
  const std::string path = folder / "x.logits";
  const WindowPlan plan = small_plan();
  LogitsWriter writer(path, plan, kVocab, kKept);
  int i = 0;
  for (const int64_t target : small_targets()) writer.add(row(i++), plan.tokens[static_cast<size_t>(target)]);
  EXPECT_FALSE(std::filesystem::exists(path));
  writer.finish();
  return testing::to_bytes(read_file(path));
}

void read_all(std::vector<std::byte> bytes) {
  LogitsReader reader(memory_source("x.logits", std::move(bytes)));
  for (const int64_t target : small_targets()) reader.next(target);
}

/** What reading says when `value` stands at byte `at`. */
template <class T>
std::string with(size_t at, T value) {
  std::vector<std::byte> bytes = small_file();
  std::memcpy(bytes.data() + at, &value, sizeof value);
  return error_of([&] { read_all(bytes); });
}

constexpr size_t kTokensAt = 56, kRowsAt = kTokensAt + 9 * 4, kRowBytes = 16 + 8 * kKept;

TEST(LogitsFile, ReadsWhatWasWritten) {
  LogitsReader reader(memory_source("x.logits", small_file()));
  EXPECT_EQ(reader.vocab(), kVocab);
  EXPECT_EQ(reader.kept(), kKept);
  EXPECT_EQ(reader.rows(), 4);
  EXPECT_EQ(reader.plan().tokens, small_plan().tokens);
  EXPECT_EQ(reader.plan().options, small_plan().options);
  EXPECT_EQ(reader.plan().bos, 2);
  int i = 0;
  for (const int64_t target : small_targets()) {
    const KeptLogits found = reader.next(target), expected = row(i++);
    EXPECT_EQ(found.ids, expected.ids);
    EXPECT_EQ(found.values, expected.values);
    EXPECT_EQ(found.log_sum_exp, expected.log_sum_exp);
    EXPECT_EQ(found.target_logit, expected.target_logit);
  }
}

TEST(LogitsFile, HoldsNoMoreThanTheVocabulary) {
  const TempFolder folder;
  EXPECT_EQ(LogitsWriter(folder / "x", small_plan(), kVocab).kept(), kVocab);
}

TEST(LogitsFile, RefusesEveryTruncation) {
  const std::vector<std::byte> whole = small_file();
  ASSERT_EQ(whole.size(), kRowsAt + 4 * kRowBytes);
  for (size_t n = 0; n < whole.size(); ++n) {
    const std::string said =
        error_of([&] { read_all({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)}); });
    EXPECT_THAT(said, AnyOf(HasSubstr("no file of logits"), HasSubstr("cut off or damaged"))) << n;
  }
  std::vector<std::byte> longer = whole;
  longer.push_back({});
  EXPECT_THAT(error_of([&] { read_all(longer); }), HasSubstr("cut off or damaged"));
}

TEST(LogitsFile, RefusesAHeaderThatLies) {
  EXPECT_THAT(with<char>(0, 'G'), HasSubstr("no file of logits"));
  EXPECT_THAT(with<uint32_t>(8, 2), HasSubstr("version: expected 1, found 2"));
  for (const uint32_t vocab : {0u, 1u << 25}) EXPECT_THAT(with(12, vocab), HasSubstr("vocabulary"));
  for (const uint32_t kept : {0u, 8u, 0xffffffffu}) EXPECT_THAT(with(16, kept), HasSubstr("kept"));
  for (const uint32_t context : {0u, 1u}) EXPECT_THAT(with(20, context), HasSubstr("context"));
  EXPECT_THAT(with<uint32_t>(20, 0x80000000u), HasSubstr("out of bounds"));
  EXPECT_THAT(with<uint32_t>(24, 3), HasSubstr("skip"));
  EXPECT_THAT(with<uint32_t>(28, 0), HasSubstr("stride"));
  for (const uint64_t n : {uint64_t{0}, uint64_t{10}, uint64_t{1} << 62, ~uint64_t{0}}) {
    EXPECT_THAT(with(32, n), HasSubstr("cut off or damaged"));
    EXPECT_THAT(with(40, n), HasSubstr("cut off or damaged"));
  }
  for (const int32_t bos : {-2, kVocab}) EXPECT_THAT(with(48, bos), HasSubstr("<bos>"));
  EXPECT_THAT(with<uint32_t>(52, 1), HasSubstr("expected 0"));
  // Sizes that add up by themselves, but not to these windows.
  EXPECT_THAT(with<uint32_t>(24, 2), HasSubstr("rows: expected 2 for these windows, found 4"));
}

TEST(LogitsFile, RefusesRowsThatLie) {
  EXPECT_THAT(with<int32_t>(kTokensAt + 8, kVocab), HasSubstr("token: expected an id from 0 to 6, found 7"));
  EXPECT_THAT(with<int32_t>(kTokensAt + 4, -1), HasSubstr("found -1"));
  const size_t at = kRowsAt + 2 * kRowBytes;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THAT(with(at, nan), HasSubstr("row 2: a number that is not finite"));
  EXPECT_THAT(with(at, 100.0), HasSubstr("row 2: the log-sum-exp"));
  EXPECT_THAT(with(at, 5.9), HasSubstr("row 2: the log-sum-exp"));
  EXPECT_THAT(with(at + 8, static_cast<float>(nan)), HasSubstr("not finite"));
  EXPECT_THAT(with<int32_t>(at + 12, 0), HasSubstr("row 2: expected token 3, found 0"));
  EXPECT_THAT(with<int32_t>(at + 16, kVocab), HasSubstr("row 2: expected ids from 0 to 6, found 7"));
  EXPECT_THAT(with<int32_t>(at + 16, -1), HasSubstr("found -1"));
  EXPECT_THAT(with(at + 16, row(2).ids[1]), HasSubstr("is there twice"));
  EXPECT_THAT(with(at + 16 + 4 * kKept, 1.0f), HasSubstr("do not fall"));
  EXPECT_THAT(with(at + 16 + 4 * kKept + 4, static_cast<float>(nan)), HasSubstr("do not fall"));
}

}  // namespace
}  // namespace gemma

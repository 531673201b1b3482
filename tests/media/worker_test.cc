// SPDX-License-Identifier: Apache-2.0
// What a decoder that was taken over can do to us: nothing but one line.
#include "media/worker.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <limits>

#include "base/interrupted.h"
#include "file/testing/files.h"
#include "media/worker_wire.h"

namespace gemma::media {
namespace {

using gemma::testing::error_of;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kPicture = std::string(GEMMA4_GOLDEN) + "/media/images/rgb.png";

std::string ending_of(const std::string& misdeed) {
  WorkerOptions worker;
  worker.cpu_seconds = 1;
  worker.command = {GEMMA4_ROGUE, misdeed};
  try {
    prepare_apart(File::open(kPicture), {}, worker);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), StartsWith(kPicture + ": "));
    EXPECT_EQ(std::string_view(error.what()).find('\n'), std::string_view::npos);
    return error.what();
  }
  return "";
}

TEST(Worker, AWriteOutOfBoundsIsOneLine) {
  EXPECT_THAT(ending_of("write"), HasSubstr("Segmentation fault"));
  EXPECT_THAT(ending_of("write near"), HasSubstr("signal 6 (Aborted); the file is damaged or hostile"));
}

TEST(Worker, OpensNothing) { EXPECT_THAT(ending_of("open"), HasSubstr("refused")); }

TEST(Worker, MakesNoSocketProcessOrCode) {
  for (const std::string misdeed : {"socket", "fork", "exec", "code"}) {
    EXPECT_THAT(ending_of(misdeed), HasSubstr("tried what it may not do")) << misdeed;
  }
}

TEST(Worker, TakesNoMoreMemoryAndTimeThanItMay) {
  EXPECT_THAT(ending_of("memory"), HasSubstr("signal"));  // its exception has nobody to catch it
  EXPECT_THAT(ending_of("spin"), HasSubstr("more than 1 seconds (--max-cpu)"));
  EXPECT_THAT(ending_of("spin deaf"), HasSubstr("more than 1 seconds (--max-cpu)"));
  EXPECT_THAT(ending_of("sleep"), HasSubstr("tried what it may not do"));
}

TEST(Worker, WhatItWritesIsMemoryToo) {
  EXPECT_THAT(ending_of("grow"), HasSubstr("(--max-memory)"));
  EXPECT_THAT(ending_of("write far"), HasSubstr("(--max-memory)"));
}

TEST(Worker, KilledByOthersIsNotOutOfTime) { EXPECT_THAT(ending_of("kill"), HasSubstr("killed from outside")); }

TEST(Worker, LimitsHaveLimits) {
  const auto refused = [](int64_t memory, int64_t cpu_seconds) {
    return error_of(
        [&] { prepare_apart(File::open(kPicture), {}, {memory, cpu_seconds, {GEMMA4_ROGUE, "open"}, {}}); });
  };
  EXPECT_THAT(refused(kMinWorkerMemory, int64_t{1} << 32), HasSubstr("--max-cpu: expected 1 to 1000000 seconds"));
  EXPECT_THAT(refused(kMinWorkerMemory, 0), HasSubstr("--max-cpu"));
  for (const int64_t memory : {int64_t{0}, kMinWorkerMemory - 1, std::numeric_limits<int64_t>::max()}) {
    EXPECT_THAT(refused(memory, 1), HasSubstr(fmt::format("--max-memory: expected {} to", kMinWorkerMemory)));
  }
}

TEST(Worker, DescriptorsThatCannotBeHandedOverAreSaid) {
  const File file = File::open(kPicture);
  rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit few{16, before.rlim_max};  // enough for our own, none for copies
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const std::string error =
      error_of([&] { prepare_apart(file, {}, {kMinWorkerMemory, 1, {GEMMA4_ROGUE, "open"}, {}}); });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ(error,
            "media worker: cannot hand over what is open: needs 21 open files, the system allows 16 (ulimit -n)");
}

/** What ends a worker, while this process has a limit of the system. */
std::string ending_within(int which, rlim_t most, const std::string& misdeed) {
  rlimit before = {};
  EXPECT_EQ(getrlimit(static_cast<__rlimit_resource_t>(which), &before), 0);
  const rlimit less{most, before.rlim_max};
  EXPECT_EQ(setrlimit(static_cast<__rlimit_resource_t>(which), &less), 0);
  const std::string error = ending_of(misdeed);
  EXPECT_EQ(setrlimit(static_cast<__rlimit_resource_t>(which), &before), 0);
  return error;
}

TEST(Worker, LimitsOfTheSystemAreCalledByTheirNames) {
  EXPECT_THAT(ending_within(RLIMIT_FSIZE, 1 << 20, "write far"), HasSubstr("1048576 bytes (ulimit -f)"));
  EXPECT_THAT(ending_within(RLIMIT_AS, 1 << 27, "tell memory"), HasSubstr("134217728 bytes (ulimit -v)"));
}

TEST(Worker, EndsWhenItIsNotWantedAnyMore) {
  WorkerOptions worker;
  worker.command = {GEMMA4_ROGUE, "spin"};
  worker.interrupted = [looks = 0]() mutable { return ++looks > 2; };
  EXPECT_THROW(prepare_apart(File::open(kPicture), {}, worker), Interrupted);
  worker.interrupted = {};
  worker.command = {GEMMA4_ROGUE, "interrupt"};  // a terminal tells both of us
  EXPECT_THROW(prepare_apart(File::open(kPicture), {}, worker), Interrupted);
}

TEST(Worker, ItsAnswersAreNotBelieved) {
  EXPECT_THAT(ending_of("nonsense"), HasSubstr("makes no sense"));
  EXPECT_THAT(ending_of("outside"), HasSubstr("makes no sense"));
  EXPECT_THAT(ending_of("overflow"), HasSubstr("makes no sense"));
  EXPECT_THAT(ending_of("copies"), HasSubstr("'x' begins before another ends"));
}

TEST(Worker, RequestsAndAnswersKeepEveryField) {
  WorkerRequest request{"a.png", 5, 7, 9, {}};
  request.options.kind = Medium::video;
  request.options.form = Form::unified;
  request.options.budget = 560;
  request.options.grid = {4, 2};
  request.options.alpha = Alpha::drop;
  request.options.turn = false;
  request.options.resize = ResizeRule::pillow;
  request.options.front_end = FrontEnd::jax;
  request.options.frames = {9, 0.25};
  request.options.sound = FilmSound::after;
  request.options.max_bytes = 11;
  request.options.max_pixels = 12;
  request.options.max_seconds = 13.5;
  const std::string text = write_json(to_json(request));
  EXPECT_EQ(write_json(to_json(request_from(text))), text);
  const WorkerAnswer answer{{{"a", 1}}, {{"x", DType::f32, Shape{2, 3}, 8, 24}}};
  const Result<WorkerAnswer> again = answer_from(write_json(to_json(answer)), 32);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again.value().arrays[0].bytes, 24);
  EXPECT_FALSE(answer_from(write_json(to_json(answer)), 31).ok());
}

}  // namespace
}  // namespace gemma::media

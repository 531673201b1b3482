// SPDX-License-Identifier: Apache-2.0
#include "base/line_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "base/clock.h"

namespace gemma {
namespace {

using testing::HasSubstr, testing::Lt;

/** A pipe, which nobody reads unless read() is called. */
class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    close_reader();
    ::close(ends_[1]);
  }
  int writer() const { return ends_[1]; }
  void close_reader() {
    if (ends_[0] >= 0) ::close(ends_[0]);
    ends_[0] = -1;
  }
  /** What comes until `last` has. */
  std::string read_until(std::string_view last) const {
    std::string out;
    std::array<char, 65536> buffer;
    while (out.find(last) == std::string::npos) {
      const ssize_t n = ::read(ends_[0], buffer.data(), buffer.size());
      if (n <= 0) break;
      out.append(buffer.data(), static_cast<size_t>(n));
    }
    return out;
  }
  /** Fills it, so that the next write waits. */
  void fill() const {
    const int flags = ::fcntl(writer(), F_GETFL);
    ::fcntl(writer(), F_SETFL, flags | O_NONBLOCK);
    while (::write(writer(), "x\n", 2) > 0) {
    }
    ::fcntl(writer(), F_SETFL, flags);
  }

 private:
  std::array<int, 2> ends_{};
};

TEST(LineWriter, AllIsThereInOrderWhenItEnds) {
  const Pipe pipe;
  {
    LineWriter writer(pipe.writer(), 100'000);
    for (int i = 0; i < 1000; ++i) writer.add(fmt::format("line {}", i));
    writer.add("end");
  }
  std::string expected;
  for (int i = 0; i < 1000; ++i) expected += fmt::format("line {}\n", i);
  EXPECT_EQ(pipe.read_until("end\n"), expected + "end\n");
}

TEST(LineWriter, NobodyWaitsForAReaderAndWhatIsMissingIsSaidWhereItIs) {
  const Pipe pipe;
  pipe.fill();
  LineWriter writer(pipe.writer(), 30);
  for (int i = 0; i < 6; ++i) writer.add(fmt::format("line no {}", i));  // 10 bytes each
  EXPECT_EQ(writer.lost(), 3);
  EXPECT_THAT(pipe.read_until("line no 2\n"), HasSubstr("line no 0\nline no 1\nline no 2\n"));
  writer.add("late");
  const std::string rest = pipe.read_until("late\n");
  EXPECT_EQ(rest, "gemma4: 3 lines are missing here, since nobody took them\nlate\n");
  EXPECT_EQ(writer.lost(), 3);
}

TEST(LineWriter, TheEndSaysWhatIsMissing) {
  const Pipe pipe;
  pipe.fill();
  std::optional<LineWriter> writer;
  writer.emplace(pipe.writer(), 5);
  writer->add("long line");
  std::thread reader([&] { EXPECT_THAT(pipe.read_until("took it\n"), HasSubstr("gemma4: a line is missing here")); });
  writer.reset();
  reader.join();
}

TEST(LineWriter, AReaderThatStoppedDoesNotHoldUpTheEnd) {
  const Pipe pipe;
  pipe.fill();
  const auto start = Clock::now();
  {
    LineWriter writer(pipe.writer(), 100);
    writer.add("line");
  }
  EXPECT_THAT(seconds_since(start), Lt(5));
}

TEST(LineWriter, AReaderThatLeftCostsLinesAndNothingElse) {
  Pipe pipe;
  pipe.close_reader();
  LineWriter writer(pipe.writer(), 100);
  writer.add("line");
  for (int i = 0; i < 500 && writer.lost() == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(writer.lost(), 1);
}

/** As whoever shares a terminal may have made it. */
TEST(LineWriter, ADescriptorThatDoesNotWaitIsWaitedFor) {
  const Pipe pipe;
  pipe.fill();
  ::fcntl(pipe.writer(), F_SETFL, ::fcntl(pipe.writer(), F_GETFL) | O_NONBLOCK);
  LineWriter writer(pipe.writer(), 100);
  writer.add("line");
  EXPECT_THAT(pipe.read_until("line\n"), HasSubstr("line\n"));
  EXPECT_EQ(writer.lost(), 0);
}

}  // namespace
}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
// Programs of others that are installed, put to work: what they are given, and how they ended.
//
//   MemoryFile out("page");
//   ChildOptions options;
//   options.output = out.descriptor();
//   const ChildEnd end = run_child({find_program({"pdftoppm"}, "poppler-utils"), "-png"}, options);
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace gemma::app {

/** Memory without a name that a program writes to as to a file. */
class MemoryFile {
 public:
  explicit MemoryFile(const char* name);
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile();
  int descriptor() const { return fd_; }
  int64_t size() const;
  /** At most so many bytes of its beginning. */
  std::string text(int64_t most) const;

 private:
  int fd_;
};

/** A folder inside `place` that is gone, with all that is in it, when this is. */
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::filesystem::path& place);
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct ChildOptions {
  int input = -1, output = -1;           // descriptors that become its stdin and stdout; -1: nothing
  int64_t seconds = 60;                  // by the clock, then it is ended
  std::vector<std::string> environment;  // all it gets, "NAME=value"
};

struct ChildEnd {
  int status = 0;         // of its exit; 128 and the number of the signal that ended it
  bool too_long = false;  // it was ended after its seconds
  std::string complaint;  // the end of what it wrote to stderr
};

/** The path of the first of these programs that is there; fails with the name of Debian's package that holds it. */
std::string find_program(const std::vector<std::string>& names, std::string_view package);
/** PATH, HOME and the language: what most programs need to know. */
std::vector<std::string> plain_environment();

/** Runs a program, no shell between, and ends it, with all that it has started, when its time is over or Ctrl-C is
 *  pressed; fails in that case. */
ChildEnd run_child(std::vector<std::string> command, const ChildOptions& options);

/** `command` as one that reads what strangers made: it runs with limits, without a network and with nothing to write
 *  but what is open (media/confine.h). */
std::vector<std::string> confined(const std::vector<std::string>& command, int64_t memory, int64_t cpu_seconds);

}  // namespace gemma::app

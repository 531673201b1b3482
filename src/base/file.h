// SPDX-License-Identifier: Apache-2.0
// Files by descriptor: positioned reads from many threads, and output that is either whole or absent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gemma {

/** An open file for positioned reads; safe to read from several threads. */
class File {
 public:
  /** Fails with the system's reason ("model.gguf: cannot open: No such file or directory"). */
  static File open(const std::string& path);
  /** Takes over a descriptor that is open for reading; `name` is what messages call it. */
  static File adopt(int descriptor, std::string name);
  File(File&&) noexcept;
  File& operator=(File&&) noexcept;
  ~File();

  int64_t size() const { return size_; }
  const std::string& path() const { return path_; }
  int descriptor() const { return fd_; }
  /** Reads exactly out.size() bytes at `offset`; fails when the file ends before, and when it is no longer the file
   *  that was opened: of another size, or written to since. */
  void read(int64_t offset, std::span<std::byte> out) const;
  /** Says that this part will be read soon: the disk begins at once, and with several parts at a time. */
  void will_read(int64_t offset, int64_t bytes) const;
  /** Fails when the file has changed since it was opened. One that was replaced by another of its name has not. */
  void check_unchanged() const;

 private:
  File(std::string path, int fd, int64_t size, int64_t written);
  std::string path_;
  int fd_ = -1;
  int64_t size_ = 0, written_ = 0;  // when it was written last, in nanoseconds
};

/** The whole file as a string; fails when it is larger than `limit` bytes. */
std::string read_file(const std::string& path, int64_t limit = int64_t{1} << 31);

/** "NAME.PID.partial": what `path` is called while this process writes it and it must have a name. Removes what earlier
 *  processes, killed since, left under such names of the same path. */
std::string partial_name(const std::string& path);

/** Writes a file that has no name before commit(), which gives it the name `path` in one step (fsync, link and rename,
 *  fsync of the folder): not even a killed process leaves half a file. Where the file system knows no files without a
 *  name, it is called NAME.PID.partial until then, and removed without commit. A link keeps its name, and the file that
 *  it leads to is replaced; what is there and no regular file is refused. */
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);  // appends
  void write(std::string_view text);
  void write_at(int64_t offset, std::span<const std::byte> bytes);  // from any thread
  /** Reserves disk space, so that "no space left" is said before the work and not after it. */
  void reserve(int64_t bytes);
  void commit();

 private:
  std::string path_, temporary_;
  int fd_ = -1;
  int64_t end_ = 0;
  bool named_ = false;  // temporary_ is there
};

}  // namespace gemma

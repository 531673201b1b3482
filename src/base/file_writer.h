// SPDX-License-Identifier: Apache-2.0
// FileWriter: writes and removes files on a thread of its own, in the order in which it is told to, so that nobody else
// waits for a disk. Once something could not be written it writes nothing more; it goes on removing.
//
//   FileWriter writer(128 << 20, [](const std::string& why) { ... });
//   if (writer.has_room(bytes.size())) writer.write(path, std::move(bytes));
//   const int64_t job = writer.replace(path + ".index", text);
//   ... writer.done() >= job                                    // it is on the disk
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace gemma {

class FileWriter {
 public:
  /** most: bytes that may wait; failed: told once, on the thread, why something could not be written. */
  FileWriter(int64_t most, std::function<void(const std::string& why)> failed);
  /** All is done. */
  ~FileWriter();
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;

  // ---- any thread; nobody is kept from adding more than there is room for ----
  bool has_room(int64_t bytes) const;
  /** A file for its owner alone, neither synced nor written aside. */
  void write(std::string path, std::vector<std::byte> bytes);
  /** All of the file or nothing, synced. Returns the number of the job. */
  int64_t replace(std::string path, std::string text);
  void remove(std::string path);

  /** What is on its way to this file; false when nothing of this size is. */
  bool find(const std::string& path, std::span<std::byte> out) const;
  /** The last job that was done, and all before it, before anything went wrong; they count from 1. */
  int64_t done() const;
  bool works() const;
  /** Until a job is done, `most` at the longest. */
  void wait(std::chrono::milliseconds most) const;
  /** Until all are. */
  void finish() const;

 private:
  struct Job {
    enum class Kind { write, replace, remove } kind;
    std::string path;
    std::vector<std::byte> bytes;
  };
  int64_t add(Job job);
  void run();
  /** "", or why not. */
  static std::string do_job(const Job& job);

  const int64_t most_;
  const std::function<void(const std::string&)> failed_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::deque<Job> jobs_;  // the first one is being done
  int64_t waiting_ = 0;   // bytes of them
  int64_t added_ = 0, done_ = 0;
  bool works_ = true, ends_ = false;
  std::thread thread_;
};

}  // namespace gemma

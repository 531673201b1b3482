// SPDX-License-Identifier: Apache-2.0
#include "base/file_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iterator>
#include <utility>

namespace gemma {
namespace {

/** "", or why not. A full disk is no reason to end anything, hence no fail(). */
std::string write_whole(const std::string& path, std::span<const std::byte> bytes, bool sync) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, S_IRUSR | S_IWUSR);
  bool good = file >= 0;
  while (good && !bytes.empty()) {
    const ssize_t n = ::write(file, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    good = n > 0;
    if (good) bytes = bytes.subspan(static_cast<size_t>(n));
  }
  good = good && (!sync || ::fsync(file) == 0);
  const std::string why = good ? "" : std::strerror(errno);
  if (file >= 0) ::close(file);
  return why;
}

std::string replace_whole(const std::string& path, std::span<const std::byte> bytes) {
  const std::string fresh = path + ".new";
  std::string why = write_whole(fresh, bytes, true);
  if (why.empty() && std::rename(fresh.c_str(), path.c_str()) != 0) why = std::strerror(errno);
  if (!why.empty()) ::unlink(fresh.c_str());
  return why;
}

}  // namespace

FileWriter::FileWriter(int64_t most, std::function<void(const std::string& why)> failed)
    : most_(most), failed_(std::move(failed)), thread_([this] { run(); }) {}

FileWriter::~FileWriter() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool FileWriter::has_room(int64_t bytes) const {
  const std::lock_guard lock(mutex_);
  return waiting_ + bytes <= most_;
}

void FileWriter::write(std::string path, std::vector<std::byte> bytes) {
  add({Job::Kind::write, std::move(path), std::move(bytes)});
}

int64_t FileWriter::replace(std::string path, std::string text) {
  const auto bytes = std::as_bytes(std::span(text));
  return add({Job::Kind::replace, std::move(path), {bytes.begin(), bytes.end()}});
}

void FileWriter::remove(std::string path) { add({Job::Kind::remove, std::move(path), {}}); }

int64_t FileWriter::add(Job job) {
  const std::lock_guard lock(mutex_);
  waiting_ += std::ssize(job.bytes);
  jobs_.push_back(std::move(job));
  changed_.notify_all();
  return ++added_;
}

bool FileWriter::find(const std::string& path, std::span<std::byte> out) const {
  const std::lock_guard lock(mutex_);
  const auto last = std::find_if(jobs_.rbegin(), jobs_.rend(), [&](const Job& job) { return job.path == path; });
  if (last == jobs_.rend() || last->kind == Job::Kind::remove || last->bytes.size() != out.size()) return false;
  std::ranges::copy(last->bytes, out.begin());
  return true;
}

int64_t FileWriter::done() const {
  const std::lock_guard lock(mutex_);
  return done_;
}

bool FileWriter::works() const {
  const std::lock_guard lock(mutex_);
  return works_;
}

void FileWriter::wait(std::chrono::milliseconds most) const {
  std::unique_lock lock(mutex_);
  if (!jobs_.empty()) changed_.wait_for(lock, most);
}

void FileWriter::finish() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return jobs_.empty(); });
}

std::string FileWriter::do_job(const Job& job) {
  switch (job.kind) {
    case Job::Kind::write:
      return write_whole(job.path, job.bytes, false);
    case Job::Kind::replace:
      return replace_whole(job.path, job.bytes);
    case Job::Kind::remove:
      ::unlink(job.path.c_str());
  }
  return "";
}

void FileWriter::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ends_ || !jobs_.empty(); });
    if (jobs_.empty()) return;
    const Job& job = jobs_.front();  // stays where it is while others are added
    const bool due = works_ || job.kind == Job::Kind::remove;
    lock.unlock();
    const std::string why = due ? do_job(job) : "";
    if (!why.empty()) failed_(why);
    lock.lock();
    works_ = works_ && why.empty();
    if (works_) ++done_;
    waiting_ -= std::ssize(job.bytes);
    jobs_.pop_front();
    changed_.notify_all();
  }
}

}  // namespace gemma

// SPDX-License-Identifier: Apache-2.0
#include "serve/file_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace gemma::serve {
namespace {

constexpr int64_t kBesideFile = 512;  // bytes that are kept of one beside its content and its name

KeptFile file_in(const Statement& row, std::string_view owner) {
  return {row.text(0), std::string(owner), row.text(1), row.text(2), row.number(3), row.number(4), row.number(5)};
}

}  // namespace

FileStore::FileStore(std::shared_ptr<StateFile> state, int64_t most_bytes)
    : state_(std::move(state)), most_bytes_(most_bytes) {}

void FileStore::forget_expired(int64_t now) {
  state_->run("DELETE FROM files WHERE expires > 0 AND expires <= ?").with(now).step();
}

std::optional<Failure> FileStore::add(KeptFile file, std::string_view content, int64_t now) {
  file.bytes = static_cast<int64_t>(content.size());
  const std::lock_guard lock(state_->mutex());
  forget_expired(now);
  const int64_t kept = state_->number("SELECT coalesce(sum(bytes + length(name)), 0) FROM files") +
                       kBesideFile * state_->number("SELECT count(*) FROM files");
  const auto size = file.bytes + std::ssize(file.name) + kBesideFile;
  if (kept + size > most_bytes_) {
    return Failure{"file", fmt::format("{} bytes have no room: of {} that files may have here {} are free", size,
                                       most_bytes_, std::max<int64_t>(0, most_bytes_ - kept))};
  }
  Statement row = state_->run("INSERT INTO files VALUES(?, ?, ?, ?, ?, ?, ?, ?)");
  row.with(file.id).with(file.owner).with(file.name).with(file.purpose);
  row.with(file.bytes).with(file.created).with(file.expires).with_bytes(content).step();
  if (row.good()) return std::nullopt;
  return state_->trouble();
}

std::optional<KeptFile> FileStore::find(std::string_view id, std::string_view owner, int64_t now) {
  const std::lock_guard lock(state_->mutex());
  forget_expired(now);
  Statement row =
      state_->run("SELECT id, name, purpose, bytes, created, expires FROM files WHERE id = ? AND owner = ?");
  if (!row.with(id).with(owner).step()) return std::nullopt;
  return file_in(row, owner);
}

std::optional<std::string> FileStore::content(std::string_view id, std::string_view owner, int64_t now) {
  const std::lock_guard lock(state_->mutex());
  forget_expired(now);
  Statement row = state_->run("SELECT content FROM files WHERE id = ? AND owner = ?");
  if (!row.with(id).with(owner).step()) return std::nullopt;
  return row.text(0);
}

Result<bool> FileStore::remove(std::string_view id, std::string_view owner, int64_t now) {
  if (!find(id, owner, now)) return false;
  const std::lock_guard lock(state_->mutex());
  Statement gone = state_->run("DELETE FROM files WHERE id = ? AND owner = ?");
  gone.with(id).with(owner).step();
  if (!gone.good()) return state_->trouble();
  return true;
}

std::vector<KeptFile> FileStore::list(std::string_view owner, std::string_view purpose, int64_t now) {
  const std::lock_guard lock(state_->mutex());
  forget_expired(now);
  Statement row = state_->run(
      "SELECT id, name, purpose, bytes, created, expires FROM files WHERE owner = ? AND (? = '' OR purpose = ?) "
      "ORDER BY rowid");
  row.with(owner).with(purpose).with(purpose);
  std::vector<KeptFile> files;
  while (row.step()) files.push_back(file_in(row, owner));
  return files;
}

}  // namespace gemma::serve

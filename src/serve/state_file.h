// SPDX-License-Identifier: Apache-2.0
// What a server keeps (responses, files), in one file or in memory: SQLite, with its tables and its lock.
//
//   StateFile state("state.db");
//   const std::lock_guard lock(state.mutex());
//   Statement row = state.run("SELECT bytes FROM files WHERE id = ?");
//   if (row.with("file-1").step()) use(row.number(0));
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace gemma::serve {

/** One statement on its way, under the lock. */
class Statement {
 public:
  Statement(sqlite3* database, std::string_view text);
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  /** The next "?"; the bytes live until the last step. */
  Statement& with(std::string_view text);
  Statement& with(int64_t number);
  Statement& with_bytes(std::string_view bytes);
  /** Whether there is a row. */
  bool step();
  /** Whether nothing has gone wrong. */
  bool good() const;
  std::string text(int column) const;  // or bytes
  int64_t number(int column) const;

 private:
  sqlite3_stmt* statement_ = nullptr;
  int status_ = 0;
  int bound_ = 0;
};

class StateFile {
 public:
  /** path "": in memory. Fails with the path when it cannot be opened, is something else, or is another server's. */
  explicit StateFile(const std::string& path);
  ~StateFile();
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  std::mutex& mutex() { return mutex_; }

  // Under the lock.
  Statement run(std::string_view text) const { return {handle_, text}; }
  /** The first column of the first row, 0 where there is none. */
  int64_t number(std::string_view text) const;
  /** What the last that went wrong says. */
  Failure trouble() const;

 private:
  sqlite3* handle_ = nullptr;
  std::mutex mutex_;
};

/** All or nothing, under the lock: what is not kept is undone. */
class Transaction {
 public:
  explicit Transaction(const StateFile& state) : state_(state) { state_.run("BEGIN IMMEDIATE").step(); }
  ~Transaction() {
    if (!kept_) state_.run("ROLLBACK").step();
  }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  bool keep() {
    Statement commit = state_.run("COMMIT");
    commit.step();
    return kept_ = commit.good();
  }

 private:
  const StateFile& state_;
  bool kept_ = false;
};

}  // namespace gemma::serve

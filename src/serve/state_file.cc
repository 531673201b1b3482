// SPDX-License-Identifier: Apache-2.0
#include "serve/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

namespace gemma::serve {
namespace {

constexpr int kForm = 1;  // of the tables
constexpr const char* kTables =
    "CREATE TABLE responses(id TEXT PRIMARY KEY, owner TEXT NOT NULL, previous TEXT NOT NULL, input TEXT NOT NULL, "
    "response TEXT NOT NULL, bytes INTEGER NOT NULL); "
    "CREATE TABLE files(id TEXT PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, purpose TEXT NOT NULL, "
    "bytes INTEGER NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL, content BLOB NOT NULL); "
    "PRAGMA user_version = 1;";
/** One server at a time, and what is deleted is overwritten. */
constexpr const char* kManners =
    "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; "
    "PRAGMA secure_delete = ON;";
/** What was on its way when a server ended. */
constexpr const char* kLeftOver =
    "UPDATE responses SET response = json_set(response, '$.status', 'failed', '$.error', "
    "json_object('code', 'server_error', 'message', 'the server ended before it did')) "
    "WHERE json_extract(response, '$.status') IN ('queued', 'in_progress')";
constexpr int kPatience = 2000;  // milliseconds for somebody else's lock

}  // namespace

Statement::Statement(sqlite3* database, std::string_view text) {
  status_ = sqlite3_prepare_v2(database, text.data(), static_cast<int>(text.size()), &statement_, nullptr);
}
Statement::~Statement() { sqlite3_finalize(statement_); }

Statement& Statement::with(std::string_view text) {
  sqlite3_bind_text64(statement_, ++bound_, text.data(), text.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}
Statement& Statement::with(int64_t number) {
  sqlite3_bind_int64(statement_, ++bound_, number);
  return *this;
}
Statement& Statement::with_bytes(std::string_view bytes) {
  sqlite3_bind_blob64(statement_, ++bound_, bytes.data(), bytes.size(), SQLITE_STATIC);
  return *this;
}

bool Statement::step() {
  if (status_ == SQLITE_OK || status_ == SQLITE_ROW) status_ = sqlite3_step(statement_);
  return status_ == SQLITE_ROW;
}
bool Statement::good() const { return status_ == SQLITE_OK || status_ == SQLITE_ROW || status_ == SQLITE_DONE; }

std::string Statement::text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return bytes == nullptr ? "" : std::string(bytes, static_cast<size_t>(sqlite3_column_bytes(statement_, column)));
}
int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_, column); }

StateFile::StateFile(const std::string& path) {
  if (!path.empty()) {  // what people say is for its owner alone
    if (const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); file >= 0) ::close(file);
  }
  const char* place = path.empty() ? ":memory:" : path.c_str();
  const auto give_up = [&](std::string_view what) {
    const bool taken = handle_ != nullptr && sqlite3_errcode(handle_) == SQLITE_BUSY;
    const std::string why = taken ? "another server has it" : trouble().reason;
    sqlite3_close(handle_);
    fail(path, "{}: {}", what, why);
  };
  const auto run_all = [&](const char* text) {
    return sqlite3_exec(handle_, text, nullptr, nullptr, nullptr) == SQLITE_OK;
  };
  constexpr int kHow = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  if (sqlite3_open_v2(place, &handle_, kHow, nullptr) != SQLITE_OK) give_up("cannot be opened");
  sqlite3_busy_timeout(handle_, kPatience);
  if (!run_all(kManners)) give_up("cannot be read");
  const int64_t form = number("PRAGMA user_version");
  const bool empty = form == 0 && number("SELECT count(*) FROM sqlite_schema") == 0;
  if (!empty && form != kForm) {
    sqlite3_close(handle_);
    fail(path, "expected a file of this program's, form {}, found form {}", kForm, form);
  }
  if ((empty && !run_all(kTables)) || !run_all(kLeftOver)) give_up("cannot be written");
}

StateFile::~StateFile() { sqlite3_close(handle_); }

int64_t StateFile::number(std::string_view text) const {
  Statement statement = run(text);
  return statement.step() ? statement.number(0) : 0;
}

Failure StateFile::trouble() const {
  return {"", handle_ != nullptr ? sqlite3_errmsg(handle_) : "there is no memory for it"};
}

}  // namespace gemma::serve

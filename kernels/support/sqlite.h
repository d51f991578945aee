// SQLite as the kernels use it. A kernel that includes this has `// Links: sqlite`.
#pragma once

#include "core/need.h"

#if HEADROOM_HAVE_SQLITE
#include <sqlite3.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "core/scratch.h"

namespace headroom::sqlite {

// A std::system_error that says what failed, where, and SQLite's own message, unless `result` is
// one of success.
inline void require(sqlite3* db, int result, const char* what) {
  if (result == SQLITE_OK || result == SQLITE_DONE || result == SQLITE_ROW) return;
  const int number = db == nullptr ? 0 : sqlite3_system_errno(db);
  const std::string text = std::string(what) + " in scratch folder " + scratch_folder() + ": " +
                           (db == nullptr ? sqlite3_errstr(result) : sqlite3_errmsg(db));
  throw std::system_error(number != 0             ? number
                          : result == SQLITE_FULL ? ENOSPC
                                                  : EIO,
                          std::generic_category(), text);
}

inline void execute(sqlite3* db, const char* sql) {
  require(db, sqlite3_exec(db, sql, nullptr, nullptr, nullptr), sql);
}

// The settings of a connection, in SQL. A rollback journal is SQLite's default, and durable; so is
// a write-ahead log that is synced at each commit. Without those syncs it is consistent.
inline constexpr char kDurable[] = "";
inline constexpr char kNoSync[] = "PRAGMA synchronous=OFF";
inline constexpr char kWal[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL";
inline constexpr char kDurableWal[] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL";

// A connection, closed at its end. Statements made of it must be gone before.
class Connection {
 public:
  Connection() = default;
  explicit Connection(const std::string& path, const char* settings = kDurable) {
    const int result = sqlite3_open(path.c_str(), &db_);
    if (result != SQLITE_OK) {
      sqlite3_close(std::exchange(db_, nullptr));
      require(nullptr, result, "open");
    }
    try {
      execute(settings);
    } catch (...) {
      sqlite3_close(db_);
      throw;
    }
  }
  Connection(Connection&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  Connection& operator=(Connection&& other) noexcept {
    std::swap(db_, other.db_);
    return *this;
  }
  ~Connection() { sqlite3_close(db_); }
  sqlite3* get() const { return db_; }
  void execute(const char* sql) const { sqlite::execute(db_, sql); }

 private:
  sqlite3* db_ = nullptr;
};

// A statement that was compiled once. Columns may be read until it is stepped or reset.
class Statement {
 public:
  Statement() = default;
  Statement(const Connection& connection, std::string_view sql) {
    require(connection.get(),
            sqlite3_prepare_v3(connection.get(), sql.data(), static_cast<int>(sql.size()),
                               SQLITE_PREPARE_PERSISTENT, &statement_, nullptr),
            "prepare");
  }
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&& other) noexcept {
    std::swap(statement_, other.statement_);
    return *this;
  }
  ~Statement() { sqlite3_finalize(statement_); }
  sqlite3_stmt* get() const { return statement_; }

  // Values, from 1 on. The text must live until the statement is reset.
  void bind(int at, std::int64_t value) { check(sqlite3_bind_int64(statement_, at, value)); }
  void bind(int at, std::string_view text) {
    check(sqlite3_bind_text(statement_, at, text.data(), static_cast<int>(text.size()),
                            SQLITE_STATIC));
  }
  // Whether there is another row.
  bool step() {
    const int result = sqlite3_step(statement_);
    if (result == SQLITE_ROW) return true;
    if (result != SQLITE_DONE) check(result);
    return false;
  }
  // Ready to be run again; ends the read that it holds.
  void reset() { sqlite3_reset(statement_); }
  // To its end, for what gives no rows.
  void run() {
    while (step()) {
    }
    reset();
  }
  // Columns of the row, from 0 on.
  std::int64_t number(int at) const { return sqlite3_column_int64(statement_, at); }
  std::string_view text(int at) const {
    const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, at));
    if (data == nullptr) return {};
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, at))};
  }

 private:
  void check(int result) const { require(sqlite3_db_handle(statement_), result, "statement"); }
  sqlite3_stmt* statement_ = nullptr;
};

// A compiled statement whose plan has `part` in it, as in "USING COVERING INDEX": a kernel that
// compares plans must not measure another one because the planner saw it differently. Throws
// std::runtime_error with the plan that there is.
inline Statement planned(const Connection& connection, const std::string& sql,
                         std::string_view part) {
  Statement explain(connection, "EXPLAIN QUERY PLAN " + sql);
  std::string plan;
  while (explain.step()) plan.append(explain.text(3)) += "; ";
  if (plan.find(part) == std::string::npos)
    throw std::runtime_error("SQLite's plan is not " + std::string(part) + ", but " + plan);
  return {connection, sql};
}

// A database in a file of its own in the scratch folder, which goes with it. What it is filled with
// is written in one transaction and never waited for.
class File {
 public:
  template <class Fill>
  explicit File(const Fill& fill) {
    const Connection made(path_, "PRAGMA journal_mode=MEMORY; PRAGMA synchronous=OFF");
    made.execute("BEGIN");
    fill(made);
    made.execute("COMMIT");
  }
  const std::string& path() const { return path_; }

 private:
  ScratchFolder folder_;
  std::string path_ = folder_.path() + "/data.db";
};

// Tables(rows), made once for all that ask for the same number of rows one after the other: arms,
// seeds, the copies of a placebo. Tables has a member `rows`. Not for several threads at once.
template <class Tables>
std::shared_ptr<const Tables> tables_of(std::size_t rows) {
  static std::shared_ptr<const Tables> last;
  if (last == nullptr || last->rows != rows) last = std::make_shared<const Tables>(rows);
  return last;
}

}  // namespace headroom::sqlite
#endif

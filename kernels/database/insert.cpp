// database/insert: put n rows into an SQLite table that is empty.
//
// A row: its number (the key), a user, an amount, a note of 8 to 31 characters. The database is a
// file of its own in the scratch folder, made anew before each call; opening it, making the table
// and preparing statements is not timed (a program does that at its start). Out: the whole table in
// order of the key, read back through a second connection, so that what was not committed is not
// there.
//
// The variants differ in what they promise. Each says it: *durable* is on disk when the call
// returns; *consistent* may lose the last commits when the power fails, but never the database; the
// one that is neither may lose the database. All three survive a crash of the program.
//
// Links: sqlite
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/kernel.h"
#include "core/scratch.h"
#include "support/sqlite.h"

namespace headroom {
namespace {

struct Row {
  std::int64_t key = 0;
  std::int64_t user = 0;
  std::int64_t amount = 0;
  std::string note;
};

struct Insert {
  struct Input {
    std::vector<Row> rows;
  };
  using Output = std::vector<std::string>;  // a row each: key|user|amount|note

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    FastRng fast(rng());
    in.rows.resize(setting.n);
    for (std::size_t i = 0; i < setting.n; ++i) {
      Row& row = in.rows[i];
      row.key = static_cast<std::int64_t>(i + 1);
      row.user = static_cast<std::int64_t>(bounded(fast, 1'000'000));
      row.amount = static_cast<std::int64_t>(bounded(fast, 100'000)) - 50'000;
      row.note.resize(8 + bounded(fast, 24));
      // Some quotes, which SQL has to escape.
      for (char& c : row.note) c = "abcdefghijklmnopqrstuvwxyz .,-'"[bounded(fast, 31)];
    }
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want.size() != in.rows.size())
      return differ("rows of the baseline: ", std::to_string(in.rows.size()),
                    std::to_string(want.size()));
    return exact(want, got);
  }
};
using Input = Insert::Input;
using Output = Insert::Output;

#if HEADROOM_HAVE_SQLITE

using sqlite::execute, sqlite::kDurable, sqlite::kDurableWal, sqlite::kNoSync, sqlite::kWal;
using sqlite::require;

sqlite3_stmt* prepare(sqlite3* db, const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  require(db,
          sqlite3_prepare_v3(db, sql.c_str(), -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr),
          "prepare");
  return statement;
}

// A database with an empty table. refill() makes a new one.
template <const char* kSettings>
class Database {
 public:
  explicit Database(const Input&) {}
  Database(const Database&) = delete;
  ~Database() { sqlite3_close(db); }

  void refill(const Input& input) {
    in = &input;
    sqlite3_close(std::exchange(db, nullptr));
    for (const char* suffix : {"", "-journal", "-wal", "-shm"}) unlink((path_ + suffix).c_str());
    require(db, sqlite3_open(path_.c_str(), &db), "open");
    // The table is made under the journal that the rows will use: a log that begins anew waits for
    // the disk once, which is no part of a program's daily work.
    execute(db, kSettings);
    execute(db, "PRAGMA synchronous=OFF");
    execute(
        db,
        "CREATE TABLE payment (key INTEGER PRIMARY KEY, user INTEGER, amount INTEGER, note TEXT)");
    execute(db, "PRAGMA synchronous=FULL");
    execute(db, kSettings);
  }
  void answer(Output& out) const {
    out.clear();
    sqlite3* reader = nullptr;
    sqlite3_stmt* rows = nullptr;
    int result = sqlite3_open_v2(path_.c_str(), &reader, SQLITE_OPEN_READWRITE, nullptr);
    if (result == SQLITE_OK)
      result = sqlite3_prepare_v2(reader,
                                  "SELECT key || '|' || user || '|' || amount || '|' || note "
                                  "FROM payment ORDER BY key",
                                  -1, &rows, nullptr);
    while (result == SQLITE_OK || result == SQLITE_ROW) {
      result = sqlite3_step(rows);
      if (result != SQLITE_ROW) break;
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(rows, 0));
      out.emplace_back(text == nullptr ? "NULL" : text);
    }
    sqlite3_finalize(rows);
    sqlite3_close(reader);
    require(nullptr, result, "read back");
  }
  const Input* in = nullptr;
  sqlite3* db = nullptr;

 private:
  ScratchFolder folder_;
  const std::string path_ = folder_.path() + "/rows.db";
};

// The statement of one row as text.
void execute_insert(sqlite3* db, const Row& row) {
  char* const sql = sqlite3_mprintf(
      "INSERT INTO payment VALUES (%lld, %lld, %lld, %Q)", static_cast<long long>(row.key),
      static_cast<long long>(row.user), static_cast<long long>(row.amount), row.note.c_str());
  const int result = sqlite3_exec(db, sql, nullptr, nullptr, nullptr);
  sqlite3_free(sql);
  require(db, result, "insert");
}

// Each statement is a transaction of its own. What a transaction costs is in kSettings: by default
// a journal made, synced and deleted, and the database synced; without syncs the same file
// operations; with a write-ahead log one append, and no wait until the log is folded back.
template <const char* kSettings>
void autocommit(Database<kSettings>& state, Output&) {
  for (const Row& row : state.in->rows) execute_insert(state.db, row);
}

// The disk is waited for once. What is left is that each statement is text to be made and
// understood.
void transaction(Database<kDurable>& state, Output&) {
  execute(state.db, "BEGIN");
  for (const Row& row : state.in->rows) execute_insert(state.db, row);
  execute(state.db, "COMMIT");
}

int bind(sqlite3_stmt* statement, int first, const Row& row) {
  // SQLITE_STATIC: the text outlives the statement's step, so it need not be copied.
  sqlite3_bind_int64(statement, first, row.key);
  sqlite3_bind_int64(statement, first + 1, row.user);
  sqlite3_bind_int64(statement, first + 2, row.amount);
  sqlite3_bind_text(statement, first + 3, row.note.data(), static_cast<int>(row.note.size()),
                    SQLITE_STATIC);
  return first + 4;
}

// A database with a statement for kRows rows, and one for a single row.
template <const char* kSettings, int kRows>
struct Prepared : Database<kSettings> {
  using Database<kSettings>::Database;
  ~Prepared() { finalize(); }
  void finalize() {
    sqlite3_finalize(std::exchange(one, nullptr));
    sqlite3_finalize(std::exchange(many, nullptr));
  }
  void refill(const Input& input) {
    finalize();
    Database<kSettings>::refill(input);
    std::string sql = "INSERT INTO payment VALUES (?,?,?,?)";
    one = prepare(this->db, sql);
    for (int i = 1; i < kRows; ++i) sql += ",(?,?,?,?)";
    many = prepare(this->db, sql);
  }
  void step(sqlite3_stmt* statement) {
    const int result = sqlite3_step(statement);
    sqlite3_reset(statement);
    require(this->db, result, "insert");
  }
  sqlite3_stmt* one = nullptr;
  sqlite3_stmt* many = nullptr;
};

// The statement is parsed and compiled once, and its values are handed over as they are.
void prepared(Prepared<kDurable, 1>& state, Output&) {
  execute(state.db, "BEGIN");
  for (const Row& row : state.in->rows) {
    bind(state.one, 1, row);
    state.step(state.one);
  }
  execute(state.db, "COMMIT");
}

// Starting a statement (locks, schema check, cursors) is shared by many rows.
constexpr int kManyRows = 16;
template <const char* kSettings>
void multi_row(Prepared<kSettings, kManyRows>& state, Output&) {
  const std::vector<Row>& rows = state.in->rows;
  execute(state.db, "BEGIN");
  std::size_t i = 0;
  while (rows.size() - i >= kManyRows) {
    for (int next = 1; next <= 4 * kManyRows;) next = bind(state.many, next, rows[i++]);
    state.step(state.many);
  }
  for (; i < rows.size(); ++i) {
    bind(state.one, 1, rows[i]);
    state.step(state.one);
  }
  execute(state.db, "COMMIT");
}

// The rows as a table that SQLite can read where they lie (a virtual table).
struct RowsTable {
  sqlite3_vtab base;
  const Input** rows;
};
struct RowsCursor {
  sqlite3_vtab_cursor base;
  const Row* row;
  const Row* end;
};

int rows_connect(sqlite3* db, void* rows, int, const char* const*, sqlite3_vtab** out, char**) {
  const int result = sqlite3_declare_vtab(db, "CREATE TABLE x (key, user, amount, note)");
  if (result == SQLITE_OK) *out = &(new RowsTable{{}, static_cast<const Input**>(rows)})->base;
  return result;
}
int rows_disconnect(sqlite3_vtab* table) {
  delete reinterpret_cast<RowsTable*>(table);
  return SQLITE_OK;
}
int rows_best_index(sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; }
int rows_open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = &(new RowsCursor{})->base;
  return SQLITE_OK;
}
int rows_close(sqlite3_vtab_cursor* cursor) {
  delete reinterpret_cast<RowsCursor*>(cursor);
  return SQLITE_OK;
}
int rows_filter(sqlite3_vtab_cursor* cursor, int, const char*, int, sqlite3_value**) {
  const std::vector<Row>& rows = (*reinterpret_cast<RowsTable*>(cursor->pVtab)->rows)->rows;
  auto* const at = reinterpret_cast<RowsCursor*>(cursor);
  at->row = rows.data();
  at->end = rows.data() + rows.size();
  return SQLITE_OK;
}
int rows_next(sqlite3_vtab_cursor* cursor) {
  ++reinterpret_cast<RowsCursor*>(cursor)->row;
  return SQLITE_OK;
}
int rows_eof(sqlite3_vtab_cursor* cursor) {
  const auto* const at = reinterpret_cast<RowsCursor*>(cursor);
  return at->row == at->end;
}
int rows_column(sqlite3_vtab_cursor* cursor, sqlite3_context* to, int column) {
  const Row& row = *reinterpret_cast<RowsCursor*>(cursor)->row;
  switch (column) {
    case 0:
      sqlite3_result_int64(to, row.key);
      break;
    case 1:
      sqlite3_result_int64(to, row.user);
      break;
    case 2:
      sqlite3_result_int64(to, row.amount);
      break;
    default:
      sqlite3_result_text(to, row.note.data(), static_cast<int>(row.note.size()), SQLITE_STATIC);
  }
  return SQLITE_OK;
}
int rows_rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* out) {
  *out = reinterpret_cast<RowsCursor*>(cursor)->row->key;
  return SQLITE_OK;
}

struct RowsModule : sqlite3_module {
  RowsModule() : sqlite3_module{} {
    xConnect = rows_connect;  // without xCreate it is there by its own name
    xBestIndex = rows_best_index;
    xDisconnect = rows_disconnect;
    xOpen = rows_open;
    xClose = rows_close;
    xFilter = rows_filter;
    xNext = rows_next;
    xEof = rows_eof;
    xColumn = rows_column;
    xRowid = rows_rowid;
  }
};

template <const char* kSettings>
struct Bulk : Database<kSettings> {
  using Database<kSettings>::Database;
  ~Bulk() { sqlite3_finalize(all); }
  void refill(const Input& input) {
    sqlite3_finalize(std::exchange(all, nullptr));
    Database<kSettings>::refill(input);
    static const RowsModule module;
    require(this->db, sqlite3_create_module(this->db, "rows", &module, &this->in), "module");
    all = prepare(this->db, "INSERT INTO payment SELECT key, user, amount, note FROM rows");
  }
  sqlite3_stmt* all = nullptr;
};

// One statement for all rows: the loop runs inside SQLite's virtual machine, which fetches each
// value from our array; nothing is bound, stepped or reset row by row.
template <const char* kSettings>
void virtual_table(Bulk<kSettings>& state, Output&) {
  const int result = sqlite3_step(state.all);
  sqlite3_reset(state.all);
  require(state.db, result, "insert");
}

constexpr auto kNaive = run<autocommit<kDurable>>;
constexpr auto kSyncOff = run<autocommit<kNoSync>>;
constexpr auto kAutocommitWal = run<autocommit<kWal>>;
constexpr auto kTransaction = run<transaction>;
constexpr auto kPrepared = run<prepared>;
constexpr auto kMultiRow = run<multi_row<kDurable>>;
constexpr auto kMultiRowWal = run<multi_row<kWal>>;
constexpr auto kMultiRowWalFull = run<multi_row<kDurableWal>>;
constexpr auto kVirtualTable = run<virtual_table<kDurable>>;
constexpr auto kVirtualTableWal = run<virtual_table<kWal>>;
#else
constexpr auto kNaive = kNotBuilt, kSyncOff = kNotBuilt, kAutocommitWal = kNotBuilt,
               kTransaction = kNotBuilt, kPrepared = kNotBuilt, kMultiRow = kNotBuilt,
               kMultiRowWal = kNotBuilt, kMultiRowWalFull = kNotBuilt, kVirtualTable = kNotBuilt,
               kVirtualTableWal = kNotBuilt;
#endif

constexpr Need kNeedsSqlite[] = {kSqlite};

constexpr Variant<Insert> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a statement per row, each its own transaction; durable",
     .max_n = 1000,
     .needs = kNeedsSqlite},
    {.name = "sync_off",
     .run = kSyncOff,
     .what = "the same, never waiting for the disk; a power failure may destroy the database",
     .promise = Promise::kExact,
     .max_n = 1000,
     .needs = kNeedsSqlite},
    {.name = "wal",
     .run = kAutocommitWal,
     .what = "a commit is one append to a log, without a wait; consistent, not durable",
     .promise = Promise::kExact | Promise::kConsistent,
     .needs = kNeedsSqlite},
    {.name = "transaction",
     .run = kTransaction,
     .what = "one transaction: the disk is waited for once, so at most n times faster; durable",
     .needs = kNeedsSqlite},
    {.name = "prepared",
     .run = kPrepared,
     .what =
         "and the statement is compiled once, values bound; small n are still one wait; durable",
     .needs = kNeedsSqlite},
    {.name = "multi_row",
     .run = kMultiRow,
     .what = "and 16 rows per statement share its start; durable",
     .needs = kNeedsSqlite},
    {.name = "multi_row_wal",
     .run = kMultiRowWal,
     .what = "and into a write-ahead log, without a wait: only the CPU's work is left; consistent",
     .promise = Promise::kExact | Promise::kConsistent,
     .needs = kNeedsSqlite},
    {.name = "multi_row_wal_full",
     .run = kMultiRowWalFull,
     .what =
         "the same, waiting for the log: one sync where a rollback journal needs several; durable",
     .needs = kNeedsSqlite},
    {.name = "virtual_table",
     .run = kVirtualTable,
     .what = "one INSERT ... SELECT from our array as a virtual table; durable",
     .needs = kNeedsSqlite},
    {.name = "virtual_table_wal",
     .run = kVirtualTableWal,
     .what = "the same into a write-ahead log, without a wait; consistent, not durable",
     .promise = Promise::kExact | Promise::kConsistent,
     .needs = kNeedsSqlite},
};

const Registrar kRegistrar({.name = "database/insert",
                            .axis = Axis::kStorageSync,
                            .technique = "commit many rows at once, compile a statement once",
                            .sizes = {10, 100, 1000, 10000},
                            .headline = {10, 100},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kDurable,
                            .demand =
                                [](const Setting& s) {
                                  // Many databases in a row where a call is short; the baseline
                                  // writes two pages, twice.
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 64 * s.n,
                                                .memory = std::size_t{64} << 20,
                                                .scratch = std::size_t{64} << 20,
                                                .written = 16384 * s.n};
                                },
                            .test_sizes = {0, 1, 17}},
                           kVariants);

}  // namespace
}  // namespace headroom

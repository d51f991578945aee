// database/connection: n rows of an SQLite file, each asked for by its key, one after the other.
//
// An embedded database has no server to connect to, but a connection is not free: opening it means
// opening the file, and its first statement reads and compiles the whole schema and begins with an
// empty cache of pages. The schema is that of a small program: twelve tables, twelve indexes. The
// file is made once, with 10,000 accounts, and lies in the page cache. Out: the rows, each value
// read back.
//
// Links: sqlite
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "support/slices.h"
#include "support/sqlite.h"

namespace headroom {
namespace {

constexpr std::size_t kRows = 10'000;

struct Account {
  std::int64_t id = 0;
  std::int64_t owner = 0;
  std::int64_t balance = 0;
  friend bool operator==(const Account&, const Account&) = default;
};
Account account_of(std::int64_t id) { return {id, id * 7919 % 4999, id * 48'271 % 1'000'003}; }

class Accounts;  // the tables
std::shared_ptr<const Accounts> accounts();

struct ConnectionCost {
  struct Call {
    std::span<const std::int64_t> ids;
    const Accounts* accounts;
  };
  struct Input {
    std::shared_ptr<const Accounts> accounts;  // none without SQLite
    std::vector<std::int64_t> ids;
    Slices slices;
    Call at(std::size_t turn) const { return {slices.of(ids, turn), accounts.get()}; }
  };
  using Output = std::vector<Account>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{accounts(), {}, Slices::covering(1 << 16, setting.n)};
    FastRng fast(rng());
    in.ids.resize(in.slices.items());
    for (std::int64_t& id : in.ids) id = 1 + static_cast<std::int64_t>(bounded(fast, kRows));
    return in;
  }
  static void size(const Input& in, Output& out) { out.resize(in.slices.size()); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth;
    for (const std::int64_t id : call.ids) truth.push_back(account_of(id));
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = ConnectionCost::Input;
using Call = ConnectionCost::Call;
using Output = ConnectionCost::Output;

#if HEADROOM_HAVE_SQLITE

class Accounts {
 public:
  explicit Accounts(std::size_t n) : rows(n) {}
  const std::size_t rows;
  const sqlite::File file{[this](const sqlite::Connection& made) {
    made.execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, owner INTEGER NOT NULL REFERENCES owners, "
        "balance INTEGER NOT NULL);"
        "CREATE INDEX accounts_by_owner ON accounts (owner);");
    // What else a program has, of which this one asks nothing.
    for (const char* const name : {"owners", "addresses", "cards", "contracts", "devices", "limits",
                                   "messages", "orders", "rates", "sessions", "transfers"}) {
      const std::string table = name;
      made.execute(("CREATE TABLE " + table +
                    " (id INTEGER PRIMARY KEY, account INTEGER NOT NULL REFERENCES accounts, "
                    "state TEXT NOT NULL DEFAULT 'new', amount INTEGER, changed INTEGER NOT NULL);"
                    "CREATE INDEX " +
                    table + "_by_account ON " + table + " (account, changed)")
                       .c_str());
    }
    sqlite::Statement insert(made, "INSERT INTO accounts VALUES (?, ?, ?)");
    for (std::size_t id = 1; id <= rows; ++id) {
      const Account account = account_of(static_cast<std::int64_t>(id));
      insert.bind(1, account.id);
      insert.bind(2, account.owner);
      insert.bind(3, account.balance);
      insert.run();
    }
  }};
};
std::shared_ptr<const Accounts> accounts() { return sqlite::tables_of<Accounts>(kRows); }

constexpr char kSelect[] = "SELECT id, owner, balance FROM accounts WHERE id = ?";

Account ask(sqlite::Statement& select, std::int64_t id) {
  select.bind(1, id);
  if (!select.step()) throw std::runtime_error("SQLite: no such account");
  const Account account{select.number(0), select.number(1), select.number(2)};
  select.reset();
  return account;
}
Account ask(const sqlite::Connection& connection, std::int64_t id) {
  sqlite::Statement select(connection, kSelect);
  return ask(select, id);
}

// A connection for each row: the file opened, the schema read and compiled, pages read anew.
void naive(const Call& call, Output& out) {
  for (std::size_t i = 0; i < call.ids.size(); ++i) {
    const sqlite::Connection connection(call.accounts->file.path());
    out[i] = ask(connection, call.ids[i]);
  }
}

struct Open {
  explicit Open(const Input& in) : connection(in.accounts->file.path()) {}
  sqlite::Connection connection;
};

// The schema and the pages that were read are there. What is left is that each query is text to be
// understood.
void reused(Open& open, const Call& call, Output& out) {
  for (std::size_t i = 0; i < call.ids.size(); ++i) out[i] = ask(open.connection, call.ids[i]);
}

struct Prepared : Open {
  using Open::Open;
  sqlite::Statement select{connection, kSelect};
};

// The statement is compiled once: what is left is a lock on the file, and a row of a tree.
void prepared(Prepared& open, const Call& call, Output& out) {
  for (std::size_t i = 0; i < call.ids.size(); ++i) out[i] = ask(open.select, call.ids[i]);
}

// Connections that stand ready for whichever thread needs one, each with its statement.
class Pool {
 public:
  explicit Pool(const Input& in) {
    for (int i = 0; i < 4; ++i) idle_.push_back(std::make_unique<Prepared>(in));
  }
  std::unique_ptr<Prepared> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) throw std::runtime_error("SQLite: the pool has no connection left");
    std::unique_ptr<Prepared> taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
  }
  void give(std::unique_ptr<Prepared> taken) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(taken));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Prepared>> idle_;
};

// A connection is borrowed for each row: threads that seldom ask need none of their own.
void pool(Pool& state, const Call& call, Output& out) {
  for (std::size_t i = 0; i < call.ids.size(); ++i) {
    std::unique_ptr<Prepared> borrowed = state.take();
    out[i] = ask(borrowed->select, call.ids[i]);
    state.give(std::move(borrowed));
  }
}

// A read transaction for all: the file is locked and looked at for changes once a call, not once a
// row. All rows are then of one moment.
void snapshot(Prepared& open, const Call& call, Output& out) {
  open.connection.execute("BEGIN");
  prepared(open, call, out);
  open.connection.execute("COMMIT");
}

constexpr auto kNaive = run<naive>;
constexpr auto kReused = run<reused>;
constexpr auto kPrepared = run<prepared>;
constexpr auto kPool = run<pool>;
constexpr auto kSnapshot = run<snapshot>;
#else
class Accounts {};
std::shared_ptr<const Accounts> accounts() { return nullptr; }
constexpr auto kNaive = kNotBuilt, kReused = kNotBuilt, kPrepared = kNotBuilt, kPool = kNotBuilt,
               kSnapshot = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<ConnectionCost> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a connection for each row: the file opened, the schema read and compiled",
     .needs = kNeeds},
    {.name = "reused",
     .run = kReused,
     .what = "one connection, kept: its schema and its cache of pages are there",
     .needs = kNeeds},
    {.name = "prepared",
     .run = kPrepared,
     .what = "and the statement is compiled once, for all rows",
     .needs = kNeeds},
    {.name = "pool",
     .run = kPool,
     .what = "and the connection is borrowed from a pool for each row: threads share a few",
     .needs = kNeeds},
    {.name = "snapshot",
     .run = kSnapshot,
     .what = "one read transaction around all rows: the file is locked once, not per row",
     .promise = Promise::kExact,
     .promise_note = "of the moment at which the call began, for all rows",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/connection",
                            .axis = Axis::kSyscall,
                            .technique = "keep connections and compiled statements",
                            .sizes = {1, 8, 64, 512},
                            .headline = {8, 64},
                            .clock = Clock::kWall,
                            .promise = Promise::kExact | Promise::kFresh,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = std::size_t{1} << 20,
                                                .memory = std::size_t{32} << 20,
                                                .scratch = std::size_t{2} << 20};
                                },
                            .test_sizes = {0, 1, 5}},
                           kVariants);

}  // namespace
}  // namespace headroom

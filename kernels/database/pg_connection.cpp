// database/pg_connection: n rows of PostgreSQL, each asked for by its key, one after the other.
//
// A connection is a process of the server's, which is forked, checks who asks, and reads the
// catalogue before its first statement: some hundred times the work of finding one row by its
// index. What a program pays for each statement beside that is its parsing and planning, which a
// statement that was prepared has behind it. The rows come over the server's Unix socket where
// `headroom run` starts it: no wire. Out: the rows, each value read back. Warm: the table is in the
// server's memory.
//
// Links: libpq
#include <mutex>

#include "core/kernel.h"
#include "database/pg_accounts.h"
#include "support/postgres.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::int32_t kAccounts = 10'000;

class Accounts;  // the table

struct PgConnection {
  struct Call {
    std::span<const std::int32_t> keys;
    const Accounts* table;
  };
  struct Input {
    std::vector<std::int32_t> keys;
    Slices slices;
    std::shared_ptr<const Accounts> table;  // none without a server
    Call at(std::size_t turn) const { return {slices.of(keys, turn), table.get()}; }
  };
  using Output = std::vector<std::string>;  // a row each: key|owner|balance

  static Input make(const Setting& setting, Rng& rng);
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    return pg_accounts::same(call.keys, want, got);
  }
};
using Input = PgConnection::Input;
using Call = PgConnection::Call;
using Output = PgConnection::Output;

#if HEADROOM_HAVE_LIBPQ

class Accounts {
 public:
  Accounts() {
    Postgres server;
    server.execute(table_.sql(pg_accounts::filling(kAccounts)));
    server.execute(table_.sql("VACUUM ANALYZE @"));
  }
  // The statement for one row; `key` is a number, or $1.
  std::string select(const char* key) const {
    return table_.sql("SELECT key, owner, balance FROM @ WHERE key = ") + key;
  }

 private:
  const PostgresTable table_{"accounts",
                             std::string(pg_accounts::kColumns) + ", PRIMARY KEY (key)"};
};

std::shared_ptr<const Accounts> accounts() {
  static const auto table = postgres_answers() ? std::make_shared<const Accounts>() : nullptr;
  return table;
}

std::string ask(Postgres& server, const Accounts& table, std::int32_t key) {
  return only_row(server.execute(table.select(Digits(key).c_str())));
}

constexpr char kServer[] = "HEADROOM_PG";
constexpr char kPooler[] = "HEADROOM_PGBOUNCER";

// A connection for each row: a process forked, a session begun, and both ended. To PgBouncer, which
// has a few connections of its own to the server, it is a socket and an entry in a table, for one
// hop more on each query: it helps programs that can't keep a connection (many short processes).
struct Each {
  explicit Each(const Input&) {}
  Quantities quantities() const { return shares.quantities(); }
  CpuShares shares;  // the client's alone: each process of the server's is gone with its row
};

template <const char* kTo>
void connect_each(Each& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.keys.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    Postgres server(kTo);
    out[i] = ask(server, *call.table, call.keys[i]);
  }
}

struct Open {
  explicit Open(const Input&) { shares.add(server.process()); }
  Quantities quantities() const { return shares.quantities(); }

  Postgres server;
  CpuShares shares;
};

// The process is there already, and its cache of the catalogue is warm.
void reused(Open& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.keys.size());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = ask(state.server, *call.table, call.keys[i]);
}

constexpr char kByKey[] = "by_key";

std::string ask_prepared(Postgres& server, std::int32_t key) {
  const Digits text(key);
  const char* const values[] = {text.c_str()};
  return only_row(server.execute_prepared(kByKey, values));
}

struct Prepared : Open {
  explicit Prepared(const Input& in) : Open(in) {
    server.prepare(kByKey, in.table->select("$1").c_str());
  }
};

// The statement was parsed and planned once: what is left is a message there, a row of an index,
// and a message back.
void prepared(Prepared& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.keys.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = ask_prepared(state.server, call.keys[i]);
}

// Connections that stand ready for whoever needs one, each with its statement.
class Pool {
 public:
  static constexpr int kSize = 4;
  explicit Pool(const Input& in) {
    for (int i = 0; i < kSize; ++i) {
      idle_.push_back(std::make_unique<Prepared>(in));
      shares.add(idle_.back()->server.process());
    }
  }
  Quantities quantities() const { return shares.quantities(); }
  std::unique_ptr<Prepared> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) throw std::runtime_error("postgresql: the pool has no connection left");
    std::unique_ptr<Prepared> taken = std::move(idle_.back());
    idle_.pop_back();
    return taken;
  }
  void give(std::unique_ptr<Prepared> taken) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(taken));
  }

  CpuShares shares;

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<Prepared>> idle_;
};

// A connection is borrowed for each row: any number of clients share few, for two locks a row.
void pool(Pool& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.keys.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::unique_ptr<Prepared> borrowed = state.take();
    out[i] = ask_prepared(borrowed->server, call.keys[i]);
    state.give(std::move(borrowed));
  }
}

constexpr auto kNaive = run<connect_each<kServer>>;
constexpr auto kPgBouncerEach = run<connect_each<kPooler>>;
constexpr auto kReused = run<reused>;
constexpr auto kPrepared = run<prepared>;
constexpr auto kPool = run<pool>;
#else
class Accounts {};
std::shared_ptr<const Accounts> accounts() { return nullptr; }
constexpr auto kNaive = kNotBuilt, kPgBouncerEach = kNotBuilt, kReused = kNotBuilt,
               kPrepared = kNotBuilt, kPool = kNotBuilt;
#endif

Input PgConnection::make(const Setting& setting, Rng& rng) {
  Input in;
  FastRng fast(rng());
  in.slices = Slices::covering(1 << 16, setting.n);
  in.keys.resize(in.slices.items());
  for (std::int32_t& key : in.keys) key = 1 + static_cast<std::int32_t>(bounded(fast, kAccounts));
  in.table = accounts();
  return in;
}

constexpr Need kNeeds[] = {kLibpq, kPostgres};
constexpr Need kNeedsPooler[] = {kLibpq, kPostgres, kPgBouncer};

constexpr Variant<PgConnection> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a connection for each row: a process forked, a session begun and ended",
     .needs = kNeeds},
    {.name = "pgbouncer",
     .run = kPgBouncerEach,
     .what =
         "each row's connection goes to PgBouncer, whose own to the server are kept: no process "
         "is forked",
     .needs = kNeedsPooler},
    {.name = "reused",
     .run = kReused,
     .what = "one connection, kept: its process and its cache of the catalogue are there",
     .needs = kNeeds},
    {.name = "prepared",
     .run = kPrepared,
     .what = "and the statement is parsed and planned once, for all rows",
     .needs = kNeeds},
    {.name = "pool",
     .run = kPool,
     .what = "and the connection is borrowed from a pool for each row: clients share few of them",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/pg_connection",
                            .axis = Axis::kNetwork,
                            .technique = "connections kept, statements prepared",
                            .sizes = {1, 8},
                            .headline = {8},
                            .one_group = true,
                            .ceiling = {"machine/loopback", "unix"},
                            .promise = Promise::kExact | Promise::kFresh,
                            .fixtures = {"postgresql", "pgbouncer"},
                            .demand =
                                [](const Setting& s) {
                                  const auto n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .accesses = n,
                                                .working_set = 1 << 20,
                                                .memory = 8 << 20};
                                },
                            .test_sizes = {1, 2, 5}},
                           kVariants);

}  // namespace
}  // namespace headroom

// database/pg_lookup: n rows of a PostgreSQL table, each looked up by its key.
//
// Without an index the server reads the whole table for each row. With one it reads four pages, and
// what is left is around it: the row's page beside the index's, the text that is parsed and planned
// for each query, and the round trip, which is all in the end. Over the server's Unix socket where
// `headroom run` starts it: no wire. Out: the rows in the order in which they were asked for, each
// value read back. Warm: both tables are in the server's memory.
//
// Links: libpq
#include "absl/container/flat_hash_map.h"
#include "core/kernel.h"
#include "database/pg_accounts.h"
#include "support/postgres.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::int32_t kRows = 50'000;

class Tables;

struct PgLookup {
  struct Call {
    std::span<const std::int32_t> keys;
  };
  struct Input {
    std::vector<std::int32_t> keys;
    Slices slices;
    std::shared_ptr<const Tables> tables;  // none without a server
    Call at(std::size_t turn) const { return {slices.of(keys, turn)}; }
  };
  using Output = std::vector<std::string>;  // a row each: key|owner|balance

  static Input make(const Setting& setting, Rng& rng);
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    return pg_accounts::same(call.keys, want, got);
  }
};
using Input = PgLookup::Input;
using Call = PgLookup::Call;
using Output = PgLookup::Output;

#if HEADROOM_HAVE_LIBPQ

// The same rows in two tables: one without an index, and one with two.
class Tables {
 public:
  Tables() {
    Postgres server;
    server.execute(plain.sql(pg_accounts::filling(kRows)));
    server.execute(indexed.sql("INSERT INTO @ SELECT * FROM ") + plain.name());
    server.execute(indexed.sql("CREATE UNIQUE INDEX ON @ (key)"));
    server.execute(indexed.sql("CREATE UNIQUE INDEX ON @ (key) INCLUDE (owner, balance)"));
    // An index alone suffices only for pages that are known to be visible to all.
    server.execute(plain.sql("VACUUM ANALYZE @"));
    server.execute(indexed.sql("VACUUM ANALYZE @"));
  }

  const PostgresTable plain{"plain", pg_accounts::kColumns, PostgresTable::Log::kUnlogged};
  const PostgresTable indexed{"indexed", pg_accounts::kColumns, PostgresTable::Log::kUnlogged};
};

std::shared_ptr<const Tables> tables() {
  static const auto both = postgres_answers() ? std::make_shared<const Tables>() : nullptr;
  return both;
}

// A connection that uses an index as the variant says.
enum class Index { kNone, kRows, kCovering };

template <Index kIndex>
struct Connected {
  explicit Connected(const Input& in)
      : table(kIndex == Index::kNone ? in.tables->plain : in.tables->indexed) {
    // Of the two indexes the server takes the covering one, which is also a usual one: told not to
    // let an index suffice, it reads the row as well.
    if (kIndex == Index::kRows) server.execute("SET enable_indexonlyscan = off");
    shares.add(server.process());
  }
  Quantities quantities() const { return shares.quantities(); }
  const PostgresTable& table;
  Postgres server;
  CpuShares shares;
};

// A query for each row, as text. Without an index all rows are read and compared; with one, a path
// through a tree of pages, and the page with the row, which an index that has all columns spares.
template <Index kIndex>
void query_each(Connected<kIndex>& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  const std::string sql = state.table.sql("SELECT key, owner, balance FROM @ WHERE key = ");
  out.resize(call.keys.size());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = only_row(state.server.execute(sql + Digits(call.keys[i]).c_str()));
}

constexpr char kByKey[] = "by_key", kByKeys[] = "by_keys";

struct Prepared : Connected<Index::kCovering> {
  explicit Prepared(const Input& in) : Connected(in) {
    server.prepare(kByKey, table.sql("SELECT key, owner, balance FROM @ WHERE key = $1").c_str());
    server.prepare(
        kByKeys,
        table.sql("SELECT key, owner, balance FROM @ WHERE key = ANY($1::integer[])").c_str());
  }
};

// The statement was parsed and planned once: that took longer than finding a row.
void prepared(Prepared& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.keys.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Digits key(call.keys[i]);
    const char* const values[] = {key.c_str()};
    out[i] = only_row(state.server.execute_prepared(kByKey, values));
  }
}

#ifdef LIBPQ_HAS_PIPELINING
// All queries leave before the first answer is read: one wait, few system calls.
void pipeline(Prepared& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.keys.size());
  state.server.begin_pipeline();
  for (const std::int32_t asked : call.keys) {
    const Digits key(asked);
    const char* const values[] = {key.c_str()};
    state.server.send_prepared(kByKey, values);
  }
  state.server.sync();
  for (std::string& row : out) row = only_row(state.server.next());
  state.server.end_pipeline();
}
constexpr auto kPipeline = run<pipeline>;
#else
constexpr auto kPipeline = kNotBuilt;
#endif

// One query for all keys: what a query costs beside its row is paid once. Rows come once each and
// in no promised order, so they are put in their places here.
void any(Prepared& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  const std::string keys = array_of(call.keys);
  const char* const values[] = {keys.c_str()};
  const Postgres::Result result = state.server.execute_prepared(kByKeys, values);
  absl::flat_hash_map<std::int64_t, int> found;
  for (int row = 0; row < PQntuples(result.get()); ++row) found[number_of(result, row, 0)] = row;
  out.resize(call.keys.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const auto at = found.find(call.keys[i]);
    if (at == found.end()) throw std::runtime_error("postgresql: no such row");
    out[i] = row_of(result, at->second);
  }
}

constexpr auto kNaive = run<query_each<Index::kNone>>;
constexpr auto kIndex = run<query_each<Index::kRows>>;
constexpr auto kCovering = run<query_each<Index::kCovering>>;
constexpr auto kPrepared = run<prepared>;
constexpr auto kAny = run<any>;
#else
class Tables {};
std::shared_ptr<const Tables> tables() { return nullptr; }
constexpr auto kNaive = kNotBuilt, kIndex = kNotBuilt, kCovering = kNotBuilt, kPrepared = kNotBuilt,
               kPipeline = kNotBuilt, kAny = kNotBuilt;
#endif

Input PgLookup::make(const Setting& setting, Rng& rng) {
  Input in;
  FastRng fast(rng());
  in.slices = Slices::covering(1 << 16, setting.n);
  in.keys.resize(in.slices.items());
  for (std::int32_t& key : in.keys) key = 1 + static_cast<std::int32_t>(bounded(fast, kRows));
  in.tables = tables();
  return in;
}

constexpr Need kNeeds[] = {kLibpq, kPostgres};
constexpr Need kNeedsPipelines[] = {kLibpq, kLibpqPipelines, kPostgres};

constexpr Variant<PgLookup> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "no index: the server reads 50,000 rows for each one; SQL as text, no wire",
     .needs = kNeeds},
    {.name = "index",
     .run = kIndex,
     .what = "a B-tree on the key: three of its pages and the row's; parsed and planned each time",
     .needs = kNeeds},
    {.name = "covering",
     .run = kCovering,
     .what = "an index that has the other columns too: no page of the table is read",
     .needs = kNeeds},
    {.name = "prepared",
     .run = kPrepared,
     .what = "and the statement is parsed and planned once: what is left is the round trip",
     .needs = kNeeds},
    {.name = "pipeline",
     .run = kPipeline,
     .what = "and all queries are sent before the first answer is read: one wait for all",
     .needs = kNeedsPipelines},
    {.name = "any",
     .run = kAny,
     .what = "one prepared query for all keys, = ANY($1): the work per query is done once",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/pg_lookup",
                            .axis = Axis::kNetwork,
                            .technique = "an index, a prepared statement, fewer round trips",
                            .sizes = {8, 32, 256},
                            .headline = {32},
                            .one_group = true,
                            .promise = Promise::kExact | Promise::kFresh,
                            .fixtures = {"postgresql"},
                            .demand =
                                [](const Setting& s) {
                                  const auto n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .accesses = n,
                                                .working_set = 16 << 20,
                                                .memory = 64 << 20};
                                },
                            .test_sizes = {1, 2, 9}},
                           kVariants);

}  // namespace
}  // namespace headroom

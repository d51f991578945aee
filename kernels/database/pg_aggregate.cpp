// database/pg_aggregate: how many payments a shop has, and their sum, asked n times of PostgreSQL.
//
// Counting reads every row that counts. What is asked for far more often than it changes can be
// kept: a summary table has a row for each shop, which a trigger keeps right in the transaction
// that changes a payment. So reads become look-ups, and writes dearer: each locks its shop's row of
// the summary until it commits. The answers come over the server's Unix socket where `headroom run`
// starts it: no wire. Out: every answer. Warm: the tables are in the server's memory.
// (pg_aggregate_test.cpp changes payments in many ways, and compares the summary.)
//
// Links: libpq
#include "core/kernel.h"
#include "database/pg_summary.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::int64_t kPayments = 60'000;
constexpr std::int64_t kShops = 8;

std::int64_t shop_of(std::int64_t id) { return id * 7'919 % kShops; }
std::int64_t amount_of(std::int64_t id) { return id * 48'271 % 10'007 - 5'000; }

class Tables;

struct PgAggregate {
  struct Call {
    std::span<const std::int64_t> shops;
  };
  struct Input {
    std::vector<std::int64_t> shops;
    Slices slices;
    std::shared_ptr<const Tables> tables;  // none without a server
    Call at(std::size_t turn) const { return {slices.of(shops, turn)}; }
  };
  using Output = std::vector<std::string>;  // an answer each: shop|count|sum

  static Input make(const Setting& setting, Rng& rng);
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    static const std::vector<std::string> right = [] {
      std::vector<std::int64_t> counts(kShops), sums(kShops);
      for (std::int64_t id = 1; id <= kPayments; ++id) {
        const auto shop = static_cast<std::size_t>(shop_of(id));
        ++counts[shop];
        sums[shop] += amount_of(id);
      }
      std::vector<std::string> rows;
      for (std::size_t i = 0; i < kShops; ++i)
        rows.push_back(std::to_string(i) + '|' + std::to_string(counts[i]) + '|' +
                       std::to_string(sums[i]));
      return rows;
    }();
    Output truth;
    for (const std::int64_t shop : call.shops)
      truth.push_back(right[static_cast<std::size_t>(shop)]);
    const absl::Status fine = exact(truth, want);
    return fine.ok() ? exact(want, got) : fine;
  }
};
using Input = PgAggregate::Input;
using Call = PgAggregate::Call;
using Output = PgAggregate::Output;

#if HEADROOM_HAVE_LIBPQ

// The same payments twice: without an index, and with one that has all that is asked for; and the
// summary of the latter, which began empty.
class Tables {
 public:
  Tables() {
    Postgres server;
    const std::string rows =
        " SELECT i, i * 7919 % 8, i * 48271 % 10007 - 5000 FROM "
        "generate_series(1, " +
        std::to_string(kPayments) + "::bigint) AS i";
    server.execute(plain.sql("INSERT INTO @") + rows);
    server.execute(summed.payments.sql("INSERT INTO @") + rows);
    server.execute(summed.payments.sql("CREATE INDEX ON @ (shop) INCLUDE (amount)"));
    server.execute(plain.sql("VACUUM ANALYZE @"));
    server.execute(summed.payments.sql("VACUUM ANALYZE @"));
    server.execute(summed.summary.sql("VACUUM ANALYZE @"));
  }
  const PostgresTable plain{"plain", SummedPayments::kColumns, PostgresTable::Log::kUnlogged};
  const SummedPayments summed;
};

std::shared_ptr<const Tables> tables() {
  static const auto all = postgres_answers() ? std::make_shared<const Tables>() : nullptr;
  return all;
}

constexpr char kSummary[] = "summary";

struct Connected {
  explicit Connected(const Input& in) : tables(*in.tables) {
    // The server and the client have a core each; two more processes would have none.
    server.execute("SET max_parallel_workers_per_gather = 0");
    server.prepare(kSummary, (summary() + "$1").c_str());
    shares.add(server.process());
  }
  // Counts the payments of a shop.
  std::string counted(const PostgresTable& payments, std::int64_t shop) const {
    return "SELECT " + std::to_string(shop) + ", count(*), sum(amount)" +
           payments.sql(" FROM @ WHERE shop = ") + std::to_string(shop);
  }
  std::string summary() const {
    return tables.summed.summary.sql("SELECT shop, payments, total FROM @ WHERE shop = ");
  }
  Quantities quantities() const { return shares.quantities(); }
  const Tables& tables;
  Postgres server;
  CpuShares shares;
};

// Answers each question by the statement that sql(shop) gives.
template <class Sql>
void ask_each(Connected& state, const Call& call, Output& out, const Sql& sql) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.shops.size());
  for (std::size_t i = 0; i < out.size(); ++i)
    out[i] = only_row(state.server.execute(sql(call.shops[i])));
}

// All payments are read and compared.
void naive(Connected& state, const Call& call, Output& out) {
  ask_each(state, call, out,
           [&](std::int64_t shop) { return state.counted(state.tables.plain, shop); });
}

// The shop's own entries of an index are read, side by side, and no row.
void covering_index(Connected& state, const Call& call, Output& out) {
  ask_each(state, call, out,
           [&](std::int64_t shop) { return state.counted(state.tables.summed.payments, shop); });
}

// One row is read.
void summary_row(Connected& state, const Call& call, Output& out) {
  ask_each(state, call, out,
           [&](std::int64_t shop) { return state.summary() + std::to_string(shop); });
}

// The same, parsed and planned once.
void summary_prepared(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(call.shops.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Digits shop(call.shops[i]);
    const char* const values[] = {shop.c_str()};
    out[i] = only_row(state.server.execute_prepared(kSummary, values));
  }
}

constexpr auto kNaive = run<naive>;
constexpr auto kIndex = run<covering_index>;
constexpr auto kSummaryRow = run<summary_row>;
constexpr auto kSummaryPrepared = run<summary_prepared>;
#else
class Tables {};
std::shared_ptr<const Tables> tables() { return nullptr; }
constexpr auto kNaive = kNotBuilt, kIndex = kNotBuilt, kSummaryRow = kNotBuilt,
               kSummaryPrepared = kNotBuilt;
#endif

Input PgAggregate::make(const Setting& setting, Rng& rng) {
  Input in;
  FastRng fast(rng());
  in.slices = Slices::covering(1 << 12, setting.n);
  in.shops.resize(in.slices.items());
  for (std::int64_t& shop : in.shops) shop = static_cast<std::int64_t>(bounded(fast, kShops));
  in.tables = tables();
  return in;
}

constexpr Need kNeeds[] = {kLibpq, kPostgres};

constexpr Variant<PgAggregate> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "count(*) and sum(amount) each time: 60,000 payments are read and compared",
     .needs = kNeeds},
    {.name = "covering_index",
     .run = kIndex,
     .what = "an index by shop that has the amount: an eighth of its entries are read, and no row",
     .needs = kNeeds},
    {.name = "summary",
     .run = kSummaryRow,
     .what = "a summary's row, kept by a trigger: never stale, but each write locks its shop's row",
     .needs = kNeeds},
    {.name = "summary_prepared",
     .run = kSummaryPrepared,
     .what = "and the statement is parsed and planned once: what is left is the round trip",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/pg_aggregate",
                            .axis = Axis::kNetwork,
                            .technique = "keep what is asked for more often than it changes",
                            .sizes = {1, 8},
                            .headline = {1, 8},
                            .one_group = true,
                            .promise = Promise::kExact | Promise::kFresh,
                            .fixtures = {"postgresql"},
                            .demand =
                                [](const Setting& s) {
                                  const auto n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .accesses = n,
                                                .working_set = 32 << 20,
                                                .memory = 64 << 20};
                                },
                            .test_sizes = {1, 2, 5}},
                           kVariants);

}  // namespace
}  // namespace headroom

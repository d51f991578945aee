// database/pg_n_plus_one: n orders of PostgreSQL with their lines, as a page shows them.
//
// A program that asks for the orders, and then for the lines of each, makes n + 1 queries: object
// mappers do when they load what belongs to an object at its first use. Each is found by an index
// in microseconds, and waits for a round trip, over the server's Unix socket where `headroom run`
// starts it (no wire: over one a round trip takes longer, and so does what is saved). Out: each
// order and behind it its lines, in order, every value read back; some orders have no line. Warm:
// both tables are in the server's memory.
//
// Links: libpq
#include "core/kernel.h"
#include "support/postgres.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::int64_t kOrders = 5'000;

// The same as the statements that fill the tables.
std::int64_t customer_of(std::int64_t order) { return order * 48'271 % 1'009; }
std::int64_t lines_of(std::int64_t order) { return order * 7 % 9; }  // four each on average
std::int64_t amount_of(std::int64_t order, std::int64_t line) {
  return (order * 31 + line * 17) % 10'007;
}

class Tables;

struct PgNPlusOne {
  struct Call {
    std::int64_t first;  // the orders from here on
    std::size_t count;
  };
  struct Input {
    std::vector<std::int64_t> firsts;
    std::size_t count = 0;
    std::shared_ptr<const Tables> tables;  // none without a server
    Call at(std::size_t turn) const { return {firsts[turn % firsts.size()], count}; }
  };
  using Output = std::vector<std::string>;  // order|customer, and then its lines: order|line|amount

  static Input make(const Setting& setting, Rng& rng);
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth;
    for (std::size_t i = 0; i < call.count; ++i) {
      const std::int64_t order = call.first + static_cast<std::int64_t>(i);
      const std::string id = std::to_string(order) + '|';
      truth.push_back(id + std::to_string(customer_of(order)));
      for (std::int64_t line = 1; line <= lines_of(order); ++line)
        truth.push_back(id + std::to_string(line) + '|' + std::to_string(amount_of(order, line)));
    }
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = PgNPlusOne::Input;
using Call = PgNPlusOne::Call;
using Output = PgNPlusOne::Output;

#if HEADROOM_HAVE_LIBPQ

class Tables {
 public:
  Tables() {
    Postgres server;
    server.execute(orders.sql("INSERT INTO @ SELECT i, i * 48271 % 1009 FROM generate_series(1, ") +
                   std::to_string(kOrders) + "::bigint) AS i");
    server.execute(lines.sql("INSERT INTO @ SELECT id, line, (id * 31 + line * 17) % 10007 FROM ") +
                   orders.name() + ", generate_series(1, id * 7 % 9) AS line");
    server.execute(orders.sql("VACUUM ANALYZE @"));
    server.execute(lines.sql("VACUUM ANALYZE @"));
  }
  const PostgresTable orders{"orders", "id bigint PRIMARY KEY, customer bigint NOT NULL",
                             PostgresTable::Log::kUnlogged};
  const PostgresTable lines{"lines",
                            "order_id bigint NOT NULL, line bigint NOT NULL, amount bigint NOT "
                            "NULL, PRIMARY KEY (order_id, line)",
                            PostgresTable::Log::kUnlogged};
};

std::shared_ptr<const Tables> tables() {
  static const auto both = postgres_answers() ? std::make_shared<const Tables>() : nullptr;
  return both;
}

constexpr char kOrdersFrom[] = "orders_from", kLinesOf[] = "lines_of", kLinesOfAll[] = "lines_all",
               kJoined[] = "joined";

struct Connected {
  explicit Connected(const Input& in)
      : orders_from(in.tables->orders.sql("SELECT id, customer FROM @ WHERE id >= ")),
        lines_of(in.tables->lines.sql("SELECT order_id, line, amount FROM @ WHERE order_id = ")) {
    const Tables& tables = *in.tables;
    server.prepare(kOrdersFrom, (orders_from + "$1 ORDER BY id LIMIT $2").c_str());
    server.prepare(kLinesOf, (lines_of + "$1 ORDER BY line").c_str());
    server.prepare(kLinesOfAll, tables.lines
                                    .sql("SELECT order_id, line, amount FROM @ WHERE order_id = "
                                         "ANY($1::bigint[]) ORDER BY order_id, line")
                                    .c_str());
    // The planner does not know how few orders are asked for: it would rather read all lines.
    server.execute("SET enable_hashjoin = off; SET enable_mergejoin = off");
    server.prepare(kJoined, ("SELECT o.id, o.customer, l.line, l.amount FROM (" +
                             tables.orders.sql("SELECT id, customer FROM @ WHERE id >= $1 ") +
                             "ORDER BY id LIMIT $2) AS o LEFT JOIN " + tables.lines.name() +
                             " AS l ON l.order_id = o.id ORDER BY o.id, l.line")
                                .c_str());
    shares.add(server.process());
  }
  Quantities quantities() const { return shares.quantities(); }
  Postgres::Result orders(const Call& call) {
    const Digits first(call.first), count(static_cast<std::int64_t>(call.count));
    const char* const values[] = {first.c_str(), count.c_str()};
    return server.execute_prepared(kOrdersFrom, values);
  }
  std::string orders_from, lines_of;
  Postgres server;
  CpuShares shares;
};

// Puts an order into the output, and the rows of `lines` from `at` on that are its own. Where the
// next order's begin.
int add(const Postgres::Result& orders, int order, const Postgres::Result& lines, int at,
        Output& out) {
  out.push_back(row_of(orders, order));
  const std::int64_t id = number_of(orders, order, 0);
  for (; at < PQntuples(lines.get()) && number_of(lines, at, 0) == id; ++at)
    out.push_back(row_of(lines, at));
  return at;
}

// The orders, and then a query for the lines of each, as text.
void naive(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.clear();
  const Postgres::Result orders =
      state.server.execute(state.orders_from + Digits(call.first).c_str() + " ORDER BY id LIMIT " +
                           std::to_string(call.count));
  for (int i = 0; i < PQntuples(orders.get()); ++i)
    add(orders, i,
        state.server.execute(state.lines_of + PQgetvalue(orders.get(), i, 0) + " ORDER BY line"), 0,
        out);
}

// The same, parsed and planned once: still a round trip for each order.
void prepared(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.clear();
  const Postgres::Result orders = state.orders(call);
  for (int i = 0; i < PQntuples(orders.get()); ++i) {
    const char* const values[] = {PQgetvalue(orders.get(), i, 0)};
    add(orders, i, state.server.execute_prepared(kLinesOf, values), 0, out);
  }
}

// One statement. Each order's columns come once more with each of its lines, and are taken once.
void join(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.clear();
  const Digits first(call.first), count(static_cast<std::int64_t>(call.count));
  const char* const values[] = {first.c_str(), count.c_str()};
  const Postgres::Result rows = state.server.execute_prepared(kJoined, values);
  std::string_view last;
  for (int i = 0; i < PQntuples(rows.get()); ++i) {
    const std::string_view id = PQgetvalue(rows.get(), i, 0);
    std::string order(id);
    order += '|';
    if (id != last) out.push_back(order + PQgetvalue(rows.get(), i, 1));
    last = id;
    if (PQgetisnull(rows.get(), i, 2)) continue;  // an order without lines
    (order += PQgetvalue(rows.get(), i, 2)) += '|';
    out.push_back(order += PQgetvalue(rows.get(), i, 3));
  }
}

// Two statements: the orders, and then all their lines by the orders' keys. No column comes twice,
// for one round trip more.
void any(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.clear();
  const Postgres::Result orders = state.orders(call);
  std::vector<std::int64_t> ids(static_cast<std::size_t>(PQntuples(orders.get())));
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = number_of(orders, static_cast<int>(i), 0);
  const std::string keys = array_of(ids);
  const char* const values[] = {keys.c_str()};
  const Postgres::Result lines = state.server.execute_prepared(kLinesOfAll, values);
  int at = 0;
  for (int i = 0; i < PQntuples(orders.get()); ++i) at = add(orders, i, lines, at, out);
}

constexpr auto kNaive = run<naive>;
constexpr auto kPrepared = run<prepared>;
constexpr auto kJoin = run<join>;
constexpr auto kAny = run<any>;
#else
class Tables {};
std::shared_ptr<const Tables> tables() { return nullptr; }
constexpr auto kNaive = kNotBuilt, kPrepared = kNotBuilt, kJoin = kNotBuilt, kAny = kNotBuilt;
#endif

Input PgNPlusOne::make(const Setting& setting, Rng& rng) {
  Input in;
  FastRng fast(rng());
  in.count = setting.n;
  in.firsts.resize(4096);
  for (std::int64_t& first : in.firsts)
    first = 1 + static_cast<std::int64_t>(bounded(fast, kOrders - setting.n));
  in.tables = tables();
  return in;
}

constexpr Need kNeeds[] = {kLibpq, kPostgres};

constexpr Variant<PgNPlusOne> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "the orders, then a query for the lines of each: n + 1 round trips; SQL as text",
     .needs = kNeeds},
    {.name = "prepared",
     .run = kPrepared,
     .what = "the same n + 1 queries, parsed and planned once",
     .needs = kNeeds},
    {.name = "join",
     .run = kJoin,
     .what = "one prepared query with LEFT JOIN: one round trip; orders come again with each line",
     .needs = kNeeds},
    {.name = "any",
     .run = kAny,
     .what = "two prepared queries: the orders, and all their lines by = ANY($1)",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/pg_n_plus_one",
                            .axis = Axis::kNetwork,
                            .technique = "one query instead of one for each row of another",
                            .sizes = {10, 100, 1000},
                            .headline = {10, 100},
                            .one_group = true,
                            .promise = Promise::kExact | Promise::kFresh | Promise::kOrdered,
                            .fixtures = {"postgresql"},
                            .demand =
                                [](const Setting& s) {
                                  const auto n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .accesses = n,
                                                .working_set = 16 << 20,
                                                .memory = 32 << 20};
                                },
                            .test_sizes = {1, 2, 17}},
                           kVariants);

}  // namespace
}  // namespace headroom

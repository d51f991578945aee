// database/pg_pagination: a page of 50 products by price from PostgreSQL, behind n others.
//
// OFFSET makes the server walk over all rows before the page, each time a page is asked for: the
// last page costs as much as the whole table. Who remembers where the last page ended (the price
// and the number of its last product) can begin there (keyset pagination: Winand, "SQL Performance
// Explained", 2012). An index in the page's order is there for all variants. The rows come over the
// server's Unix socket where `headroom run` starts it: no wire. Out: the page's products in order,
// each value read back. Warm: table and index are in the server's memory.
//
// Links: libpq
#include <algorithm>

#include "core/kernel.h"
#include "support/postgres.h"

namespace headroom {
namespace {

constexpr std::int64_t kProducts = 60'000;
constexpr std::size_t kPage = 50;

// Several products have the same price: the order needs their numbers too.
std::int64_t price_of(std::int64_t id) { return id * 48'271 % 1'000'003 / 16; }

// All products in the order of pages, as (price, number).
const std::vector<std::pair<std::int64_t, std::int64_t>>& products_in_order() {
  static const auto all = [] {
    std::vector<std::pair<std::int64_t, std::int64_t>> made;
    for (std::int64_t id = 1; id <= kProducts; ++id) made.emplace_back(price_of(id), id);
    std::sort(made.begin(), made.end());
    return made;
  }();
  return all;
}

class Products;

struct PgPagination {
  struct Call {
    std::int64_t offset;            // products before the page
    std::int64_t after_price = -1;  // of the last one before it
    std::int64_t after_id = -1;
  };
  struct Input {
    std::vector<std::int64_t> offsets;
    std::shared_ptr<const Products> table;  // none without a server
    Call at(std::size_t turn) const {
      Call call{offsets[turn % offsets.size()]};
      if (call.offset != 0) {
        const auto& last = products_in_order()[static_cast<std::size_t>(call.offset) - 1];
        call.after_price = last.first;
        call.after_id = last.second;
      }
      return call;
    }
  };
  using Output = std::vector<std::string>;  // a product each: id|price|name

  static Input make(const Setting& setting, Rng& rng);
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth;
    for (std::size_t i = 0; i < kPage; ++i) {
      const auto& [price, id] = products_in_order()[static_cast<std::size_t>(call.offset) + i];
      const std::string text = std::to_string(id);
      truth.push_back(text + '|' + std::to_string(price) + "|product " + text);
    }
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = PgPagination::Input;
using Call = PgPagination::Call;
using Output = PgPagination::Output;

#if HEADROOM_HAVE_LIBPQ

class Products {
 public:
  Products() {
    Postgres server;
    server.execute(table.sql("INSERT INTO @ SELECT i, i * 48271 % 1000003 / 16, 'product ' || i "
                             "FROM generate_series(1, ") +
                   std::to_string(kProducts) + "::bigint) AS i");
    server.execute(table.sql("CREATE UNIQUE INDEX ON @ (price, id)"));
    server.execute(table.sql("VACUUM ANALYZE @"));
  }
  const PostgresTable table{"products",
                            "id bigint NOT NULL, price bigint NOT NULL, name text NOT NULL",
                            PostgresTable::Log::kUnlogged};
};

std::shared_ptr<const Products> products() {
  static const auto table = postgres_answers() ? std::make_shared<const Products>() : nullptr;
  return table;
}

constexpr char kAfter[] = "after";

struct Connected {
  explicit Connected(const Input& in) : table(in.table->table) {
    server.prepare(kAfter, keyset("$1, $2").c_str());
    shares.add(server.process());
  }
  std::string keyset(const std::string& after) const {
    return table.sql("SELECT id, price, name FROM @ WHERE (price, id) > (") + after +
           ") ORDER BY price, id LIMIT 50";
  }
  Quantities quantities() const { return shares.quantities(); }
  const PostgresTable& table;
  Postgres server;
  CpuShares shares;
};

void take(const Postgres::Result& rows, Output& out) {
  out.resize(static_cast<std::size_t>(PQntuples(rows.get())));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = row_of(rows, static_cast<int>(i));
}

// The server fetches all rows before the page by the index, and throws them away.
void offset(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  take(state.server.execute(
           state.table.sql("SELECT id, price, name FROM @ ORDER BY price, id LIMIT 50 OFFSET ") +
           Digits(call.offset).c_str()),
       out);
}

// The rows before the page are walked over in the index alone, which has all that their order
// needs; only the page's own rows are fetched. Any page can be asked for by its number.
void offset_in_index(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  take(state.server.execute(
           state.table.sql("SELECT p.id, p.price, p.name FROM (SELECT price, id FROM @ "
                           "ORDER BY price, id LIMIT 50 OFFSET ") +
           Digits(call.offset).c_str() +
           state.table.sql(") AS page JOIN @ AS p USING (price, id) ORDER BY price, id")),
       out);
}

// Where the last page ended the index is entered, and 50 entries are read. The next page can be
// asked for, but not the hundredth.
void keyset(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  const Digits price(call.after_price), id(call.after_id);
  take(state.server.execute(state.keyset(std::string(price.c_str()) + ", " + id.c_str())), out);
}

// The same, parsed and planned once.
void keyset_prepared(Connected& state, const Call& call, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  const Digits price(call.after_price), id(call.after_id);
  const char* const values[] = {price.c_str(), id.c_str()};
  take(state.server.execute_prepared(kAfter, values), out);
}

constexpr auto kNaive = run<offset>;
constexpr auto kOffsetInIndex = run<offset_in_index>;
constexpr auto kKeyset = run<keyset>;
constexpr auto kKeysetPrepared = run<keyset_prepared>;
#else
class Products {};
std::shared_ptr<const Products> products() { return nullptr; }
constexpr auto kNaive = kNotBuilt, kOffsetInIndex = kNotBuilt, kKeyset = kNotBuilt,
               kKeysetPrepared = kNotBuilt;
#endif

Input PgPagination::make(const Setting& setting, Rng& rng) {
  Input in;
  FastRng fast(rng());
  // About n products before the page: from n - n / 8 to n.
  in.offsets.resize(4096);
  for (std::int64_t& before : in.offsets)
    before = static_cast<std::int64_t>(setting.n - bounded(fast, setting.n / 8 + 1));
  in.table = products();
  return in;
}

constexpr Need kNeeds[] = {kLibpq, kPostgres};

constexpr Variant<PgPagination> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "OFFSET n: the server fetches n rows by the index and throws them away; SQL as text",
     .needs = kNeeds},
    {.name = "offset_in_index",
     .run = kOffsetInIndex,
     .what =
         "n index entries are walked over, and only the page's rows fetched: any page by number",
     .needs = kNeeds},
    {.name = "keyset",
     .run = kKeyset,
     .what =
         "begins behind the last page's last row: 50 rows are read at any depth; next page only",
     .needs = kNeeds},
    {.name = "keyset_prepared",
     .run = kKeysetPrepared,
     .what = "and the statement is parsed and planned once",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/pg_pagination",
                            .axis = Axis::kNetwork,
                            .technique = "begin where the last page ended",
                            .sizes = {1'000, 10'000, 50'000},
                            .headline = {10'000, 50'000},
                            .one_group = true,
                            .promise = Promise::kExact | Promise::kFresh | Promise::kOrdered,
                            .fixtures = {"postgresql"},
                            .demand =
                                [](const Setting&) {
                                  return Demand{
                                      .items = kPage, .working_set = 16 << 20, .memory = 16 << 20};
                                },
                            .test_sizes = {0, 1, 50, 999}},
                           kVariants);

}  // namespace
}  // namespace headroom

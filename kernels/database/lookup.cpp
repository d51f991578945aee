// database/lookup: all orders of one customer, in a table of n orders.
//
// A customer has some ten orders, which lie scattered over the table as they came in; one request
// in 16 names a customer who has none. The file is made once and never written again: its pages are
// in the page cache, and as many of them as fit its default cache of 2 MiB in SQLite's own. The
// connection is open, and the statement is compiled once, in every variant. Out: the orders, in the
// order of their numbers.
//
// A scan compares every row of the table; an index leads to those wanted in as many steps as its
// tree is deep. What is left then is one descent of the table's tree for each row that the index
// names, unless all that is asked for stands in the index itself, or the table is kept in the order
// in which it is asked.
//
// Links: sqlite
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "support/slices.h"
#include "support/sqlite.h"

namespace headroom {
namespace {

struct Order {
  std::int64_t id = 0;
  std::int64_t amount = 0;
  std::int64_t day = 0;
  friend bool operator==(const Order&, const Order&) = default;
};
constexpr std::size_t kOrdersEach = 10;
constexpr std::size_t kCarried = 1 << 14;

// Order `id`, from 1 on; its customer is `id` modulo their number.
Order order_of(std::int64_t id) { return {id, id * 48'271 % 100'003, id / 100}; }
std::int64_t customers_of(std::size_t rows) {
  return static_cast<std::int64_t>(std::max<std::size_t>(rows / kOrdersEach, 1));
}

class Orders;  // the tables
std::shared_ptr<const Orders> orders(std::size_t rows);

struct Lookup {
  struct Call {
    std::int64_t customer;
    std::size_t rows;
  };
  struct Input {
    std::shared_ptr<const Orders> orders;  // none without SQLite
    std::size_t rows = 0;
    std::vector<std::int64_t> customers;
    Call at(std::size_t turn) const { return {customers[turn % kCarried], rows}; }
  };
  using Output = std::vector<Order>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{orders(setting.n), setting.n, std::vector<std::int64_t>(kCarried)};
    FastRng fast(rng());
    const std::int64_t customers = customers_of(in.rows);
    for (std::size_t i = 0; i < kCarried; ++i)
      in.customers[i] =
          i % 16 == 15
              ? customers + 1
              : static_cast<std::int64_t>(bounded(fast, static_cast<std::uint64_t>(customers)));
    return in;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth;
    const std::int64_t customers = customers_of(call.rows);
    if (call.customer < customers)
      for (std::int64_t id = call.customer; id <= static_cast<std::int64_t>(call.rows);
           id += customers)
        if (id != 0) truth.push_back(order_of(id));
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = Lookup::Input;
using Call = Lookup::Call;
using Output = Lookup::Output;

#if HEADROOM_HAVE_SQLITE

// How the table is laid out, and the plan by which a customer's rows are found in it.
enum Layout : std::size_t { kHeap, kIndexed, kCovered, kClustered, kLayouts };

constexpr char kColumns[] =
    "CREATE TABLE orders (id INTEGER, customer INTEGER NOT NULL, amount INTEGER NOT NULL, "
    "day INTEGER NOT NULL, note TEXT NOT NULL, ";
constexpr std::array<const char*, kLayouts> kKeys = {"PRIMARY KEY (id))", "PRIMARY KEY (id))",
                                                     "PRIMARY KEY (id))",
                                                     "PRIMARY KEY (customer, id)) WITHOUT ROWID"};
constexpr std::array<const char*, kLayouts> kIndexes = {
    "", "CREATE INDEX by_customer ON orders (customer)",
    "CREATE INDEX by_customer ON orders (customer, id, amount, day)", ""};
constexpr std::array<const char*, kLayouts> kPlans = {
    "SCAN orders", "SEARCH orders USING INDEX by_customer",
    "SEARCH orders USING COVERING INDEX by_customer", "SEARCH orders USING PRIMARY KEY"};

// The table in each layout, in a file of its own, made when a variant first asks for it.
class Orders {
 public:
  explicit Orders(std::size_t n) : rows(n) {}
  const std::string& path(Layout layout) const {
    std::optional<sqlite::File>& file = files_[layout];
    if (!file) file.emplace([&](const sqlite::Connection& made) { fill(made, layout); });
    return file->path();
  }
  const std::size_t rows;

 private:
  void fill(const sqlite::Connection& made, Layout layout) const {
    made.execute((std::string(kColumns) + kKeys[layout]).c_str());
    sqlite::Statement insert(made, "INSERT INTO orders VALUES (?, ?, ?, ?, ?)");
    const std::int64_t customers = customers_of(rows);
    // In the order of the key, so that the tree's pages are full.
    const std::int64_t step = layout == kClustered ? customers : 1;
    for (std::int64_t first = 0; first < step; ++first) {
      for (std::int64_t id = first; id <= static_cast<std::int64_t>(rows); id += step) {
        if (id == 0) continue;
        const Order order = order_of(id);
        insert.bind(1, id);
        insert.bind(2, id % customers);
        insert.bind(3, order.amount);
        insert.bind(4, order.day);
        insert.bind(5, "to be left with the neighbour, who is at home");
        insert.run();
      }
    }
    made.execute(kIndexes[layout]);
  }
  mutable std::array<std::optional<sqlite::File>, kLayouts> files_;
};
std::shared_ptr<const Orders> orders(std::size_t rows) { return sqlite::tables_of<Orders>(rows); }

template <Layout kLayout>
struct Shop {
  explicit Shop(const Input& in) : connection(in.orders->path(kLayout)) {}
  sqlite::Connection connection;
  sqlite::Statement by_customer =
      planned(connection, "SELECT id, amount, day FROM orders WHERE customer = ? ORDER BY id",
              kPlans[kLayout]);
};

// The same statement for every layout: what it costs is in the layout.
template <Layout kLayout>
void lookup(Shop<kLayout>& shop, const Call& call, Output& out) {
  out.clear();
  shop.by_customer.bind(1, call.customer);
  while (shop.by_customer.step())
    out.push_back(
        {shop.by_customer.number(0), shop.by_customer.number(1), shop.by_customer.number(2)});
  shop.by_customer.reset();
}

constexpr auto kNaive = run<lookup<kHeap>>;
constexpr auto kIndex = run<lookup<kIndexed>>;
constexpr auto kCovering = run<lookup<kCovered>>;
constexpr auto kByCustomer = run<lookup<kClustered>>;
#else
class Orders {};
std::shared_ptr<const Orders> orders(std::size_t) { return nullptr; }
constexpr auto kNaive = kNotBuilt, kIndex = kNotBuilt, kCovering = kNotBuilt,
               kByCustomer = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<Lookup> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "no index: every row of the table is compared; from the page cache, compiled once",
     .needs = kNeeds},
    {.name = "index",
     .run = kIndex,
     .what = "an index on the customer: one descent for the entries, one of the table per row",
     .needs = kNeeds},
    {.name = "covering",
     .run = kCovering,
     .what = "all columns that are asked for stand in the index: the table is not touched",
     .needs = kNeeds},
    {.name = "clustered",
     .run = kByCustomer,
     .what = "the table itself in the order (customer, id): no second copy of the columns",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/lookup",
                            .axis = Axis::kScalar,
                            .technique = "find rows by an index rather than by looking at all",
                            .sizes = {1000, 10'000, 100'000, 1'000'000},
                            .headline = {10'000, 100'000},
                            .promise = Promise::kExact | Promise::kFresh,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = 1,
                                                .working_set = 80 * s.n,
                                                .memory = std::size_t{32} << 20,
                                                .scratch = 480 * s.n + (std::size_t{1} << 20)};
                                },
                            .test_sizes = {0, 1, 9, 25, 3000}},
                           kVariants);

}  // namespace
}  // namespace headroom

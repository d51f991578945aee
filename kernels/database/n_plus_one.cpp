// database/n_plus_one: n orders from a given number on, each with its lines.
//
// A program that follows a reference from object to object asks one query for the orders and one
// more for the lines of each: n + 1. No message is sent, since SQLite is a function call away. What
// repeats is to compile a statement, and to begin and to end a read: the file is locked, looked at
// for changes, and unlocked, by some system calls. Over a network each would be a round trip
// (database/pg_n_plus_one).
//
// 10,000 orders of 0 to 7 lines, with an index on the line's order; the file is made once and never
// written again, and lies in the page cache. The connection is open. Out: order, customer, product
// and quantity of each line, in the order of orders and lines; an order without lines is there
// once, with product 0.
//
// Links: sqlite
#include <memory>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "support/sqlite.h"

namespace headroom {
namespace {

constexpr std::size_t kOrders = 10'000;
constexpr std::size_t kCarried = 1 << 10;

struct Row {
  std::int64_t order = 0;
  std::int64_t customer = 0;
  std::int64_t product = 0;
  std::int64_t quantity = 0;
  friend bool operator==(const Row&, const Row&) = default;
};
std::int64_t customer_of(std::int64_t order) { return order * 7919 % 997; }
std::int64_t lines_of(std::int64_t order) { return order * 5 / 3 % 8; }
Row line_of(std::int64_t order, std::int64_t line) {
  return {order, customer_of(order), 1 + (order * 31 + line * 17) % 500, 1 + (order + line) % 9};
}

class Orders;  // the tables
std::shared_ptr<const Orders> orders();

struct NPlusOne {
  struct Call {
    std::int64_t first;  // number of the first order
    std::size_t count;
  };
  struct Input {
    std::shared_ptr<const Orders> orders;  // none without SQLite
    std::size_t count = 0;
    std::vector<std::int64_t> firsts;
    Call at(std::size_t turn) const { return {firsts[turn % kCarried], count}; }
  };
  using Output = std::vector<Row>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{orders(), setting.n, {}};
    FastRng fast(rng());
    for (std::size_t i = 0; i < kCarried; ++i)
      in.firsts.push_back(1 + static_cast<std::int64_t>(bounded(fast, kOrders - in.count + 1)));
    return in;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth;
    for (std::size_t i = 0; i < call.count; ++i) {
      const std::int64_t order = call.first + static_cast<std::int64_t>(i);
      for (std::int64_t line = 0; line < lines_of(order); ++line)
        truth.push_back(line_of(order, line));
      if (lines_of(order) == 0) truth.push_back({order, customer_of(order), 0, 0});
    }
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = NPlusOne::Input;
using Call = NPlusOne::Call;
using Output = NPlusOne::Output;

#if HEADROOM_HAVE_SQLITE

class Orders {
 public:
  explicit Orders(std::size_t n) : rows(n) {}
  const std::size_t rows;
  const sqlite::File file{[this](const sqlite::Connection& made) {
    made.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL)");
    made.execute(
        "CREATE TABLE lines (id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, "
        "product INTEGER NOT NULL, quantity INTEGER NOT NULL)");
    sqlite::Statement order(made, "INSERT INTO orders VALUES (?, ?)");
    sqlite::Statement line(made,
                           "INSERT INTO lines (order_id, product, quantity) VALUES (?, ?, ?)");
    for (std::int64_t id = 1; id <= static_cast<std::int64_t>(rows); ++id) {
      order.bind(1, id);
      order.bind(2, customer_of(id));
      order.run();
      for (std::int64_t i = 0; i < lines_of(id); ++i) {
        const Row row = line_of(id, i);
        line.bind(1, id);
        line.bind(2, row.product);
        line.bind(3, row.quantity);
        line.run();
      }
    }
    made.execute("CREATE INDEX by_order ON lines (order_id)");
  }};
};
std::shared_ptr<const Orders> orders() { return sqlite::tables_of<Orders>(kOrders); }

constexpr char kPage[] = "SELECT id, customer FROM orders WHERE id >= ? ORDER BY id LIMIT ?";
constexpr char kLines[] = "SELECT product, quantity FROM lines WHERE order_id = ? ORDER BY id";

struct Shop {
  explicit Shop(const Input& in) : connection(in.orders->file.path()) {}
  sqlite::Connection connection;
  std::vector<Row> found;
};

// The orders alone, each with product 0.
void read_orders(sqlite::Statement& page, const Call& call, std::vector<Row>& found) {
  found.clear();
  page.bind(1, call.first);
  page.bind(2, static_cast<std::int64_t>(call.count));
  while (page.step()) found.push_back({page.number(0), page.number(1), 0, 0});
  page.reset();
}

void read_lines(sqlite::Statement& lines, Row row, Output& out) {
  lines.bind(1, row.order);
  if (!lines.step()) {
    out.push_back(row);
  } else {
    do {
      row.product = lines.number(0);
      row.quantity = lines.number(1);
      out.push_back(row);
    } while (lines.step());
  }
  lines.reset();
}

// Each query is compiled, locks the file, and reads from it whether its cache of pages still holds.
void naive(Shop& shop, const Call& call, Output& out) {
  out.clear();
  sqlite::Statement page(shop.connection, kPage);
  read_orders(page, call, shop.found);
  for (const Row& order : shop.found) {
    sqlite::Statement lines(shop.connection, kLines);
    read_lines(lines, order, out);
  }
}

struct Prepared : Shop {
  using Shop::Shop;
  sqlite::Statement page{connection, kPage}, lines{connection, kLines};
};

// Still n + 1 queries, but of two statements that are compiled once.
void prepared(Prepared& shop, const Call& call, Output& out) {
  out.clear();
  read_orders(shop.page, call, shop.found);
  for (const Row& order : shop.found) read_lines(shop.lines, order, out);
}

// In one read transaction, so that the file is locked once; and all that is read is of one moment,
// which n + 1 reads don't promise.
void transaction(Prepared& shop, const Call& call, Output& out) {
  shop.connection.execute("BEGIN");
  prepared(shop, call, out);
  shop.connection.execute("COMMIT");
}

struct Joined : Shop {
  using Shop::Shop;
  sqlite::Statement both = sqlite::planned(
      connection,
      "SELECT page.id, customer, product, quantity FROM (SELECT id, customer FROM orders "
      "WHERE id >= ? ORDER BY id LIMIT ?) AS page LEFT JOIN lines ON order_id = page.id "
      "ORDER BY page.id, lines.id",
      "SEARCH lines USING INDEX by_order (order_id=?)");
};

// One query: the loop over the orders runs inside SQLite's virtual machine. The customer is read
// again for each line.
void join(Joined& shop, const Call& call, Output& out) {
  out.clear();
  shop.both.bind(1, call.first);
  shop.both.bind(2, static_cast<std::int64_t>(call.count));
  // The product of an order without lines is NULL, which reads as 0.
  while (shop.both.step())
    out.push_back(
        {shop.both.number(0), shop.both.number(1), shop.both.number(2), shop.both.number(3)});
  shop.both.reset();
}

struct Listed : Shop {
  explicit Listed(const Input& in) : Shop(in) {
    std::string sql = "SELECT order_id, product, quantity FROM lines WHERE order_id IN (";
    for (std::size_t i = 0; i < in.count; ++i) sql += i == 0 ? "?" : ",?";
    lines = sqlite::Statement(connection, sql + ") ORDER BY order_id, id");
  }
  sqlite::Statement page{connection, kPage}, lines;
};

// Two queries, whatever n is: the orders, and all their lines, which come in the same order and are
// put together by the program. Nothing is read or handed over twice.
void in_list(Listed& shop, const Call& call, Output& out) {
  out.clear();
  read_orders(shop.page, call, shop.found);
  for (std::size_t i = 0; i < shop.found.size(); ++i)
    shop.lines.bind(static_cast<int>(i + 1), shop.found[i].order);
  bool more = shop.lines.step();
  for (Row row : shop.found) {
    if (!more || shop.lines.number(0) != row.order) out.push_back(row);
    for (; more && shop.lines.number(0) == row.order; more = shop.lines.step()) {
      row.product = shop.lines.number(1);
      row.quantity = shop.lines.number(2);
      out.push_back(row);
    }
  }
  shop.lines.reset();
}

constexpr auto kNaive = run<naive>;
constexpr auto kPrepared = run<prepared>;
constexpr auto kTransaction = run<transaction>;
constexpr auto kJoin = run<join>;
constexpr auto kInList = run<in_list>;
#else
class Orders {};
std::shared_ptr<const Orders> orders() { return nullptr; }
constexpr auto kNaive = kNotBuilt, kPrepared = kNotBuilt, kTransaction = kNotBuilt,
               kJoin = kNotBuilt, kInList = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<NPlusOne> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "a query for the lines of each order, compiled each time, as objects are followed",
     .needs = kNeeds},
    {.name = "prepared",
     .run = kPrepared,
     .what = "the same queries, their two statements compiled once",
     .needs = kNeeds},
    {.name = "transaction",
     .run = kTransaction,
     .what = "in one read transaction: the file is locked once; all is of one moment",
     .needs = kNeeds},
    {.name = "join",
     .run = kJoin,
     .what =
         "one LEFT JOIN: the loop over the orders runs inside SQLite; its rows are sorted again",
     .needs = kNeeds},
    {.name = "in_list",
     .run = kInList,
     .what = "two queries: the orders, then WHERE order_id IN (all of them), merged by the program",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/n_plus_one",
                            .axis = Axis::kScalar,
                            .technique = "ask once for all, not once for each",
                            .sizes = {10, 100, 1000},
                            .headline = {10, 100},
                            .promise = Promise::kExact | Promise::kOrdered | Promise::kFresh,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = std::size_t{1} << 20,
                                                .memory = std::size_t{32} << 20,
                                                .scratch = std::size_t{2} << 20};
                                },
                            .test_sizes = {0, 1, 2, 50}},
                           kVariants);

}  // namespace
}  // namespace headroom

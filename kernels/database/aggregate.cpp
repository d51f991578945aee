// database/aggregate: one order changes, and then the shop asks four times how many orders a
// customer has, and of what sum. Each of 8 customers has n orders.
//
// The change moves an order to another customer, with another amount, in a transaction of its own.
// Out: the four answers; and, read back through a second connection, the order as it stands, and
// what each customer has, once counted from the rows and once as the summary has it. A call leaves
// the tables as they would be without the calls before it, for all of them change the same order.
//
// A count looks at every row that it counts. A summary row that the writer keeps in the same
// transaction is as fresh, and never disagrees with the rows, after a crash either
// (tests/database_crash_test.cpp): a reader finds it as it finds any row, and the price of it is
// paid by each write. The log is a write-ahead log that is not synced at each commit: *consistent*,
// the last commits may be lost in a power failure, rows and summary together.
//
// Links: sqlite
#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "core/scratch.h"
#include "support/sqlite.h"

namespace headroom {
namespace {

constexpr std::size_t kCustomers = 8;
constexpr std::size_t kAsked = 4;  // a call
constexpr std::size_t kCarried = 1 << 10;

// Order `id`, from 1 on; the first is the one that calls change.
std::int64_t customer_of(std::int64_t id) { return id % static_cast<std::int64_t>(kCustomers); }
std::int64_t amount_of(std::int64_t id) { return id * 48'271 % 100'003; }

struct Total {
  std::int64_t orders = 0;
  std::int64_t sum = 0;
  friend bool operator==(const Total&, const Total&) = default;
};
using Totals = std::array<Total, kCustomers>;

// A customer and an amount: what the first order becomes.
struct Change {
  std::int64_t customer = 0;
  std::int64_t amount = 0;
};

class Orders;  // the tables
std::shared_ptr<const Orders> orders(std::size_t rows);

struct Aggregate {
  struct Call {
    Change change;
    std::span<const std::int64_t> asked;
    const Totals* others;  // what each customer has without the first order
  };
  struct Input {
    std::shared_ptr<const Orders> orders;  // none without SQLite
    Totals others{};
    std::vector<Change> changes;
    std::vector<std::int64_t> asked;
    Call at(std::size_t turn) const {
      return {changes[turn % kCarried], std::span(asked).subspan(turn % kCarried * kAsked, kAsked),
              &others};
    }
  };
  // The answers; the changed order (its customer and amount); the totals of all customers as
  // counted from the rows; the same as the summary has them.
  using Output = std::vector<Total>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const std::size_t rows = kCustomers * std::max<std::size_t>(setting.n, 1);
    in.orders = orders(rows);
    for (std::size_t id = 2; id <= rows; ++id) {
      Total& total =
          in.others[static_cast<std::size_t>(customer_of(static_cast<std::int64_t>(id)))];
      ++total.orders;
      total.sum += amount_of(static_cast<std::int64_t>(id));
    }
    FastRng fast(rng());
    const auto customer = [&] { return static_cast<std::int64_t>(bounded(fast, kCustomers)); };
    for (std::size_t i = 0; i < kCarried; ++i) {
      in.changes.push_back({customer(), static_cast<std::int64_t>(bounded(fast, 100'000))});
      // The customer of the change among them.
      in.asked.push_back(in.changes.back().customer);
      for (std::size_t j = 1; j < kAsked; ++j) in.asked.push_back(customer());
    }
    return in;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Totals totals = *call.others;
    Total& changed = totals[static_cast<std::size_t>(call.change.customer)];
    ++changed.orders;
    changed.sum += call.change.amount;
    Output truth;
    for (const std::int64_t customer : call.asked)
      truth.push_back(totals[static_cast<std::size_t>(customer)]);
    truth.push_back({call.change.customer, call.change.amount});
    for (int twice = 0; twice < 2; ++twice) truth.insert(truth.end(), totals.begin(), totals.end());
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = Aggregate::Input;
using Call = Aggregate::Call;
using Output = Aggregate::Output;

#if HEADROOM_HAVE_SQLITE

class Orders {
 public:
  explicit Orders(std::size_t n) : rows(n) {}
  const std::size_t rows;
  const sqlite::File file{[this](const sqlite::Connection& made) {
    made.execute(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER NOT NULL, "
        "amount INTEGER NOT NULL)");
    sqlite::Statement insert(made, "INSERT INTO orders VALUES (?, ?, ?)");
    for (std::int64_t id = 1; id <= static_cast<std::int64_t>(rows); ++id) {
      insert.bind(1, id);
      insert.bind(2, customer_of(id));
      insert.bind(3, amount_of(id));
      insert.run();
    }
  }};
};
std::shared_ptr<const Orders> orders(std::size_t rows) { return sqlite::tables_of<Orders>(rows); }

constexpr char kCount[] =
    "SELECT count(*), coalesce(sum(amount), 0) FROM orders WHERE customer = ?";
constexpr char kLookUp[] = "SELECT orders, sum FROM totals WHERE customer = ?";
constexpr char kIndex[] = "CREATE INDEX by_customer ON orders (customer)";
constexpr char kCovering[] = "CREATE INDEX by_customer ON orders (customer, amount)";
constexpr char kSummary[] =
    "CREATE TABLE totals (customer INTEGER PRIMARY KEY, orders INTEGER NOT NULL, "
    "sum INTEGER NOT NULL);"
    "INSERT INTO totals SELECT customer, count(*), sum(amount) FROM orders GROUP BY customer";
constexpr char kTriggers[] =
    "CREATE TRIGGER gone AFTER DELETE ON orders BEGIN "
    "UPDATE totals SET orders = orders - 1, sum = sum - old.amount WHERE customer = old.customer; "
    "END;"
    "CREATE TRIGGER come AFTER INSERT ON orders BEGIN "
    "UPDATE totals SET orders = orders + 1, sum = sum + new.amount WHERE customer = new.customer; "
    "END;"
    "CREATE TRIGGER changed AFTER UPDATE ON orders BEGIN "
    "UPDATE totals SET orders = orders - 1, sum = sum - old.amount WHERE customer = old.customer; "
    "UPDATE totals SET orders = orders + 1, sum = sum + new.amount WHERE customer = new.customer; "
    "END;";

// A copy of the orders, with what `make` adds to it.
class Shop {
 public:
  Shop(const Input& in, const char* make, bool summary, const char* sql, const char* plan)
      : summary_(summary) {
    std::filesystem::copy_file(in.orders->file.path(), path_);
    connection = sqlite::Connection(path_, "PRAGMA synchronous=OFF");
    connection.execute(make);
    connection.execute(sqlite::kWal);
    count = sqlite::planned(connection, sql, plan);
    change =
        sqlite::Statement(connection, "UPDATE orders SET customer = ?, amount = ? WHERE id = 1");
  }
  void ask(const Call& call, Output& out) {
    out.resize(kAsked);
    for (std::size_t i = 0; i < kAsked; ++i) {
      count.bind(1, call.asked[i]);
      out[i] = count.step() ? Total{count.number(0), count.number(1)} : Total{};
      count.reset();
    }
  }
  void answer(Output& out) const {
    out.resize(kAsked);
    const sqlite::Connection reader(path_);
    sqlite::Statement changed(reader, "SELECT customer, amount FROM orders WHERE id = 1");
    changed.step();
    out.push_back({changed.number(0), changed.number(1)});
    Totals counted{};
    // From the table, whatever the indexes say.
    sqlite::Statement rows(reader, "SELECT customer, amount FROM orders NOT INDEXED");
    while (rows.step()) {
      Total& total = counted[static_cast<std::size_t>(rows.number(0))];
      ++total.orders;
      total.sum += rows.number(1);
    }
    out.insert(out.end(), counted.begin(), counted.end());
    if (!summary_) {
      out.insert(out.end(), counted.begin(), counted.end());
      return;
    }
    sqlite::Statement totals(reader, "SELECT orders, sum FROM totals ORDER BY customer");
    while (totals.step()) out.push_back({totals.number(0), totals.number(1)});
  }
  // The first order becomes this.
  void apply(const Change& to) {
    change.bind(1, to.customer);
    change.bind(2, to.amount);
    change.run();
  }

 private:
  ScratchFolder folder_;
  const std::string path_ = folder_.path() + "/shop.db";
  const bool summary_;

 protected:
  sqlite::Connection connection;
  sqlite::Statement count, change;
};

// The change is one row, and each answer is counted when it is asked for.
template <const char* kMake, const char* kPlan>
struct Counting : Shop {
  explicit Counting(const Input& in) : Shop(in, kMake, false, kCount, kPlan) {}
  void serve(const Call& call, Output& out) {
    apply(call.change);
    ask(call, out);
  }
};

constexpr char kByIndex[] = "SEARCH orders USING INDEX by_customer";
constexpr char kByCovering[] = "SEARCH orders USING COVERING INDEX by_customer";
constexpr char kByKey[] = "SEARCH totals USING INTEGER PRIMARY KEY";

// The summary follows each change of a row within the statement that changes it, whoever does that.
struct Triggered : Shop {
  explicit Triggered(const Input& in)
      : Shop(in, (std::string(kSummary) + ";" + kTriggers).c_str(), true, kLookUp, kByKey) {}
  void serve(const Call& call, Output& out) {
    apply(call.change);
    ask(call, out);
  }
};

// The program changes the summary in the transaction in which it changes the rows. Any other
// program that writes has to do the same.
struct Kept : Shop {
  explicit Kept(const Input& in) : Shop(in, kSummary, true, kLookUp, kByKey) {}
  void serve(const Call& call, Output& out) {
    connection.execute("BEGIN IMMEDIATE");
    before.step();
    add({before.number(0), before.number(1)}, -1);
    before.reset();
    apply(call.change);
    add(call.change, 1);
    connection.execute("COMMIT");
    ask(call, out);
  }
  void add(const Change& order, std::int64_t orders) {
    total.bind(1, orders);
    total.bind(2, orders * order.amount);
    total.bind(3, order.customer);
    total.run();
  }
  sqlite::Statement before{connection, "SELECT customer, amount FROM orders WHERE id = 1"};
  sqlite::Statement total{
      connection, "UPDATE totals SET orders = orders + ?, sum = sum + ? WHERE customer = ?"};
};

template <class OneShop>
void serve(OneShop& shop, const Call& call, Output& out) {
  shop.serve(call, out);
}

constexpr auto kNaive = run<serve<Counting<kIndex, kByIndex>>>;
constexpr auto kCovered = run<serve<Counting<kCovering, kByCovering>>>;
constexpr auto kTrigger = run<serve<Triggered>>;
constexpr auto kTransaction = run<serve<Kept>>;
#else
class Orders {};
std::shared_ptr<const Orders> orders(std::size_t) { return nullptr; }
constexpr auto kNaive = kNotBuilt, kCovered = kNotBuilt, kTrigger = kNotBuilt,
               kTransaction = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<Aggregate> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "count each time: an index finds the rows, each is then read for its amount",
     .needs = kNeeds},
    {.name = "covering",
     .run = kCovered,
     .what = "the amount stands in the index too: as many entries, but no rows to read",
     .needs = kNeeds},
    {.name = "trigger",
     .run = kTrigger,
     .what = "a summary row per customer, kept by triggers within each change; same transaction",
     .needs = kNeeds},
    {.name = "transaction",
     .run = kTransaction,
     .what = "the summary row changed by the program, in the transaction that changes the order",
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "database/aggregate",
     .axis = Axis::kScalar,
     .technique = "count when rows are written, not when the count is asked for",
     .sizes = {10, 100, 1000, 10'000},
     .headline = {1000, 10'000},
     .clock = Clock::kWall,
     .promise = Promise::kExact | Promise::kFresh | Promise::kConsistent,
     .demand =
         [](const Setting& s) {
           return Demand{.items = kAsked,
                         .working_set = kCustomers * 32 * s.n,
                         .memory = std::size_t{32} << 20,
                         .scratch = kCustomers * 200 * s.n + (std::size_t{64} << 20),
                         .written = std::size_t{3} * 4096};
         },
     .test_sizes = {1, 2, 40}},
    kVariants);

}  // namespace
}  // namespace headroom

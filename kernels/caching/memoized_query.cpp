// caching/memoized_query: answer n requests, each for what a customer has ordered so far.
//
// The database is a file of SQLite's with 100,000 orders of 1,000 customers, with an index; it is
// made once and lies in the page cache. A request names a customer (Zipf, 0.99), and its answer is
// the number, the sum and the last day of that customer's orders, as text. The statement is
// compiled once. Out: all answers. Nothing is written meanwhile, so that all answers are alike;
// what a write does to each cache is in tests/memoized_query_test.cpp.
//
// Even a query with an index goes over some hundred rows. Who asks the same again can be given the
// same again, if it is known, or does not matter, whether it still holds: that is what the variants
// differ in, and what they pay for.
//
// Links: sqlite
#include <memory>
#include <string>
#include <vector>

#include "caching/query_cache.h"
#include "core/kernel.h"
#include "core/scratch.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kCustomers = 1000;
constexpr std::size_t kOrders = 100'000;
constexpr std::size_t kCarried = 1 << 16;
constexpr char kShortest[] = R"({"customer":0,"orders":1,"total":0,"last":0})";  // of all answers

// The file with the orders.
struct Orders {
  explicit Orders(std::uint64_t seed);
  ScratchFolder folder;
  std::string path = folder.path() + "/orders.db";
};

struct MemoizedQuery {
  struct Input {
    std::shared_ptr<Orders> orders;
    Buffer<std::int64_t> customers;
    Slices slices;
    std::span<const std::int64_t> at(std::size_t turn) const { return slices.of(customers, turn); }
  };
  using Call = std::span<const std::int64_t>;
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.orders = std::make_shared<Orders>(rng());
    in.slices = Slices::covering(kCarried, setting.n);
    in.customers = Buffer<std::int64_t>(in.slices.items());
    FastRng fast(rng());
    const Zipf popular(kCustomers, 0.99);
    for (std::int64_t& customer : in.customers)
      customer = static_cast<std::int64_t>(popular(fast) * 7919 % kCustomers);
    return in;
  }
  static void size(const Input& in, Output& out) { out.resize(in.slices.size()); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Input = MemoizedQuery::Input;
using Call = MemoizedQuery::Call;
using Output = MemoizedQuery::Output;

#if HEADROOM_HAVE_SQLITE

// A program's connection, and its query.
class Query {
 public:
  explicit Query(const Input& in) : connection_(in.orders->path) {}
  const sqlite::Connection& connection() const { return connection_; }
  std::string answer(std::int64_t customer) {
    statement_.bind(1, customer);
    statement_.step();
    std::string text = "{\"customer\":" + std::to_string(customer) +
                       ",\"orders\":" + std::to_string(statement_.number(0)) +
                       ",\"total\":" + std::to_string(statement_.number(1)) +
                       ",\"last\":" + std::to_string(statement_.number(2)) + "}";
    statement_.reset();
    return text;
  }

 private:
  sqlite::Connection connection_;
  sqlite::Statement statement_{connection_,
                               "SELECT count(*), coalesce(sum(amount), 0), coalesce(max(day), 0) "
                               "FROM orders WHERE customer = ?"};
};

void naive(Query& query, const Call& customers, Output& out) {
  for (std::size_t i = 0; i < customers.size(); ++i) out[i] = query.answer(customers[i]);
}

constexpr auto kBelieved = std::chrono::seconds(10);

template <class Cache>
struct Cached {
  explicit Cached(const Input& in) requires std::same_as<Cache, TtlCache> : query(in),
                                                                            cache(kBelieved) {}
  explicit Cached(const Input& in) requires std::same_as<Cache, VersionedCache>
      : query(in), cache(query.connection()) {}
  Quantities quantities() const {
    const double all = static_cast<double>(requests);
    return {
        {"hit_ratio", {all == 0 ? 0 : 1 - static_cast<double>(cache.computed()) / all, "ratio"}}};
  }
  Query query;
  Cache cache;
  std::uint64_t requests = 0;
};

// A look-up in memory takes the place of the query. What it costs beside that is the proof that the
// answer still holds: a clock, or a question to SQLite, which looks at the file under a lock.
template <class Cache>
void cached(Cached<Cache>& state, const Call& customers, Output& out) {
  const auto compute = [&](std::int64_t customer) { return state.query.answer(customer); };
  for (std::size_t i = 0; i < customers.size(); ++i)
    out[i] = state.cache.get(customers[i], compute);
  state.requests += customers.size();
}

Orders::Orders(std::uint64_t seed) {
  const sqlite::Connection made(path, sqlite::kWal);
  made.execute(
      "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INTEGER, amount INTEGER, day "
      "INTEGER)");
  made.execute("BEGIN");
  sqlite::Statement insert(made, "INSERT INTO orders (customer, amount, day) VALUES (?, ?, ?)");
  FastRng rng(seed);
  for (std::size_t i = 0; i < kOrders; ++i) {
    insert.bind(1, static_cast<std::int64_t>(bounded(rng, kCustomers)));
    insert.bind(2, static_cast<std::int64_t>(bounded(rng, 100'000)));
    insert.bind(3, static_cast<std::int64_t>(i / 100));
    insert.run();
  }
  made.execute("CREATE INDEX by_customer ON orders (customer)");
  made.execute("COMMIT");
}

constexpr auto kNaive = run<naive>;
constexpr auto kTtl = run<cached<TtlCache>>;
constexpr auto kVersioned = run<cached<VersionedCache>>;
#else
Orders::Orders(std::uint64_t) {}
constexpr auto kNaive = kNotBuilt, kTtl = kNotBuilt, kVersioned = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<MemoizedQuery> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "the query each time, compiled once, through an index, from the page cache",
     .needs = kNeeds},
    {.name = "versioned",
     .run = kVersioned,
     .what = "the answer of last time, if SQLite says that nothing was committed since then",
     .needs = kNeeds},
    {.name = "ttl",
     .run = kTtl,
     .what = "the answer of last time for ten seconds, without asking anybody",
     .promise = Promise::kExact,
     .promise_note = "stale by up to 10 s",
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "caching/memoized_query",
     .axis = Axis::kScalar,
     .technique = "an answer that is asked for again need not be computed again",
     .sizes = {100, 1000, 10'000},
     .headline = {100, 1000},
     .ceiling = {"machine/read"},
     .clock = Clock::kWall,
     .promise = Promise::kExact | Promise::kFresh,
     .demand =
         [](const Setting& s) {
           // Of a request its number, and its answer from wherever it lies.
           const std::size_t shortest = std::string_view(kShortest).size();
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = static_cast<double>(s.n * (sizeof(std::int64_t) + shortest)),
                         .working_set = std::size_t{8} << 20,
                         .memory = (std::size_t{64} << 20) + 100 * s.n,
                         .scratch = std::size_t{32} << 20};
         },
     .test_sizes = {0, 1, 2, 100}},
    kVariants);

}  // namespace
}  // namespace headroom

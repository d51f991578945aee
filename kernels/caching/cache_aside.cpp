// caching/cache_aside: n answers to a query of a PostgreSQL, with Redis in front of it, and with
// copies in front of that.
//
// A request names one of 500 customers (Zipf, 0.99); its answer is the number, the sum and the
// last day of that customer's 64 orders, found through an index by a statement that was prepared.
// Out: all answers. Warm: the table is in the server's memory, and every answer is in Redis, or
// near, before the clock starts (filling it is a build cost). Both servers run on this machine and
// are asked through Unix sockets: no wire.
//
// What Redis saves is the work of the query, not the round trip, which takes as long as
// PostgreSQL's own. Copies in the program save that too. What is paid is that an answer may be out
// of date: tests/cache_aside_test.cpp measures for how long, with another program that writes, and
// with one that dies before it has told Redis. There is no ceiling, since the last variant needs no
// round trip.
//
// Links: libpq hiredis
#include "caching/aside.h"

#include <atomic>
#include <memory>

#include "caching/near_copies.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

using aside::kCustomers;
using aside::Orders;

struct CacheAside {
  struct Input {
    std::vector<std::int32_t> customers;
    Slices slices;
    std::shared_ptr<const Orders> orders;  // none without both servers
    std::span<const std::int32_t> at(std::size_t turn) const { return slices.of(customers, turn); }
  };
  using Call = std::span<const std::int32_t>;
  using Output = std::vector<std::string>;

  static Input make(const Setting& setting, Rng& rng);
  static absl::Status same(const Call& customers, const Output& want, const Output& got);
};
using Input = CacheAside::Input;
using Call = CacheAside::Call;
using Output = CacheAside::Output;

#if HEADROOM_HAVE_LIBPQ && HEADROOM_HAVE_HIREDIS

constexpr std::chrono::seconds kBelieved{60};

struct Asking {
  explicit Asking(const Input& in) : query(*in.orders) { shares.add(query.process()); }
  Quantities quantities() const { return shares.quantities(); }
  aside::Query query;
  CpuShares shares;
};

// The database does the work again for every request.
void naive(Asking& state, const Call& customers, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(customers.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = state.query.answer(customers[i]);
}

// Of keys that nobody else has, nor another variant: what one of them writes is told to the others.
std::string own_prefix() {
  static std::atomic<int> number{0};
  return "headroom:orders:" + std::to_string(getpid()) + ":" + std::to_string(++number) + ":";
}

struct Fronted : Asking {
  explicit Fronted(const Input& in) : Asking(in) {
    for (std::int32_t customer = 0; customer < kCustomers; ++customer) ask(customer);
    computed_before = copies.computed();
    shares.add(copies.server().process());
  }
  std::string ask(std::int32_t customer) {
    ++requests;
    return copies.get(customer, [this](std::int32_t missing) { return query.answer(missing); });
  }
  Quantities quantities() const {
    const auto asked = static_cast<double>(requests - kCustomers);
    const auto missed = static_cast<double>(copies.computed() - computed_before);
    Quantities all = Asking::quantities();
    all["hit_ratio"] = {asked == 0 ? 0 : 1 - missed / asked, "ratio"};
    return all;
  }
  aside::Copies copies{own_prefix(), kBelieved};
  std::uint64_t requests = 0, computed_before = 0;
};

// A round trip to Redis in place of one to PostgreSQL: a look-up there in place of 64 rows.
void redis(Fronted& state, const Call& customers, Output& out) {
  const CpuShares::Exchange exchange(state.shares);
  out.resize(customers.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = state.ask(customers[i]);
}

struct Near {
  explicit Near(const Input& in) : fronted(in) {
    for (std::int32_t customer = 0; customer < kCustomers; ++customer) ask(customer);
  }
  std::string ask(std::int32_t customer) {
    return copies.get(customer, [&] { return fronted.ask(customer); });
  }
  Quantities quantities() const {
    Quantities all = fronted.shares.quantities();
    all["hit_ratio"] = {copies.hit_ratio(), "ratio"};
    return all;
  }
  Fronted fronted;
  NearCopies copies{kBelieved};
  Invalidations invalidations{fronted.copies.server(), fronted.copies.prefix(), copies};
};

// No round trip: a look-up in a hash map. Redis tells what was written, to a thread that sleeps.
void near_cache(Near& state, const Call& customers, Output& out) {
  const CpuShares::Exchange exchange(state.fronted.shares);
  out.resize(customers.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = state.ask(customers[i]);
}

std::shared_ptr<const Orders> orders() {
  static std::weak_ptr<const Orders> last;
  std::shared_ptr<const Orders> table = last.lock();
  if (table == nullptr && postgres_answers() && redis_socket_answers())
    last = table = std::make_shared<const Orders>();
  return table;
}
std::string answer_to(std::int32_t customer) { return aside::first_answer(customer); }

constexpr auto kNaive = run<naive>;
constexpr auto kRedisFirst = run<redis>;
constexpr auto kNearCache = run<near_cache>;
#else
std::shared_ptr<const Orders> orders() { return nullptr; }
std::string answer_to(std::int32_t) { return {}; }
constexpr auto kNaive = kNotBuilt, kRedisFirst = kNotBuilt, kNearCache = kNotBuilt;
#endif

Input CacheAside::make(const Setting& setting, Rng& rng) {
  Input in;
  FastRng fast(rng());
  const Zipf popular(kCustomers, 0.99);
  in.slices = Slices::covering(1 << 16, setting.n);
  in.customers.resize(in.slices.items());
  for (std::int32_t& customer : in.customers)
    customer = static_cast<std::int32_t>(popular(fast) * 389 % kCustomers);
  in.orders = orders();
  return in;
}
absl::Status CacheAside::same(const Call& customers, const Output& want, const Output& got) {
  Output truth;
  for (const std::int32_t customer : customers) truth.push_back(answer_to(customer));
  const absl::Status right = exact(truth, want);
  return right.ok() ? exact(want, got) : right;
}

constexpr Need kNeeds[] = {kLibpq, kHiredis, kPostgres, kRedisSocket};
constexpr Promise kStale = Promise::kExact;

constexpr Variant<CacheAside> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "PostgreSQL each time: a prepared statement that sums 64 rows found by an index",
     .needs = kNeeds},
    {.name = "redis",
     .run = kRedisFirst,
     .what = "the answer of last time out of Redis: the round trip stays, the query goes",
     .promise = kStale,
     .promise_note = "stale by up to 60 s, if a writer fails to tell or meets a reader",
     .needs = kNeeds},
    {.name = "near_cache",
     .run = kNearCache,
     .what = "copies in this program, which Redis tells when a key was written: no round trip",
     .promise = kStale,
     .promise_note = "stale until a message arrives; by up to 2 min where it is lost",
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "caching/cache_aside",
     .axis = Axis::kNetwork,
     .technique = "answers kept nearer to who asks, and told when they change",
     .sizes = {16, 256},
     .headline = {16},
     .clock = Clock::kWall,
     .promise = Promise::kExact | Promise::kFresh,
     .fixtures = {"postgresql", "redis"},
     .demand =
         [](const Setting& s) {
           return Demand{
               .items = static_cast<double>(s.n), .working_set = 1 << 20, .memory = 64 << 20};
         },
     .test_sizes = {1, 2, 33}},
    kVariants);

}  // namespace
}  // namespace headroom

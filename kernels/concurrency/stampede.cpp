// concurrency/stampede: a page that all users want, and whose dear part has just expired.
//
// n users ask for the front page, 2,000 per second (open loop, Poisson), and 16 threads serve them.
// Each page has a part of the user's own, for which another service needs 3 ms, and the list of the
// day, which a database computes in 2.5 ms, one query at a time; the list may be kept for
// 12 ms from then on. Out:
// every page, with the right list, which was never older than that. The cache is empty to begin
// with. The measure is how often the list was computed; what users see of it is p99.
//
// While the list is computed, some five more users come. Where each of them asks the database, they
// queue there, and more come meanwhile: one expiry is paid for several times, and all users wait.
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "concurrency/single_flight.h"
#include "support/served.h"

namespace headroom {
namespace {

using std::chrono::milliseconds;

constexpr double kPerSecond = 2000;
constexpr int kClients = 16;
constexpr milliseconds kOwnPart{3};
constexpr std::chrono::microseconds kQuery{2500};
constexpr milliseconds kGoodFor{12};

struct Stampede {
  using Request = std::uint64_t;  // the user
  struct Reply {
    std::uint64_t own;
    std::uint64_t list;
    std::uint64_t in_time;  // the list was no older than allowed when the page asked for it
    friend bool operator==(const Reply&, const Reply&) = default;
  };
  struct Input {
    std::vector<Request> requests;
    Arrivals arrivals;
    std::uint64_t day = 0;
  };
  using Output = std::vector<Reply>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.requests.resize(setting.n);
    for (Request& request : in.requests) request = rng();
    in.arrivals = poisson_arrivals(setting.n, kPerSecond, rng());
    in.day = rng();
    return in;
  }
  // Clients sleep: they are many more than cores, and a page takes milliseconds.
  static LoadPlan plan(const Input& in, const Setting&) {
    return {.arrivals = in.arrivals, .clients = kClients, .spin_ns = 0, .in_process = false};
  }
  static std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t x = (a ^ b) * 0x9e3779b97f4a7c15;
    return x ^ x >> 29;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Output truth;
    for (const Request& user : in.requests) truth.push_back({mix(user, in.day), mix(in.day, 1), 1});
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};

// What the database has computed, and when it began to.
struct List {
  std::uint64_t text = 0;
  CacheClock::time_point made;
};

// One query at a time; the others wait in line.
class Database {
 public:
  explicit Database(std::uint64_t day) : day_(day) {}
  List query() {
    const std::lock_guard lock(mutex_);
    const CacheClock::time_point began = CacheClock::now();
    std::this_thread::sleep_for(kQuery);
    ++queries_;
    return {Stampede::mix(day_, 1), began};
  }
  double queries() const {
    const std::lock_guard lock(mutex_);
    return static_cast<double>(queries_);
  }

 private:
  mutable std::mutex mutex_;
  const std::uint64_t day_;
  std::uint64_t queries_ = 0;
};

// The rest of the page, whose list was asked for at `asked`.
void finish(std::uint64_t day, Stampede::Request user, const List& list,
            CacheClock::time_point asked, Stampede::Reply& reply) {
  std::this_thread::sleep_for(kOwnPart);
  reply.own = Stampede::mix(user, day);
  reply.list = list.text;
  reply.in_time = asked < list.made + kGoodFor ? 1 : 0;
}

struct Site {
  explicit Site(const Stampede::Input& in) : day(in.day), database(in.day) {}
  Quantities quantities() const { return {{"computations", {database.queries(), "computations"}}}; }
  const std::uint64_t day;
  Database database;
};

struct PlainCache : Site {
  using Site::Site;
  std::mutex mutex;
  std::optional<List> list;
};

// Look it up; where it isn't there, or is too old, compute it and put it in.
void naive(PlainCache& site, const Stampede::Request& user, Stampede::Reply& reply) {
  const CacheClock::time_point asked = CacheClock::now();
  std::optional<List> list;
  {
    const std::lock_guard lock(site.mutex);
    list = site.list;
  }
  if (!list || asked >= list->made + kGoodFor) {
    list = site.database.query();
    const std::lock_guard lock(site.mutex);
    site.list = list;
  }
  finish(site.day, user, *list, asked, reply);
}

struct OneFlight : Site {
  using Site::Site;
  SingleFlight<List> list{kGoodFor};
};

// The first one computes it, and the others wait for that: one query an expiry. They still wait.
void single_flight(OneFlight& site, const Stampede::Request& user, Stampede::Reply& reply) {
  const CacheClock::time_point asked = CacheClock::now();
  const List list = site.list.get([&] { return site.database.query(); });
  finish(site.day, user, list, asked, reply);
}

// Exponential with mean 1, by von Neumann's method as support/arrivals.h has it.
double exponential_draw() {
  thread_local FastRng rng(std::hash<std::thread::id>()(std::this_thread::get_id()));
  return static_cast<double>(exponential(rng)) * 0x1p-32;
}

// One user in many computes it a little before its time; the others have the old list meanwhile,
// which is still good, and nobody else waits. It is computed somewhat more often.
void early_expiry(OneFlight& site, const Stampede::Request& user, Stampede::Reply& reply) {
  const CacheClock::time_point asked = CacheClock::now();
  const auto early =
      std::chrono::duration_cast<CacheClock::duration>(site.list.took() * exponential_draw());
  const List list = site.list.get(early, [&] { return site.database.query(); });
  finish(site.day, user, list, asked, reply);
}

constexpr Variant<Stampede> kVariants[] = {
    {.name = "naive",
     .run = serve<naive>,
     .what = "whoever finds the list expired computes it: all users of those 2.5 ms, one by one"},
    {.name = "single_flight",
     .run = serve<single_flight>,
     .what = "the first who finds it expired computes it, the others wait for that: one an expiry"},
    {.name = "early_expiry",
     .run = serve<early_expiry>,
     .what = "single flight, and one in many renews the list before its time: the others needn't "
             "wait"},
};

const Registrar kRegistrar(
    {.name = "concurrency/stampede",
     .axis = Axis::kCores,
     .technique = "compute once what many ask for at once, and before they have to wait for it",
     .sizes = {64, 128, 256, 512},
     .headline = {64},
     .one_group = true,
     .clock = Clock::kWall,
     .warm = Warm::kNone,
     .measure = {.name = "computations", .unit = "computations"},
     .promise = Promise::kExact,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = s.n * 64,
                         .memory = s.n * 512 + (8 << 20)};
         },
     .test_sizes = {0, 1, 2, 40}},
    kVariants);

}  // namespace
}  // namespace headroom

// scenario/fast_then_scalable: one service for one user, and for many.
//
// n orders are placed, `per_second` of them per second (open loop, Poisson). For each, the service
// reads the customer's discount and the prices of five items, enters the order into a journal, and
// answers with what is to be paid and which entry it is, once the entry is on the disk. Out: all
// answers, which must be right, with a whole journal: each order is in it once, in one place, and
// was written before its answer. The measure is p99; p50, p999 and goodput stand beside it.
//
// Reading and writing are done by another machine, a database, in 100 us each time; the service
// sleeps for as long. It has 16 threads on all cores but the first, which the load generator has.
//
// A fast service need not be a scalable one. The first variant asks for one thing after the other,
// which is slow for everyone, but no user waits for another. The second makes one round trip of
// seven, and serves one user at a time: at a load that the first carries yet, it collapses. The
// last is as fast for one, and users share what they would have waited for.
//
// Params: per_second, the load that is offered.
#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <vector>

#include "scenario/serving.h"
#include "support/served.h"

namespace headroom {
namespace {

using serving::microseconds;

constexpr microseconds kDatabase{100};  // one statement, or one entry or more on the disk
constexpr int kThreads = 16;
constexpr std::size_t kItems = 5;  // of an order
constexpr std::size_t kCustomers = 256, kProducts = 1024;
constexpr std::uint64_t kPatience = 5'000'000;

struct FastThenScalable {
  struct Request {
    std::uint32_t order;  // counts in the requests
    std::uint32_t customer;
    std::array<std::uint32_t, kItems> items;
  };
  struct Reply {
    std::uint64_t to_pay;
    std::uint64_t entry;    // of the journal
    std::uint64_t on_disk;  // the entry's text, as it was on the disk when the answer was given
  };
  struct Input {
    std::vector<Request> requests;
    Arrivals arrivals;
    std::array<std::uint64_t, kCustomers> discounts = {};  // of 1,024
    std::array<std::uint64_t, kProducts> prices = {};
  };
  using Output = std::vector<Reply>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    for (std::uint64_t& discount : in.discounts) discount = bounded(rng, 512);
    for (std::uint64_t& price : in.prices) price = 1 + bounded(rng, 100'000);
    in.requests.resize(setting.n);
    for (std::size_t i = 0; i < setting.n; ++i) {
      Request& request = in.requests[i];
      request.order = static_cast<std::uint32_t>(i);
      request.customer = static_cast<std::uint32_t>(bounded(rng, kCustomers));
      for (std::uint32_t& item : request.items)
        item = static_cast<std::uint32_t>(bounded(rng, kProducts));
    }
    in.arrivals =
        poisson_arrivals(setting.n, static_cast<double>(setting.params["per_second"]), rng());
    return in;
  }
  static LoadPlan plan(const Input& in, const Setting&) {
    return {.arrivals = in.arrivals, .limit_ns = kPatience};
  }
  static std::uint64_t to_pay(const Input& in, const Request& request) {
    std::uint64_t sum = 0;
    for (const std::uint32_t item : request.items) sum += in.prices[item];
    return sum * (1024 - in.discounts[request.customer]) / 1024;
  }
  // What an entry says.
  static std::uint64_t text(std::uint64_t order, std::uint64_t to_pay) {
    const std::uint64_t x = (order << 40 ^ to_pay) * 0x9e3779b97f4a7c15;
    return (x ^ x >> 31) | 1;
  }
  // Entries are numbered as orders come to the journal, so not alike in two runs.
  static absl::Status right(const Input& in, const Output& out) {
    if (out.size() != in.requests.size())
      return differ("length: ", std::to_string(in.requests.size()), std::to_string(out.size()));
    std::vector<bool> taken(out.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::string at = "at index " + std::to_string(i) + ": ";
      const std::uint64_t pay = to_pay(in, in.requests[i]);
      if (out[i].to_pay != pay)
        return differ(at + "to pay: ", std::to_string(pay), std::to_string(out[i].to_pay));
      if (out[i].entry >= taken.size() || taken[out[i].entry])
        return differ(at, "an entry of its own", "entry " + std::to_string(out[i].entry));
      taken[out[i].entry] = true;
      if (out[i].on_disk != text(i, pay))
        return differ(at, "its entry on the disk before the answer", "another, or none");
    }
    return absl::OkStatus();
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status status = right(in, want); !status.ok()) return status;
    return right(in, got);
  }
};
using Request = FastThenScalable::Request;
using Reply = FastThenScalable::Reply;

// What the database has, and what it takes to ask it.
class Database {
 public:
  explicit Database(const FastThenScalable::Input& in) : in_(in), journal_(in.requests.size()) {}
  std::uint64_t discount(std::uint32_t customer) const {
    serving::wait_for_answer(kDatabase);
    return in_.discounts[customer];
  }
  std::uint64_t price(std::uint32_t item) const {
    serving::wait_for_answer(kDatabase);
    return in_.prices[item];
  }
  // Writes entries, which nobody else writes, in one go.
  void write(std::span<const std::pair<std::uint64_t, std::uint64_t>> entries) {
    serving::wait_for_answer(kDatabase);
    for (const auto& [entry, text] : entries) journal_[entry] = text;
  }
  // Of an entry that was written.
  std::uint64_t on_disk(std::uint64_t entry) const { return journal_[entry]; }

 private:
  const FastThenScalable::Input& in_;
  std::vector<std::uint64_t> journal_;
};

// A service whose threads run `Desk::place`.
template <class Desk>
class Service {
 public:
  explicit Service(const FastThenScalable::Input& in)
      : desk_(in), intake_(kThreads, in.requests.size() + 1, [this](const Job& job) {
          desk_.place(*job.request, *job.reply);
          job.answered();
        }) {}
  void post(const Request& request, Reply& reply, Answered answered) {
    intake_.post({&request, &reply, answered});
  }

 private:
  struct Job {
    const Request* request;
    Reply* reply;
    Answered answered;
  };
  Desk desk_;
  serving::Intake<Job> intake_;  // the last to be made and the first to go
};

// All that a desk has in common: the numbers of entries.
class Desk {
 public:
  explicit Desk(const FastThenScalable::Input& in) : in_(in), database_(in) {}

 protected:
  const FastThenScalable::Input& in_;
  Database database_;
  std::mutex mutex_;
  std::uint64_t next_ = 0;
};

// Asks for each thing when it is needed: seven round trips, one after the other. Other users'
// orders go on meanwhile.
class AsksForEach : Desk {
 public:
  using Desk::Desk;
  void place(const Request& request, Reply& reply) {
    std::uint64_t sum = 0;
    for (const std::uint32_t item : request.items) sum += database_.price(item);
    reply.to_pay = sum * (1024 - database_.discount(request.customer)) / 1024;
    {
      const std::lock_guard lock(mutex_);
      reply.entry = next_++;
    }
    const std::pair entry{reply.entry, FastThenScalable::text(request.order, reply.to_pay)};
    database_.write({&entry, 1});
    reply.on_disk = database_.on_disk(reply.entry);
  }
};
void naive(Service<AsksForEach>& service, const Request& request, Reply& reply, Answered answered) {
  service.post(request, reply, answered);
}

// Prices and discounts are kept in memory: one round trip instead of seven. One lock keeps entries
// in order, as a journal has to be, and is held until the entry is on the disk: one user at a time.
class OneAtATime : Desk {
 public:
  using Desk::Desk;
  void place(const Request& request, Reply& reply) {
    reply.to_pay = FastThenScalable::to_pay(in_, request);
    const std::lock_guard lock(mutex_);
    reply.entry = next_++;
    const std::pair entry{reply.entry, FastThenScalable::text(request.order, reply.to_pay)};
    database_.write({&entry, 1});
    reply.on_disk = database_.on_disk(reply.entry);
  }
};
void fast(Service<OneAtATime>& service, const Request& request, Reply& reply, Answered answered) {
  service.post(request, reply, answered);
}

// As fast for one. Who finds the journal being written leaves the entry for the next write, which
// takes all that are there at once: the more users, the more share a round trip (group commit;
// DeWitt and others, "Implementation techniques for main memory database systems", 1984).
class WritesTogether : Desk {
 public:
  using Desk::Desk;
  void place(const Request& request, Reply& reply) {
    reply.to_pay = FastThenScalable::to_pay(in_, request);
    std::unique_lock lock(mutex_);
    reply.entry = next_++;
    entries_.emplace_back(reply.entry, FastThenScalable::text(request.order, reply.to_pay));
    while (written_ <= reply.entry) {
      if (writing_) {
        changed_.wait(lock);
        continue;
      }
      // The first of those that wait writes for all of them.
      writing_ = true;
      std::vector<std::pair<std::uint64_t, std::uint64_t>> entries;
      entries.swap(entries_);
      const std::uint64_t end = next_;
      lock.unlock();
      database_.write(entries);
      lock.lock();
      written_ = end;
      writing_ = false;
      changed_.notify_all();
    }
    reply.on_disk = database_.on_disk(reply.entry);
  }

 private:
  std::condition_variable changed_;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> entries_;  // not being written yet
  std::uint64_t written_ = 0;                                     // all entries below it are
  bool writing_ = false;
};
void scalable(Service<WritesTogether>& service, const Request& request, Reply& reply,
              Answered answered) {
  service.post(request, reply, answered);
}

constexpr Need kNeeds[] = {kTwoCores};

constexpr Variant<FastThenScalable> kVariants[] = {
    {.name = "naive",
     .run = serve<naive>,
     .what = "slow for one: seven round trips, but nobody waits for another user",
     .needs = kNeeds},
    {.name = "fast",
     .run = serve<fast>,
     .what = "fast for one: one round trip, under a lock; collapses where users overlap",
     .needs = kNeeds},
    {.name = "scalable",
     .run = serve<scalable>,
     .what = "as fast, and users who overlap share a round trip: the more users, the more share it",
     .needs = kNeeds},
};

const Registrar kRegistrar(
    {.name = "scenario/fast_then_scalable",
     .axis = Axis::kCores,
     .technique = "make it fast for one user, then see what users wait for each other for",
     .sizes = {64, 256, 1024},
     .headline = {64},
     .params = {{.name = "per_second",
                 .values = {500, 1000, 2000, 4000, 8000, 16000, 32000},
                 .headline = {2000, 8000, 16000}}},
     .one_group = true,
     .clock = Clock::kWall,
     .warm = Warm::kNone,
     .measure = {.name = "p99", .unit = "ns"},
     .promise = Promise::kExactlyOnce,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = s.n * 128,
                         .memory = s.n * 1024 + (16 << 20)};
         },
     .test_sizes = {0, 1, 2, 40, 300}},
    kVariants);

}  // namespace
}  // namespace headroom

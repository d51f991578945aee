// database/pg_group_commit: n transactions of several clients of PostgreSQL, each one row, durable.
//
// A commit waits until the server's log is on disk. Commits that wait at the same time can share
// one flush (group commit: DeWitt et al., "Implementation Techniques for Main Memory Database
// Systems", 1984): the server does that for connections that commit at once, and a program can do
// it for its own clients. Each client has the answer to its transaction before it begins the next.
// Clients are threads that wait asleep, on the core of the calling thread; the server, where
// `headroom run` starts it, has another one, and is asked over a Unix socket: no wire. Statements
// are prepared.
//
// Out: all rows in order of the key, read back through a second connection.
//
// Params: clients, which the transactions are spread over.
//
// Links: libpq
#include <condition_variable>
#include <mutex>

#include "core/kernel.h"
#include "database/pg_payments.h"
#include "support/team.h"

namespace headroom {
namespace {

using Input = PutPayments::Input;
using Output = PutPayments::Output;

#if HEADROOM_HAVE_LIBPQ

// Clients, and the table that they write to.
class Clients {
 public:
  Clients(const Setting& setting, int connections)
      : team_({.members = static_cast<int>(setting.params["clients"]),
               .caller_is_one = false,
               .wait = Team::Wait::kAsleep,
               .place = [](int) { pin_to_core(0); }}) {
    for (int i = 0; i < connections; ++i) {
      writers_.push_back(std::make_unique<PaymentWriter>(table_));
      shares_.add(writers_.back()->server.process());
    }
  }
  PaymentWriter& writer(int of) { return *writers_[static_cast<std::size_t>(of)]; }
  // commit(client, key, payment) for all payments, by all clients at once, each its part of them.
  template <class Commit>
  void run(const Input& in, const Commit& commit) {
    const CpuShares::Exchange exchange(shares_);
    first_ = next_;
    next_ += static_cast<std::int64_t>(in.payments.size());
    team_.run([&](int client) {
      const Share mine = share(in.payments.size(), 1, client, team_.count());
      for (std::size_t i = mine.begin; i < mine.end; ++i)
        commit(client, first_ + static_cast<std::int64_t>(i), in.payments[i]);
    });
  }
  void answer(Output& out) const {
    out = table_.rows_from(first_);
    for (std::string& row : out) {
      const std::size_t bar = row.find('|');
      row.replace(0, bar, std::to_string(std::stoll(row.substr(0, bar)) - first_ + 1));
    }
    if (table_.count() != next_ - 1)
      out.push_back("in all " + std::to_string(table_.count()) + " rows");
  }
  Quantities quantities() const { return shares_.quantities(); }

 private:
  PaymentTable table_;
  std::vector<std::unique_ptr<PaymentWriter>> writers_;
  CpuShares shares_;
  Team team_;
  std::int64_t first_ = 1, next_ = 1;
};

struct OneConnection : Clients {
  OneConnection(const Input&, const Setting& setting) : Clients(setting, 1) {}
  std::mutex mutex;
};

// All clients share a connection: one commits while the others wait for it, each for a whole flush.
void one_connection(OneConnection& state, const Input& in, Output&) {
  state.run(in, [&](int, std::int64_t key, const Payment& payment) {
    const std::lock_guard lock(state.mutex);
    insert_one_prepared(state.writer(0), key, payment);
  });
}

struct OwnConnections : Clients {
  OwnConnections(const Input&, const Setting& setting)
      : Clients(setting, static_cast<int>(setting.params["clients"])) {}
};

// Each has its own. Who commits while a flush is under way waits for the next one, with all others
// who came meanwhile: one of them flushes for all.
void own_connections(OwnConnections& state, const Input& in, Output&) {
  state.run(in, [&](int client, std::int64_t key, const Payment& payment) {
    insert_one_prepared(state.writer(client), key, payment);
  });
}

struct Delayed : OwnConnections {
  Delayed(const Input& in, const Setting& setting) : OwnConnections(in, setting) {
    // Half of what a flush takes on such disks, as PostgreSQL's documentation advises; only where
    // at least so many others have transactions under way.
    for (std::int64_t i = 0; i < setting.params["clients"]; ++i) {
      Postgres& server = writer(static_cast<int>(i)).server;
      server.execute("SET commit_delay = 200");
      server.execute("SET commit_siblings = 3");
    }
  }
};

// Who is to flush waits a little for more to come. It helps where a flush is long and clients are
// many; with few it only makes each commit longer.
void commit_delay(Delayed& state, const Input& in, Output& out) { own_connections(state, in, out); }

// Transactions of clients that wait at the same time, made one. The first who finds nobody at work
// commits for all.
class Batcher : public Clients {
 public:
  Batcher(const Input&, const Setting& setting) : Clients(setting, 1) {}
  // Returns when it is durable. Throws, for all that wait, where the server refuses one of them.
  void commit(std::int64_t key, const Payment& payment) {
    std::unique_lock lock(mutex_);
    const std::uint64_t mine = next_++;
    keys_.push_back(key);
    payments_.push_back(payment);
    while (done_ <= mine) {
      if (error_) std::rethrow_exception(error_);
      if (!busy_)
        lead(lock);
      else
        changed_.wait(lock);
    }
  }

 private:
  void lead(std::unique_lock<std::mutex>& lock) {
    busy_ = true;
    const std::vector<std::int64_t> keys = std::exchange(keys_, {});
    const std::vector<Payment> payments = std::exchange(payments_, {});
    const std::uint64_t end = next_;
    lock.unlock();
    std::exception_ptr error;
    try {
      insert_arrays(writer(0), keys, payments);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    busy_ = false;
    if (error)
      error_ = error;
    else
      done_ = end;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::int64_t> keys_;
  std::vector<Payment> payments_;
  bool busy_ = false;
  std::uint64_t next_ = 0, done_ = 0;
  std::exception_ptr error_;
};

// One transaction for all that wait: also the round trip and the executor's start are shared. But
// where one row of it is refused, all are.
void batched(Batcher& state, const Input& in, Output&) {
  state.run(in, [&](int, std::int64_t key, const Payment& payment) { state.commit(key, payment); });
}

constexpr auto kNaive = run<one_connection>;
constexpr auto kOwn = run<own_connections>;
constexpr auto kDelay = run<commit_delay>;
constexpr auto kBatched = run<batched>;

// commit_delay is for superusers, or whom they have granted it.
bool may_set_commit_delay() {
  static const bool may = [] {
    try {
      Postgres().execute("SET commit_delay = 200");
      return true;
    } catch (const std::runtime_error&) {
      return false;
    }
  }();
  return may;
}
#else
constexpr auto kNaive = kNotBuilt, kOwn = kNotBuilt, kDelay = kNotBuilt, kBatched = kNotBuilt;
bool may_set_commit_delay() { return false; }
#endif

constexpr Need kNeeds[] = {kLibpq, kPostgres};
constexpr Need kNeedsDelay[] = {kLibpq,
                                kPostgres,
                                {"postgresql commit_delay", may_set_commit_delay,
                                 "let the user of HEADROOM_PG set commit_delay"}};

constexpr Variant<PutPayments> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "clients share a connection: each commit is a flush that all others wait for; durable",
     .needs = kNeeds},
    {.name = "own_connections",
     .run = kOwn,
     .what = "a connection each: commits that wait at the same time share a flush; durable",
     .needs = kNeeds},
    {.name = "commit_delay",
     .run = kDelay,
     .what = "and who flushes waits 200 us for more, where 3 others are at work; durable",
     .needs = kNeedsDelay},
    {.name = "batched",
     .run = kBatched,
     .what = "the program makes one transaction of all that wait: one refused row refuses all; "
             "durable",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/pg_group_commit",
                            .axis = Axis::kStorageSync,
                            .technique = "commits that wait together share a flush",
                            .sizes = {16, 64, 256},
                            .headline = {16, 64},
                            .params = {{.name = "clients", .values = {4, 16}, .headline = {16}}},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kDurable,
                            .fixtures = {"postgresql"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 128 * s.n,
                                                .memory = std::size_t{64} << 20,
                                                .scratch = std::size_t{256} << 20,
                                                .written = 8192 * s.n};
                                },
                            .test_sizes = {0, 1, 19}},
                           kVariants);

}  // namespace
}  // namespace headroom

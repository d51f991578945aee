// database/sharded_write: threads that write n payments into SQLite, each in a transaction of its
// own, which is on disk when it is acknowledged.
//
// Each of `writers` threads has its share of the payments and waits for one to be durable before it
// writes the next. Files and connections are there before the clock starts, in every variant with a
// write-ahead log that is synced at each commit. An acknowledgement is a store into memory that
// other processes see (a file that is mapped), as a client would see it: database_crash_test.cpp
// kills the program at any moment and compares. Out: all payments in the order of their keys, read
// back through other connections, and which of them were acknowledged.
//
// SQLite has one writer per file at a time. A thread that finds the file locked sleeps for a while
// that grows, from 1 ms on, and asks again; who comes first is chance. So what is to be gained is
// to wait in an orderly way, to wait for the disk together, or to have several files.
//
// Links: sqlite
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "core/scratch.h"
#include "support/files.h"
#include "support/on_core.h"
#include "support/sqlite.h"
#include "support/team.h"

namespace headroom {
namespace {

struct Payment {
  std::int64_t key = 0;
  std::int64_t user = 0;
  std::int64_t amount = 0;
  std::int64_t acknowledged = 0;  // 1 where it was
  friend bool operator==(const Payment&, const Payment&) = default;
};

struct ShardedWrite {
  using Input = std::vector<Payment>;  // acknowledged, in the order of their keys
  using Output = std::vector<Payment>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in(setting.n);
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.size(); ++i)
      in[i] = {static_cast<std::int64_t>(i), static_cast<std::int64_t>(bounded(fast, 1'000'000)),
               static_cast<std::int64_t>(bounded(fast, 100'000)) - 50'000, 1};
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const absl::Status right = exact(in, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = ShardedWrite::Input;
using Output = ShardedWrite::Output;

#if HEADROOM_HAVE_SQLITE

// What clients see: a byte for each payment, in a file that outlives the process.
class Receipts {
 public:
  Receipts(const std::string& path, std::size_t count) : size_(std::max<std::size_t>(count, 1)) {
    const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    files::require(fd >= 0, "open");
    void* at = MAP_FAILED;
    if (ftruncate(fd, static_cast<off_t>(size_)) == 0)
      at = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    files::require(at != MAP_FAILED, "mmap");
    bytes_ = static_cast<std::atomic<unsigned char>*>(at);
  }
  ~Receipts() { munmap(static_cast<void*>(bytes_), size_); }
  Receipts(const Receipts&) = delete;
  void set(std::size_t i) { bytes_[i].store(1, std::memory_order_release); }
  bool operator[](std::size_t i) const { return bytes_[i].load(std::memory_order_acquire) == 1; }

 private:
  std::size_t size_;
  std::atomic<unsigned char>* bytes_ = nullptr;
};

// A connection with its statement.
struct Ledger {
  explicit Ledger(const std::string& path) : connection(path, sqlite::kDurableWal) {
    sqlite3_busy_timeout(connection.get(), 60'000);
    connection.execute(
        "CREATE TABLE IF NOT EXISTS payments (key INTEGER PRIMARY KEY, user INTEGER NOT NULL, "
        "amount INTEGER NOT NULL)");
    insert = sqlite::Statement(connection, "INSERT INTO payments VALUES (?, ?, ?)");
  }
  void write(const Payment& payment) {
    insert.bind(1, payment.key);
    insert.bind(2, payment.user);
    insert.bind(3, payment.amount);
    insert.run();
  }
  sqlite::Connection connection;
  sqlite::Statement insert;
};

// `connections` ledgers in `files` files, made anew before each call, and the threads.
class Ledgers {
 public:
  Ledgers(const Setting& setting, bool many_connections, bool many_files)
      : writers_(static_cast<std::size_t>(setting.params["writers"])),
        connections_(many_connections ? writers_ : 1),
        files_(many_files ? writers_ : 1),
        team_({.members = static_cast<int>(writers_),
               .caller_is_one = false,
               .wait = Team::Wait::kAsleep,
               .place = [](int) { move_to_any_core(); }}) {}
  void refill(const Input& in) {
    payments = &in;
    ledgers.clear();
    acknowledged = std::make_unique<Receipts>(folder_.path() + "/acknowledged", in.size());
    for (std::size_t file = 0; file < files_; ++file)
      for (const char* suffix : {"", "-wal", "-shm"}) unlink((path(file) + suffix).c_str());
    for (std::size_t i = 0; i < connections_; ++i)
      ledgers.push_back(std::make_unique<Ledger>(path(i % files_)));
  }
  void answer(Output& out) const {
    out.clear();
    for (std::size_t file = 0; file < files_; ++file) {
      const sqlite::Connection reader(path(file));
      sqlite::Statement rows(reader, "SELECT key, user, amount FROM payments");
      while (rows.step()) {
        const auto key = static_cast<std::size_t>(rows.number(0));
        out.push_back({rows.number(0), rows.number(1), rows.number(2),
                       key < payments->size() && (*acknowledged)[key] ? 1 : 0});
      }
    }
    std::sort(out.begin(), out.end(),
              [](const Payment& a, const Payment& b) { return a.key < b.key; });
  }
  // commit(writer, payment) for each payment, those of a writer one after the other.
  template <class Commit>
  void run(const Commit& commit) {
    team_.run([&](int member) {
      const auto writer = static_cast<std::size_t>(member);
      for (std::size_t i = writer; i < payments->size(); i += writers_) {
        commit(writer, (*payments)[i]);
        acknowledged->set(i);
      }
    });
  }

  const Input* payments = nullptr;
  std::vector<std::unique_ptr<Ledger>> ledgers;
  std::unique_ptr<Receipts> acknowledged;

 private:
  std::string path(std::size_t file) const {
    return folder_.path() + "/ledger-" + std::to_string(file) + ".db";
  }
  const std::size_t writers_, connections_, files_;
  ScratchFolder folder_;
  Team team_;
};

struct OneFile : Ledgers {
  OneFile(const Input&, const Setting& setting) : Ledgers(setting, true, false) {}
};
// A connection per thread, of one file: all but one find it locked, and sleep.
void naive(OneFile& work, Output&) {
  work.run(
      [&](std::size_t writer, const Payment& payment) { work.ledgers[writer]->write(payment); });
}

struct OneConnection : Ledgers {
  OneConnection(const Input&, const Setting& setting) : Ledgers(setting, false, false) {}
  std::mutex mutex;
};
// Who waits is woken as soon as the file is free, and nobody asks in vain. The disk is waited for
// as often, one commit after the other.
void one_lock(OneConnection& work, Output&) {
  work.run([&](std::size_t, const Payment& payment) {
    const std::lock_guard lock(work.mutex);
    work.ledgers[0]->write(payment);
  });
}

struct ManyFiles : Ledgers {
  ManyFiles(const Input&, const Setting& setting) : Ledgers(setting, true, true) {}
};
// Nobody waits for another thread's lock, and the disk has several commits before it at a time. A
// transaction over two of the files would not be atomic.
void shards(ManyFiles& work, Output&) {
  work.run(
      [&](std::size_t writer, const Payment& payment) { work.ledgers[writer]->write(payment); });
}

// Payments of all threads in the order in which they came; whoever finds nobody committing commits
// all that wait, its own among them.
struct Grouped : Ledgers {
  Grouped(const Input&, const Setting& setting) : Ledgers(setting, false, false) {}
  void commit(const Payment& payment) {
    std::unique_lock lock(mutex);
    waiting.push_back(payment);
    const std::size_t mine = ++queued;
    while (committed < mine) {
      if (committing) {
        changed.wait(lock);
        continue;
      }
      if (failed) throw std::runtime_error("a group's commit has failed");
      committing = true;
      group.swap(waiting);
      const std::size_t last = queued;
      lock.unlock();
      try {
        write_group();
      } catch (...) {
        lock.lock();
        failed = true;
        committing = false;
        changed.notify_all();
        throw;
      }
      lock.lock();
      committing = false;
      committed = last;
      changed.notify_all();
    }
  }
  void write_group() {
    Ledger& ledger = *ledgers[0];
    ledger.connection.execute("BEGIN IMMEDIATE");
    for (const Payment& payment : group) ledger.write(payment);
    ledger.connection.execute("COMMIT");
    group.clear();
  }
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Payment> waiting, group;
  std::size_t queued = 0, committed = 0;
  bool committing = false, failed = false;
};
// One wait for the disk makes all payments durable that came while the last one lasted.
void group_commit(Grouped& work, Output&) {
  work.run([&](std::size_t, const Payment& payment) { work.commit(payment); });
}

constexpr auto kNaive = run<naive>;
constexpr auto kOneLock = run<one_lock>;
constexpr auto kShards = run<shards>;
constexpr auto kGroupCommit = run<group_commit>;
#else
constexpr auto kNaive = kNotBuilt, kOneLock = kNotBuilt, kShards = kNotBuilt,
               kGroupCommit = kNotBuilt;
#endif

constexpr Need kNeeds[] = {kSqlite};

constexpr Variant<ShardedWrite> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what =
         "a connection per thread, one file: who finds it locked sleeps and asks again; durable",
     .max_n = 128,
     .needs = kNeeds},
    {.name = "one_lock",
     .run = kOneLock,
     .what = "one connection behind a mutex: who waits is woken when the file is free; durable",
     .max_n = 128,
     .needs = kNeeds},
    {.name = "shards",
     .run = kShards,
     .what = "a file per thread, by key: commits wait for the disk side by side; durable",
     .needs = kNeeds},
    {.name = "group_commit",
     .run = kGroupCommit,
     .what = "one file: payments that came during a commit are the next transaction; durable",
     .needs = kNeeds},
};

const Registrar kRegistrar({.name = "database/sharded_write",
                            .axis = Axis::kStorageSync,
                            .technique = "writers that don't wait for each other",
                            .sizes = {8, 16, 128},
                            .headline = {16},
                            .params = {{"writers", {1, 8}, {8}}},
                            .one_group = true,
                            .clock = Clock::kWall,
                            .warm = Warm::kNone,
                            .promise = Promise::kExact | Promise::kDurable,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = std::size_t{4} << 20,
                                                .memory = std::size_t{64} << 20,
                                                .scratch = std::size_t{64} << 20,
                                                .written = 8192 * s.n};
                                },
                            .test_sizes = {0, 1, 9}},
                           kVariants);

}  // namespace
}  // namespace headroom

// concurrency/backoff: how to wait for a lock that is held for a short time.
//
// n times some thread takes the lock, changes a record of four words that belong together, and
// gives it back; between two of them it works by itself for about as long. Input: `short`, a few
// nanoseconds in the lock, or `long`, about a microsecond. Out: the record, in which a change that
// was lost or torn leaves another sum. Spinning threads are never more than cores.
//
// A thread that waits costs the one that holds the lock: every look at its line is a reason for the
// line to travel. One that sleeps costs a system call and a wake-up. The locks are in locks.h, with
// their sources.
#include <mutex>

#include "concurrency/locks.h"
#include "core/kernel.h"

namespace headroom {
namespace {

struct Backoff {
  struct Record {
    std::uint64_t changes = 0;
    std::uint64_t sum = 0;
    std::uint64_t mixed = 0;
    std::uint64_t squares = 0;
    friend bool operator==(const Record&, const Record&) = default;
  };
  struct Input {
    Buffer<std::uint64_t> values;
    int steps = 0;  // of work, in the lock and outside
  };
  using Output = Record;
  static constexpr auto kInputs = inputs("short", "long");

  static Input make(const Setting& setting, Rng& rng) {
    std::thread([] {}).join();  // a mutex in a process without threads is cheaper
    Input in{Buffer<std::uint64_t>(setting.n), setting.input == kInputs["long"] ? 250 : 4};
    FastRng fast(rng());
    for (std::uint64_t& value : in.values) value = fast();
    return in;
  }
  // So many steps, each of which needs the one before.
  static std::uint64_t work(std::uint64_t value, int steps) {
    for (int i = 0; i < steps; ++i) value = opaque(value * 0x9e3779b97f4a7c15 + 1);
    return value;
  }
  // Additions and exclusive ors: the same in any order.
  static void change(Record& record, std::uint64_t value, int steps) {
    const std::uint64_t worked = work(value, steps);
    ++record.changes;
    record.sum += worked;
    record.mixed ^= worked;
    record.squares += value * value;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    Record truth;
    for (const std::uint64_t value : in.values) change(truth, value, in.steps);
    if (want != truth) return differ("the baseline: ", "the right record", "another");
    return got == want ? absl::OkStatus()
                       : differ("", std::to_string(want.changes) + " changes and their sums",
                                std::to_string(got.changes) + " changes and other sums");
  }
};
using Input = Backoff::Input;
using Record = Backoff::Record;

template <class Lock>
struct Guarded {
  Guarded(const Input&, const Setting& setting) : team(setting.threads) {}
  Team team;
  alignas(kApart) Lock lock;
  alignas(kApart) Record record;
};

// The same for every lock.
template <class Lock>
void change_all(Guarded<Lock>& guarded, const Input& in, Record& out) {
  guarded.record = {};
  guarded.team.run([&](int member) {
    const Share mine = share(in.values.size(), 1, member, guarded.team.count());
    std::uint64_t own = 0;
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      {
        const std::lock_guard lock(guarded.lock);
        Backoff::change(guarded.record, in.values[i], in.steps);
      }
      own = Backoff::work(own + i, in.steps);
    }
    sink(own);
  });
  out = guarded.record;
}

constexpr Variant<Backoff> kVariants[] = {
    {.name = "naive",
     .run = run<change_all<SpinLock>>,
     .what = "tries again at once: every try takes the line from the one that holds the lock"},
    {.name = "pause",
     .run = run<change_all<PauseLock>>,
     .what = "looks before it tries, and pauses between looks: the line stays with the holder"},
    {.name = "exponential",
     .run = run<change_all<BackoffLock>>,
     .what = "waits twice as long after each try that failed; a holder may take it again: unfair"},
    {.name = "park",
     .run = run<change_all<ParkingLock>>,
     .what = "looks for some microseconds, then sleeps: the core is free for others"},
    {.name = "std_mutex",
     .run = run<change_all<std::mutex>>,
     .what = "std::mutex: glibc's sleeps at once where the lock is held",
     .role = Role::kStandard},
};

const Registrar kRegistrar({.name = "concurrency/backoff",
                            .axis = Axis::kCoherence,
                            .technique = "wait without disturbing the one that is waited for",
                            .sizes = {1 << 10, 1 << 12, 1 << 14, 1 << 16},
                            .headline = {1 << 10, 1 << 12},
                            .sweeps_threads = true,
                            .clock = Clock::kWall,
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 8 * s.n,
                                                .memory = 8 * s.n + (1 << 20)};
                                },
                            .test_sizes = {0, 1, 2, 2000}},
                           kVariants);

}  // namespace
}  // namespace headroom

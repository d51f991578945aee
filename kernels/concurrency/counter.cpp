// concurrency/counter: count events that all threads see.
//
// n events in all, shared out evenly; every event is counted when it happens, so that another
// thread that looks sees it (batched: at most 63 a thread later). Out: the total, start value
// included. A lost update is a wrong answer. The threads stand ready before the clock starts, each
// pinned to its core: what is timed is counting, not the start of threads.
//
// What an event costs is the travel of a cache line: a line that two cores write changes hands with
// every event, one that a single core writes stays in its L1. Per-thread counters: McKenney, "Is
// Parallel Programming Hard", chapter 5 (statistical counters).
#include <atomic>
#include <mutex>

#include "core/kernel.h"
#include "support/team.h"

namespace headroom {
namespace {

struct Counter {
  struct Input {
    std::uint64_t start = 0;
    std::uint64_t events = 0;
    // The events of thread i of `count`.
    std::uint64_t share(int i, int count) const {
      const auto part = static_cast<std::uint64_t>(i), all = static_cast<std::uint64_t>(count);
      return events / all + (part < events % all ? 1 : 0);
    }
  };
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    // In a process that never had a second thread, glibc's mutex needs no atomic instruction. A
    // counter for threads lives in a program that has some.
    std::thread([] {}).join();
    return {rng() >> 1, setting.n};
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want != in.start + in.events) return exact(in.start + in.events, want);
    return exact(want, got);
  }
};

struct Locked {
  Locked(const Counter::Input&, const Setting& setting) : team(setting.threads) {}
  Team team;
  alignas(kApart) std::mutex mutex;
  std::uint64_t value = 0;
};

void naive(Locked& counter, const Counter::Input& in, std::uint64_t& out) {
  counter.value = in.start;
  counter.team.run([&](int thread) {
    for (std::uint64_t left = in.share(thread, counter.team.count()); left != 0; --left) {
      const std::lock_guard lock(counter.mutex);
      ++counter.value;
    }
  });
  out = counter.value;
}

struct Shared {
  Shared(const Counter::Input&, const Setting& setting) : team(setting.threads) {}
  Team team;
  alignas(kApart) std::atomic<std::uint64_t> value{0};
};

// One locked instruction where the mutex takes two and, when it is held, a system call. The line
// still travels from core to core with every event.
void atomic(Shared& counter, const Counter::Input& in, std::uint64_t& out) {
  counter.value = in.start;
  counter.team.run([&](int thread) {
    for (std::uint64_t left = in.share(thread, counter.team.count()); left != 0; --left)
      counter.value.fetch_add(1, std::memory_order_relaxed);
  });
  out = counter.value;
}

// The line is fetched once for 64 events. Readers look in one place, and see a total that is at
// most 63 a thread behind until the threads hand in what they have left.
void batched(Shared& counter, const Counter::Input& in, std::uint64_t& out) {
  constexpr std::uint64_t kBatch = 64;
  counter.value = in.start;
  counter.team.run([&](int thread) {
    std::uint64_t mine = 0;
    for (std::uint64_t left = in.share(thread, counter.team.count()); left != 0; --left) {
      // Each event is an event: the compiler may not add up the loop.
      mine = opaque(mine + 1);
      if (mine == kBatch)
        counter.value.fetch_add(std::exchange(mine, 0), std::memory_order_relaxed);
    }
    counter.value.fetch_add(mine, std::memory_order_relaxed);
  });
  out = counter.value;
}

// A counter for each thread, `kStride` bytes apart.
template <std::size_t kStride>
struct PerThread {
  struct alignas(kStride) Slot {
    std::atomic<std::uint64_t> events{0};
  };
  PerThread(const Counter::Input&, const Setting& setting)
      : team(setting.threads), slots(static_cast<std::size_t>(team.count()) + kApart / kStride) {}
  // Starts at a line of its own, so that neighbours really are neighbours.
  Slot& slot(int thread) {
    const auto past = reinterpret_cast<std::uintptr_t>(slots.data()) % kApart;
    return slots[(past == 0 ? 0 : (kApart - past) / kStride) + static_cast<std::size_t>(thread)];
  }
  Team team;
  std::vector<Slot> slots;
};

// Only its own thread writes a slot, so a plain load and store do where a shared counter needs a
// locked instruction; a reader adds the slots up.
template <std::size_t kStride>
void per_thread(PerThread<kStride>& counter, const Counter::Input& in, std::uint64_t& out) {
  const int count = counter.team.count();
  for (int t = 0; t < count; ++t) counter.slot(t).events.store(0, std::memory_order_relaxed);
  counter.team.run([&](int thread) {
    std::atomic<std::uint64_t>& mine = counter.slot(thread).events;
    for (std::uint64_t left = in.share(thread, count); left != 0; --left)
      mine.store(mine.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  });
  out = in.start;
  for (int t = 0; t < count; ++t) out += counter.slot(t).events.load(std::memory_order_relaxed);
}

// Neighbouring slots share a line, which travels as if they were one counter (false sharing). With
// plain stores that hurts less than one expects: the store buffer gathers events while the line is
// away.
constexpr auto* kNeighbours = per_thread<sizeof(std::uint64_t)>;
// Each slot alone on its lines: no line ever travels.
constexpr auto* kPadded = per_thread<kApart>;

constexpr Variant<Counter> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "one counter under a std::mutex"},
    {.name = "atomic",
     .run = run<atomic>,
     .what = "one locked instruction, no sleeping; bound by its latency and by the line, which "
             "still travels"},
    {.name = "per_thread_unpadded",
     .run = run<kNeighbours>,
     .what = "a slot a thread, no locked instruction; but neighbours share a line (false sharing)"},
    {.name = "per_thread_padded",
     .run = run<kPadded>,
     .what = "a slot a thread, 128 bytes apart: each core keeps its line; readers add up"},
    {.name = "batched",
     .run = run<batched>,
     .what =
         "counts in a register, adds 64 at a time to one atomic: exact at the end, late before"},
};

const Registrar kRegistrar(
    {.name = "concurrency/counter",
     .axis = Axis::kCoherence,
     .technique = "don't share what need not be shared: one writer a cache line",
     .sizes = {1 << 12, 1 << 15, 1 << 18, 1 << 21},
     .headline = {1 << 15, 1 << 18},
     .sweeps_threads = true,
     .warm = Warm::kCall,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n), .working_set = 4096, .memory = 1 << 20};
         },
     .test_sizes = {0, 1, 2, 63, 64, 65, 127, 129, 1000, 4097, 100'003}},
    kVariants);

}  // namespace
}  // namespace headroom

// parallel/false_sharing: each thread adds the events of its part to a total of its own, which
// others may look at any time; neighbouring totals share a cache line.
//
// n events in all, each with a weight; every event is added when it happens, by a read-modify-write
// that no other thread can fall into (fetch_add: an observer may take the total and set it to zero
// with exchange). Out: the sum of all totals, modulo 2^64: exact, and a lost event shows. The
// threads stand ready before the clock starts, each pinned to its core.
//
// No total is shared, but lines are: the hardware keeps cores apart by 64 bytes (and fetches lines
// in pairs on some processors), so that threads which have nothing to do with each other wait for
// each other. A plain store would hide much of it in the store buffer (concurrency/counter); a
// read-modify-write must have the line.
#include <atomic>
#include <cstdint>
#include <vector>

#include "core/kernel.h"
#include "support/team.h"

namespace headroom {
namespace {

struct FalseSharing {
  using Input = Buffer<std::uint64_t>;  // the weights
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input weights(setting.n);
    FastRng fast(rng());
    for (std::uint64_t& weight : weights) weight = fast();
    return weights;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

using Total = std::atomic<std::uint64_t>;

// Adds each event when it happens. The compiler must not gather them.
void add_events(const std::uint64_t* weights, std::size_t count, Total& total) {
  for (std::size_t i = 0; i < count; ++i) total.fetch_add(weights[i], std::memory_order_relaxed);
}

// One thread, one total.
struct One {
  explicit One(const FalseSharing::Input&) {}
  alignas(kApart) Total total{0};
};
void naive(One& one, const FalseSharing::Input& weights, std::uint64_t& out) {
  one.total = 0;
  add_events(weights.data(), weights.size(), one.total);
  out = one.total;
}

// One thread that hands in what it gathered 64 events at a time. Those who look are that much late,
// a weaker promise.
void one_thread_batched(One& one, const FalseSharing::Input& weights, std::uint64_t& out) {
  constexpr std::size_t kBatch = 64;
  one.total = 0;
  for (std::size_t i = 0; i < weights.size(); i += kBatch) {
    std::uint64_t sum = 0;
    for (std::size_t k = i; k < std::min(i + kBatch, weights.size()); ++k) sum += weights[k];
    one.total.fetch_add(sum, std::memory_order_relaxed);
  }
  out = one.total;
}

// A total for each thread, `kStride` bytes apart; the first starts a line.
template <std::size_t kStride>
struct Totals {
  struct alignas(kStride) Slot {
    Total total{0};
  };
  Totals(const FalseSharing::Input&, const Setting& setting)
      : team(setting.threads), slots(static_cast<std::size_t>(team.count()) + kApart / kStride) {}
  Total& of(int thread) {
    const auto past = reinterpret_cast<std::uintptr_t>(slots.data()) % kApart;
    return slots[(past == 0 ? 0 : (kApart - past) / kStride) + static_cast<std::size_t>(thread)]
        .total;
  }
  std::uint64_t sum() {
    std::uint64_t all = 0;
    for (int t = 0; t < team.count(); ++t) all += of(t).exchange(0, std::memory_order_relaxed);
    return all;
  }
  Team team;
  std::vector<Slot> slots;
};

template <std::size_t kStride>
void each_event(Totals<kStride>& totals, const FalseSharing::Input& weights, std::uint64_t& out) {
  totals.team.run([&](int thread) {
    const Share part = share(weights.size(), 8, thread, totals.team.count());
    add_events(weights.data() + part.begin, part.size(), totals.of(thread));
  });
  out = totals.sum();
}

// Side by side, as std::vector<std::atomic<...>> has them.
constexpr auto* kNeighbours = each_event<sizeof(std::uint64_t)>;
// A line each.
constexpr auto* kOneLine = each_event<64>;
// Two lines each: the neighbour's line may be fetched along with one's own.
constexpr auto* kPadded = each_event<kApart>;

// Gathers 64 events in a register, and then needs the line once. Those who look are that much late.
void padded_batched(Totals<kApart>& totals, const FalseSharing::Input& weights,
                    std::uint64_t& out) {
  constexpr std::size_t kBatch = 64;
  totals.team.run([&](int thread) {
    const Share part = share(weights.size(), 8, thread, totals.team.count());
    for (std::size_t i = part.begin; i < part.end; i += kBatch) {
      std::uint64_t sum = 0;
      for (std::size_t k = i; k < std::min(i + kBatch, part.end); ++k) sum += weights[k];
      totals.of(thread).fetch_add(sum, std::memory_order_relaxed);
    }
  });
  out = totals.sum();
}

constexpr Variant<FalseSharing> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, one total, an atomic addition an event",
     .single_thread = true},
    {.name = "batched",
     .run = run<one_thread_batched>,
     .what = "one thread, 64 events gathered in a register first: fast, and late",
     .promise = Promise::kExact,
     .promise_note = "late by up to 63 events",
     .single_thread = true},
    {.name = "neighbours",
     .run = run<kNeighbours>,
     .what = "a total a thread, side by side: the line travels with each event (false sharing)"},
    {.name = "one_line",
     .run = run<kOneLine>,
     .what = "totals 64 bytes apart: each core keeps its line, unless lines are fetched in pairs"},
    {.name = "padded", .run = run<kPadded>, .what = "totals 128 bytes apart: no line travels"},
    {.name = "padded_batched",
     .run = run<padded_batched>,
     .what = "the same, and 64 events gathered in a register first",
     .promise = Promise::kExact,
     .promise_note = "late by up to 63 events a thread"},
};

const Registrar kRegistrar({.name = "parallel/false_sharing",
                            .axis = Axis::kCoherence,
                            .technique = "what different threads write, on different cache lines",
                            .sizes = {4096, 1 << 14, 1 << 17, 1 << 20},
                            .headline = {1 << 14, 1 << 17},
                            .sweeps_threads = true,
                            .promise = Promise::kExact | Promise::kFresh,
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 8 * s.n + (1 << 20)};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

// concurrency/sharded_cache: a bounded cache that all threads ask.
//
// n requests, shared out evenly among the threads, for 65,536 keys of a Zipf distribution (0.99);
// the cache has room for a quarter of them, and a value that isn't there is computed, in some 200
// ns. Out: the value of every request. Calls go on with the cache that the last one left, and ask
// for other keys. `hit_ratio` stands beside the time: a policy that hits less often pays for it.
//
// In a cache even reading writes: least recently used means that a hit changes the order. So
// readers can't share a lock; what they can do is seldom want the same one, and hold it for less
// long. The caches are in shared_caches.h.
#include "concurrency/shared_caches.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kKeys = 1 << 16;
constexpr std::size_t kRoom = kKeys / 4;
constexpr std::size_t kCarried = 1 << 20;

struct Caching {
  struct Input {
    Buffer<std::uint64_t> asked;
    Slices slices;
    std::span<const std::uint64_t> at(std::size_t turn) const { return slices.of(asked, turn); }
  };
  using Call = std::span<const std::uint64_t>;
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    std::thread([] {}).join();  // a mutex in a process without threads is cheaper
    FastRng fast(rng());
    Input in;
    in.slices = Slices::covering(kCarried, setting.n);
    in.asked = Buffer<std::uint64_t>(in.slices.items());
    const Zipf popular(kKeys, 0.99);
    for (std::uint64_t& key : in.asked) key = popular(fast) * 0xd1342543de82ef95 + 1;
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size()); }
  static std::uint64_t compute(std::uint64_t key) {
    std::uint64_t x = key;
    for (int i = 0; i < 60; ++i) {
      x = (x ^ x >> 31) * 0x9e3779b97f4a7c15;
      x ^= x >> 29;
    }
    return x;
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    Output truth(call.size());
    for (std::size_t i = 0; i < call.size(); ++i) truth[i] = compute(call[i]);
    const absl::Status right = exact(truth, want);
    return right.ok() ? exact(want, got) : right;
  }
};
using Input = Caching::Input;
using Call = Caching::Call;
using Output = Caching::Output;

template <class Cache, std::size_t kShards>
struct Asked {
  struct alignas(kApart) Counts {
    std::uint64_t hits = 0;
    std::uint64_t all = 0;
  };
  Asked(const Input&, const Setting& setting)
      : team(setting.threads), counts(static_cast<std::size_t>(setting.threads)) {}
  Quantities quantities() const {
    double hits = 0, all = 0;
    for (const Counts& own : counts) {
      hits += static_cast<double>(own.hits);
      all += static_cast<double>(own.all);
    }
    return {{"hit_ratio", {all == 0 ? 0 : hits / all, "ratio"}}};
  }
  ShardedCache<Cache> cache{kRoom, kShards};
  Team team;
  std::vector<Counts> counts;
};

// The same for every cache.
template <class Cache, std::size_t kShards>
void ask(Asked<Cache, kShards>& asked, const Call& call, Output& out) {
  asked.team.run([&](int member) {
    const Share mine = share(call.size(), 1, member, asked.team.count());
    std::uint64_t hits = 0;
    for (std::size_t i = mine.begin; i < mine.end; ++i) {
      bool hit = false;
      out[i] = asked.cache.get(call[i], Caching::compute, hit);
      hits += hit ? 1 : 0;
    }
    auto& counts = asked.counts[static_cast<std::size_t>(member)];
    counts.hits += hits;
    counts.all += mine.size();
  });
}

using Lru = LruCache<std::uint64_t>;
using Clocked = ClockCache<std::uint64_t>;
constexpr std::size_t kShards = 64;

constexpr Variant<Caching> kVariants[] = {
    {.name = "naive",
     .run = run<ask<Lru, 1>>,
     .what = "least recently used, a list and a std::unordered_map, under one std::mutex"},
    {.name = "shards",
     .run = run<ask<Lru, kShards>>,
     .what =
         "64 of them, each with its own lock: threads seldom meet; each shard evicts for itself"},
    {.name = "clock",
     .run = run<ask<Clocked, 1>>,
     .what = "one lock, held for less long: a hit sets a bit, nothing is moved or allocated"},
    {.name = "clock_shards",
     .run = run<ask<Clocked, kShards>>,
     .what = "both: 64 locks, each held for one look-up in a flat table"},
};

const Registrar kRegistrar(
    {.name = "concurrency/sharded_cache",
     .axis = Axis::kCoherence,
     .technique = "a lock that threads seldom want at once, and hold for less long",
     .sizes = {1 << 12, 1 << 14, 1 << 16, 1 << 18},
     .headline = {1 << 14, 1 << 16},
     .sweeps_threads = true,
     .clock = Clock::kWall,
     .demand =
         [](const Setting& s) {
           return Demand{.items = static_cast<double>(s.n),
                         .working_set = kRoom * 64,
                         .memory = 4 * kRoom * 128 + 16 * kCarried + 40 * s.n};
         },
     .test_sizes = {0, 1, 5000}},
    kVariants);

}  // namespace
}  // namespace headroom

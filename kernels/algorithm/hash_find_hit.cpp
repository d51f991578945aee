// algorithm/hash_find_hit: look up keys that are in a hash map.
//
// In: n distinct random 64-bit keys with their 64-bit values, and a batch of 1024 queries per call,
// each a random one of the keys; the batches rotate through 2^20 queries. Every map has been told n
// before it was filled. Out: the value of each query. Exact. The maps, the input (Lookups) and the
// output are in hash_maps.h, our own table in flat_table.h.
//
// To be learned: a node-based map pays for a division (buckets of a prime number), and for two or
// three misses that wait for one another: bucket, node, and the nodes chained before it. One line
// is enough; and where many keys are known, their misses overlap. The ceiling: a find has to fetch
// one line at least, and these wait for nothing.
//
// Links: boost_flat_map
#include <cstddef>
#include <cstdint>

#include "algorithm/hash_maps.h"
#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

struct HashFindHit : Finds {
  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    Input in(setting.n, fast);
    for (std::uint64_t& query : in.queries) query = in.entries.keys[bounded(fast, setting.n)];
    return in;
  }
};
using Call = Lookups::Call;
using Output = HashFindHit::Output;

template <class Map>
void find_each(const Filled<Map>& state, const Call& queries, Output& out) {
  for (std::size_t i = 0; i < queries.size(); ++i) out[i] = state.map.find(queries[i])->second;
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/flat_table-inl.h"
#include "algorithm/flat_table-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FindEach);
HWY_EXPORT(FindGroups);

void flat_table(const Filled<FlatTable>& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindEach)(state.map.view(), queries.data(), queries.size(), out.data());
}

void flat_table_batched(const Filled<FlatTable>& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindGroups)
  (state.map.view(), state.map.bytes() > l2_bytes(), queries.data(), queries.size(), out.data());
}

constexpr Variant<HashFindHit> kVariants[] = {
    {.name = "naive",
     .run = run<find_each<StdMap>>,
     .what = "std::unordered_map: a division, then a chain of nodes"},
    {.name = "absl_flat_hash_map",
     .run = run<find_each<AbslMap>>,
     .what = "absl::flat_hash_map: open addressing, 16 control bytes compared at once",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<find_each<RobinMap>>,
     .what = "tsl::robin_map: entries in the probed array, short probes",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<find_each<RobinMapHash>>,
     .what = "tsl::robin_map with stored hashes: larger entries, no gain for integer keys",
     .role = Role::kPeer},
    {.name = "boost_unordered_flat_map",
     .run = kRunBoost<find_each<BoostMap>>,
     .what = "boost::unordered_flat_map: 15 slots and their bytes of hash compared at once",
     .role = Role::kPeer,
     .needs = kNeedsBoostFlatMap},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "one cache line per find: a bucket of four keys with their values, compared at once"},
    {.name = "flat_table_batched",
     .run = run<flat_table_batched>,
     .what =
         "homes of 256 queries prefetched, then no branch; within L2 nothing is left to overlap"},
};

const Registrar kRegistrar(
    {.name = "algorithm/hash_find_hit",
     .axis = Axis::kMemoryLatency,
     .technique = "one cache line per find, no misprediction; many finds under way at once",
     .sizes = {10'000, 100'000, 1'000'000, 10'000'000},
     .headline = {10'000, 1'000'000},
     .ceiling = {"machine/miss_throughput"},
     .demand =
         [](const Setting& s) {
           return Demand{.items = kBatch,
                         .accesses = kBatch,
                         .working_set = 16 * s.n,
                         .memory = 440 * s.n + 8 * kQueries};
         }},
    kVariants);

}  // namespace
}  // namespace headroom

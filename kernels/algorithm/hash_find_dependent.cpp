// algorithm/hash_find_dependent: look up keys in a hash map, each known only when the last is
// found.
//
// In: n distinct random 64-bit keys with their 64-bit values, and a batch of 1024 queries per call,
// each a random one of the keys, exclusive-or the value of the one before it (the first of a batch
// as it is); the batches rotate through 2^20 queries. Every map has been told n before it was
// filled. Out: the value of each key. Exact. The maps, the input (Lookups) and the output are in
// hash_maps.h, our own table in flat_table.h.
//
// To be learned: this is what a pointer chase through a map costs. No two finds overlap, so what
// counts is how many misses wait for one another in one find, and beside them the latency, not the
// number, of its instructions. The ceiling: one load per find from memory as large as the entries.
// Beyond the caches one miss is all that is left, and the gain is the number of misses that
// std::unordered_map has.
//
// Links: boost_flat_map
#include <cstddef>
#include <cstdint>

#include "algorithm/hash_maps.h"
#include "core/kernel.h"

namespace headroom {
namespace {

struct HashFindDependent : Finds {
  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    Input in(setting.n, fast);
    std::uint64_t last = 0;
    for (std::size_t i = 0; i < in.queries.size(); ++i) {
      const std::size_t wanted = static_cast<std::size_t>(bounded(fast, setting.n));
      in.queries[i] = in.entries.keys[wanted] ^ (i % kBatch == 0 ? 0 : last);
      last = in.entries.values[wanted];
    }
    return in;
  }
};
using Call = Lookups::Call;
using Output = HashFindDependent::Output;

template <class Map>
void find_chain(const Filled<Map>& state, const Call& masked, Output& out) {
  std::uint64_t last = 0;
  for (std::size_t i = 0; i < masked.size(); ++i) {
    last = state.map.find(masked[i] ^ last)->second;
    out[i] = last;
  }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_find_dependent-inl.h"
#include "algorithm/hash_find_dependent-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FindChain);
HWY_EXPORT(FindChainCompared);

void flat_table(const Filled<FlatTable>& state, const Call& masked, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindChainCompared)
  (state.map.view(), masked.data(), masked.size(), out.data());
}

// The value is used before the key was compared, see FindChain().
void flat_table_guess(const Filled<FlatTable>& state, const Call& masked, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindChain)(state.map.view(), masked.data(), masked.size(), out.data());
}

constexpr Variant<HashFindDependent> kVariants[] = {
    {.name = "naive",
     .run = run<find_chain<StdMap>>,
     .what = "std::unordered_map: a division, then two or three misses one after the other"},
    {.name = "absl_flat_hash_map",
     .run = run<find_chain<AbslMap>>,
     .what = "absl::flat_hash_map: two misses, control bytes, then the slot",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<find_chain<RobinMap>>,
     .what = "tsl::robin_map: one miss, rarely two; but the length of a probe is mispredicted",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<find_chain<RobinMapHash>>,
     .what = "tsl::robin_map with stored hashes: larger entries, no gain for integer keys",
     .role = Role::kPeer},
    {.name = "boost_unordered_flat_map",
     .run = kRunBoost<find_chain<BoostMap>>,
     .what = "boost::unordered_flat_map: two misses, 15 bytes of hash, then the slot",
     .role = Role::kPeer,
     .needs = kNeedsBoostFlatMap},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "keys and values of a bucket in one line of a huge page: one miss, hardly any "
             "mispredictions"},
    {.name = "flat_table_guess",
     .run = run<flat_table_guess>,
     .what = "branch prediction that the key lies in its own slot: the value is used before it is "
             "compared"},
};

const Registrar kRegistrar({.name = "algorithm/hash_find_dependent",
                            .axis = Axis::kMemoryLatency,
                            .technique = "one miss per find, and few steps beside it",
                            .sizes = {10'000, 100'000, 1'000'000, 10'000'000},
                            .headline = {10'000, 1'000'000},
                            .ceiling = {"machine/latency"},
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

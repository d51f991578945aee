// algorithm/hash_find_miss: look up keys that are not in a hash map.
//
// In: n distinct random 64-bit keys with their 64-bit values, and a batch of 1024 queries per call,
// all but one of them not among the keys; the batches rotate through 2^20 queries. The one that is,
// at a random place, catches a map that finds nothing. Every map has been told n before it was
// filled. Out: for each query its value, or 0 (which is no value). Exact. The maps, the input
// (Lookups) and the output are in hash_maps.h, our own table in flat_table.h.
//
// To be learned: nothing can be found, so what counts is how few bytes tell so. A chain of nodes
// has to be walked to its end, with a miss for each; a byte of hash for each slot (SwissTable) or a
// filter is so much smaller than the table that it lies in a nearer cache. The ceiling: one access
// per query to a byte for each key.
//
// Links: boost_flat_map
#include <cstddef>
#include <cstdint>

#include "algorithm/hash_maps.h"
#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

struct HashFindMiss : Finds {
  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    Input in(setting.n, fast);
    for (std::uint64_t& query : in.queries)
      query = scramble(in.entries.first + setting.n + (fast() >> 24));
    for (std::size_t batch = 0; batch < in.queries.size(); batch += kBatch)
      in.queries[batch + bounded(fast, kBatch)] = in.entries.keys[bounded(fast, setting.n)];
    return in;
  }
};
using Call = Lookups::Call;
using Output = HashFindMiss::Output;

template <class Map>
void find_each(const Filled<Map>& state, const Call& queries, Output& out) {
  for (std::size_t i = 0; i < queries.size(); ++i) {
    const auto found = state.map.find(queries[i]);
    out[i] = found == state.map.end() ? 0 : found->second;
  }
}

// A Bloom filter of a word of 32 bits for each bucket (Putze, Sanders and Singler, "Cache-, Hash-
// and Space-Efficient Bloom Filters", 2009, with blocks as small as they get). Each key sets two
// bits in the word of its home: those that the 10 bits of the hash below its slot tell.
struct Filter {
  const std::uint32_t* words;
  int shift;

  Filter(const std::uint32_t* words, const FlatTable::Hash& hash)
      : words(words), shift(hash.shift - 10) {}
  std::uint32_t bits(std::uint64_t hash) const {
    const std::uint64_t two = hash >> shift;
    return (1u << (two & 31)) | (1u << (two >> 5 & 31));
  }
  bool may_have(std::uint64_t hash, std::size_t home) const {
    return (~words[home] & bits(hash)) == 0;
  }
};

// The table with a filter before it, made once it was full.
struct Filtered : Filled<FlatTable> {
  Buffer<std::uint32_t> words;
  explicit Filtered(const Lookups& in) : Filled<FlatTable>(in), words(map.view().mask + 1) {
    for (const std::uint64_t key : in.entries.keys) {
      const std::uint64_t hash = map.hash().of(key);
      words[map.hash().home(hash)] |= filter().bits(hash);
    }
  }
  Filter filter() const { return {words.data(), map.hash()}; }
};

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_find_miss-inl.h"
#include "algorithm/hash_find_miss-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FindEach);
HWY_EXPORT(FindGroups);
HWY_EXPORT(FindEachFiltered);
HWY_EXPORT(FindGroupsFiltered);

void flat_table(const Filled<FlatTable>& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindEach)(state.map.view(), queries.data(), queries.size(), out.data());
}

void flat_table_batched(const Filled<FlatTable>& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindGroups)
  (state.map.view(), state.map.bytes() > l2_bytes(), queries.data(), queries.size(), out.data());
}

void flat_table_filtered(const Filtered& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindEachFiltered)
  (state.map.view(), state.filter(), queries.data(), queries.size(), out.data());
}

void flat_table_filtered_batched(const Filtered& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindGroupsFiltered)
  (state.map.view(), state.filter(), l2_bytes(), queries.data(), queries.size(), out.data());
}

constexpr Variant<HashFindMiss> kVariants[] = {
    {.name = "naive",
     .run = run<find_each<StdMap>>,
     .what = "std::unordered_map: a division, then a chain of nodes, to its end"},
    {.name = "absl_flat_hash_map",
     .run = run<find_each<AbslMap>>,
     .what = "absl::flat_hash_map: 16 control bytes compared at once, mostly no key",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<find_each<RobinMap>>,
     .what = "tsl::robin_map: a probe ends at the first entry that is nearer to its home",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<find_each<RobinMapHash>>,
     .what = "tsl::robin_map with stored hashes: larger entries, no gain for integer keys",
     .role = Role::kPeer},
    {.name = "boost_unordered_flat_map",
     .run = kRunBoost<find_each<BoostMap>>,
     .what = "boost::unordered_flat_map: 15 bytes of hash at once, and one that shows overflow",
     .role = Role::kPeer,
     .needs = kNeedsBoostFlatMap},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "one cache line per query and four keys at once; but a line of the table itself"},
    {.name = "flat_table_batched",
     .run = run<flat_table_batched>,
     .what = "the lines of 256 queries fetched together"},
    {.name = "flat_table_filtered",
     .run = run<flat_table_filtered>,
     .what = "32 filter bits per bucket, in a nearer cache than the table, end 99 of 100 queries",
     .promise_note = "a key that is erased stays in the filter"},
    {.name = "flat_table_filtered_batched",
     .run = run<flat_table_filtered_batched>,
     .what = "256 queries hashed in vectors, filtered without a branch; few go to the table",
     .promise_note = "a key that is erased stays in the filter"},
};

const Registrar kRegistrar({.name = "algorithm/hash_find_miss",
                            .axis = Axis::kMemoryLatency,
                            .technique = "absence shows in few bytes, which lie in a near cache",
                            .sizes = {10'000, 100'000, 1'000'000, 10'000'000},
                            .headline = {10'000, 1'000'000},
                            .ceiling = {"machine/miss_throughput"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = kBatch,
                                                .accesses = kBatch,
                                                .working_set = s.n,
                                                .memory = 600 * s.n + 8 * kQueries};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

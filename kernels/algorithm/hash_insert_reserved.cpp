// algorithm/hash_insert_reserved: fill a hash map that is told how many keys will come.
//
// In: n random 64-bit keys, a 16th of them repeats of an earlier one, with a 64-bit value each.
// The key's first value is the one that is kept. The keys rotate through 2^20 or more. A call
// starts with an empty map as it is made by default and reserves room for n keys, which is timed;
// its destruction is not. Out: the value that the map has for each key, and its size (asked for
// untimed). Exact.
//
// No entry has to be moved, so what is left is a miss a key, and the memory's first touch. The maps
// are in hash_maps.h, our own in flat_table.h.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_insert_reserved.cpp"
#include "algorithm/flat_table-inl.h"

#if HWY_ONCE
#include "algorithm/hash_inserts.h"  // with from(std::span<const std::uint8_t>)
#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(InsertEach);
HWY_EXPORT(InsertGroups);

struct HashInsertReserved : HashInserts {};
using Output = HashInsertReserved::Output;
template <class Map>
using Work = HashInsertReserved::Work<Map>;

template <class Map>
void insert(Work<Map>& work, Output&) {
  work.map.reserve(work.in.keys.size());
  insert_each(work.map, work.in);
}

void flat_table(Work<FlatTable>& work, Output&) {
  work.map.reserve(work.in.keys.size());
  HWY_DYNAMIC_DISPATCH(InsertEach)
  (work.map, work.in.keys.data(), work.in.values.data(), work.in.keys.size());
}

// 256 keys are hashed in vectors, and their buckets asked for, before the first goes in.
void flat_table_batched(Work<FlatTable>& work, Output&) {
  work.map.reserve(work.in.keys.size());
  HWY_DYNAMIC_DISPATCH(InsertGroups)
  (work.map, l2_bytes(), work.in.keys.data(), work.in.values.data(), work.in.keys.size());
}

constexpr Variant<HashInsertReserved> kVariants[] = {
    {.name = "naive",
     .run = run<insert<StdMap>>,
     .what = "std::unordered_map: an allocation a key, and two misses"},
    {.name = "absl_flat_hash_map",
     .run = run<insert<AbslMap>>,
     .what = "absl::flat_hash_map: entries in an array, at most 7/8 full",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<insert<RobinMap>>,
     .what = "tsl::robin_map: entries in an array, at most half full",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<insert<RobinMapHash>>,
     .what = "tsl::robin_map with stored hashes: larger entries, and nothing is saved",
     .role = Role::kPeer},
    {.name = "boost_unordered_flat_map",
#if HEADROOM_HAVE_BOOST_FLAT_MAP
     .run = run<insert<BoostMap>>,
#else
     .run = kNotBuilt,
#endif
     .what = "boost::unordered_flat_map: entries in an array, at most 7/8 full",
     .role = Role::kPeer,
     .needs = kNeedsBoostFlatMap},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "one line a key and one probe, on huge pages: few first touches"},
    {.name = "flat_table_batched",
     .run = run<flat_table_batched>,
     .what = "256 keys hashed in vectors and their lines fetched together"},
};

const Registrar kRegistrar(
    {.name = "algorithm/hash_insert_reserved",
     .axis = Axis::kMemoryLatency,
     .technique = "no allocation a key, one miss a key, many under way at once",
     .sizes = {10'000, 100'000, 1'000'000, 10'000'000},
     .headline = {10'000, 100'000},
     .ceiling = {"machine/miss_throughput"},
     .demand = HashInserts::demand},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

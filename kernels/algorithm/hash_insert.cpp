// algorithm/hash_insert and algorithm/hash_insert_reserved: fill a hash map that doesn't know how
// many keys will come, and one that does.
//
// In: n random 64-bit keys, a 16th of them repeats of an earlier one, with a 64-bit value each.
// The key's first value is the one that is kept. The keys rotate through 2^20 or more. A call
// starts with an empty map as it is made by default; its destruction is not timed, but to reserve
// room for n keys is. Out: the value that the map has for each key, and its size (asked for
// untimed). Exact. The maps are in hash_maps.h, our own in flat_table.h.
//
// To be learned: a node-based map allocates for each key; all maps that keep their entries in an
// array have to move them when it gets too small. Where room was reserved, what is left is a miss
// per key, and the memory's first touch.
//
// Links: boost_flat_map
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

#include "algorithm/hash_maps.h"
#include "core/cpu.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

// n random keys, a 16th of them repeats of one before, and a value for each, none of them 0.
struct Inserts {
  std::span<const std::uint64_t> keys;
  std::span<const std::uint64_t> values;
};

struct HashInserts {
  using Call = Inserts;
  struct Input {
    Slices slices;  // of n keys, and of their values
    Buffer<std::uint64_t> keys;
    Buffer<std::uint64_t> values;
    Inserts at(std::size_t turn) const { return {slices.of(keys, turn), slices.of(values, turn)}; }
  };
  // The value that the map has for each key, and its size.
  using Output = Buffer<std::uint64_t>;

  // An empty map, as it is made, and what comes into it.
  template <class Map>
  struct Work {
    Map map;
    Inserts in;
    explicit Work(const Input&) {}
    void refill(const Inserts& call) {
      map = Map();
      in = call;
    }
    void answer(Output& out) const {
      for (std::size_t i = 0; i < in.keys.size(); ++i) out[i] = value(in.keys[i]);
      out[in.keys.size()] = map.size();
    }
    std::uint64_t value(std::uint64_t key) const {
      const auto found = map.find(key);
      if constexpr (std::is_same_v<Map, FlatTable>)
        return found == nullptr ? 0 : *found;
      else
        return found == map.end() ? 0 : found->second;
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{.slices = Slices::covering(n < kSmallest ? kTestQueries : kQueries, n)};
    in.keys = Buffer<std::uint64_t>(in.slices.items());
    in.values = Buffer<std::uint64_t>(in.slices.items());
    FastRng fast(rng());
    const std::uint64_t first = fast();
    for (std::size_t i = 0; i < in.keys.size(); ++i) {
      const bool repeat = i % n != 0 && fast() >> 60 == 0;
      in.keys[i] = repeat ? in.keys[i - 1 - bounded(fast, i % n)] : scramble(first + i);
      in.values[i] = fast() | 1;
    }
    return in;
  }
  // Any bytes, eight per key.
  static Input from(std::span<const std::uint8_t> bytes) {
    // Where keys collide, insertion is quadratic; and a robin_map with 8192 entries in one place
    // doubles again and again, without end where its hash of all of them ends in the same bits.
    constexpr std::size_t kMost = 4000;
    const std::size_t n = std::min(bytes.size() / 8, kMost);
    Input in{.slices = Slices::within(n, n)};
    in.keys = Buffer<std::uint64_t>(n);
    in.values = Buffer<std::uint64_t>(n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t byte = 0; byte < 8; ++byte)
        in.keys[i] |= std::uint64_t{bytes[8 * i + byte]} << (8 * byte);
      in.values[i] = i + 1;
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size() + 1); }
  static absl::Status same(const Inserts&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

using Output = HashInserts::Output;
template <class Map>
using Work = HashInserts::Work<Map>;

template <class Map>
void insert(Work<Map>& work, Output&) {
  for (std::size_t i = 0; i < work.in.keys.size(); ++i)
    work.map.emplace(work.in.keys[i], work.in.values[i]);
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/flat_table-inl.h"
#include "algorithm/flat_table-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(InsertEach);
HWY_EXPORT(InsertGroups);

// Growing is a pass from front to back through both tables, and needs no allocation for a key.
void flat_table(Work<FlatTable>& work, Output&) {
  HWY_DYNAMIC_DISPATCH(InsertEach)
  (work.map, work.in.keys.data(), work.in.values.data(), work.in.keys.size());
}

// 256 keys are hashed in vectors, and their buckets asked for, before the first goes in.
void flat_table_batched(Work<FlatTable>& work, Output&) {
  HWY_DYNAMIC_DISPATCH(InsertGroups)
  (work.map, l2_bytes(), work.in.keys.data(), work.in.values.data(), work.in.keys.size());
}

// One of the above, once there is room.
template <class Map, auto kInsert>
void reserved(Work<Map>& work, Output& out) {
  work.map.reserve(work.in.keys.size());
  kInsert(work, out);
}

constexpr Variant<HashInserts> kGrowing[] = {
    {.name = "naive",
     .run = run<insert<StdMap>>,
     .what = "std::unordered_map: an allocation per key, and a rehash of scattered nodes"},
    {.name = "absl_flat_hash_map",
     .run = run<insert<AbslMap>>,
     .what = "absl::flat_hash_map: entries in an array that doubles when 7/8 are taken",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<insert<RobinMap>>,
     .what = "tsl::robin_map: entries in an array that doubles when half are taken",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<insert<RobinMapHash>>,
     .what = "tsl::robin_map with stored hashes: growing hashes no key again",
     .role = Role::kPeer},
    {.name = "boost_unordered_flat_map",
     .run = kRunBoost<insert<BoostMap>>,
     .what = "boost::unordered_flat_map: entries in an array that doubles when 7/8 are taken",
     .role = Role::kPeer,
     .needs = kNeedsBoostFlatMap},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "one line per key and one probe; growing streams through old and new table"},
    {.name = "flat_table_batched",
     .run = run<flat_table_batched>,
     .what = "256 keys hashed in vectors and their lines fetched together"},
};

constexpr Variant<HashInserts> kReserved[] = {
    {.name = "naive",
     .run = run<reserved<StdMap, insert<StdMap>>>,
     .what = "std::unordered_map: an allocation per key, and two misses"},
    {.name = "absl_flat_hash_map",
     .run = run<reserved<AbslMap, insert<AbslMap>>>,
     .what = "absl::flat_hash_map: entries in an array, at most 7/8 full",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<reserved<RobinMap, insert<RobinMap>>>,
     .what = "tsl::robin_map: entries in an array, at most half full",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<reserved<RobinMapHash, insert<RobinMapHash>>>,
     .what = "tsl::robin_map with stored hashes: larger entries, and nothing is saved",
     .role = Role::kPeer},
    {.name = "boost_unordered_flat_map",
     .run = kRunBoost<reserved<BoostMap, insert<BoostMap>>>,
     .what = "boost::unordered_flat_map: entries in an array, at most 7/8 full",
     .role = Role::kPeer,
     .needs = kNeedsBoostFlatMap},
    {.name = "flat_table",
     .run = run<reserved<FlatTable, flat_table>>,
     .what = "one line per key and one probe, on huge pages: few first touches"},
    {.name = "flat_table_batched",
     .run = run<reserved<FlatTable, flat_table_batched>>,
     .what = "256 keys hashed in vectors and their lines fetched together"},
};

Metadata metadata(std::string name, std::string technique) {
  return {.name = std::move(name),
          .axis = Axis::kMemoryLatency,
          .technique = std::move(technique),
          .sizes = {10'000, 100'000, 1'000'000, 10'000'000},
          .headline = {10'000, 100'000},
          .ceiling = {"machine/miss_throughput"},
          .demand = [](const Setting& s) {
            return Demand{.items = static_cast<double>(s.n),
                          .accesses = static_cast<double>(s.n),
                          .working_set = 16 * s.n,
                          .memory = 1200 * s.n + 16 * kQueries};
          }};
}

const Registrar kRegistrar(metadata("algorithm/hash_insert",
                                    "no allocation per key; growing in order of the hash"),
                           kGrowing);
const Registrar kRegistrarReserved(
    metadata("algorithm/hash_insert_reserved",
             "no allocation per key, one miss per key, many under way at once"),
    kReserved);

}  // namespace
}  // namespace headroom

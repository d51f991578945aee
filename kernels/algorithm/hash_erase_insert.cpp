// algorithm/hash_erase_insert: replace keys of a hash map whose size stays the same.
//
// In: a map of n random 64-bit keys with their 64-bit values, and 512 of its keys with 512 others
// per call; they rotate through 2^20. A call erases one of the first and inserts one of the second,
// 512 times, and then the other way round, so that each call finds the map with the same entries. A
// key may be among the 512 twice: it can be erased but once. Out: for each erased key the value
// that it had, or 0; for each inserted key whether it was new. Exact. The maps are in hash_maps.h,
// our own in flat_table.h.
//
// To be learned: each step is a miss or more, and what erasing leaves behind stays to be paid for:
// nodes are freed and allocated, tombstones lengthen probes until a rehash clears them, moving
// entries back costs at once. The ceiling: one line for each erased and each inserted key.
//
// Links: boost_flat_map
#include <cstddef>
#include <cstdint>
#include <span>

#include "algorithm/hash_maps.h"
#include "core/cpu.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kReplaced = kBatch / 2;  // there; and as many back

struct Pairs {
  Buffer<std::uint64_t> keys;
  Buffer<std::uint64_t> values;
};

struct HashEraseInsert {
  struct Side {
    std::span<const std::uint64_t> keys, values;
  };
  struct Call {
    Side inside, outside;
  };
  struct Input {
    Entries entries;
    Slices slices;          // of kReplaced pairs
    Pairs inside, outside;  // none where there is no key
    Call at(std::size_t turn) const {
      const auto side = [&](const Pairs& pairs) {
        return Side{slices.of(pairs.keys, turn), slices.of(pairs.values, turn)};
      };
      return {side(inside), side(outside)};
    }
  };
  // Erased there, inserted there, erased back, inserted back.
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    FastRng fast(rng());
    Input in{.entries = Entries(n, fast)};
    if (n != 0) in.slices = Slices::within(n < kSmallest ? kTestQueries : kQueries, kReplaced);
    const std::size_t count = in.slices.items();
    for (Pairs* pairs : {&in.inside, &in.outside})
      *pairs = {Buffer<std::uint64_t>(count), Buffer<std::uint64_t>(count)};
    for (std::size_t i = 0; i < count; ++i) {
      const auto which = static_cast<std::size_t>(bounded(fast, n));
      in.inside.keys[i] = in.entries.keys[which];
      in.inside.values[i] = in.entries.values[which];
      in.outside.keys[i] = scramble(in.entries.first + n + i);
      in.outside.values[i] = fast() | 1;
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out = Output(in.inside.keys.empty() ? 0 : 4 * kReplaced);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = HashEraseInsert::Call;
using Side = HashEraseInsert::Side;
using Output = HashEraseInsert::Output;

// Calls one(from, to, erased, inserted) for both ways.
template <class One>
void there_and_back(const Call& call, Output& out, One&& one) {
  if (out.empty()) return;
  one(call.inside, call.outside, out.data(), out.data() + kReplaced);
  one(call.outside, call.inside, out.data() + 2 * kReplaced, out.data() + 3 * kReplaced);
}

// The entry that it points to; without looking for the next one, where a map has a way to say so.
template <class Map>
void erase_found(Map& map, typename Map::iterator found) {
  if constexpr (requires { map.erase_fast(found); })
    map.erase_fast(found);
  else
    map.erase(found);
}

template <class Map>
void replace(Filled<Map>& state, const Call& call, Output& out) {
  there_and_back(
      call, out,
      [&](const Side& from, const Side& to, std::uint64_t* erased, std::uint64_t* inserted) {
        for (std::size_t i = 0; i < kReplaced; ++i) {
          const auto found = state.map.find(from.keys[i]);
          erased[i] = found == state.map.end() ? 0 : found->second;
          if (erased[i] != 0) erase_found(state.map, found);
          inserted[i] = state.map.emplace(to.keys[i], to.values[i]).second;
        }
      });
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_erase_insert-inl.h"
#include "algorithm/hash_erase_insert-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(ReplaceEach);
HWY_EXPORT(ReplaceGroups);

void flat_table(Filled<FlatTable>& state, const Call& call, Output& out) {
  there_and_back(
      call, out,
      [&](const Side& from, const Side& to, std::uint64_t* erased, std::uint64_t* inserted) {
        HWY_DYNAMIC_DISPATCH(ReplaceEach)
        (state.map, from.keys.data(), to.keys.data(), to.values.data(), kReplaced, erased,
         inserted);
      });
}

// The lines of the next 64 keys on both sides are on their way before the first is erased.
void flat_table_batched(Filled<FlatTable>& state, const Call& call, Output& out) {
  there_and_back(
      call, out,
      [&](const Side& from, const Side& to, std::uint64_t* erased, std::uint64_t* inserted) {
        HWY_DYNAMIC_DISPATCH(ReplaceGroups)
        (state.map, l2_bytes(), from.keys.data(), to.keys.data(), to.values.data(), kReplaced,
         erased, inserted);
      });
}

constexpr Variant<HashEraseInsert> kVariants[] = {
    {.name = "naive",
     .run = run<replace<StdMap>>,
     .what = "std::unordered_map: a node freed and one allocated, each behind a chain of misses"},
    {.name = "absl_flat_hash_map",
     .run = run<replace<AbslMap>>,
     .what =
         "absl::flat_hash_map: a control byte marks the place free, or dead if its group was full",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<replace<RobinMap>>,
     .what = "tsl::robin_map: the entries behind move back by one, no tombstones",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<replace<RobinMapHash>>,
     .what = "tsl::robin_map with stored hashes: larger entries, no gain for integer keys",
     .role = Role::kPeer},
    {.name = "boost_unordered_flat_map",
     .run = kRunBoost<replace<BoostMap>>,
     .what = "boost::unordered_flat_map: the place is free at once, but room shrinks till a rehash",
     .role = Role::kPeer,
     .needs = kNeedsBoostFlatMap},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "one line for each key; only where a bucket was full does one move back"},
    {.name = "flat_table_batched",
     .run = run<flat_table_batched>,
     .what = "the lines of 64 replacements fetched together"},
};

const Registrar kRegistrar({.name = "algorithm/hash_erase_insert",
                            .axis = Axis::kMemoryLatency,
                            .technique = "erasing that leaves nothing behind; misses that overlap",
                            .sizes = {10'000, 100'000, 1'000'000, 10'000'000},
                            .headline = {10'000, 1'000'000},
                            .ceiling = {"machine/miss_throughput"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = kBatch,
                                                .accesses = 2 * kBatch,
                                                .working_set = 16 * s.n,
                                                .memory = 600 * s.n + 32 * kQueries};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

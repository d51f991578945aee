// algorithm/hash_erase_insert: replace keys of a hash map whose size stays the same.
//
// In: a map of n random 64-bit keys with their 64-bit values, and 512 of its keys with 512 others a
// call; they rotate through 2^20. A call erases one of the first and inserts one of the second, 512
// times, and then the other way round, so that each call finds the map with the same entries. A key
// may be among the 512 twice: it can be erased but once. Out: for each erased key the value that it
// had, or 0; for each inserted key whether it was new. Exact.
//
// Each step is a miss or more, and what erasing leaves behind stays to be paid for: nodes are freed
// and allocated, tombstones lengthen probes until a rehash clears them, moving entries back costs
// at once. The maps are in hash_maps.h, our own in flat_table.h. The ceiling: one line for each
// erased and each inserted key.
//
// Links: boost_flat_map
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_erase_insert.cpp"
#include "algorithm/flat_table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void ReplaceEach(FlatTable& table, const uint64_t* HWY_RESTRICT old,
                 const uint64_t* HWY_RESTRICT keys, const uint64_t* HWY_RESTRICT values,
                 size_t count, uint64_t* HWY_RESTRICT erased, uint64_t* HWY_RESTRICT inserted) {
  Changer to(table);
  for (size_t i = 0; i < count; ++i) {
    erased[i] = to.erase(old[i], to.own_slot(old[i]));
    to.reserve(1);
    inserted[i] = to.insert(keys[i], values[i], to.own_slot(keys[i]));
  }
}

void ReplaceGroups(FlatTable& table, size_t l2_bytes, const uint64_t* HWY_RESTRICT old,
                   const uint64_t* HWY_RESTRICT keys, const uint64_t* HWY_RESTRICT values,
                   size_t count, uint64_t* HWY_RESTRICT erased, uint64_t* HWY_RESTRICT inserted) {
  constexpr size_t kStep = 64;  // twice as many lines: what the core can have under way
  Changer to(table);
  size_t from[kStep], into[kStep];
  for (size_t i = 0; i < count; i += kStep) {
    const size_t group = HWY_MIN(kStep, count - i);
    to.reserve(static_cast<int64_t>(group));
    const FlatTable::Bucket* const buckets = to.view().buckets;
    const bool far = table.bytes() > l2_bytes;
    OwnSlots(to.view(), far, old + i, group, from);
    OwnSlots(to.view(), far, keys + i, group, into);
    for (size_t j = 0; j < group; ++j) {
      const uint64_t gone = old[i + j], key = keys[i + j];
      const bool moved = to.view().buckets != buckets;  // to a new table: hardly ever
      erased[i + j] = to.erase(gone, HWY_UNLIKELY(moved) ? to.own_slot(gone) : from[j]);
      inserted[i + j] =
          to.insert(key, values[i + j], HWY_UNLIKELY(moved) ? to.own_slot(key) : into[j]);
    }
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "algorithm/hash_maps.h"
#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(ReplaceEach);
HWY_EXPORT(ReplaceGroups);

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
    Pairs inside, outside;  // none where there is no key
    Call at(std::size_t turn) const {
      if (inside.keys.empty()) return {};
      const std::size_t first = (turn & (inside.keys.size() / kReplaced - 1)) * kReplaced;
      const auto side = [&](const Pairs& pairs) {
        return Side{{pairs.keys.data() + first, kReplaced},
                    {pairs.values.data() + first, kReplaced}};
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
    const std::size_t count = n == 0 ? 0 : n < kSmallest ? kTestQueries : kQueries;
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
#endif  // HWY_ONCE

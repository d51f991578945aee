// algorithm/hash_find_dependent: look up keys in a hash map, each known only when the last is
// found.
//
// In: n distinct random 64-bit keys with their 64-bit values, and a batch of 1024 queries a call,
// each a random one of the keys, exclusive-or the value of the one before it (the first of a batch
// as it is); the batches rotate through 2^20 queries. Every map has been told n before it was
// filled. Out: the value of each key. Exact.
//
// This is what a pointer chase through a map costs: no two finds overlap, so what counts is how
// many misses wait for one another in one find, and beside them the latency, not the number, of its
// instructions. The ceiling: one load a find from memory as large as the entries. Beyond the caches
// one miss is all that is left, and the gain is the number of misses that std::unordered_map has.
//
// Links: boost_flat_map
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_find_dependent.cpp"
#include "algorithm/flat_table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

template <bool kStrong>
HWY_INLINE void FindChainWith(const FlatTable::View& table, const uint64_t* HWY_RESTRICT masked,
                              size_t count, uint64_t* HWY_RESTRICT out) {
  const FlatTable::Slot* HWY_RESTRICT slots = table.buckets->slots;
  uint64_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t key = masked[i] ^ last;
    const size_t own = table.hash.slot(table.hash.of<kStrong>(key));
    const FlatTable::Slot& slot = slots[own];
    if (HWY_LIKELY(slot.key == key && key != FlatTable::kEmpty))
      last = slot.value;
    else
      last = Find(table, key, own / FlatTable::kSlots);
    out[i] = last;
  }
}

}  // namespace

// The value is loaded together with the key, not after it was compared: that the key lies in its
// own slot, as six of seven do, is left to the branch predictor, and the next find sets out from
// the value meanwhile. A wrong guess costs less than always waiting for the comparison of four.
void FindChain(const FlatTable::View& view, const uint64_t* HWY_RESTRICT masked, size_t count,
               uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  if (table.hash.strong)
    FindChainWith<true>(table, masked, count, out);
  else
    FindChainWith<false>(table, masked, count, out);
}

// The same without a guess.
void FindChainCompared(const FlatTable::View& view, const uint64_t* HWY_RESTRICT masked,
                       size_t count, uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  uint64_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t key = masked[i] ^ last;
    last = Find(table, key, table.home(key));
    out[i] = last;
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "algorithm/hash_maps.h"
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(FindChain);
HWY_EXPORT(FindChainCompared);

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

void flat_table(const Filled<FlatTable>& state, const Call& masked, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindChainCompared)
  (state.map.view(), masked.data(), masked.size(), out.data());
}

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
     .what = "tsl::robin_map: one miss, rarely two; but guesses at the length of each probe",
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
     .what = "keys and values of a bucket in one line of a huge page: one miss, hardly a guess"},
    {.name = "flat_table_guess",
     .run = run<flat_table_guess>,
     .what = "a guess that the key lies in its own slot: its value is on the way uncompared"},
};

const Registrar kRegistrar({.name = "algorithm/hash_find_dependent",
                            .axis = Axis::kMemoryLatency,
                            .technique = "one miss a find, and few steps beside it",
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
#endif  // HWY_ONCE

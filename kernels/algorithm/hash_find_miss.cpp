// algorithm/hash_find_miss: look up keys that are not in a hash map.
//
// In: n distinct random 64-bit keys with their 64-bit values, and a batch of 1024 queries a call,
// all but one of them not among the keys; the batches rotate through 2^20 queries. The one that is,
// at a random place, catches a map that finds nothing. Every map has been told n before it was
// filled. Out: for each query its value, or 0 (which is no value). Exact.
//
// Nothing can be found, so what counts is how few bytes tell so. A chain of nodes has to be walked
// to its end, with a miss for each; a byte of hash for each slot (SwissTable) or a filter is so
// much smaller than the table that it lies in a nearer cache. The filter is that of Putze, Sanders
// and Singler, "Cache-, Hash- and Space-Efficient Bloom Filters" (2009), with blocks as small as
// they get. The ceiling: one access a query to a byte for each key.
//
// Links: boost_flat_map
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_find_miss.cpp"
#include "algorithm/flat_table-inl.h"

#ifndef HEADROOM_ALGORITHM_HASH_FIND_MISS_SHARED
#define HEADROOM_ALGORITHM_HASH_FIND_MISS_SHARED
namespace headroom {
namespace {

// Two bits of 32 for each key whose home is that bucket: those that the 10 bits of the hash below
// its slot tell.
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

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

namespace {

template <bool kStrong>
HWY_INLINE void FindEachFilteredWith(const FlatTable::View& table, const Filter& filter,
                                     const uint64_t* HWY_RESTRICT keys, size_t count,
                                     uint64_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i) {
    const uint64_t hash = table.hash.of<kStrong>(keys[i]);
    const size_t home = table.hash.home(hash);
    uint64_t value = 0;
    if (HWY_UNLIKELY(filter.may_have(hash, home))) value = Find(table, keys[i], home);
    out[i] = value;
  }
}

}  // namespace

// A filter in front of the table: of 100 queries for keys that aren't there, 99 end at a word of 32
// bits, and a word for each bucket is a 16th of the table.
void FindEachFiltered(const FlatTable::View& view, const Filter& filter,
                      const uint64_t* HWY_RESTRICT keys, size_t count, uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  if (table.hash.strong)
    FindEachFilteredWith<true>(table, filter, keys, count, out);
  else
    FindEachFilteredWith<false>(table, filter, keys, count, out);
}

// In passes over a group. Hashes and homes, in a loop that the compiler vectorizes; the words of
// the filter, fetched before where they are far; those that pass are gathered without a branch, and
// their buckets fetched; only they are looked up.
void FindGroupsFiltered(const FlatTable::View& view, const Filter& filter, size_t near,
                        const uint64_t* HWY_RESTRICT keys, size_t count,
                        uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  const FlatTable::Hash hash = table.hash;
  const size_t buckets = table.mask + 1;
  uint64_t hashes[kKeysInStep];
  uint16_t passed[kKeysInStep];
  for (size_t i = 0; i < count; i += kKeysInStep) {
    const size_t group = HWY_MIN(kKeysInStep, count - i);
    const uint64_t* HWY_RESTRICT k = keys + i;
    if (hash.strong)
      for (size_t j = 0; j < group; ++j) hashes[j] = hash.of<true>(k[j]);
    else
      for (size_t j = 0; j < group; ++j) hashes[j] = hash.of<false>(k[j]);
    if (buckets * sizeof(*filter.words) > near)
      for (size_t j = 0; j < group; ++j) hwy::Prefetch(filter.words + hash.home(hashes[j]));
    size_t left = 0;
    for (size_t j = 0; j < group; ++j) {
      out[i + j] = 0;
      passed[left] = static_cast<uint16_t>(j);
      left += filter.may_have(hashes[j], hash.home(hashes[j]));
    }
    if (buckets * sizeof(FlatTable::Bucket) > near)
      for (size_t j = 0; j < left; ++j) hwy::Prefetch(table.buckets + hash.home(hashes[passed[j]]));
    for (size_t j = 0; j < left; ++j) {
      const size_t query = passed[j];
      out[i + query] = Find(table, k[query], hash.home(hashes[query]));
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

HWY_EXPORT(FindEach);
HWY_EXPORT(FindGroups);
HWY_EXPORT(FindEachFiltered);
HWY_EXPORT(FindGroupsFiltered);

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

void flat_table(const Filled<FlatTable>& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindEach)(state.map.view(), queries.data(), queries.size(), out.data());
}

void flat_table_batched(const Filled<FlatTable>& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindGroups)
  (state.map.view(), state.map.bytes() > l2_bytes(), queries.data(), queries.size(), out.data());
}

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
     .what = "boost::unordered_flat_map: 15 bytes of hash at once, one that tells of overflow",
     .role = Role::kPeer,
     .needs = kNeedsBoostFlatMap},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "one cache line a query and four keys at once; but a line of the table itself"},
    {.name = "flat_table_batched",
     .run = run<flat_table_batched>,
     .what = "the lines of 256 queries fetched together"},
    {.name = "flat_table_filtered",
     .run = run<flat_table_filtered>,
     .what = "32 filter bits a bucket, in a nearer cache than the table, end 99 of 100 queries"},
    {.name = "flat_table_filtered_batched",
     .run = run<flat_table_filtered_batched>,
     .what = "256 queries hashed in vectors, filtered without a branch; few go to the table"},
};

const Registrar kRegistrar(
    {.name = "algorithm/hash_find_miss",
     .axis = Axis::kMemoryLatency,
     .technique = "what is not there is told from few bytes, in a near cache",
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
#endif  // HWY_ONCE

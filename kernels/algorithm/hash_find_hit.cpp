// algorithm/hash_find_hit: look up keys that are in a hash map.
//
// In: n distinct random 64-bit keys with their 64-bit values, and a batch of 1024 queries a call,
// each a random one of the keys; the batches rotate through 2^20 queries. Every map has been told n
// before it was filled. Out: the value of each query. Exact.
//
// A node-based map pays for a division (buckets of a prime number), and for two or three dependent
// misses: bucket, node, and the nodes chained before it.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/hash_find_hit.cpp"
#include "algorithm/flat_table.h"
#include "core/simd.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// A bit for each slot of the bucket that holds `key`: four keys in one or two comparisons.
HWY_INLINE uint32_t Matches(const FlatTable::Bucket& bucket, uint64_t key) {
  const hn::CappedTag<uint64_t, FlatTable::kSlots> d;
  const auto wanted = hn::Set(d, key);
  uint32_t matches = 0;
  for (size_t i = 0; i < FlatTable::kSlots; i += hn::Lanes(d)) {
    uint8_t bits[8] = {};
    hn::StoreMaskBits(d, hn::Eq(hn::LoadU(d, bucket.keys + i), wanted), bits);
    matches |= static_cast<uint32_t>(bits[0]) << i;
  }
  return matches;
}

HWY_INLINE size_t First(uint32_t matches) { return hwy::Num0BitsBelowLS1Bit_Nonzero32(matches); }

// The value of `key`, whose home is `b`; 0 if it isn't in the table. The only branch that depends
// on data is whether the key lies in this bucket, and nearly always it does.
HWY_INLINE uint64_t Find(const FlatTable::View& table, uint64_t key, size_t b) {
  if (HWY_UNLIKELY(key == FlatTable::kEmpty)) return table.value_of_empty;
  for (;; b = table.after(b)) {
    const FlatTable::Bucket& bucket = table.buckets[b];
    const uint32_t matches = Matches(bucket, key);
    if (HWY_LIKELY(matches != 0)) return bucket.values[First(matches)];
    if (bucket.keys[FlatTable::kSlots - 1] == FlatTable::kEmpty) return 0;
  }
}

}  // namespace

void FindEach(const FlatTable::View& view, const uint64_t* HWY_RESTRICT keys, size_t count,
              uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  for (size_t i = 0; i < count; ++i) out[i] = Find(table, keys[i], table.home(keys[i]));
}

// In three passes over a group of queries. The homes, in a loop that the compiler vectorizes: eight
// hashes at a time with AVX-512. Where the table lies beyond L2, a prefetch of each: as many misses
// are under way as the core can track. Then the finds.
void FindGroups(const FlatTable::View& view, bool far, const uint64_t* HWY_RESTRICT keys,
                size_t count, uint64_t* HWY_RESTRICT out) {
  constexpr size_t kGroup = 256;
  const FlatTable::View table = view;
  size_t homes[kGroup];
  for (size_t i = 0; i < count; i += kGroup) {
    const size_t group = HWY_MIN(kGroup, count - i);
    const uint64_t* HWY_RESTRICT k = keys + i;
    for (size_t j = 0; j < group; ++j) homes[j] = table.home(k[j]);
    if (far)
      for (size_t j = 0; j < group; ++j) hwy::Prefetch(table.buckets + homes[j]);
    for (size_t j = 0; j < group; ++j) out[i + j] = Find(table, k[j], homes[j]);
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <tsl/robin_map.h>

#include <unordered_map>

#include "absl/container/flat_hash_map.h"
#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(FindEach);
HWY_EXPORT(FindGroups);

constexpr std::size_t kBatch = 1024;
constexpr std::size_t kQueries = std::size_t{1} << 20;
constexpr std::size_t kTestQueries = 4 * kBatch;  // below the smallest measured size
constexpr std::size_t kSmallest = 10'000;

// A bijection without structure that a hash function could profit from (the finisher of SplitMix64,
// Steele, Lea and Flood 2014), so that distinct numbers give distinct keys.
std::uint64_t scramble(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

struct HashFindHit {
  using Call = std::span<const std::uint64_t>;  // the queries
  struct Input {
    Buffer<std::uint64_t> keys;
    Buffer<std::uint64_t> values;
    Buffer<std::uint64_t> queries;  // none where there is no key

    Call at(std::size_t turn) const {
      if (queries.empty()) return {};
      const std::size_t slices = queries.size() / kBatch;  // a power of two
      return {queries.data() + (turn & (slices - 1)) * kBatch, kBatch};
    }
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{Buffer<std::uint64_t>(n), Buffer<std::uint64_t>(n),
             Buffer<std::uint64_t>(n == 0          ? 0
                                   : n < kSmallest ? kTestQueries
                                                   : kQueries)};
    FastRng fast(rng());
    const std::uint64_t first = fast();
    for (std::size_t i = 0; i < n; ++i) {
      in.keys[i] = scramble(first + i);
      in.values[i] = fast();
    }
    for (std::uint64_t& query : in.queries) query = in.keys[bounded(fast, n)];
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.at(0).size()); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = HashFindHit::Call;
using Output = HashFindHit::Output;

// A map filled with the input, with room for it made beforehand.
template <class Map>
struct Filled {
  Map map;
  explicit Filled(const HashFindHit::Input& in) {
    map.reserve(in.keys.size());
    for (std::size_t i = 0; i < in.keys.size(); ++i) map.emplace(in.keys[i], in.values[i]);
  }
};
template <>
struct Filled<FlatTable> {
  FlatTable map;
  explicit Filled(const HashFindHit::Input& in) : map(in.keys.size()) {
    for (std::size_t i = 0; i < in.keys.size(); ++i) map.insert(in.keys[i], in.values[i]);
  }
};

using StdMap = Filled<std::unordered_map<std::uint64_t, std::uint64_t>>;
using AbslMap = Filled<absl::flat_hash_map<std::uint64_t, std::uint64_t>>;
using RobinMap = Filled<tsl::robin_map<std::uint64_t, std::uint64_t>>;
using RobinMapHash =
    Filled<tsl::robin_map<std::uint64_t, std::uint64_t, std::hash<std::uint64_t>,
                          std::equal_to<std::uint64_t>,
                          std::allocator<std::pair<std::uint64_t, std::uint64_t>>, true>>;
using OwnMap = Filled<FlatTable>;

template <class State>
void find_each(const State& state, const Call& queries, Output& out) {
  for (std::size_t i = 0; i < queries.size(); ++i) out[i] = state.map.find(queries[i])->second;
}

void naive(const StdMap& state, const Call& queries, Output& out) {
  find_each(state, queries, out);
}

// One byte of hash a slot, 16 of them compared at once: a find touches two lines, and compares a
// key only where it is nearly sure to match.
void absl_flat_hash_map(const AbslMap& state, const Call& queries, Output& out) {
  find_each(state, queries, out);
}

// Keys and values in the probed array itself, entries far from home displacing those near theirs,
// so that probes stay short.
void robin_map(const RobinMap& state, const Call& queries, Output& out) {
  find_each(state, queries, out);
}

// With part of each hash stored beside its entry: pays where comparing keys is dear (strings), not
// here.
void robin_map_stored_hash(const RobinMapHash& state, const Call& queries, Output& out) {
  find_each(state, queries, out);
}

void flat_table(const OwnMap& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindEach)(state.map.view(), queries.data(), queries.size(), out.data());
}

void flat_table_batched(const OwnMap& state, const Call& queries, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindGroups)
  (state.map.view(), state.map.bytes() > l2_bytes(), queries.data(), queries.size(), out.data());
}

constexpr Variant<HashFindHit> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::unordered_map: a division, then a chain of nodes"},
    {.name = "absl_flat_hash_map",
     .run = run<absl_flat_hash_map>,
     .what = "absl::flat_hash_map: open addressing, 16 control bytes compared at once",
     .role = Role::kPeer},
    {.name = "robin_map",
     .run = run<robin_map>,
     .what = "tsl::robin_map: entries in the probed array, short probes",
     .role = Role::kPeer},
    {.name = "robin_map_stored_hash",
     .run = run<robin_map_stored_hash>,
     .what = "tsl::robin_map with stored hashes: larger entries, no gain for integer keys",
     .role = Role::kPeer},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "buckets of one cache line on huge pages, four keys compared at once"},
    {.name = "flat_table_batched",
     .run = run<flat_table_batched>,
     .what =
         "homes of 256 queries prefetched, then no branch; within L2 nothing is left to overlap"},
};

const Registrar kRegistrar(
    {.name = "algorithm/hash_find_hit",
     .axis = Axis::kMemoryLatency,
     .technique = "one cache line and no guess a find; many finds under way at once",
     .sizes = {10'000, 100'000, 1'000'000, 10'000'000},
     .headline = {10'000, 1'000'000},
     .demand =
         [](const Setting& s) {
           return Demand{
               .items = kBatch, .working_set = 16 * s.n, .memory = 400 * s.n + 8 * kQueries};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

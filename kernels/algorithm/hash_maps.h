// What the hash_* kernels with integer keys share: the maps, and how keys, values and queries are
// made.
#pragma once

#include <tsl/robin_map.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <unordered_map>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "algorithm/flat_table.h"
#include "core/kernel.h"
#include "support/slices.h"

#if HEADROOM_HAVE_BOOST_FLAT_MAP
#include <boost/unordered/unordered_flat_map.hpp>
#endif

namespace headroom {

inline constexpr Need kNeedsBoostFlatMap[] = {kBoostFlatMap};

// A division by a prime, then a walk from bucket to node to node: two or three misses that wait for
// one another.
using StdMap = std::unordered_map<std::uint64_t, std::uint64_t>;
// One byte of hash per slot, 16 of them compared at once: a find touches two lines, and compares a
// key only where it is nearly sure to match.
using AbslMap = absl::flat_hash_map<std::uint64_t, std::uint64_t>;
// Keys and values in the probed array itself, entries far from home displacing those near theirs,
// so that probes stay short.
using RobinMap = tsl::robin_map<std::uint64_t, std::uint64_t>;
// With part of each hash stored beside its entry: pays where comparing keys is dear (strings), not
// here.
using RobinMapHash = tsl::robin_map<std::uint64_t, std::uint64_t, std::hash<std::uint64_t>,
                                    std::equal_to<std::uint64_t>,
                                    std::allocator<std::pair<std::uint64_t, std::uint64_t>>, true>;
// Groups of 15 slots with a byte of hash each and one that tells which keys overflowed: a probe
// that finds nothing nearly always ends in the first group.
#if HEADROOM_HAVE_BOOST_FLAT_MAP
using BoostMap = boost::unordered_flat_map<std::uint64_t, std::uint64_t>;
template <auto kFunction>
constexpr auto kRunBoost = run<kFunction>;
#else
using BoostMap = StdMap;  // in name only: it isn't run
template <auto kFunction>
constexpr auto kRunBoost = kNotBuilt;
#endif

inline constexpr std::size_t kBatch = 1024;
inline constexpr std::size_t kQueries = std::size_t{1} << 20;
inline constexpr std::size_t kSmallest = 10'000;  // of the measured sizes
inline constexpr std::size_t kTestQueries = 4 * kBatch;

// A bijection without structure that a hash function could profit from (the finisher of SplitMix64,
// Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014), so that distinct
// numbers give distinct keys.
inline std::uint64_t scramble(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// n distinct random keys with their values, of which none is 0. (`first` names the sequence: the
// keys are scramble(first), scramble(first + 1), ...)
struct Entries {
  Buffer<std::uint64_t> keys;
  Buffer<std::uint64_t> values;
  std::uint64_t first = 0;

  Entries() = default;
  Entries(std::size_t n, FastRng& fast) : keys(n), values(n), first(fast()) {
    for (std::size_t i = 0; i < n; ++i) {
      keys[i] = scramble(first + i);
      values[i] = fast() | 1;
    }
  }
  std::size_t size() const { return keys.size(); }
};

// Entries, and batches of queries that rotate.
struct Lookups {
  using Call = std::span<const std::uint64_t>;  // the queries
  Entries entries;
  Slices slices;                  // of kBatch queries
  Buffer<std::uint64_t> queries;  // none where there is no key

  Lookups(std::size_t n, FastRng& fast)
      : entries(n, fast),
        slices(n == 0 ? Slices() : Slices::within(n < kSmallest ? kTestQueries : kQueries, kBatch)),
        queries(slices.items()) {}
  Call at(std::size_t turn) const { return slices.of(queries, turn); }
};

// What the kernels that look up batches share. Out: the value of each query.
struct Finds {
  using Input = Lookups;
  using Call = Lookups::Call;
  using Output = Buffer<std::uint64_t>;
  static void size(const Input& in, Output& out) { out = Output(in.at(0).size()); }
  static absl::Status same(const Lookups::Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

template <class Map>
void insert(Map& map, std::uint64_t key, std::uint64_t value) {
  map.emplace(key, value);
}
inline void insert(FlatTable& map, std::uint64_t key, std::uint64_t value) {
  map.insert(key, value);
}

// A map filled with the entries of an input, with room for them made beforehand.
template <class Map>
struct Filled {
  Map map;
  template <class Input>
  explicit Filled(const Input& in) {
    map.reserve(in.entries.size());
    for (std::size_t i = 0; i < in.entries.size(); ++i)
      insert(map, in.entries.keys[i], in.entries.values[i]);
  }
};
}  // namespace headroom

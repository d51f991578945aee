// What the ordered_map_* kernels share: the maps, and maps filled with random entries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "core/kernel.h"

namespace headroom {

// A red-black tree: a node of 48 bytes for each key, somewhere, and a branch on a key at each of
// log2(n) steps.
using StdOrderedMap = std::map<std::uint64_t, std::uint64_t>;
// A B-tree: some 15 entries per node, so one step stands for four of the other's, and neighbours in
// order are neighbours in memory.
using AbslBtree = absl::btree_map<std::uint64_t, std::uint64_t>;

// n random 64-bit keys, ascending, none of them twice, with a value each that is not 0.
struct OrderedEntries {
  Buffer<std::uint64_t> keys;
  Buffer<std::uint64_t> values;

  OrderedEntries() = default;
  // As running sums of random gaps.
  OrderedEntries(std::size_t n, FastRng& fast) : keys(n), values(n) {
    const std::uint64_t gap = ~std::uint64_t{0} / (n + 1);
    std::uint64_t key = 0;
    for (std::size_t i = 0; i < n; ++i) {
      key += 1 + bounded(fast, gap);
      keys[i] = key;
      values[i] = fast() | 1;
    }
  }
  std::size_t size() const { return keys.size(); }
};

// 0 to n - 1 in random order.
inline std::vector<std::uint32_t> shuffled(std::size_t n) {
  std::vector<std::uint32_t> order(n);
  std::iota(order.begin(), order.end(), std::uint32_t{0});
  FastRng fast(n);
  shuffle(std::span<std::uint32_t>(order), fast);
  return order;
}

// A map as random inserts leave it: what is next in order lies somewhere else in memory. Made in
// order instead, which is quicker, of nodes that were made before and are taken in random order.
struct FilledStdOrdered {
  StdOrderedMap map;
  explicit FilledStdOrdered(const OrderedEntries& entries) {
    constexpr std::size_t kFetchedAhead = 16;
    const std::size_t n = entries.size();
    std::vector<StdOrderedMap::node_type> nodes(n);
    StdOrderedMap one;
    for (const std::uint32_t i : shuffled(n)) nodes[i] = one.extract(one.emplace().first);
    for (std::size_t i = 0; i < n; ++i) {
      if (i + kFetchedAhead < n) __builtin_prefetch(&nodes[i + kFetchedAhead].key(), 1);
      nodes[i].key() = entries.keys[i];
      nodes[i].mapped() = entries.values[i];
      map.insert(map.end(), std::move(nodes[i]));
    }
  }
};

// Filled in random order: its nodes are as full, and as scattered, as that leaves them.
struct FilledBtree {
  AbslBtree map;
  explicit FilledBtree(const OrderedEntries& entries) {
    for (const std::uint32_t i : shuffled(entries.size()))
      map.emplace(entries.keys[i], entries.values[i]);
  }
};

}  // namespace headroom

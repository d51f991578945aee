// What the ordered_map_* kernels share: the maps, and maps filled with random entries.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "core/kernel.h"

namespace headroom {

// A red-black tree: a node of 48 bytes for each key, somewhere, and a guess at each of log2(n)
// steps.
using StdOrderedMap = std::map<std::uint64_t, std::uint64_t>;
// A B-tree: some 15 entries a node, so a step is taken for four of the other's, and neighbours in
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

// A map as random inserts leave it: what is next in order lies somewhere else in memory. Made in
// order instead, which is quicker, of nodes that were shuffled before.
struct FilledStdOrdered {
  StdOrderedMap map;
  explicit FilledStdOrdered(const OrderedEntries& entries) {
    StdOrderedMap heap;
    for (std::size_t i = 0; i < entries.size(); ++i)
      heap.emplace_hint(heap.end(), entries.keys[i], entries.values[i]);
    std::vector<StdOrderedMap::node_type> nodes;
    nodes.reserve(entries.size());
    while (!heap.empty()) nodes.push_back(heap.extract(heap.begin()));
    FastRng fast(entries.size());
    shuffle(std::span<StdOrderedMap::node_type>(nodes), fast);
    for (std::size_t i = 0; i < entries.size(); ++i) {
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
    std::vector<std::uint32_t> order(entries.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
    FastRng fast(entries.size());
    shuffle(std::span<std::uint32_t>(order), fast);
    for (const std::uint32_t i : order) map.emplace(entries.keys[i], entries.values[i]);
  }
};

}  // namespace headroom

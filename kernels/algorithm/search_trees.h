// Search trees over a sorted array of int32, without pointers, and the array itself: what
// lower_bound and lower_bound_dependent share. search_trees-inl.h has their steps in SIMD.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include "core/buffer.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {

inline constexpr std::size_t kNodeKeys = 16;           // int32 keys in a cache line
inline constexpr std::size_t kFanOut = kNodeKeys + 1;  // their children
inline constexpr std::size_t kMaxHeight = 7;           // enough for 16 * 17^6 keys
inline constexpr std::int32_t kHighest = std::numeric_limits<std::int32_t>::max();

// A static B+ tree without pointers: node i of a level has the children kFanOut * i + [0, 17) in
// the next. levels[height - 1], the leaves, are the sorted array itself, so that an index needs
// 1/16 of its memory and answers are positions, not entries of a permutation.
struct TreeView {
  const std::int32_t* levels[kMaxHeight];
  std::size_t height;
};

// n sorted keys and batches of queries that rotate.
struct SortedKeys {
  static constexpr std::size_t kBatch = 1024;
  static constexpr std::size_t kQueries = std::size_t{1} << 20;
  static constexpr std::size_t kTestQueries = 4 * kBatch;  // below the smallest measured size
  static constexpr std::size_t kSmallest = 4096;
  struct Call {
    std::span<const std::int32_t> keys;
    std::span<const std::int32_t> queries;
  };

  std::size_t n = 0;
  Buffer<std::int32_t> padded;  // the n keys, then kHighest up to a whole number of nodes
  Slices slices;                // of kBatch queries
  Buffer<std::int32_t> queries;

  std::span<const std::int32_t> keys() const { return {padded.data(), n}; }
  Call at(std::size_t turn) const { return {keys(), slices.of(queries, turn)}; }

  SortedKeys() = default;
  // Any bytes, four per number: three quarters of them are keys, all are queries.
  explicit SortedKeys(std::span<const std::uint8_t> bytes)
      : n(bytes.size() / 16 * 3),
        padded((n + kNodeKeys) / kNodeKeys * kNodeKeys),
        slices(Slices::within(kTestQueries, kBatch)),
        queries(slices.items()) {
    const auto number = [&](std::size_t i) {
      std::uint32_t x = 0;
      for (std::size_t byte = 0; byte < 4; ++byte)
        x |= std::uint32_t{bytes[4 * i + byte]} << (8 * byte);
      return static_cast<std::int32_t>(x);
    };
    for (std::size_t i = 0; i < padded.size(); ++i) padded[i] = i < n ? number(i) : kHighest;
    std::sort(padded.data(), padded.data() + n);
    for (std::size_t i = 0; i < queries.size() && bytes.size() >= 4; ++i)
      queries[i] = number(i * 0x9e3779b1 % (bytes.size() / 4));
  }

  // Sorted by construction, as running sums of random gaps, an eighth of which are 0 (duplicates).
  // Half of the queries are keys.
  SortedKeys(std::size_t count, FastRng& fast, std::size_t most_queries = kQueries)
      : n(count),
        padded((n + kNodeKeys) / kNodeKeys * kNodeKeys),
        slices(Slices::within(n < kSmallest ? kTestQueries : most_queries, kBatch)),
        queries(slices.items()) {
    const std::uint64_t mean_gap = (std::uint64_t{1} << 32) / (n + 1);
    std::uint64_t key = 0;
    for (std::size_t i = 0; i < padded.size(); ++i) {
      if (fast() >> 61 != 0) key += bounded(fast, mean_gap * 2 + 1);
      padded[i] = i < n ? static_cast<std::int32_t>(
                              static_cast<std::int64_t>(std::min<std::uint64_t>(key, 0xffffffff)) +
                              std::numeric_limits<std::int32_t>::min())
                        : kHighest;
    }
    for (std::int32_t& query : queries) {
      const std::uint64_t random = fast();
      query = n != 0 && random >> 63 != 0 ? padded[bounded(fast, n)]
                                          : static_cast<std::int32_t>(random);
    }
  }
};

// The array in the order of a breadth-first walk of its search tree: node k has the children 2k and
// 2k + 1, and the 16 descendants four levels down lie in one cache line.
class Eytzinger {
 public:
  explicit Eytzinger(const SortedKeys& in)
      : n_(in.n),
        depth_(n_ == 0 ? 0 : static_cast<int>(std::bit_width(n_)) - 1),
        last_row_(n_ - ((std::size_t{1} << depth_) - 1)),
        keys_(n_ + 1) {
    // Without its last, partial row the tree is perfect: its element of rank r has r of them and
    // r + 1 places for one of the last row before it.
    for (int d = 0; d < depth_; ++d) {
      const std::size_t row = std::size_t{1} << d;
      for (std::size_t p = 0; p < row; ++p) {
        const std::size_t rank = (2 * p + 1) * (std::size_t{1} << (depth_ - 1 - d)) - 1;
        keys_[row + p] = in.padded[rank + std::min(rank + 1, last_row_)];
      }
    }
    for (std::size_t p = 0; n_ != 0 && p < last_row_; ++p)
      keys_[(std::size_t{1} << depth_) + p] = in.padded[2 * p];
  }

  int full_rows() const { return depth_; }
  const std::int32_t* keys() const { return keys_.data(); }
  // From where a walk through the full rows ends to the rank of the lower bound: the path's bits
  // are the rank among the full rows, so that no table of positions is needed.
  std::uint32_t rank(std::size_t node, std::int32_t query) const {
    const std::size_t place = node - (std::size_t{1} << depth_);
    const bool below = (node <= n_) & (keys_[std::min(node, n_)] < query);
    return static_cast<std::uint32_t>(place + std::min(place, last_row_) + below);
  }

 private:
  std::size_t n_;
  int depth_;             // full rows
  std::size_t last_row_;  // keys in the row below them
  Buffer<std::int32_t> keys_;
};

inline constexpr int kAhead = 4;  // rows: a key has 2^4 descendants there, a cache line of them

// The levels above the sorted array. Key j of a node is the least key below its child j + 1.
class TreeIndex {
 public:
  explicit TreeIndex(const SortedKeys& in) {
    std::size_t nodes[kMaxHeight];  // from the leaves up
    nodes[0] = in.padded.size() / kNodeKeys;
    tree_.height = 1;
    while (nodes[tree_.height - 1] > 1) {
      nodes[tree_.height] = (nodes[tree_.height - 1] + kFanOut - 1) / kFanOut;
      ++tree_.height;
    }
    std::size_t total = 0;
    for (std::size_t h = 1; h < tree_.height; ++h) total += nodes[h];
    keys_ = Buffer<std::int32_t>(total * kNodeKeys);
    tree_.levels[tree_.height - 1] = in.padded.data();
    std::int32_t* level = keys_.end();
    std::size_t below = 1;  // leaves below a child
    for (std::size_t h = 1; h < tree_.height; ++h, below *= kFanOut) {
      level -= nodes[h] * kNodeKeys;
      tree_.levels[tree_.height - 1 - h] = level;
      for (std::size_t node = 0; node < nodes[h]; ++node) {
        for (std::size_t j = 0; j < kNodeKeys; ++j) {
          const std::size_t leaf = (node * kFanOut + j + 1) * below;
          level[node * kNodeKeys + j] = leaf < nodes[0] ? in.padded[leaf * kNodeKeys] : kHighest;
        }
      }
    }
  }
  const TreeView& view() const { return tree_; }

 private:
  Buffer<std::int32_t> keys_;
  TreeView tree_{};
};

}  // namespace headroom

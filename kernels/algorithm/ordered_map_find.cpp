// algorithm/ordered_map_find: look up keys in a map that is ordered.
//
// In: n random 64-bit keys with their 64-bit values, and a batch of 1024 queries per call, half of
// them keys and half random; the batches rotate through 2^20 queries. Out: for each query its
// value, or 0 (which is no value). Exact. The maps are in ordered_maps.h.
//
// To be learned: a balanced binary tree pays for log2(n) nodes, each somewhere else in memory, and
// every other step down is mispredicted. A B-tree (Bayer and McCreight, "Organization and
// Maintenance of Large Ordered Indices", 1972) has many keys per node. Where the map isn't changed
// any more, a sorted array is smaller than both, and needs no pointers. The ceiling: one line per
// find, and none waits for another.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "algorithm/ordered_maps.h"
#include "core/kernel.h"
#include "core/opaque.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kBatch = 1024;
constexpr std::size_t kQueries = std::size_t{1} << 20;
constexpr std::size_t kTestQueries = 4 * kBatch;
constexpr std::size_t kSmallest = 1000;

struct OrderedMapFind {
  struct Call {
    const OrderedEntries& entries;
    std::span<const std::uint64_t> queries;
  };
  struct Input {
    OrderedEntries entries;
    Slices slices;  // of kBatch queries
    Buffer<std::uint64_t> queries;
    Call at(std::size_t turn) const { return {entries, slices.of(queries, turn)}; }
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    Input in{.entries = OrderedEntries(setting.n, fast),
             .slices = Slices::within(setting.n < kSmallest ? kTestQueries : kQueries, kBatch)};
    in.queries = Buffer<std::uint64_t>(in.slices.items());
    for (std::uint64_t& query : in.queries) {
      const std::uint64_t random = fast();
      query =
          setting.n != 0 && random % 2 == 0 ? in.entries.keys[bounded(fast, setting.n)] : random;
    }
    return in;
  }
  static void size(const Input&, Output& out) { out = Output(kBatch); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = OrderedMapFind::Call;
using Output = OrderedMapFind::Output;

struct StdState : FilledStdOrdered {
  explicit StdState(const OrderedMapFind::Input& in) : FilledStdOrdered(in.entries) {}
};
struct BtreeState : FilledBtree {
  explicit BtreeState(const OrderedMapFind::Input& in) : FilledBtree(in.entries) {}
};

template <class State>
void find_each(const State& state, const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.queries.size(); ++i) {
    const auto found = state.map.find(in.queries[i]);
    out[i] = found == state.map.end() ? 0 : found->second;
  }
}

// As many steps as the tree has, but the first ones stay in the caches, and a miss brings eight
// keys instead of one.
void sorted_vector(const Call& in, Output& out) {
  const Buffer<std::uint64_t>& keys = in.entries.keys;
  for (std::size_t i = 0; i < in.queries.size(); ++i) {
    const auto* const found = std::lower_bound(keys.begin(), keys.end(), in.queries[i]);
    out[i] = found == keys.end() || *found != in.queries[i]
                 ? 0
                 : in.entries.values[static_cast<std::size_t>(found - keys.begin())];
  }
}

// Thirty-two searches in step without a branch, so that the misses of each step overlap.
void sorted_vector_batched(const Call& in, Output& out) {
  constexpr std::size_t kTogether = 32;
  static_assert(kBatch % kTogether == 0);
  const std::size_t n = in.entries.size();
  const std::uint64_t* const keys = in.entries.keys.data();
  for (std::size_t i = 0; i < in.queries.size(); i += kTogether) {
    const std::uint64_t* const query = in.queries.data() + i;
    std::size_t at[kTogether] = {};
    std::size_t length = n;
    while (length > 1) {
      const std::size_t half = length / 2;
      std::uint64_t middle[kTogether];
      for (std::size_t j = 0; j < kTogether; ++j) middle[j] = keys[at[j] + half - 1];
      sink(middle);  // keeps clang 14 from fusing the two into branches
      for (std::size_t j = 0; j < kTogether; ++j)
        at[j] += (0 - static_cast<std::size_t>(middle[j] < query[j])) & half;
      length -= half;
    }
    for (std::size_t j = 0; j < kTogether; ++j) {
      const std::size_t found = at[j] + (n != 0 && keys[at[j]] < query[j]);
      out[i + j] = found < n && keys[found] == query[j] ? in.entries.values[found] : 0;
    }
  }
}

constexpr std::size_t kIndexKeys = 8;  // 64-bit keys in a cache line
constexpr std::size_t kIndexFanOut = kIndexKeys + 1;
constexpr std::size_t kIndexHeight = 10;  // enough for 8 * 9^9 keys

// A static B+ tree without pointers above sorted keys (Slotin, "Algorithms for Modern Hardware",
// 2022): as search_trees.h has it, of 64-bit keys.
struct IndexView {
  const std::uint64_t* levels[kIndexHeight];
  std::size_t height;
  const std::uint64_t* values;
  std::size_t n;
};

// Key j of a node is the least key below its child j + 1; what is missing is the highest key.
class Index {
 public:
  explicit Index(const OrderedMapFind::Input& in) : values_(in.entries.size() + kIndexKeys) {
    const std::size_t n = in.entries.size();
    std::size_t nodes[kIndexHeight] = {n / kIndexKeys + 1};  // from the leaves up
    std::size_t total = nodes[0];
    for (view_.height = 1; nodes[view_.height - 1] > 1; ++view_.height) {
      nodes[view_.height] = (nodes[view_.height - 1] + kIndexKeys) / kIndexFanOut;
      total += nodes[view_.height];
    }
    keys_ = Buffer<std::uint64_t>(total * kIndexKeys);
    std::fill(keys_.begin(), keys_.end(), ~std::uint64_t{0});
    const std::uint64_t* const leaves = keys_.data();
    std::copy_n(in.entries.keys.data(), n, keys_.data());
    std::copy_n(in.entries.values.data(), n, values_.data());
    std::uint64_t* level = keys_.data();
    std::size_t below = 1;  // leaves below a child
    for (std::size_t h = 0; h < view_.height; level += nodes[h] * kIndexKeys, ++h) {
      view_.levels[view_.height - 1 - h] = level;
      if (h == 0) continue;
      for (std::size_t node = 0; node < nodes[h]; ++node) {
        for (std::size_t j = 0; j < kIndexKeys; ++j) {
          const std::size_t leaf = (node * kIndexFanOut + j + 1) * below;
          if (leaf < nodes[0]) level[node * kIndexKeys + j] = leaves[leaf * kIndexKeys];
        }
      }
      below *= kIndexFanOut;
    }
    view_.values = values_.data();
    view_.n = n;
  }
  const IndexView& view() const { return view_; }

 private:
  Buffer<std::uint64_t> keys_, values_;
  IndexView view_{};
};

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/ordered_map_find-inl.h"
#include "algorithm/ordered_map_find-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(FindInIndex);

// A step is a SIMD comparison with the eight keys of a line; 128 finds walk a level together.
void s_tree_batched(const Index& index, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(FindInIndex)
  (index.view(), in.queries.data(), in.queries.size(), out.data());
}

constexpr Variant<OrderedMapFind> kVariants[] = {
    {.name = "naive",
     .run = run<find_each<StdState>>,
     .what = "std::map: log2(n) scattered nodes, half of the steps down mispredicted"},
    {.name = "absl_btree_map",
     .run = run<find_each<BtreeState>>,
     .what = "absl::btree_map: many keys per node, so fewer misses",
     .role = Role::kPeer},
    {.name = "sorted_vector",
     .run = run<sorted_vector>,
     .what = "std::lower_bound in a sorted array: fewer misses, but as many steps are mispredicted",
     .promise_note = "built once, not changed"},
    {.name = "sorted_vector_batched",
     .run = run<sorted_vector_batched>,
     .what = "32 searches in lockstep without a branch: their misses overlap",
     .promise_note = "built once, not changed"},
    {.name = "s_tree_batched",
     .run = run<s_tree_batched>,
     .what = "9-way steps of one line above the sorted array; 128 searches take each step together",
     .promise_note = "built once, not changed"},
};

const Registrar kRegistrar({.name = "algorithm/ordered_map_find",
                            .axis = Axis::kMemoryLatency,
                            .technique = "many keys per line, fewer and overlapping misses",
                            .sizes = {1'000, 10'000, 100'000, 1'000'000, 10'000'000},
                            .headline = {10'000, 1'000'000},
                            .ceiling = {"machine/miss_throughput"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = kBatch,
                                                .accesses = kBatch,
                                                .working_set = 16 * s.n,
                                                .memory = 260 * s.n + 8 * kQueries};
                                },
                            // Around a node, and around heights of the tree.
                            .test_sizes = {0,   1,   2,   3,   7,   8,   9,    15,   16,   17,
                                           31,  32,  33,  63,  64,  65,  71,   72,   73,   127,
                                           129, 255, 257, 647, 648, 649, 1000, 5831, 5832, 5833}},
                           kVariants);

}  // namespace
}  // namespace headroom

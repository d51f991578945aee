// algorithm/lower_bound: where does each query belong in a sorted array?
//
// In: n sorted int32 (duplicates among them) and a batch of 1024 queries per call, half of them in
// the array; the batches rotate through 2^20 queries, since branch prediction learns a fixed
// thousand, and ranks the variants the wrong way round then. Out: for each query the index of the
// first element that is not less than it. Exact. The input and the trees are in search_trees.h.
//
// To be learned: binary search pays twice, a branch that is mispredicted every other step and, once
// the array has outgrown a cache, a miss per step, each of which waits for the one before it. No
// branch; another layout; a wider step; many searches at once. After Khuong and Morin, "Array
// Layouts for Comparison-Based Searching" (2017: branchless search, the Eytzinger layout and its
// prefetch), and Slotin, "Algorithms for Modern Hardware" (2022: the static B+ tree). The code is
// our own. The ceiling: a search has to fetch one line of the array at least, and waits for no
// other.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "algorithm/search_trees.h"
#include "core/kernel.h"
#include "core/opaque.h"

namespace headroom {
namespace {

constexpr std::size_t kBatch = SortedKeys::kBatch;

struct LowerBound {
  using Input = SortedKeys;
  using Call = SortedKeys::Call;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    return {setting.n, fast};
  }
  // Any bytes, four per number.
  static Input from(std::span<const std::uint8_t> bytes) { return Input(bytes); }
  static void size(const Input&, Output& out) { out = Output(kBatch); }
  static absl::Status same(const SortedKeys::Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = SortedKeys::Call;
using Output = LowerBound::Output;

void naive(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.queries.size(); ++i) {
    std::size_t k = 0;
    while (k < in.keys.size() && in.keys[k] < in.queries[i]) ++k;
    out[i] = static_cast<std::uint32_t>(k);
  }
}

void std_lower_bound(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.queries.size(); ++i)
    out[i] = static_cast<std::uint32_t>(
        std::lower_bound(in.keys.begin(), in.keys.end(), in.queries[i]) - in.keys.begin());
}

// The comparison's outcome is added instead of branched on, and the number of steps depends on n
// alone: nothing to mispredict, so that the processor is already in the next search. Where the mask
// is not opaque clang 14 turns it back into a branch.
void branchless(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.queries.size(); ++i) {
    const std::int32_t query = in.queries[i];
    const std::int32_t* base = in.keys.data();
    std::size_t length = in.keys.size();
    while (length > 1) {
      const std::size_t half = length / 2;
      base += opaque(0 - static_cast<std::size_t>(base[half - 1] < query)) & half;
      length -= half;
    }
    out[i] = static_cast<std::uint32_t>(base - in.keys.data() + (length == 1 && *base < query));
  }
}

// Thirty-two branchless searches in step, so that the misses of each step overlap. Needs no index.
void branchless_batched(const Call& in, Output& out) {
  constexpr std::size_t kTogether = 32;
  static_assert(kBatch % kTogether == 0);
  for (std::size_t i = 0; i < in.queries.size(); i += kTogether) {
    const std::int32_t* query = in.queries.data() + i;
    std::uint32_t at[kTogether] = {};
    std::size_t length = in.keys.size();
    while (length > 1) {
      const std::size_t half = length / 2;
      const std::int32_t* middle = in.keys.data() + half - 1;
      std::int32_t found[kTogether];  // a loop of its own, for the next one to be vectorized
      for (std::size_t j = 0; j < kTogether; ++j) found[j] = middle[at[j]];
      sink(found);  // keeps clang 14 from fusing the two into branches
      for (std::size_t j = 0; j < kTogether; ++j)
        at[j] += (0 - static_cast<std::uint32_t>(found[j] < query[j])) &
                 static_cast<std::uint32_t>(half);
      length -= half;
    }
    for (std::size_t j = 0; j < kTogether; ++j)
      out[i + j] = at[j] + (length == 1 && in.keys[at[j]] < query[j]);
  }
}

// One prefetch covers all 16 places where the search can be four steps later, so that four misses
// overlap where binary search has one.
void eytzinger(const Eytzinger& tree, const Call& in, Output& out) {
  const std::int32_t* keys = tree.keys();
  for (std::size_t i = 0; i < in.queries.size(); ++i) {
    const std::int32_t query = in.queries[i];
    std::size_t k = 1;
    int row = 0;
    for (; row + kAhead <= tree.full_rows(); ++row) {
      __builtin_prefetch(keys + (k << kAhead));
      k = 2 * k + (keys[k] < query);
    }
    for (; row < tree.full_rows(); ++row) k = 2 * k + (keys[k] < query);
    out[i] = tree.rank(k, query);
  }
}

// Sixteen searches in step: their misses overlap as well.
void eytzinger_batched(const Eytzinger& tree, const Call& in, Output& out) {
  constexpr std::size_t kTogether = 16;
  static_assert(kBatch % kTogether == 0);
  const std::int32_t* keys = tree.keys();
  for (std::size_t i = 0; i < in.queries.size(); i += kTogether) {
    const std::int32_t* query = in.queries.data() + i;
    std::size_t k[kTogether];
    std::fill(k, k + kTogether, 1);
    int row = 0;
    for (; row + kAhead <= tree.full_rows(); ++row) {
      for (std::size_t j = 0; j < kTogether; ++j) {
        __builtin_prefetch(keys + (k[j] << kAhead));
        k[j] = 2 * k[j] + (keys[k[j]] < query[j]);
      }
    }
    for (; row < tree.full_rows(); ++row)
      for (std::size_t j = 0; j < kTogether; ++j) k[j] = 2 * k[j] + (keys[k[j]] < query[j]);
    for (std::size_t j = 0; j < kTogether; ++j) out[i + j] = tree.rank(k[j], query[j]);
  }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/lower_bound-inl.h"
#include "algorithm/lower_bound-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(SearchTree);

// One search after the other; out-of-order execution overlaps a few.
void s_tree(const TreeIndex& index, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(SearchTree)
  (index.view(), false, in.queries.data(), in.queries.size(), out.data());
}

// Small trees: 16 searches in step. Beyond L2: 256, which have all asked for their next nodes
// before the first goes on.
void s_tree_batched(const TreeIndex& index, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(SearchTree)
  (index.view(), true, in.queries.data(), in.queries.size(), out.data());
}

constexpr Variant<LowerBound> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "linear scan", .max_n = 1 << 16},
    {.name = "std_lower_bound",
     .run = run<std_lower_bound>,
     .what = "binary search: log2(n) steps, half of them mispredicted",
     .role = Role::kStandard},
    {.name = "branchless",
     .run = run<branchless>,
     .what = "no branch to mispredict; beyond the caches it loses, as nothing fetches ahead"},
    {.name = "branchless_batched",
     .run = run<branchless_batched>,
     .what = "32 branchless searches in lockstep: their misses overlap, and no index is needed"},
    {.name = "eytzinger",
     .run = run<eytzinger>,
     .what = "breadth-first layout: one prefetch covers every place four steps ahead"},
    {.name = "eytzinger_batched",
     .run = run<eytzinger_batched>,
     .what = "16 Eytzinger searches in lockstep: their misses overlap"},
    {.name = "s_tree",
     .run = run<s_tree>,
     .what = "B+ tree of cache lines: 17-way steps, each one SIMD comparison and one miss"},
    {.name = "s_tree_batched",
     .run = run<s_tree_batched>,
     .what = "the same, 16 searches in lockstep; in trees of five levels or more 256, nodes "
             "prefetched"},
};

const Registrar kRegistrar(
    {.name = "algorithm/lower_bound",
     .axis = Axis::kMemoryLatency,
     .technique = "no unpredictable branch, fewer and overlapping cache misses",
     .sizes = {1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 26},
     .headline = {1 << 16, 1 << 24},
     .ceiling = {"machine/miss_throughput"},
     .demand =
         [](const Setting& s) {
           // The keys, two Eytzinger copies, two indexes of a sixteenth, the queries.
           return Demand{.items = kBatch,
                         .accesses = kBatch,
                         .working_set = 4 * s.n,
                         .memory = 12 * s.n + s.n / 2 + 4 * SortedKeys::kQueries};
         },
     // Around a node, and around each height of the tree; a naive scan ends before the last two.
     .test_sizes = {0,  1,  2,   3,   7,   8,   9,   15,  16,  17,   31,   32,   33,    63,
                    64, 65, 127, 129, 255, 257, 271, 272, 273, 1000, 4624, 4625, 78608, 78609}},
    kVariants);

}  // namespace
}  // namespace headroom

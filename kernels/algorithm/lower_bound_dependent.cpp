// algorithm/lower_bound_dependent: where does a query belong in a sorted array, if it is known only
// when the one before it has been answered?
//
// In: n sorted int32 (duplicates among them) and a batch of 1024 queries per call, half of them in
// the array, each exclusive-or the answer to the one before it (the first of a batch as it is); the
// batches rotate through 2^18 queries. Out: for each query the index of the first element that is
// not less than it. Exact. The input and the trees are in search_trees.h.
//
// To be learned: no two searches overlap, so what counts is the latency of one, the steps that wait
// for one another and the misses among them. A branch that is predicted hides both, which is why
// std::lower_bound does better here than beside overlapping searches. After Khuong and Morin (2017)
// and Slotin (2022), as lower_bound, and Peterson ("Addressing for Random-Access Storage", 1957)
// and Kipf and others ("RadixSpline", 2020) for interpolation; the code is our own. The ceiling:
// one load per search from memory as large as the array. The trees stay short of it beyond the
// caches: their lowest inner level is larger than L2, a second far load that the first one waits
// for.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "algorithm/search_trees.h"
#include "core/kernel.h"
#include "core/opaque.h"

namespace headroom {
namespace {

constexpr std::size_t kBatch = SortedKeys::kBatch;
constexpr std::size_t kMasked = std::size_t{1} << 18;  // of 12 decisions each at least

struct LowerBoundDependent {
  using Input = SortedKeys;  // the queries masked
  using Call = SortedKeys::Call;
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    Input in(setting.n, fast, kMasked);
    mask(in);
    return in;
  }
  // Any bytes, four per number.
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in(bytes);
    mask(in);
    return in;
  }
  static void mask(Input& in) {
    // From the last to the first, so that each mask is the answer to a query not yet masked.
    for (std::size_t i = in.queries.size() - 1; i != 0; --i) {
      if (i % kBatch == 0) continue;
      const auto keys = in.keys();
      in.queries[i] ^= static_cast<std::int32_t>(
          std::lower_bound(keys.begin(), keys.end(), in.queries[i - 1]) - keys.begin());
    }
  }
  static void size(const Input&, Output& out) { out = Output(kBatch); }
  static absl::Status same(const SortedKeys::Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = SortedKeys::Call;
using Output = LowerBoundDependent::Output;

// Answers each query with search(query), unmasked.
template <class Search>
void chain(const Call& in, Output& out, Search&& search) {
  std::uint32_t last = 0;
  for (std::size_t i = 0; i < kBatch; ++i)
    out[i] = last = search(in.queries[i] ^ static_cast<std::int32_t>(last));
}

void naive(const Call& in, Output& out) {
  chain(in, out, [&](std::int32_t query) {
    return static_cast<std::uint32_t>(std::lower_bound(in.keys.begin(), in.keys.end(), query) -
                                      in.keys.begin());
  });
}

// No branch to mispredict, but a load waits for the comparison before it, where a predicted branch
// of the naive search lets the next load start.
void branchless(const Call& in, Output& out) {
  chain(in, out, [&](std::int32_t query) {
    const std::int32_t* base = in.keys.data();
    std::size_t length = in.keys.size();
    while (length > 1) {
      const std::size_t half = length / 2;
      base += opaque(0 - static_cast<std::size_t>(base[half - 1] < query)) & half;
      length -= half;
    }
    return static_cast<std::uint32_t>(base - in.keys.data() + (length == 1 && *base < query));
  });
}

// One prefetch covers all 16 places where the search can be four steps later.
void eytzinger(const Eytzinger& tree, const Call& in, Output& out) {
  const std::int32_t* keys = tree.keys();
  chain(in, out, [&](std::int32_t query) {
    std::size_t k = 1;
    int row = 0;
    for (; row + kAhead <= tree.full_rows(); ++row) {
      __builtin_prefetch(keys + (k << kAhead));
      k = 2 * k + (keys[k] < query);
    }
    for (; row < tree.full_rows(); ++row) k = 2 * k + (keys[k] < query);
    return tree.rank(k, query);
  });
}

constexpr std::size_t kWideKeys = 64;  // four cache lines
constexpr std::size_t kWideHeight = 6;

// As TreeView, with inner nodes of 64 keys and 65 children. The leaves are lines of the array.
struct WideView {
  const std::int32_t* levels[kWideHeight];
  std::size_t height;
};

// Key j of a node is the least key below its child j + 1; what is missing is kHighest.
class WideIndex {
 public:
  explicit WideIndex(const SortedKeys& in) {
    std::size_t nodes[kWideHeight] = {in.padded.size() / kNodeKeys};  // from the leaves up
    std::size_t total = 0;
    for (view_.height = 1; nodes[view_.height - 1] > 1; ++view_.height) {
      nodes[view_.height] = (nodes[view_.height - 1] + kWideKeys) / (kWideKeys + 1);
      total += nodes[view_.height];
    }
    keys_ = Buffer<std::int32_t>(total * kWideKeys);
    view_.levels[view_.height - 1] = in.padded.data();
    std::int32_t* level = keys_.data();
    std::size_t below = 1;  // leaves below a child
    for (std::size_t h = 1; h < view_.height; ++h, below *= kWideKeys + 1) {
      view_.levels[view_.height - 1 - h] = level;
      for (std::size_t node = 0; node < nodes[h]; ++node) {
        for (std::size_t j = 0; j < kWideKeys; ++j) {
          const std::size_t leaf = (node * (kWideKeys + 1) + j + 1) * below;
          *level++ = leaf < nodes[0] ? in.padded[leaf * kNodeKeys] : kHighest;
        }
      }
    }
  }
  const WideView& view() const { return view_; }

 private:
  Buffer<std::int32_t> keys_;
  WideView view_{};
};

// Where the keys with each value of the upper bits start.
struct TableView {
  const std::uint32_t* first;  // by upper bits; the last one is the end of the keys
  int shift;                   // that leaves the upper bits of ordered(key)
  const std::int32_t* keys;
  std::size_t padded;  // keys, with what fills the last line

  // The key as an unsigned number of the same order: the sign turned.
  std::uint32_t ordered(std::int32_t key) const {
    return static_cast<std::uint32_t>(key) ^ 0x80000000u;
  }
};

// At least eight keys per entry, and no more than 2^16 entries: 256 KiB, what L2 holds on every
// processor.
class Table {
 public:
  explicit Table(const SortedKeys& in) {
    const int bits = std::clamp(static_cast<int>(std::bit_width(in.n / 8)), 1, 16);
    view_ = {nullptr, 32 - bits, in.padded.data(), in.padded.size()};
    first_ = Buffer<std::uint32_t>((std::size_t{1} << bits) + 1);
    const std::int32_t* const end = in.padded.data() + in.n;
    const std::int32_t* key = in.padded.data();
    for (std::size_t place = 0; place + 1 < first_.size(); ++place) {
      key = std::partition_point(
          key, end, [&](std::int32_t k) { return view_.ordered(k) >> view_.shift < place; });
      first_[place] = static_cast<std::uint32_t>(key - in.padded.data());
    }
    first_[first_.size() - 1] = static_cast<std::uint32_t>(in.n);
    view_.first = first_.data();
  }
  const TableView& view() const { return view_; }

 private:
  Buffer<std::uint32_t> first_;
  TableView view_{};
};

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/lower_bound_dependent-inl.h"
#include "algorithm/lower_bound_dependent-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(SearchChain);
HWY_EXPORT(SearchChainWide);
HWY_EXPORT(SearchChainInterpolated);

// A step is one SIMD comparison with the 16 keys of a line.
void s_tree(const TreeIndex& index, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(SearchChain)
  (index.view(), in.queries.data(), in.queries.size(), out.data());
}

// Four lines of a node are loaded and compared at once, in hardly more time than one: two levels of
// this tree stand for three of the other.
void wide_tree(const WideIndex& index, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(SearchChainWide)
  (index.view(), in.queries.data(), in.queries.size(), out.data());
}

// The table tells between which places the answer is, and where the query's lower bits are among
// those keys' tells about where: one far miss is left.
void interpolation(const Table& table, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(SearchChainInterpolated)
  (table.view(), in.queries.data(), in.queries.size(), out.data());
}

constexpr Variant<LowerBoundDependent> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::lower_bound: log2(n) steps, half of them mispredicted, but the predicted ones "
             "fetch ahead"},
    {.name = "branchless",
     .run = run<branchless>,
     .what = "no branch, but each step waits for the one before; loses beyond the caches"},
    {.name = "eytzinger",
     .run = run<eytzinger>,
     .what = "breadth-first layout: one prefetch covers every place four steps ahead"},
    {.name = "s_tree",
     .run = run<s_tree>,
     .what = "B+ tree of cache lines: 17-way steps, each one SIMD comparison and one miss"},
    {.name = "wide_tree",
     .run = run<wide_tree>,
     .what = "the same in 65-way steps: four lines at once take hardly longer than one"},
    {.name = "interpolation",
     .run = run<interpolation>,
     .what = "a table in L2 and interpolation name three lines: one far miss; loses where keys "
             "cluster"},
};

const Registrar kRegistrar({.name = "algorithm/lower_bound_dependent",
                            .axis = Axis::kMemoryLatency,
                            .technique = "fewer steps that wait for one another",
                            .sizes = {1 << 12, 1 << 16, 1 << 20, 1 << 24, 1 << 26},
                            .headline = {1 << 16, 1 << 24},
                            .ceiling = {"machine/latency"},
                            .demand =
                                [](const Setting& s) {
                                  // The keys, an Eytzinger copy, a wide one, two indexes, the
                                  // queries.
                                  return Demand{.items = kBatch,
                                                .accesses = kBatch,
                                                .working_set = 4 * s.n,
                                                .memory = 8 * s.n + 2 * s.n + 4 * kMasked};
                                },
                            // Around the nodes and heights of both trees.
                            .test_sizes = {0,    1,    2,    3,    7,     8,     9,    15,
                                           16,   17,   31,   32,   33,    63,    64,   65,
                                           127,  129,  255,  257,  271,   272,   273,  1000,
                                           1039, 1040, 1041, 4624, 67599, 67600, 78609}},
                           kVariants);

}  // namespace
}  // namespace headroom

// algorithm/lower_bound_dependent: where does a query belong in a sorted array, if it is known only
// when the one before it has been answered?
//
// In: n sorted int32 (duplicates among them) and a batch of 1024 queries a call, half of them in
// the array, each exclusive-or the answer to the one before it (the first of a batch as it is); the
// batches rotate through 2^18 queries. Out: for each query the index of the first element that is
// not less than it. Exact.
//
// No two searches overlap, so what counts is the latency of one: the steps that wait for one
// another, and the misses among them. A branch that is guessed right hides both, which is why
// std::lower_bound does better here than beside overlapping searches. After Khuong and Morin (2017)
// and Slotin (2022), as lower_bound, and Peterson ("Addressing for Random-Access Storage", 1957)
// and Kipf and others ("RadixSpline", 2020) for interpolation; the code is our own. The ceiling:
// one load a search from memory as large as the array. The trees stay short of it beyond the
// caches: their lowest inner level is larger than L2, a second far load that the first one waits
// for.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/lower_bound_dependent.cpp"
#include "algorithm/search_trees-inl.h"

#ifndef HEADROOM_ALGORITHM_LOWER_BOUND_DEPENDENT_SHARED
#define HEADROOM_ALGORITHM_LOWER_BOUND_DEPENDENT_SHARED
namespace headroom {
namespace {

constexpr std::size_t kWideKeys = 64;  // four cache lines
constexpr std::size_t kWideHeight = 6;

// The keys by their upper bits, of which the first is the sign, turned.
struct TableView {
  const std::uint32_t* first;  // where the keys with these upper bits start, and, last, the end
  int shift;                   // that leaves the upper bits
  const std::int32_t* keys;
  std::size_t padded;  // keys, with what fills the last line

  std::uint32_t ordered(std::int32_t key) const {
    return static_cast<std::uint32_t>(key) ^ 0x80000000u;
  }
};

// As TreeView, with inner nodes of 64 keys and 65 children. The leaves are lines of the array.
struct WideView {
  const std::int32_t* levels[kWideHeight];
  std::size_t height;
};

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

template <size_t kHeight>
void Chain(const TreeView& tree, const int32_t* HWY_RESTRICT masked, size_t count,
           uint32_t* HWY_RESTRICT out) {
  const hn::CappedTag<int32_t, kNodeKeys> d;
  uint32_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const auto query = hn::Set(d, masked[i] ^ static_cast<int32_t>(last));
    size_t cursor = 0;
    for (size_t l = 0; l + 1 < kHeight; ++l) cursor = Child(d, tree.levels[l], cursor, query);
    out[i] = last = Rank(d, tree.levels[kHeight - 1], cursor, query);
  }
}

HWY_INLINE size_t CountLessWide(const int32_t* HWY_RESTRICT node, int32_t key) {
  const hn::CappedTag<int32_t, kNodeKeys> d;
  const auto query = hn::Set(d, key);
  const size_t n = hn::Lanes(d);
  size_t a = 0, b = 0;  // two sums: the chain is what is to be short
  for (size_t i = 0; i < kWideKeys; i += 2 * n) {
    a += hn::CountTrue(d, hn::Lt(hn::LoadU(d, node + i), query));
    b += hn::CountTrue(d, hn::Lt(hn::LoadU(d, node + i + n), query));
  }
  return a + b;
}

template <size_t kHeight>
void ChainWide(const WideView& tree, const int32_t* HWY_RESTRICT masked, size_t count,
               uint32_t* HWY_RESTRICT out) {
  constexpr size_t kFan = kWideKeys + 1;
  const hn::CappedTag<int32_t, kNodeKeys> d;
  uint32_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t query = masked[i] ^ static_cast<int32_t>(last);
    size_t at = 0;  // the first key of the node, and then of the leaf
    for (size_t l = 0; l + 2 < kHeight; ++l)
      at = at * kFan + CountLessWide(tree.levels[l] + at, query) * kWideKeys;
    if (kHeight > 1)
      at = at / (kWideKeys / kNodeKeys) * kFan +
           CountLessWide(tree.levels[kHeight - 2] + at, query) * kNodeKeys;
    out[i] = last =
        static_cast<uint32_t>(at + CountLess(d, tree.levels[kHeight - 1] + at, hn::Set(d, query)));
  }
}

HWY_INLINE uint32_t LowerBound(const int32_t* HWY_RESTRICT keys, size_t from, size_t end,
                               int32_t query) {
  return static_cast<uint32_t>(std::lower_bound(keys + from, keys + end, query) - keys);
}

}  // namespace

void SearchChain(const TreeView& tree, const int32_t* HWY_RESTRICT masked, size_t count,
                 uint32_t* HWY_RESTRICT out) {
  switch (tree.height) {
    case 1:
      return Chain<1>(tree, masked, count, out);
    case 2:
      return Chain<2>(tree, masked, count, out);
    case 3:
      return Chain<3>(tree, masked, count, out);
    case 4:
      return Chain<4>(tree, masked, count, out);
    case 5:
      return Chain<5>(tree, masked, count, out);
    case 6:
      return Chain<6>(tree, masked, count, out);
    default:
      return Chain<7>(tree, masked, count, out);
  }
}

// Four lines of a node are loaded and compared at once, in hardly more time than one: two levels of
// this tree stand for three of the other. Not so the leaves: from memory four lines take longer.
void SearchChainWide(const WideView& tree, const int32_t* HWY_RESTRICT masked, size_t count,
                     uint32_t* HWY_RESTRICT out) {
  switch (tree.height) {
    case 1:
      return ChainWide<1>(tree, masked, count, out);
    case 2:
      return ChainWide<2>(tree, masked, count, out);
    case 3:
      return ChainWide<3>(tree, masked, count, out);
    case 4:
      return ChainWide<4>(tree, masked, count, out);
    case 5:
      return ChainWide<5>(tree, masked, count, out);
    default:
      return ChainWide<6>(tree, masked, count, out);
  }
}

// The table, which stays in L2, tells between which places the answer is, and how far the query's
// lower bits are between them tells about where: three lines of the array there are loaded and
// compared at once. Whether the answer is among them is a guess, right where keys are spread
// evenly.
void SearchChainGuess(const TableView& view, const int32_t* HWY_RESTRICT masked, size_t count,
                      uint32_t* HWY_RESTRICT out) {
  constexpr size_t kWindow = 3 * kNodeKeys;
  const TableView table = view;
  const hn::CappedTag<int32_t, kNodeKeys> d;
  const int32_t* HWY_RESTRICT keys = table.keys;
  const uint64_t lower = (uint64_t{1} << table.shift) - 1;
  const bool has_window = table.padded >= kWindow;
  const size_t last_window = has_window ? table.padded - kWindow : 0;
  uint32_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const int32_t key = masked[i] ^ static_cast<int32_t>(last);
    const uint32_t bits = table.ordered(key);
    const size_t from = table.first[bits >> table.shift];
    const size_t end = table.first[(bits >> table.shift) + 1];
    const size_t guess = from + ((end - from) * (bits & lower) >> table.shift);
    size_t line = guess / kNodeKeys * kNodeKeys;
    line = HWY_MIN(line - HWY_MIN(line, kNodeKeys), last_window);
    if (HWY_LIKELY(has_window)) {
      const auto query = hn::Set(d, key);
      const size_t less = CountLess(d, keys + line, query) +
                          CountLess(d, keys + line + kNodeKeys, query) +
                          CountLess(d, keys + line + 2 * kNodeKeys, query);
      last = static_cast<uint32_t>(line + less);
      if (HWY_UNLIKELY((less == 0 && line > from) || (less == kWindow && line + kWindow < end)))
        last = LowerBound(keys, from, end, key);
    } else {
      last = LowerBound(keys, from, end, key);
    }
    out[i] = last;
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <bit>

#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(SearchChain);
HWY_EXPORT(SearchChainWide);
HWY_EXPORT(SearchChainGuess);

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
  // Any bytes, four a number.
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

// No branch to mispredict, but a load waits for the comparison before it: the wrong guesses of the
// naive search fetched ahead.
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

void s_tree(const TreeIndex& index, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(SearchChain)
  (index.view(), in.queries.data(), in.queries.size(), out.data());
}

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

void wide_tree(const WideIndex& index, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(SearchChainWide)
  (index.view(), in.queries.data(), in.queries.size(), out.data());
}

// At least eight keys a place, and no more places than L2 holds beside little else.
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

void interpolation(const Table& table, const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(SearchChainGuess)
  (table.view(), in.queries.data(), in.queries.size(), out.data());
}

constexpr Variant<LowerBoundDependent> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::lower_bound: log2(n) steps, half of them mispredicted, but right guesses fetch "
             "ahead"},
    {.name = "branchless",
     .run = run<branchless>,
     .what = "no guess, but each step waits for the one before; loses beyond the caches"},
    {.name = "eytzinger",
     .run = run<eytzinger>,
     .what = "breadth-first layout: one prefetch covers every place four steps ahead"},
    {.name = "s_tree",
     .run = run<s_tree>,
     .what = "B+ tree of cache lines: 17-way steps, each one SIMD comparison and one miss"},
    {.name = "wide_tree",
     .run = run<wide_tree>,
     .what =
         "65-way steps: four lines at once take hardly longer than one, and there are fewer steps"},
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
#endif  // HWY_ONCE

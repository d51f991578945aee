// Searches that wait for one another: in a B+ tree of narrow or wide nodes, and by interpolation.
// Included by lower_bound_dependent.cpp once for each target, after WideView and TableView.
//
// No include guard: it must be read again for every target.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "algorithm/search_trees-inl.h"

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

// As CountLess(), of a node of kWideKeys.
HWY_INLINE size_t CountLessWide(const int32_t* HWY_RESTRICT node, int32_t key) {
  const hn::CappedTag<int32_t, kNodeKeys> d;
  const auto query = hn::Set(d, key);
  const size_t n = hn::Lanes(d);
  size_t a = 0, b = 0;  // two sums: the chain of additions is to be short
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

// In [from, end), where three lines were not enough.
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

// Leaves are single lines: from memory four take longer than one.
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
// compared at once. Whether the answer is among them is left to branch prediction, which is right
// where keys are spread evenly.
void SearchChainInterpolated(const TableView& view, const int32_t* HWY_RESTRICT masked,
                             size_t count, uint32_t* HWY_RESTRICT out) {
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
    const size_t about = from + ((end - from) * (bits & lower) >> table.shift);
    size_t line = about / kNodeKeys * kNodeKeys;
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

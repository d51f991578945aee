// Searches in a static B+ tree, one by one and many in step. Included by lower_bound.cpp once for
// each target.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "algorithm/search_trees-inl.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

constexpr size_t kTopLevels = 3;  // 1 + 17 + 289 nodes: 20 KB
constexpr size_t kStep = 16;
constexpr size_t kGroup = 256;

template <size_t kHeight>
HWY_INLINE void SearchOneByOne(const TreeView& tree, const int32_t* HWY_RESTRICT queries,
                               size_t count, uint32_t* HWY_RESTRICT out) {
  const hn::CappedTag<int32_t, kNodeKeys> d;
  for (size_t i = 0; i < count; ++i) {
    const auto query = hn::Set(d, queries[i]);
    size_t cursor = 0;
    for (size_t l = 0; l + 1 < kHeight; ++l) cursor = Child(d, tree.levels[l], cursor, query);
    out[i] = Rank(d, tree.levels[kHeight - 1], cursor, query);
  }
}

// Sixteen searches go down in step: few enough that their cursors stay in registers, enough that
// one search's chain of loads and population counts hides behind the others'. Returns how many were
// done.
template <size_t kHeight>
HWY_INLINE size_t SearchInStep(const TreeView& tree, const int32_t* HWY_RESTRICT queries,
                               size_t count, uint32_t* HWY_RESTRICT out) {
  const hn::CappedTag<int32_t, kNodeKeys> d;
  size_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    size_t cursors[kStep] = {};
    for (size_t l = 0; l + 1 < kHeight; ++l)
      for (size_t j = 0; j < kStep; ++j)
        cursors[j] = Child(d, tree.levels[l], cursors[j], hn::Set(d, queries[i + j]));
    for (size_t j = 0; j < kStep; ++j)
      out[i + j] = Rank(d, tree.levels[kHeight - 1], cursors[j], hn::Set(d, queries[i + j]));
  }
  return i;
}

// In a tree beyond L2 a large group takes each level together below the top ones, which stay in L1:
// all have asked for their next nodes before the first goes on, so that as many misses are under
// way as the core can track. Out-of-order execution alone has only those of the few searches in its
// window.
template <size_t kHeight>
HWY_INLINE size_t SearchInGroups(const TreeView& tree, const int32_t* HWY_RESTRICT queries,
                                 size_t count, uint32_t* HWY_RESTRICT out) {
  const hn::CappedTag<int32_t, kNodeKeys> d;
  size_t i = 0;
  for (; i + kGroup <= count; i += kGroup) {
    size_t cursors[kGroup];
    for (size_t g = 0; g < kGroup; g += kStep) {
      size_t top[kStep] = {};
      for (size_t l = 0; l < kTopLevels; ++l)
        for (size_t j = 0; j < kStep; ++j)
          top[j] = Child(d, tree.levels[l], top[j], hn::Set(d, queries[i + g + j]));
      for (size_t j = 0; j < kStep; ++j) {
        cursors[g + j] = top[j];
        hwy::Prefetch(tree.levels[kTopLevels] + 2 * top[j]);
      }
    }
    for (size_t l = kTopLevels; l + 1 < kHeight; ++l) {
      for (size_t j = 0; j < kGroup; ++j) {
        cursors[j] = Child(d, tree.levels[l], cursors[j], hn::Set(d, queries[i + j]));
        hwy::Prefetch(tree.levels[l + 1] + 2 * cursors[j]);
      }
    }
    for (size_t j = 0; j < kGroup; ++j)
      out[i + j] = Rank(d, tree.levels[kHeight - 1], cursors[j], hn::Set(d, queries[i + j]));
  }
  return i;
}

template <size_t kHeight>
void Search(const TreeView& tree, bool batched, const int32_t* HWY_RESTRICT queries, size_t count,
            uint32_t* HWY_RESTRICT out) {
  size_t done = 0;
  if (batched) {
    if constexpr (kHeight > kTopLevels + 1)
      done = SearchInGroups<kHeight>(tree, queries, count, out);
    else
      done = SearchInStep<kHeight>(tree, queries, count, out);
  }
  SearchOneByOne<kHeight>(tree, queries + done, count - done, out + done);
}

}  // namespace

// The height is a compile-time constant for the loops inside: they unroll, and nothing is left to
// predict.
void SearchTree(const TreeView& tree, bool batched, const int32_t* HWY_RESTRICT queries,
                size_t count, uint32_t* HWY_RESTRICT out) {
  switch (tree.height) {
    case 1:
      return Search<1>(tree, batched, queries, count, out);
    case 2:
      return Search<2>(tree, batched, queries, count, out);
    case 3:
      return Search<3>(tree, batched, queries, count, out);
    case 4:
      return Search<4>(tree, batched, queries, count, out);
    case 5:
      return Search<5>(tree, batched, queries, count, out);
    case 6:
      return Search<6>(tree, batched, queries, count, out);
    default:
      return Search<7>(tree, batched, queries, count, out);
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

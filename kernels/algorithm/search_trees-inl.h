// The steps of a search in a static B+ tree, in portable SIMD. Included once for each target.
//
// No plain include guard: it must be read again for every target.
#include "algorithm/search_trees.h"
#include "support/simd.h"

#if defined(HEADROOM_ALGORITHM_SEARCH_TREES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_ALGORITHM_SEARCH_TREES_INL_H_
#undef HEADROOM_ALGORITHM_SEARCH_TREES_INL_H_
#else
#define HEADROOM_ALGORITHM_SEARCH_TREES_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// How many of a node's 16 keys are less than the query: the child to go to. One comparison and a
// population count where a vector holds 16 keys, and never a branch.
template <class D>
HWY_INLINE size_t CountLess(D d, const int32_t* HWY_RESTRICT node, hn::Vec<D> query) {
  size_t count = 0;
  for (size_t i = 0; i < kNodeKeys; i += hn::Lanes(d))
    count += hn::CountTrue(d, hn::Lt(hn::LoadU(d, node + i), query));
  return count;
}

// Cursors count in units of two keys, node n being 8 n: x86 scales an index by at most 8, so that
// the address of a node and the step to its child cost one instruction each.
template <class D>
HWY_INLINE size_t Child(D d, const int32_t* HWY_RESTRICT level, size_t cursor, hn::Vec<D> query) {
  return kFanOut * cursor + 8 * CountLess(d, level + 2 * cursor, query);
}
template <class D>
HWY_INLINE uint32_t Rank(D d, const int32_t* HWY_RESTRICT leaves, size_t cursor, hn::Vec<D> query) {
  return static_cast<uint32_t>(2 * cursor + CountLess(d, leaves + 2 * cursor, query));
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

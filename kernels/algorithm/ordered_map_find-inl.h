// Finds in a static B+ tree of 64-bit keys, many in step. Included by ordered_map_find.cpp once for
// each target, after IndexView.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

constexpr size_t kFindsInStep = 128;

// How many of a node's keys are less than `key`: the child to go to.
HWY_INLINE size_t KeysLess(const uint64_t* HWY_RESTRICT node, uint64_t key) {
#if HWY_TARGET <= HWY_AVX2 || HWY_TARGET == HWY_NEON
  const hn::CappedTag<uint64_t, kIndexKeys> d;
  const auto query = hn::Set(d, key);
  size_t count = 0;
  for (size_t i = 0; i < kIndexKeys; i += hn::Lanes(d))
    count += hn::CountTrue(d, hn::Lt(hn::LoadU(d, node + i), query));
  return count;
#else  // no comparison of unsigned 64-bit lanes that is worth it
  size_t count = 0;
  for (size_t i = 0; i < kIndexKeys; ++i) count += node[i] < key;
  return count;
#endif
}

// The value of `key`, whose place is in leaf `leaf` or the first of the next; 0 if it isn't there.
HWY_INLINE uint64_t Answer(const IndexView& tree, size_t leaf, uint64_t key) {
  const uint64_t* HWY_RESTRICT leaves = tree.levels[tree.height - 1];
  const size_t at = leaf * kIndexKeys + KeysLess(leaves + leaf * kIndexKeys, key);
  // The array is padded with the highest key there is, which may be a key as well.
  const size_t safe = HWY_MIN(at, tree.n - 1);
  const uint64_t found = 0 - static_cast<uint64_t>((leaves[safe] == key) & (at < tree.n));
  return tree.values[safe] & found;
}

}  // namespace

// A level of the tree is walked by all finds of a group before the next one: all have asked for
// their nodes before the first goes on.
void FindInIndex(const IndexView& view, const uint64_t* HWY_RESTRICT keys, size_t count,
                 uint64_t* HWY_RESTRICT out) {
  const IndexView tree = view;
  if (tree.n == 0) {
    for (size_t i = 0; i < count; ++i) out[i] = 0;
    return;
  }
  size_t nodes[kFindsInStep];
  for (size_t i = 0; i < count; i += kFindsInStep) {
    const size_t group = HWY_MIN(kFindsInStep, count - i);
    const uint64_t* HWY_RESTRICT k = keys + i;
    for (size_t j = 0; j < group; ++j) nodes[j] = 0;
    for (size_t l = 0; l + 1 < tree.height; ++l) {
      const uint64_t* HWY_RESTRICT level = tree.levels[l];
      const uint64_t* HWY_RESTRICT next = tree.levels[l + 1];
      for (size_t j = 0; j < group; ++j) {
        nodes[j] = kIndexFanOut * nodes[j] + KeysLess(level + kIndexKeys * nodes[j], k[j]);
        hwy::Prefetch(next + kIndexKeys * nodes[j]);
      }
    }
    for (size_t j = 0; j < group; ++j) hwy::Prefetch(tree.values + kIndexKeys * nodes[j]);
    for (size_t j = 0; j < group; ++j) out[i + j] = Answer(tree, nodes[j], k[j]);
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

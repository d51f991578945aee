// The rungs of algorithm/sort in SIMD. Included by sort.cpp once for each target, after SimdSteps.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>
#include <limits>

#include "support/quicksort-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

template <class T>
void SortBySteps([[maybe_unused]] SimdSteps steps, T* keys, T* spare, size_t n) {
#if HWY_TARGET != HWY_SCALAR
  constexpr T kHighest = std::numeric_limits<T>::max();
  const size_t depth = 2 * Log2(n);
  if (steps == SimdSteps::kPartition)
    return Quicksort<true, false, T>(keys, spare, n, 0, kHighest, depth, false);
  if (steps != SimdSteps::kAll)
    return Quicksort<true, true, T>(keys, spare, n, 0, kHighest, depth,
                                    steps == SimdSteps::kDistribute);
#endif
  QuicksortArray(keys, spare, n);
}

}  // namespace

void SortU32(SimdSteps steps, uint32_t* keys, uint32_t* spare, size_t n) {
  SortBySteps(steps, keys, spare, n);
}
void SortU64(SimdSteps steps, uint64_t* keys, uint64_t* spare, size_t n) {
  SortBySteps(steps, keys, spare, n);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

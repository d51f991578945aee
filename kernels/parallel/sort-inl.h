// The SIMD code of parallel/sort, from support/quicksort-inl.h. Included by sort.cpp once for each
// target.
//
// No include guard: it must be read again for every target.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "support/quicksort-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Sorts n keys in place; `spare` has room for n more.
void SortPart(uint32_t* keys, uint32_t* spare, size_t n) { QuicksortArray(keys, spare, n); }

// Sorts the n keys at `from`, all within [lowest, highest], into `to`, which has room for n; `from`
// is left in disorder.
void SortPlace(uint32_t* from, uint32_t* to, size_t n, [[maybe_unused]] uint32_t lowest,
               [[maybe_unused]] uint32_t highest) {
  if (n == 0) return;
#if HWY_TARGET == HWY_SCALAR
  std::copy_n(from, n, to);
  std::sort(to, to + n);
#else
  Quicksort<false, true>(from, to, n, lowest, highest, 2 * Log2(n), true);
#endif
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// Equal neighbours dropped in SIMD, and the quicksort of algorithm/sort. Included by
// deduplicate.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/quicksort-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Moves the first of each run of equal keys to the front of `out`, which has room for a vector
// more than n; returns how many there are. A key is kept where it differs from the one before it.
size_t UniqueSorted(const uint32_t* HWY_RESTRICT keys, size_t n, uint32_t* HWY_RESTRICT out) {
  if (n == 0) return 0;
  const hn::CappedTag<uint32_t, 16> d;
  const size_t lanes = hn::Lanes(d);
  out[0] = keys[0];
  size_t count = 1, i = 1;
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, keys + i);
    const auto kept = hn::Ne(v, hn::LoadU(d, keys + i - 1));
    hn::StoreU(hn::Compress(v, kept), d, out + count);
    count += hn::CountTrue(d, kept);
  }
  for (; i < n; ++i) {
    out[count] = keys[i];
    count += keys[i] != keys[i - 1];
  }
  return count;
}

void SortKeys(uint32_t* keys, uint32_t* spare, size_t n) { QuicksortArray(keys, spare, n); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

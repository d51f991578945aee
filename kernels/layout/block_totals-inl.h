// The totals of the blocks of an array of 32-bit numbers, for layout/list_vector and
// layout/aos_soa_scan.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

#if defined(HEADROOM_LAYOUT_BLOCK_TOTALS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_LAYOUT_BLOCK_TOTALS_INL_H_
#undef HEADROOM_LAYOUT_BLOCK_TOTALS_INL_H_
#else
#define HEADROOM_LAYOUT_BLOCK_TOTALS_INL_H_
#endif
HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// The sum of the n numbers at x. Four vectors of sums, so that two loads a cycle find two adds that
// don't wait.
HWY_INLINE uint32_t SumU32(const uint32_t* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
  }
  for (; i + lanes <= n; i += lanes) s0 = hn::Add(s0, hn::LoadU(d, x + i));
  s0 = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
  uint32_t sum = hn::GetLane(hn::SumOfLanes(d, s0));
  for (; i < n; ++i) sum += x[i];
  return sum;
}

// The totals of blocks of `block` numbers, the last one of what is left.
void BlockTotals(const uint32_t* HWY_RESTRICT x, size_t n, size_t block, uint32_t* totals) {
  for (; n != 0; ++totals) {
    const size_t count = HWY_MIN(block, n);
    *totals = SumU32(x, count);
    x += count;
    n -= count;
  }
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

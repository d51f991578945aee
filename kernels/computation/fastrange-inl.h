// fastrange in SIMD. Included by fastrange.cpp once for each target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/mul_high-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// out[i] = numbers[i] * buckets >> 32.
void DealOut(const uint32_t* HWY_RESTRICT numbers, size_t n, uint32_t buckets,
             uint32_t* HWY_RESTRICT out) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto factor = hn::Set(d, buckets);
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    hn::StoreU(MulHigh32(d, hn::LoadU(d, numbers + i), factor), d, out + i);
    hn::StoreU(MulHigh32(d, hn::LoadU(d, numbers + i + lanes), factor), d, out + i + lanes);
  }
#endif
  for (; i < n; ++i) out[i] = static_cast<uint32_t>(uint64_t{numbers[i]} * buckets >> 32);
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

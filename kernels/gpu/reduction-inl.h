// The SIMD code of gpu/reduction: 32-bit numbers added up as 64-bit ones. Included once for each
// target.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

#if defined(HEADROOM_GPU_REDUCTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_GPU_REDUCTION_INL_H_
#undef HEADROOM_GPU_REDUCTION_INL_H_
#else
#define HEADROOM_GPU_REDUCTION_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Lanes of 64 bits hold two numbers each: the lower half by a mask, the upper one by a shift, with
// no widening of vectors. Four sums each: adds in flight that do not wait for each other.
uint64_t GpuSumWide(const uint32_t* HWY_RESTRICT x, size_t n) {
  size_t i = 0;
  uint64_t sum = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint64_t> d;
  const hn::Repartition<uint32_t, decltype(d)> d32;
  const size_t lanes = hn::Lanes(d32);
  const auto low = hn::Set(d, 0xffffffff);
  auto a0 = hn::Zero(d), a1 = a0, a2 = a0, a3 = a0, b0 = a0, b1 = a0, b2 = a0, b3 = a0;
  const auto add = [&](size_t at, auto& a, auto& b) HWY_ATTR {
    const auto two = hn::BitCast(d, hn::LoadU(d32, x + at));
    a = hn::Add(a, hn::And(two, low));
    b = hn::Add(b, hn::ShiftRight<32>(two));
  };
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    add(i, a0, b0);
    add(i + lanes, a1, b1);
    add(i + 2 * lanes, a2, b2);
    add(i + 3 * lanes, a3, b3);
  }
  for (; i + lanes <= n; i += lanes) add(i, a0, b0);
  const auto a = hn::Add(hn::Add(a0, a1), hn::Add(a2, a3));
  const auto b = hn::Add(hn::Add(b0, b1), hn::Add(b2, b3));
  sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(a, b)));
#endif
  for (; i < n; ++i) sum += x[i];
  return sum;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

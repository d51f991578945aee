// The upper halves of products of 32-bit lanes.
//
// No plain include guard: it must be read again for every target.
#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_MUL_HIGH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_MUL_HIGH_INL_H_
#undef HEADROOM_SUPPORT_MUL_HIGH_INL_H_
#else
#define HEADROOM_SUPPORT_MUL_HIGH_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
// a * b >> 32, lane by lane, for unsigned lanes of 32 bits. Vectors multiply these to 64 bits in
// even lanes only: once as they are, once with the odd ones moved there.
template <class D>
HWY_INLINE hn::Vec<D> MulHigh32(D d, hn::Vec<D> a, hn::Vec<D> b) {
  const hn::Repartition<uint64_t, D> d64;
  const auto even = hn::ShiftRight<32>(hn::MulEven(a, b));
  const auto odd = hn::MulEven(hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(d64, a))), b);
  return hn::OddEven(hn::BitCast(d, odd), hn::BitCast(d, even));
}
#endif

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

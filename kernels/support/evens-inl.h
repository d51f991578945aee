// Highway's ConcatEven and ConcatOdd for capped vectors as well: of those, its version 1.0.3 deals
// out the whole register on SVE_256 (Neoverse V1). Of one vector twice, the first half is right.
#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_EVENS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_EVENS_INL_H_
#undef HEADROOM_SUPPORT_EVENS_INL_H_
#else
#define HEADROOM_SUPPORT_EVENS_INL_H_
#endif
HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
template <class D>
HWY_INLINE hn::Vec<D> Evens(D d, hn::Vec<D> hi, hn::Vec<D> lo) {
#if HWY_TARGET == HWY_SVE_256
  return hn::ConcatLowerLower(d, hn::ConcatEven(d, hi, hi), hn::ConcatEven(d, lo, lo));
#else
  return hn::ConcatEven(d, hi, lo);
#endif
}

template <class D>
HWY_INLINE hn::Vec<D> Odds(D d, hn::Vec<D> hi, hn::Vec<D> lo) {
#if HWY_TARGET == HWY_SVE_256
  return hn::ConcatLowerLower(d, hn::ConcatOdd(d, hi, hi), hn::ConcatOdd(d, lo, lo));
#else
  return hn::ConcatOdd(d, hi, lo);
#endif
}
#endif

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

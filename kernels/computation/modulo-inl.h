// modulo in SIMD. Included by modulo.cpp once for each target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/mul_high-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR
// The steps of remainder() for a vector.
template <class D>
HWY_INLINE hn::Vec<D> Remainder(D d, hn::Vec<D> x, const Reciprocal& r) {
  const auto t = MulHigh32(d, x, hn::Set(d, r.magic));
  const auto quotient =
      hn::ShiftRightSame(hn::Add(t, hn::ShiftRightSame(hn::Sub(x, t), r.first)), r.second);
  return hn::Sub(x, hn::Mul(quotient, hn::Set(d, r.divisor)));
}
#endif

// out[i] = numbers[i] % reciprocal.divisor.
void Remainders(const uint32_t* HWY_RESTRICT numbers, size_t n, const Reciprocal& reciprocal,
                uint32_t* HWY_RESTRICT out) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  const Reciprocal r = reciprocal;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    hn::StoreU(Remainder(d, hn::LoadU(d, numbers + i), r), d, out + i);
    hn::StoreU(Remainder(d, hn::LoadU(d, numbers + i + lanes), r), d, out + i + lanes);
  }
#endif
  for (; i < n; ++i) out[i] = remainder(numbers[i], reciprocal);
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

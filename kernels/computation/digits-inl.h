// Decimal digits in vectors: many digits per multiplication (Mula, "Parsing decimal numbers",
// 2014). digits.h has the same in a 64-bit register.
//
// No plain include guard: it must be read again for every target.
#include <bit>
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

#if defined(HEADROOM_COMPUTATION_DIGITS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_COMPUTATION_DIGITS_INL_H_
#undef HEADROOM_COMPUTATION_DIGITS_INL_H_
#else
#define HEADROOM_COMPUTATION_DIGITS_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR
// Which bytes are '0' ... '9', as a mask of signed bytes.
template <class D>
HWY_INLINE auto IsDigit(D d, hn::Vec<D> bytes) {
  const hn::RebindToSigned<D> di;
  // Moves them to the ten largest numbers that a signed byte holds.
  const auto moved = hn::BitCast(di, hn::Add(bytes, hn::Set(d, 127 - '9')));
  return hn::Gt(moved, hn::Set(di, 127 - 10));
}

// Four digits (bytes of 0 to 9, the first in the lowest) in each 32-bit lane to their value: pairs
// of digits, then pairs of those. Multiplying by (power << half the width) + 1 adds the neighbour
// as well.
template <class D>
HWY_INLINE auto FourDigits(D, hn::Vec<D> digits) {
  const hn::Repartition<uint16_t, D> d16;
  const hn::Repartition<uint32_t, D> d32;
  const auto by2 =
      hn::ShiftRight<8>(hn::Mul(hn::BitCast(d16, digits), hn::Set(d16, (10 << 8) + 1)));
  return hn::ShiftRight<16>(hn::Mul(hn::BitCast(d32, by2), hn::Set(d32, (100 << 16) + 1)));
}

// Eight digits in each 64-bit lane to their value.
template <class D>
HWY_INLINE auto EightDigits(D d, hn::Vec<D> digits) {
  const hn::Repartition<uint32_t, D> d32;
  const hn::Repartition<uint64_t, D> d64;
  const auto by4 = FourDigits(d, digits);
  return hn::Add(hn::MulEven(by4, hn::Set(d32, 10'000)), hn::ShiftRight<32>(hn::BitCast(d64, by4)));
}

// Sixteen digits in each block of 128 bits to their value, in its lower half.
template <class D>
HWY_INLINE auto SixteenDigits(D d, hn::Vec<D> digits) {
  const hn::Repartition<uint32_t, D> d32;
  const auto by8 = EightDigits(d, digits);
  const auto upper = hn::MulEven(hn::BitCast(d32, by8), hn::Set(d32, 100'000'000));
  return hn::Add(upper, hn::Shuffle01(by8));
}

// std::countl_zero, for x other than 0.
HWY_INLINE int LeadingZeros(uint64_t x) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2 && !defined(__LZCNT__)
  // Every CPU with AVX2 has it, but the compiler isn't told; its bsr takes AMD's eight steps.
  uint64_t zeros;
  asm("lzcnt %1, %0" : "=r"(zeros) : "r"(x) : "cc");
  return static_cast<int>(zeros);
#else
  return std::countl_zero(x);
#endif
}
#endif  // HWY_SCALAR

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

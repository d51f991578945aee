// A mask as a number, which scalar code then takes apart.
#include <bit>

#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_MASK_BITS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_MASK_BITS_INL_H_
#undef HEADROOM_SUPPORT_MASK_BITS_INL_H_
#else
#define HEADROOM_SUPPORT_MASK_BITS_INL_H_
#endif
HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Bit i is set where lane i of the mask is, of up to 64. (Highway writes it to memory, which the
// compiler sees through only if it is read back as a whole.)
template <class D>
HWY_INLINE uint64_t MaskBits(D d, hn::Mask<D> mask) {
  uint64_t bits = 0;
  hn::StoreMaskBits(d, mask, reinterpret_cast<uint8_t*>(&bits));
  return std::endian::native == std::endian::big ? __builtin_bswap64(bits) : bits;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

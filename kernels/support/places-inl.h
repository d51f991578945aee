// The places of a mask's set bits, written one after the other.
#include <bit>

#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_PLACES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_PLACES_INL_H_
#undef HEADROOM_SUPPORT_PLACES_INL_H_
#else
#define HEADROOM_SUPPORT_PLACES_INL_H_
#endif
HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// How many numbers WritePlaces may write at most.
template <size_t kStep>
constexpr size_t kMostPlaces = (64 + kStep - 1) / kStep* kStep;

// The places of set bits, `base` added: returns how many there are. `to` has room for
// kMostPlaces<kStep>.
template <size_t kStep>
HWY_INLINE size_t WritePlaces(uint64_t bits, uint32_t base, uint32_t* HWY_RESTRICT to) {
  const size_t count = static_cast<size_t>(std::popcount(bits));
  // So many are written, whether there are as many or not, and the next ones overwrite what was too
  // much: a branch for each bit would be mispredicted once in every mask.
  for (size_t k = 0; k < count; k += kStep) {
    for (size_t j = 0; j < kStep; ++j) {
      to[k + j] = base + static_cast<uint32_t>(std::countr_zero(bits));
      bits &= bits - 1;
    }
  }
  return count;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

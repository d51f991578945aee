// Questions to filters in portable SIMD. Included once for each target, from negative_lookup.cpp.
//
// No plain include guard: it must be read again for every target.
#include "caching/filters.h"
#include "support/mask_bits-inl.h"

#if defined(HEADROOM_CACHING_FILTERS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CACHING_FILTERS_INL_H_
#undef HEADROOM_CACHING_FILTERS_INL_H_
#else
#define HEADROOM_CACHING_FILTERS_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// Whether all bits of the key are set in its block: eight products, shifts and tests at once.
HWY_INLINE bool AllBitsSet(const filters::SplitBlock::Block& block, uint64_t hash) {
  using Filter = filters::SplitBlock;
  const hn::CappedTag<uint32_t, Filter::kLanes> d;
  bool all = true;
  for (size_t i = 0; i < Filter::kLanes; i += hn::Lanes(d)) {
    const auto places = hn::ShiftRight<27>(
        hn::Mul(hn::Set(d, static_cast<uint32_t>(hash)), hn::LoadU(d, Filter::kSalts.data() + i)));
    const auto bits = hn::Shl(hn::Set(d, 1u), places);
    all &= hn::AllTrue(d, hn::Eq(hn::And(hn::LoadU(d, block.words.data() + i), bits), bits));
  }
  return all;
}

// Puts the places of those keys that the filter may contain into `places`, which has room for all;
// returns how many they are.
inline size_t AskSplitBlock(const filters::SplitBlock& filter, const uint64_t* HWY_RESTRICT keys,
                            size_t count, uint32_t* HWY_RESTRICT places) {
  const auto blocks = filter.blocks();
  size_t found = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t hash = filters::mix(keys[i]);
    places[found] = static_cast<uint32_t>(i);
    found += AllBitsSet(blocks[filters::scaled(hash, blocks.size())], hash) ? 1 : 0;
  }
  return found;
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

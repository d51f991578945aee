// Requests to a cache in sets, in portable SIMD. Included once for each target, from eviction.cpp.
//
// No plain include guard: it must be read again for every target.
#include "caching/requests.h"
#include "caching/set_cache.h"
#include "support/mask_bits-inl.h"

#if defined(HEADROOM_CACHING_EVICTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CACHING_EVICTION_INL_H_
#undef HEADROOM_CACHING_EVICTION_INL_H_
#else
#define HEADROOM_CACHING_EVICTION_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// The way that holds the key; kWays where none does. All tags of the set in one comparison.
HWY_INLINE uint32_t WayOf(const SetCache::Set& set, uint64_t hash, uint64_t key) {
  const hn::CappedTag<uint8_t, SetCache::kWays> d;
  uint32_t same = 0;
  for (size_t i = 0; i < SetCache::kWays; i += hn::Lanes(d))
    same |= static_cast<uint32_t>(
                MaskBits(d, hn::Eq(hn::LoadU(d, set.tags + i), hn::Set(d, SetCache::tag_of(hash)))))
            << i;
  for (same &= set.taken; same != 0; same &= same - 1) {
    const auto way = static_cast<uint32_t>(hwy::Num0BitsBelowLS1Bit_Nonzero32(same));
    if (HWY_LIKELY(set.keys[way] == key)) return way;
  }
  return SetCache::kWays;
}

// Serves the requests in order; returns how many the cache had.
inline size_t Serve(SetCache& cache, const uint64_t* HWY_RESTRICT asked, size_t count,
                    uint64_t* HWY_RESTRICT out) {
  size_t hits = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t key = asked[i], hash = FlatIndex::hash(key);
    SetCache::Set& set = cache.set_of(hash);
    const uint32_t way = WayOf(set, hash, key);
    if (HWY_LIKELY(way != SetCache::kWays)) {
      set.used |= 1u << way;
      out[i] = set.values[way];
      ++hits;
    } else {
      out[i] = value_of(key);
      cache.insert(set, hash, key, out[i]);
    }
  }
  return hits;
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

// early_exit in SIMD: the list of candidates, and their distances. Included by early_exit.cpp once
// for each target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
bool Near(const int16_t* features, const Query& query) { return near(features, query); }
#else
// Whether an offer is near; gives up between the halves of its features.
HWY_INLINE bool Near(const int16_t* HWY_RESTRICT features, const Query& query) {
  const hn::CappedTag<int16_t, 32> d;
  const hn::Repartition<int32_t, decltype(d)> d32;
  int32_t sum = 0;
  for (size_t half = 0; half < kFeatures; half += 32) {
    auto even = hn::Zero(d32), odd = even;
    for (size_t k = half; k < half + 32; k += hn::Lanes(d)) {
      const auto apart = hn::Sub(hn::LoadU(d, features + k), hn::LoadU(d, query.features + k));
      even = hn::ReorderWidenMulAccumulate(d32, apart, apart, even, odd);
    }
    sum += hn::GetLane(hn::SumOfLanes(d32, hn::Add(even, odd)));
    if (sum > query.radius2) return false;
  }
  return true;
}
#endif

// Writes the indexes of the offers that are in stock and cheap, and returns how many there are: a
// vector of comparisons, and the indexes of those that hold moved together.
size_t Filter(const Offers& in, uint32_t* HWY_RESTRICT candidates) {
  size_t count = 0, i = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::ScalableTag<uint32_t> d;
  const hn::Rebind<uint8_t, decltype(d)> d8;
  const size_t lanes = hn::Lanes(d);
  const auto most = hn::Set(d, in.query.most);
  for (; i + lanes <= in.n; i += lanes) {
    const auto stock = hn::PromoteTo(d, hn::LoadU(d8, in.stock + i));
    const auto prices = hn::LoadU(d, in.prices + i);
    // Also no more than the most to pay: the larger of both is that.
    const auto good = hn::And(hn::Ne(stock, hn::Zero(d)), hn::Eq(hn::Max(prices, most), most));
    // To a register, then stored: a compressing store is slow on Zen 4.
    hn::StoreU(hn::Compress(hn::Iota(d, static_cast<uint32_t>(i)), good), d, candidates + count);
    count += hn::CountTrue(d, good);
  }
#endif
  for (; i < in.n; ++i) {
    candidates[count] = static_cast<uint32_t>(i);
    count += (in.stock[i] != 0) & (in.prices[i] <= in.query.most);
  }
  return count;
}

// Writes the indexes of the offers that are in stock, cheap and near, and returns how many there
// are: block by block the list, then the distances of those on it. With kPrefetch features are
// asked for some time before they are needed.
template <bool kPrefetch>
HWY_INLINE size_t Select(const Offers& in, uint32_t* HWY_RESTRICT selected) {
  uint32_t candidates[kBlock];
  size_t count = 0;
  for (size_t begin = 0; begin < in.n; begin += kBlock) {
    const int16_t* const features = in.features + begin * kFeatures;
    const size_t found = Filter(block_of(in, begin), candidates);
    for (size_t k = 0; k < found; ++k) {
      if constexpr (kPrefetch) {
        constexpr size_t kAhead = 8;
        const auto* const next = features + candidates[HWY_MIN(k + kAhead, found - 1)] * kFeatures;
        __builtin_prefetch(next);
        __builtin_prefetch(next + kFeatures / 2);
      }
      selected[count] = static_cast<uint32_t>(begin) + candidates[k];
      count += Near(features + candidates[k] * kFeatures, in.query);
    }
  }
  return count;
}

size_t SelectInOrder(const Offers& in, uint32_t* HWY_RESTRICT selected) {
  return Select<false>(in, selected);
}
size_t SelectAhead(const Offers& in, uint32_t* HWY_RESTRICT selected) {
  return Select<true>(in, selected);
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// Prefix sums of uint32 that wrap, in SIMD: sums within a vector in log2 steps, a carry between
// vectors; and the total that a part of several must know of those before it. Included once for
// each target.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_PREFIX_SUM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_PREFIX_SUM_INL_H_
#undef HEADROOM_SUPPORT_PREFIX_SUM_INL_H_
#else
#define HEADROOM_SUPPORT_PREFIX_SUM_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
HWY_INLINE uint32_t ScanPart(const uint32_t* x, size_t n, uint32_t sum, uint32_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = sum += x[i];
  return sum;
}
HWY_INLINE uint32_t ScanPartStreamed(const uint32_t* x, size_t n, uint32_t sum, uint32_t* out) {
  return ScanPart(x, n, sum, out);
}
HWY_INLINE uint32_t TotalOfPart(const uint32_t* x, size_t n) {
  uint32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i];
  return sum;
}
#else

// The prefix sums of one vector. What they need is made once, as it does not change in the loop.
template <class D>
struct Scan {
  static constexpr size_t kBlock = 4;  // lanes of 128 bits
  D d;
  size_t lanes = hn::Lanes(d);

  // Moves the sum of each block (its last lane) to all lanes of the block `blocks` later, and zero
  // into the first ones.
  HWY_INLINE hn::Vec<D> LaterBlock(hn::Vec<D> v, size_t blocks) const {
    const auto lane = hn::Iota(d, 0);
    const auto shift = hn::Set(d, static_cast<uint32_t>(kBlock * blocks));
    const auto last = hn::Or(hn::Sub(lane, shift), hn::Set(d, uint32_t{kBlock - 1}));
    const hn::RebindToSigned<D> di;
    const auto before = hn::Set(di, static_cast<int32_t>(kBlock * blocks) - 1);
    const auto have = hn::RebindMask(d, hn::Gt(hn::BitCast(di, lane), before));
    // In range where there is none: any lane will do.
    const auto index = hn::IfThenElseZero(have, last);
    return hn::IfThenElseZero(have, hn::TableLookupLanes(v, hn::IndicesFromVec(d, index)));
  }

  // The sums of each vector on its own. Within blocks of 128 bits lanes are shifted by an
  // instruction; then whole blocks get the sums of the one, two, four ... before.
  HWY_INLINE hn::Vec<D> Local(hn::Vec<D> v) const {
    v = hn::Add(v, hn::ShiftLeftLanes<1>(d, v));
    v = hn::Add(v, hn::ShiftLeftLanes<2>(d, v));
    for (size_t blocks = 1; kBlock * blocks < lanes; blocks *= 2)
      v = hn::Add(v, LaterBlock(v, blocks));
    return v;
  }
  // The last lane in all lanes.
  HWY_INLINE hn::Vec<D> Last(hn::Vec<D> v) const {
    const auto index = hn::Set(d, static_cast<uint32_t>(lanes - 1));
    return hn::TableLookupLanes(v, hn::IndicesFromVec(d, index));
  }
};

// The prefix sums of the n numbers at x, `before` added to each: store(vector, to) for each vector,
// `to` its place in `out`. Returns the last sum. Lines of x are asked for kAhead bytes before they
// are read (0: not).
template <std::ptrdiff_t kAhead, class Store>
HWY_INLINE uint32_t ScanVectors(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t before,
                                uint32_t* HWY_RESTRICT out, const Store& store) {
  const hn::ScalableTag<uint32_t> d;
  const Scan<decltype(d)> scan{d};
  const size_t lanes = scan.lanes;
  auto carry = hn::Set(d, before);
  size_t i = 0;
  // The carry's chain has one add a vector: what is added to it does not depend on it.
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    if constexpr (kAhead != 0) prefetch_lines(x + i, kAhead, 4 * lanes * sizeof(uint32_t));
    const auto v0 = scan.Local(hn::LoadU(d, x + i));
    const auto v1 = scan.Local(hn::LoadU(d, x + i + lanes));
    const auto v2 = scan.Local(hn::LoadU(d, x + i + 2 * lanes));
    const auto v3 = scan.Local(hn::LoadU(d, x + i + 3 * lanes));
    store(hn::Add(v0, carry), out + i);
    carry = hn::Add(carry, scan.Last(v0));
    store(hn::Add(v1, carry), out + i + lanes);
    carry = hn::Add(carry, scan.Last(v1));
    store(hn::Add(v2, carry), out + i + 2 * lanes);
    carry = hn::Add(carry, scan.Last(v2));
    store(hn::Add(v3, carry), out + i + 3 * lanes);
    carry = hn::Add(carry, scan.Last(v3));
  }
  for (; i + lanes <= n; i += lanes) {
    const auto v = scan.Local(hn::LoadU(d, x + i));
    store(hn::Add(v, carry), out + i);
    carry = hn::Add(carry, scan.Last(v));
  }
  uint32_t sum = hn::GetLane(carry);
  for (; i < n; ++i) out[i] = sum += x[i];
  return sum;
}

// The prefix sums of x[0..n), `before` added to each; returns the last one.
HWY_INLINE uint32_t ScanPart(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t before,
                             uint32_t* HWY_RESTRICT out) {
  const hn::ScalableTag<uint32_t> d;
  return ScanVectors<0>(x, n, before, out,
                        [d](auto v, uint32_t* to) HWY_ATTR { hn::StoreU(v, d, to); });
}

// The same with stores past the caches, and lines of x asked for ahead.
HWY_INLINE uint32_t ScanPartStreamed(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t before,
                                     uint32_t* HWY_RESTRICT out) {
  const hn::ScalableTag<uint32_t> d;
  const size_t head = items_to_alignment(out, n, hn::Lanes(d) * sizeof(uint32_t));
  uint32_t sum = before;
  for (size_t i = 0; i < head; ++i) out[i] = sum += x[i];
  sum = ScanVectors<kStreamAhead>(x + head, n - head, sum, out + head,
                                  [d](auto v, uint32_t* to) HWY_ATTR { hn::Stream(v, d, to); });
  hwy::FlushStream();
  return sum;
}

// The sum of x[0..n).
HWY_INLINE uint32_t TotalOfPart(const uint32_t* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
  }
  s0 = hn::Add(hn::Add(s0, s1), hn::Add(s2, s3));
  HWY_ALIGN uint32_t sums[hn::MaxLanes(d)];
  hn::Store(s0, d, sums);
  uint32_t total = 0;
  for (size_t k = 0; k < lanes; ++k) total += sums[k];
  for (; i < n; ++i) total += x[i];
  return total;
}

#endif  // HWY_SCALAR

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

// The SIMD code of simd/find_byte: one branch for many bytes. Included by find_byte.cpp once for
// each target.
//
// No include guard: it must be read again for every target.
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

constexpr size_t kBlock = 8;  // vectors

// Goes on from `i` over blocks of eight vectors in which no byte is that of `key`. A byte is zero
// in the least of their differences where one of them matches: one test and one branch for all
// eight. A vector costs two operations, and a block two more; L1 delivers two vectors a cycle, for
// which four ports are just enough.
template <size_t kAhead, class V>
HWY_INLINE size_t SkipBlocks(const uint8_t* HWY_RESTRICT text, size_t i, size_t n, V key) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  for (; i + kBlock * lanes <= n; i += kBlock * lanes) {
    if constexpr (kAhead != 0) prefetch_lines<kIntoL2>(text + i, kAhead, kBlock * lanes);
    // One statement a vector: as the arguments of one call they would be read from the last to the
    // first, and lines come from L2 half as fast against the prefetcher's direction.
    const auto vector = [&](size_t k)
                            HWY_ATTR { return hn::Xor(hn::LoadU(d, text + i + k * lanes), key); };
    auto least = vector(0);
    auto other = vector(1);
    least = hn::Min(least, vector(2));
    other = hn::Min(other, vector(3));
    least = hn::Min(least, vector(4));
    other = hn::Min(other, vector(5));
    least = hn::Min(least, vector(6));
    other = hn::Min(other, vector(7));
    least = hn::Min(least, other);
    if (HWY_UNLIKELY(!hn::AllFalse(d, hn::Eq(least, hn::Zero(d))))) break;
  }
  return i;
}

// The first of the n bytes at `text` that is `wanted`, or n. A branch a vector.
size_t FindByteByVectors(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t wanted) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto key = hn::Set(d, wanted);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const intptr_t lane = hn::FindFirstTrue(d, hn::Eq(hn::LoadU(d, text + i), key));
    if (lane >= 0) return i + static_cast<size_t>(lane);
  }
  while (i < n && text[i] != wanted) ++i;
  return i;
}

// The same, in a long search with a branch for eight vectors. Lines are asked for ahead from `near`
// bytes on, if the text is larger than `cached`.
size_t FindByteByBlocks(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t wanted, size_t near,
                        size_t cached) {
  const hn::ScalableTag<uint8_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto key = hn::Set(d, wanted);
  const auto first = [&](size_t at) HWY_ATTR {
    return hn::FindFirstTrue(d, hn::Eq(hn::LoadU(d, text + at), key));
  };
  size_t i = 0;
  if (n < lanes) {
    // (Half vectors and less would find some of these sooner; but texts rarely end.)
    while (i < n && text[i] != wanted) ++i;
    return i;
  }
  // A whole vector first, though it lies across two lines where the text starts anywhere: half of
  // one saves that, but ends too few of the searches, and each end is a branch to mispredict.
  if (const intptr_t lane = first(0); lane >= 0) return static_cast<size_t>(lane);
  // From here on aligned; the next three one by one, since many searches end there.
  i = lanes - reinterpret_cast<uintptr_t>(text) % lanes;
  for (const size_t end = i + 3 * lanes; i < end && i + lanes <= n; i += lanes) {
    const intptr_t lane = first(i);
    if (lane >= 0) return i + static_cast<size_t>(lane);
  }
  // In what a cache holds a prefetch would only take the place of a load.
  i = SkipBlocks<0>(text, i, n <= cached ? n : near, key);
  if (i + kBlock * lanes > near) i = SkipBlocks<4096>(text, i, n, key);
  for (; i + lanes <= n; i += lanes) {
    const intptr_t lane = first(i);
    if (lane >= 0) return i + static_cast<size_t>(lane);
  }
  if (i == n) return n;
  // The last vector ends with the text, and starts in what has been searched.
  const intptr_t lane = first(n - lanes);
  return lane >= 0 ? n - lanes + static_cast<size_t>(lane) : n;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

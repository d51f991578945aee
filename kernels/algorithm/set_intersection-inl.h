// The intersection of sorted sets in SIMD. Included by set_intersection.cpp once for each target,
// after branchless_merge().
//
// No include guard: it must be read again for every target.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/mask_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
using Tag = hn::CappedTag<uint32_t, 8>;
constexpr size_t kLanes = hn::MaxLanes(Tag());
using V = hn::Vec<Tag>;

// Rotates the lanes by one.
HWY_INLINE V Rotate(V v) {
#if HWY_TARGET <= HWY_AVX2 && HWY_ARCH_X86
  const Tag d;
  alignas(32) static constexpr int32_t kNext[8] = {1, 2, 3, 4, 5, 6, 7, 0};
  return hn::TableLookupLanes(v, hn::SetTableIndices(d, kNext));
#else
  return hn::Shuffle0321(v);
#endif
}

// Which lanes of `a` are in any lane of `b`: b is turned once around, all comparisons independent.
HWY_INLINE hn::Mask<Tag> InBlock(V a, V b) {
  auto any = hn::Eq(a, b);
  for (size_t i = 1; i < kLanes; ++i) {
    b = Rotate(b);
    any = hn::Or(any, hn::Eq(a, b));
  }
  return any;
}
#endif

}  // namespace

// The numbers of both sets, to `out`, which has room for a vector more; returns how many. Every
// number of a block of one set is compared with every number of a block of the other (Schlegel,
// Willhalm and Lehner, "Fast Sorted-Set Intersection using SIMD Instructions", 2011); then the
// block whose last number is smaller moves on, without a branch. The only branch is whether a set
// has ended: one per block, and predicted.
size_t IntersectBlocks(const uint32_t* a, size_t a_size, const uint32_t* b, size_t b_size,
                       uint32_t* HWY_RESTRICT out) {
  uint32_t* to = out;
  size_t i = 0, j = 0;
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  const Tag d;
  if (a_size >= kLanes && b_size >= kLanes) {
    const size_t a_last = a_size - kLanes, b_last = b_size - kLanes;
    // The places move without a branch.
    while (i <= a_last && j <= b_last) {
      const V x = hn::LoadU(d, a + i);
      const auto in = InBlock(x, hn::LoadU(d, b + j));
      const uint32_t x_max = a[i + kLanes - 1], y_max = b[j + kLanes - 1];
      hn::StoreU(hn::Compress(x, in), d, to);
      to += hn::CountTrue(d, in);
      i += x_max <= y_max ? kLanes : 0;
      j += y_max <= x_max ? kLanes : 0;
    }
  }
#endif
  to = branchless_merge(a + i, a + a_size, b + j, b + b_size, to);
  return static_cast<size_t>(to - out);
}

// The numbers of both sets, to `out`; returns how many. For each number of the small set `a` its
// place in `b` is found by binary search, without a branch, within the stretch of `b` that its
// group of 16 can lie in; that stretch is found by doubling steps from the last one (Bentley and
// Yao, "An almost optimal algorithm for unbounded searching", 1976), the first of them as long as
// the last group took. All numbers of a group take each step together, so that their misses
// overlap. Where a few vectors' numbers are left, all of them are compared at once (as Lemire,
// Boytsov and Kurz do in "SIMD Compression and the Intersection of Sorted Integers", 2016). The
// last group is a shorter one, not a search for each of its numbers.
size_t IntersectSmall(const uint32_t* a, size_t a_size, const uint32_t* b, size_t b_size,
                      uint32_t* HWY_RESTRICT out) {
  constexpr size_t kGroup = 16;
  const hn::CappedTag<uint32_t, 16> d;
  const size_t lanes = hn::Lanes(d);
  const size_t window = HWY_MIN(4 * lanes, size_t{32});
  size_t count = 0, from = 0;
  if (b_size < window) {
    for (size_t i = 0; i < a_size; ++i) {
      from = static_cast<size_t>(std::lower_bound(b + from, b + b_size, a[i]) - b);
      if (from == b_size) break;
      out[count] = a[i];
      count += b[from] == a[i];
    }
    return count;
  }
  size_t reach = 64;
  for (size_t i = 0; i < a_size; i += kGroup) {
    const size_t group = HWY_MIN(a_size - i, kGroup);
    const uint32_t* const x = a + i;
    // Where the group's numbers lie in b: none before `from`, none from `from + length` on.
    size_t length = reach;
    while (from + length < b_size && b[from + length] < x[group - 1]) length *= 2;
    length = HWY_MIN(length + 1, b_size - from);
    const uint32_t* base[kGroup];
    for (size_t g = 0; g < group; ++g) base[g] = b + from;
    size_t left = length;
    while (left > window) {
      const size_t half = left / 2;
      // opaque: no branch, and no gathers, which are slow on many processors.
      for (size_t g = 0; g < group; ++g)
        base[g] += opaque(0 - static_cast<size_t>(base[g][half - 1] < x[g])) & half;
      left -= half;
    }
    // Which is among the numbers left? (Others before or behind them do no harm.)
    for (size_t g = 0; g < group; ++g) {
      const uint32_t* const p = HWY_MIN(base[g], b + (b_size - window));
      const auto wanted = hn::Set(d, x[g]);
      auto any = hn::Eq(hn::LoadU(d, p), wanted);
      for (size_t k = lanes; k < window; k += lanes)
        any = hn::Or(any, hn::Eq(hn::LoadU(d, p + k), wanted));
      out[count] = x[g];
      count += !hn::AllFalse(d, any);
    }
    const size_t last = static_cast<size_t>(base[group - 1] - b);
    reach = HWY_MAX((last - from) * 5 / 4, size_t{64});
    from = last;
  }
  return count;
}

// Which of `count` words of x & y have ones, 64 at most, the first in the lowest bit.
HWY_INLINE uint64_t WordsWithOnes(const uint64_t* HWY_RESTRICT x, const uint64_t* HWY_RESTRICT y,
                                  size_t count) {
  uint64_t with_ones = 0;
  size_t w = 0;
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  const hn::ScalableTag<uint64_t> d;
  for (; w + hn::Lanes(d) <= count; w += hn::Lanes(d)) {
    const auto both = hn::And(hn::LoadU(d, x + w), hn::LoadU(d, y + w));
    with_ones |= MaskBits(d, hn::Ne(both, hn::Zero(d))) << w;
  }
#endif
  for (; w < count; ++w) with_ones |= uint64_t{(x[w] & y[w]) != 0} << w;
  return with_ones;
}

// The places of all ones of the words of x & y, counted from `first`, in order, to `out`; returns
// how many. Words without any, which most are where sets are sparse or in runs, are passed over by
// a mask of 64 of them. With AVX-512 compress instructions write the places of a word, 64 at once
// where bytes can be compressed, else they are written one after the other.
size_t IntersectBits(const uint64_t* HWY_RESTRICT x, const uint64_t* HWY_RESTRICT y, size_t words,
                     uint32_t first, uint32_t* HWY_RESTRICT out) {
  size_t count = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3 && HWY_TARGET > HWY_AVX3_DL
  const hn::ScalableTag<uint32_t> d;
  const __m512i iota =
      _mm512_add_epi32(hn::Iota(d, 0).raw, _mm512_set1_epi32(static_cast<int>(first)));
#endif
  for (size_t from = 0; from < words; from += 64) {
    const size_t left = HWY_MIN(words - from, size_t{64});
    for (uint64_t rest = WordsWithOnes(x + from, y + from, left); rest != 0; rest &= rest - 1) {
      const size_t w = from + hwy::Num0BitsBelowLS1Bit_Nonzero64(rest);
      const uint64_t bits = x[w] & y[w];
      const uint32_t base = first + static_cast<uint32_t>(64 * w);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
      const hn::ScalableTag<uint8_t> d8;
      const __m512i places = _mm512_maskz_compress_epi8(bits, hn::Iota(d8, 0).raw);
      const size_t ones = static_cast<size_t>(std::popcount(bits));
      const __m512i bases = _mm512_set1_epi32(static_cast<int>(base));
      const auto store = [&](size_t k, __m128i bytes) HWY_ATTR {
        _mm512_storeu_si512(out + count + k, _mm512_add_epi32(_mm512_cvtepu8_epi32(bytes), bases));
      };
      store(0, _mm512_castsi512_si128(places));
      if (HWY_UNLIKELY(ones > 16)) {
        store(16, _mm512_extracti32x4_epi32(places, 1));
        if (ones > 32) {
          store(32, _mm512_extracti32x4_epi32(places, 2));
          if (ones > 48) store(48, _mm512_extracti32x4_epi32(places, 3));
        }
      }
      count += ones;
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
      for (size_t k = 0; k < 4; ++k) {
        const __mmask16 mask = static_cast<__mmask16>(bits >> 16 * k);
        const __m512i places =
            _mm512_add_epi32(iota, _mm512_set1_epi32(static_cast<int>(64 * w + 16 * k)));
        _mm512_storeu_si512(out + count, _mm512_maskz_compress_epi32(mask, places));
        count += static_cast<size_t>(std::popcount(static_cast<uint32_t>(mask)));
      }
#else
      for (uint64_t ones = bits; ones != 0; ones &= ones - 1)
        out[count++] = base + static_cast<uint32_t>(hwy::Num0BitsBelowLS1Bit_Nonzero64(ones));
#endif
    }
  }
  return count;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

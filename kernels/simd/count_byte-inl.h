// The SIMD code of simd/count_byte: a counter of one byte in each lane. Included by count_byte.cpp
// once for each target.
//
// No include guard: it must be read again for every target.
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The counters, one a lane, with the bytes that match counted. A match of vectors is a lane of
// ones, that is -1, and subtracting it counts. But AVX-512 compares into mask registers, one vector
// a cycle, and L1 delivers two. There 1 - (byte ^ wanted), stopping at zero, is one where they
// match: three operations, of a kind that all vector ports do.
template <class V>
HWY_INLINE V CountMatches(V counter, V bytes, V wanted) {
  const hn::DFromV<V> d;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return hn::Add(counter, hn::SaturatedSub(hn::Set(d, 1), hn::Xor(bytes, wanted)));
#else
  return hn::Sub(counter, hn::VecFromMask(d, hn::Eq(bytes, wanted)));
#endif
}

constexpr size_t kStep = 8;  // vectors

// How many of the kStreams * part bytes at `text` are that of `key`. They are read from kStreams
// places at once, `part` bytes each, a multiple of kStep / kStreams vectors. Counts in byte lanes.
// A lane holds 255 at most, so the lanes are added up (eight to a 64-bit sum) before they overflow.
template <size_t kStreams, class V>
HWY_INLINE auto CountStreams(const uint8_t* HWY_RESTRICT text, size_t part, V key) {
  const hn::DFromV<V> d;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  const size_t lanes = hn::Lanes(d);
  constexpr size_t kEach = kStep / kStreams;  // vectors of each stream in a step
  auto total = hn::Zero(d64);
  for (size_t i = 0; i < part;) {
    const size_t end = i + HWY_MIN((part - i) / (kEach * lanes), size_t{127}) * kEach * lanes;
    auto c0 = hn::Zero(d), c1 = c0, c2 = c0, c3 = c0;
    for (; i < end; i += kEach * lanes) {
      const auto vector = [&](size_t k) HWY_ATTR {
        return hn::LoadU(d, text + k % kStreams * part + i + k / kStreams * lanes);
      };
      c0 = CountMatches(c0, vector(0), key);
      c1 = CountMatches(c1, vector(1), key);
      c2 = CountMatches(c2, vector(2), key);
      c3 = CountMatches(c3, vector(3), key);
      c0 = CountMatches(c0, vector(4), key);
      c1 = CountMatches(c1, vector(5), key);
      c2 = CountMatches(c2, vector(6), key);
      c3 = CountMatches(c3, vector(7), key);
    }
    total = hn::Add(total, hn::Add(hn::Add(hn::SumsOf8(c0), hn::SumsOf8(c1)),
                                   hn::Add(hn::SumsOf8(c2), hn::SumsOf8(c3))));
  }
  return total;
}

// Read in kStreams places at once, as CountStreams().
template <size_t kStreams>
HWY_INLINE uint64_t Count(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t wanted) {
  const hn::ScalableTag<uint8_t> d;
  const hn::Repartition<uint64_t, decltype(d)> d64;
  const size_t lanes = hn::Lanes(d);
  const auto key = hn::Set(d, wanted);
  size_t i = n / (kStep * lanes) * (kStep * lanes);
  auto total = CountStreams<kStreams>(text, i / kStreams, key);
  auto rest = hn::Zero(d);  // at most seven vectors
  for (; n - i >= lanes; i += lanes) rest = CountMatches(rest, hn::LoadU(d, text + i), key);
  total = hn::Add(total, hn::SumsOf8(rest));
  uint64_t count = hn::GetLane(hn::SumOfLanes(d64, total));
  for (; i < n; ++i) count += text[i] == wanted;
  return count;
}

uint64_t CountByteOneStream(const uint8_t* text, size_t n, uint8_t wanted) {
  return Count<1>(text, n, wanted);
}
uint64_t CountByteTwoStreams(const uint8_t* text, size_t n, uint8_t wanted) {
  return Count<2>(text, n, wanted);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

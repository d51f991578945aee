// The wheel sieve of prime_wheel.h, segment by segment, and its numbers written out in SIMD.
// Included by primes.cpp once for each target, after root() and WheelSteps.
//
// No include guard: it must be read again for every target.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "algorithm/prime_wheel.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// Writes the numbers of the ones of a segment; `first` is that of its first byte. Returns the end.
HWY_INLINE uint32_t* NumbersOneByOne(const uint8_t* segment, uint32_t size, uint32_t first,
                                     uint32_t* to) {
  for (uint32_t byte = 0; byte < size; ++byte, first += 30)
    for (uint32_t bits = segment[byte]; bits != 0; bits &= bits - 1)
      *to++ = first + kResidues[hwy::Num0BitsBelowLS1Bit_Nonzero32(bits)];
  return to;
}

// The same eight bytes at a time. Sixteen numbers are written always, and the place moves by as
// many as there are: no branch on how many, but where there are more. Room for 64 is needed.
HWY_INLINE uint32_t* Numbers(const uint8_t* segment, uint32_t size, uint32_t first, uint32_t* to) {
  static constexpr auto kOffsets = [] {
    struct {
      uint8_t of[65];
    } t{};
    for (uint32_t i = 0; i < 64; ++i) t.of[i] = static_cast<uint8_t>(i / 8 * 30 + kResidues[i % 8]);
    return t;
  }();
  for (uint32_t byte = 0; byte < size; byte += 8, first += 240) {
    uint64_t bits;
    std::memcpy(&bits, segment + byte, 8);
    if constexpr (std::endian::native == std::endian::big) bits = __builtin_bswap64(bits);
    const size_t count = hwy::PopCount(bits);
#if HWY_ARCH_X86 && HWY_TARGET == HWY_AVX3_DL
    // The offsets of the ones, packed as bytes, then widened.
    const __m512i offsets = _mm512_loadu_si512(kOffsets.of);
    const __m512i packed = _mm512_maskz_compress_epi8(bits, offsets);
    const __m512i base = _mm512_set1_epi32(static_cast<int>(first));
    const auto store = [&](size_t at, __m128i bytes) HWY_ATTR __attribute__((always_inline)) {
      _mm512_storeu_si512(to + at, _mm512_add_epi32(base, _mm512_cvtepu8_epi32(bytes)));
    };
    store(0, _mm512_castsi512_si128(packed));
    if (HWY_UNLIKELY(count > 16)) {
      store(16, _mm512_extracti32x4_epi32(packed, 1));
      store(32, _mm512_extracti32x4_epi32(packed, 2));
      store(48, _mm512_extracti32x4_epi32(packed, 3));
    }
#else
    const auto write = [&](size_t at) HWY_ATTR __attribute__((always_inline)) {
      for (size_t i = 0; i < 16; ++i) {
        to[at + i] = first + kOffsets.of[bits == 0 ? 64 : hwy::Num0BitsBelowLS1Bit_Nonzero64(bits)];
        bits &= bits - 1;
      }
    };
    write(0);
    for (size_t at = 16; HWY_UNLIKELY(at < count); at += 16) write(at);
#endif
    to += count;
  }
  return to;
}

template <WheelSteps kSteps>
HWY_NOINLINE uint32_t* SieveBy(const uint8_t* HWY_RESTRICT patterns, WheelSieve& s, uint64_t n,
                               uint32_t* to) {
  constexpr bool kPatterned = kSteps != WheelSteps::kStores;
  const uint64_t bytes = n / 30 + 1;
  const uint32_t limit = root(n);
  // Primes up to the root, ascending. Each starts at its square: what is less has a lesser factor.
  s.sieving.clear();
  s.composite.assign(limit / 2 + 1, 0);
  for (uint32_t p = 3; p <= limit; p += 2) {
    if (s.composite[p / 2] != 0) continue;
    for (uint64_t m = uint64_t{p} * p; m <= limit; m += 2 * p) s.composite[m / 2] = 1;
    if (p > (kPatterned ? kLastPatterned : 5))
      s.sieving.push_back({p, static_cast<uint32_t>(uint64_t{p} * p / 30), residue_index(p % 30)});
  }
  const size_t primes = s.sieving.size();
  size_t large = 0;
  while (large < primes && s.sieving[large].prime < kLargePrime) ++large;
  const uint32_t block = large < primes ? kBlock : kSegment;
  // Primes from `first` to before `active` have started.
  const auto cross = [&s](size_t first, size_t& active, size_t last, uint8_t* bits, uint64_t begin,
                          uint32_t size) {
    for (; active < last && s.sieving[active].byte < begin + size; ++active)
      s.sieving[active].byte -= static_cast<uint32_t>(begin);
    for (size_t i = first; i < active; ++i) cross_off(bits, size, s.sieving[i]);
  };
  size_t active_small = 0, active_large = large;
  for (uint64_t begin = 0; begin < bytes; begin += block) {
    const uint32_t size = static_cast<uint32_t>(HWY_MIN(uint64_t{block}, bytes - begin));
    for (uint32_t at = 0; at < size; at += kSegment) {
      const uint32_t length = HWY_MIN(kSegment, size - at);
      if constexpr (kPatterned) {
        const uint8_t* from[kPatterns];
        for (size_t k = 0; k < kPatterns; ++k)
          from[k] = patterns + k * kPatternBytes + (begin + at) % (kPairs[k][0] * kPairs[k][1]);
        const hn::ScalableTag<uint8_t> d;
        for (uint32_t i = 0; i < length; i += hn::Lanes(d)) {
          auto left = hn::LoadU(d, from[0] + i);
          for (size_t k = 1; k < kPatterns; ++k) left = hn::And(left, hn::LoadU(d, from[k] + i));
          hn::StoreU(left, d, s.block + at + i);
        }
        if (begin + at == 0) std::memcpy(s.block, kFirstBytes, sizeof kFirstBytes);
      } else {
        std::memset(s.block + at, 0xff, length);
        if (begin + at == 0) s.block[0] = kFirstBytes[0];  // 1 is no prime
      }
      cross(0, active_small, large, s.block + at, begin + at, length);
    }
    cross(large, active_large, primes, s.block, begin, size);
    uint32_t padded = size;
    if (begin + size == bytes) {  // nothing beyond n, and whole words
      for (uint32_t i = 0; i < 8; ++i)
        if ((bytes - 1) * 30 + kResidues[i] > n)
          s.block[size - 1] &= static_cast<uint8_t>(~(1u << i));
      for (; padded % 8 != 0; ++padded) s.block[padded] = 0;
    }
    const uint32_t first = static_cast<uint32_t>(begin * 30);
    if constexpr (kSteps == WheelSteps::kUnpacking)
      to = Numbers(s.block, padded, first, to);
    else
      to = NumbersOneByOne(s.block, padded, first, to);
  }
  return to;
}

}  // namespace

// Writes the primes from 7 on up to n, n >= 7, to `to`, which has room for 64 more; returns the
// end.
uint32_t* SieveWheel(WheelSteps steps, const uint8_t* HWY_RESTRICT patterns, WheelSieve& s,
                     uint64_t n, uint32_t* to) {
  switch (steps) {
    case WheelSteps::kStores:
      return SieveBy<WheelSteps::kStores>(patterns, s, n, to);
    case WheelSteps::kPatterns:
      return SieveBy<WheelSteps::kPatterns>(patterns, s, n, to);
    default:
      return SieveBy<WheelSteps::kUnpacking>(patterns, s, n, to);
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

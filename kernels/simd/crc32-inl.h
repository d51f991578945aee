// The SIMD code of simd/crc32: folding by carry-less products (PCLMULQDQ, VPCLMULQDQ; Arm's PMULL).
// Included by crc32.cpp once for each target.
//
// A block of 16 bytes counts x^(8 k) times where k bytes of message follow its place. So a block
// may be taken out and its product with x^(8 k) modulo the polynomial added to the block that
// stands k bytes later: the remainder stays the same. In steps:
//   1. FoldEight, FoldToFour: vector after vector moves to where a later one stands, until only the
//      last ones of the message are left. Eight are under way, to hide a product's latency.
//   2. Gather: these become one block.
//   3. Reduce: its 128 bits become the 32 of the register.
// Bits are reflected: the first one of the message, the highest power, is the lowest of its byte.
//
// No include guard: it must be read again for every target.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "simd/crc.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Where the target multiplies without carries; elsewhere Highway has a slow stand-in. (Vectors of
// SVE can't be members of a struct, as they are here.)
#undef HEADROOM_CRC_FOLDS
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_SSE4) || (HWY_ARCH_ARM_A64 && HWY_TARGET == HWY_NEON)
#define HEADROOM_CRC_FOLDS 1
#else
#define HEADROOM_CRC_FOLDS 0
#endif

bool CrcCanFold() { return HEADROOM_CRC_FOLDS != 0; }
bool CrcCanDoBoth() { return HEADROOM_CRC_FOLDS != 0 && HWY_ARCH_X86 != 0; }

namespace {

#if HEADROOM_CRC_FOLDS
using Block = hn::CappedTag<uint64_t, 2>;  // 128 bits of the message, the first ones lowest
// Vectors of several blocks only where one instruction multiplies them all.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
using Words = hn::CappedTag<uint64_t, 8>;
constexpr size_t kVector = 64;
#else
using Words = Block;
constexpr size_t kVector = 16;
#endif

// The factors that move a block kBytes further: for its first eight bytes, which have the higher
// powers of x, x^(8 kBytes + 64); for the others x^(8 kBytes); modulo the polynomial. Both powers
// are one less here, for the product of two reflected words comes out one too high.
template <uint32_t kPoly, size_t kBytes>
HWY_ALIGN constexpr uint64_t kFactors[2] = {uint64_t{crc::power<kPoly>(8 * kBytes + 63)} << 32,
                                            uint64_t{crc::power<kPoly>(8 * kBytes - 1)} << 32};

template <class D>
HWY_INLINE hn::Vec<D> LoadBytes(D d, const uint8_t* p) {
  return hn::BitCast(d, hn::LoadU(hn::Repartition<uint8_t, D>(), p));
}

// The blocks moved by kBytes, to where those of `next` stand, and added to them.
template <uint32_t kPoly, size_t kBytes, class D, class V>
HWY_INLINE V Fold(D d, V blocks, V next) {
  const auto factors = hn::LoadDup128(d, kFactors<kPoly, kBytes>);
  return hn::Xor3(hn::CLMulLower(blocks, factors), hn::CLMulUpper(blocks, factors), next);
}

// Gather: the blocks of one vector, or of four in a row, all moved to where the last one stands.
template <uint32_t kPoly>
HWY_INLINE hn::Vec<Block> Gather(hn::Vec<Block> v0, hn::Vec<Block> v1, hn::Vec<Block> v2,
                                 hn::Vec<Block> v3) {
  const Block d;
  return Fold<kPoly, 48>(d, v0, Fold<kPoly, 32>(d, v1, Fold<kPoly, 16>(d, v2, v3)));
}
template <uint32_t kPoly>
HWY_INLINE hn::Vec<Block> Gather(hn::Vec<Block> v) {
  return v;
}
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
// The factors for the four blocks of a vector that ends kBehind bytes before the last block's end.
// Each block has its own, so that no product waits for another; the very last one stays (zero: it
// is added apart).
template <uint32_t kPoly, size_t kBehind>
HWY_ALIGN constexpr uint64_t kGather[8] = {
    kFactors<kPoly, 48 + kBehind>[0],
    kFactors<kPoly, 48 + kBehind>[1],
    kFactors<kPoly, 32 + kBehind>[0],
    kFactors<kPoly, 32 + kBehind>[1],
    kFactors<kPoly, 16 + kBehind>[0],
    kFactors<kPoly, 16 + kBehind>[1],
    kBehind == 0 ? 0 : kFactors<kPoly, HWY_MAX(kBehind, 1)>[0],
    kBehind == 0 ? 0 : kFactors<kPoly, HWY_MAX(kBehind, 1)>[1]};

// The blocks of a vector that ends kBehind bytes before the end, moved there and added to `added`.
template <uint32_t kPoly, size_t kBehind>
HWY_INLINE hn::Vec<Words> MovedToEnd(hn::Vec<Words> v, hn::Vec<Words> added) {
  const auto factors = hn::Load(Words(), kGather<kPoly, kBehind>);
  return hn::Xor3(hn::CLMulLower(v, factors), hn::CLMulUpper(v, factors), added);
}

// The sum of a vector's four blocks.
HWY_INLINE hn::Vec<Block> SumOfBlocks(hn::Vec<Words> four) {
  const hn::CappedTag<uint64_t, 4> d256;
  const Block d128;
  const auto two = hn::Xor(hn::LowerHalf(d256, four), hn::UpperHalf(d256, four));
  return hn::Xor(hn::LowerHalf(d128, two), hn::UpperHalf(d128, two));
}

template <uint32_t kPoly>
HWY_INLINE hn::Vec<Block> Gather(hn::Vec<Words> v) {
  return SumOfBlocks(MovedToEnd<kPoly, 0>(v, hn::IfThenZeroElse(hn::FirstN(Words(), 6), v)));
}
template <uint32_t kPoly>
HWY_INLINE hn::Vec<Block> Gather(hn::Vec<Words> v0, hn::Vec<Words> v1, hn::Vec<Words> v2,
                                 hn::Vec<Words> v3) {
  const auto last = hn::IfThenZeroElse(hn::FirstN(Words(), 6), v3);
  const auto early = MovedToEnd<kPoly, 128>(v1, MovedToEnd<kPoly, 192>(v0, last));
  return SumOfBlocks(MovedToEnd<kPoly, 0>(v3, MovedToEnd<kPoly, 64>(v2, early)));
}
#endif

// The register after 128 bits of message: these times x^32, modulo the polynomial.
//
// Barrett's reduction divides by multiplying: floor(a / P) comes from a's product with a constant,
// floor(x^95 / P), and a - floor(a / P) * P is the remainder.
template <uint32_t kPoly>
HWY_INLINE uint32_t Reduce(hn::Vec<Block> block) {
  const Block d;
  const auto word = [d](uint64_t low) HWY_ATTR {
    HWY_ALIGN const uint64_t words[2] = {low, 0};
    return hn::Load(d, words);
  };
  // The upper 64 bits move down: 96 bits are left, 64 above the 32 of a remainder.
  const auto moved = hn::CLMulLower(block, word(kFactors<kPoly, 4>[0]));
  const auto above = hn::Xor(hn::ShiftRightBytes<4>(d, moved), hn::ShiftRightBytes<8>(d, block));
  // The quotient of those by the polynomial, times the polynomial, has to go.
  const auto quotient = hn::CLMulLower(above, word(crc::quotient<kPoly>()));
  const auto product = hn::CLMulLower(quotient, word(uint64_t{kPoly} << 1 | 1));
  const uint64_t rest = hn::GetLane(hn::ShiftRightBytes<12>(d, moved));
  return static_cast<uint32_t>(rest ^ hn::GetLane(hn::ShiftRightBytes<8>(d, product)));
}

// Vectors of the message under way. They start as its first bytes, and always stand for the latest
// ones read. Eight hide the latency of the multiplications.
struct Eight {
  hn::Vec<Words> v0, v1, v2, v3, v4, v5, v6, v7;
};

HWY_INLINE hn::Vec<Words> At(const uint8_t* p, size_t vector) {
  return LoadBytes(Words(), p + vector * kVector);
}

// The first vector of the message, with the register added to its first four bytes. (In a register:
// a load of bytes that were just stored in pieces would wait for the stores.)
HWY_INLINE hn::Vec<Words> First(uint32_t r, const uint8_t* p) {
  const Words d;
  return hn::Xor(At(p, 0), hn::IfThenElseZero(hn::FirstN(d, 1), hn::Set(d, r)));
}

HWY_INLINE Eight StartEight(uint32_t r, const uint8_t* p) {
  return {First(r, p), At(p, 1), At(p, 2), At(p, 3), At(p, 4), At(p, 5), At(p, 6), At(p, 7)};
}

template <uint32_t kPoly>
HWY_INLINE void FoldEight(Eight& v, const uint8_t* p) {
  const Words d;
  v.v0 = Fold<kPoly, 8 * kVector>(d, v.v0, At(p, 0));
  v.v1 = Fold<kPoly, 8 * kVector>(d, v.v1, At(p, 1));
  v.v2 = Fold<kPoly, 8 * kVector>(d, v.v2, At(p, 2));
  v.v3 = Fold<kPoly, 8 * kVector>(d, v.v3, At(p, 3));
  v.v4 = Fold<kPoly, 8 * kVector>(d, v.v4, At(p, 4));
  v.v5 = Fold<kPoly, 8 * kVector>(d, v.v5, At(p, 5));
  v.v6 = Fold<kPoly, 8 * kVector>(d, v.v6, At(p, 6));
  v.v7 = Fold<kPoly, 8 * kVector>(d, v.v7, At(p, 7));
}

// Eight to four, in v4 to v7.
template <uint32_t kPoly>
HWY_INLINE void FoldToFour(Eight& v) {
  const Words d;
  v.v4 = Fold<kPoly, 4 * kVector>(d, v.v0, v.v4), v.v5 = Fold<kPoly, 4 * kVector>(d, v.v1, v.v5);
  v.v6 = Fold<kPoly, 4 * kVector>(d, v.v2, v.v6), v.v7 = Fold<kPoly, 4 * kVector>(d, v.v3, v.v7);
}

// The register after a block that stands for all of the message before, and the n bytes after it.
template <uint32_t kPoly>
HWY_INLINE uint32_t Finish(hn::Vec<Block> block, const uint8_t* p, size_t n) {
  const Block d;
  for (; n >= 16; p += 16, n -= 16) block = Fold<kPoly, 16>(d, block, LoadBytes(d, p));
  const uint32_t r = Reduce<kPoly>(block);
  return HWY_LIKELY(n == 0) ? r : crc::by_slices<kPoly, 8>(r, p, n);
}

// The register r after the n bytes at p.
template <uint32_t kPoly>
uint32_t Folded(uint32_t r, const uint8_t* HWY_RESTRICT p, size_t n) {
  if (n < kVector) return crc::by_slices<kPoly, 8>(r, p, n);
  const Words d;
  hn::Vec<Words> v;
  if (n >= 4 * kVector) {
    hn::Vec<Words> v0, v1, v2, v3;
    if (n >= 32 * kVector) {
      Eight eight = StartEight(r, p);
      p += 8 * kVector, n -= 8 * kVector;
      for (; n >= 8 * kVector; p += 8 * kVector, n -= 8 * kVector) FoldEight<kPoly>(eight, p);
      FoldToFour<kPoly>(eight);
      v0 = eight.v4, v1 = eight.v5, v2 = eight.v6, v3 = eight.v7;
    } else {  // four do, and there is less to join
      v0 = First(r, p), v1 = At(p, 1), v2 = At(p, 2), v3 = At(p, 3);
      p += 4 * kVector, n -= 4 * kVector;
    }
    for (; n >= 4 * kVector; p += 4 * kVector, n -= 4 * kVector) {
      v0 = Fold<kPoly, 4 * kVector>(d, v0, At(p, 0));
      v1 = Fold<kPoly, 4 * kVector>(d, v1, At(p, 1));
      v2 = Fold<kPoly, 4 * kVector>(d, v2, At(p, 2));
      v3 = Fold<kPoly, 4 * kVector>(d, v3, At(p, 3));
    }
    if (n < kVector) return Finish<kPoly>(Gather<kPoly>(v0, v1, v2, v3), p, n);
    v = Fold<kPoly, 3 * kVector>(d, v0,
                                 Fold<kPoly, 2 * kVector>(d, v1, Fold<kPoly, kVector>(d, v2, v3)));
  } else {
    v = First(r, p);
    p += kVector, n -= kVector;
  }
  for (; n >= kVector; p += kVector, n -= kVector) v = Fold<kPoly, kVector>(d, v, At(p, 0));
  return Finish<kPoly>(Gather<kPoly>(v), p, n);
}

#if HWY_ARCH_X86
// A run of rounds takes two parts of the message side by side: a round folds eight vectors of the
// first part by the multiplier, and takes 80 bytes in each of three chains of the second by the
// CRC32 instruction, about as much as either does in the same time. In the end each register moves
// over the bytes that follow its own.
constexpr size_t kStreamStep = 80;
constexpr size_t kRound = 8 * kVector + 3 * kStreamStep;
constexpr size_t kMostRounds = 256;  // 188 KiB: rarely enough that what prefetchers lose is little

// x^(8 * bytes - 33), for bytes = kStreamStep * i: the instruction multiplies by x^32, the product
// of two reflected words by x.
constexpr std::array<uint32_t, 3 * kMostRounds + 1> kOver = [] {
  std::array<uint32_t, 3 * kMostRounds + 1> factors{};
  uint32_t factor = crc::power<crc::kCastagnoli>(8 * kStreamStep - 33);
  const uint32_t step = crc::power<crc::kCastagnoli>(8 * kStreamStep);
  for (size_t i = 1; i < factors.size(); ++i) {
    factors[i] = factor;
    factor = crc::multiply<crc::kCastagnoli>(factor, step);
  }
  return factors;
}();

// The register r after kStreamStep * steps zeros more.
HWY_INLINE uint32_t MovedOver(uint32_t r, size_t steps) {
  const hn::CappedTag<uint64_t, 1> d;
  const auto product = hn::CLMulLower(hn::Set(d, r), hn::Set(d, kOver[steps]));
  return static_cast<uint32_t>(_mm_crc32_u64(0, hn::GetLane(product)));
}

// The register r after the n bytes at p.
uint32_t Both(uint32_t r, const uint8_t* HWY_RESTRICT p, size_t n) {
  while (n >= 4 * kRound) {
    const size_t rounds = HWY_MIN(n / kRound, kMostRounds);
    const uint8_t* s0 = p + rounds * 8 * kVector;
    const uint8_t* const end = s0;
    const uint8_t* s1 = s0 + rounds * kStreamStep;
    const uint8_t* s2 = s1 + rounds * kStreamStep;
    const auto word = [](const uint8_t* at) HWY_ATTR {
      uint64_t w;
      memcpy(&w, at, 8);
      return w;
    };
    uint64_t r0 = 0, r1 = 0, r2 = 0;
    const auto streams = [&]() HWY_ATTR {
      for (size_t i = 0; i < kStreamStep; i += 8) {
        r0 = _mm_crc32_u64(r0, word(s0 + i));
        r1 = _mm_crc32_u64(r1, word(s1 + i));
        r2 = _mm_crc32_u64(r2, word(s2 + i));
      }
      s0 += kStreamStep, s1 += kStreamStep, s2 += kStreamStep;
    };
    Eight eight = StartEight(r, p);
    streams();
    for (p += 8 * kVector; p != end; p += 8 * kVector) {
      FoldEight<crc::kCastagnoli>(eight, p);
      streams();
    }
    FoldToFour<crc::kCastagnoli>(eight);
    r = Reduce<crc::kCastagnoli>(Gather<crc::kCastagnoli>(eight.v4, eight.v5, eight.v6, eight.v7));
    r = MovedOver(r, 3 * rounds) ^ MovedOver(static_cast<uint32_t>(r0), 2 * rounds) ^
        MovedOver(static_cast<uint32_t>(r1), rounds) ^ static_cast<uint32_t>(r2);
    p += rounds * 3 * kStreamStep;
    n -= rounds * kRound;
  }
  return Folded<crc::kCastagnoli>(r, p, n);
}
#else
uint32_t Both(uint32_t r, const uint8_t* p, size_t n) { return Folded<crc::kCastagnoli>(r, p, n); }
#endif
#else
template <uint32_t kPoly>
uint32_t Folded(uint32_t r, const uint8_t* p, size_t n) {
  return crc::by_slices<kPoly, 16>(r, p, n);
}
uint32_t Both(uint32_t r, const uint8_t* p, size_t n) { return Folded<crc::kCastagnoli>(r, p, n); }
#endif

}  // namespace

uint32_t CrcFoldIeee(uint32_t r, const uint8_t* p, size_t n) { return Folded<crc::kIeee>(r, p, n); }
uint32_t CrcFoldCastagnoli(uint32_t r, const uint8_t* p, size_t n) {
  return Folded<crc::kCastagnoli>(r, p, n);
}

uint32_t CrcBoth(uint32_t r, const uint8_t* p, size_t n) { return Both(r, p, n); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// format_integer in SIMD: several numbers share each multiplication. Included by format_integer.cpp
// once for each target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "computation/digits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR
#if HWY_HAVE_SCALABLE
using Words = hn::CappedTag<uint64_t, 2>;
#else
using Words = hn::ScalableTag<uint64_t>;
#endif
constexpr size_t kBlock = 256;  // numbers
constexpr size_t kRecord = 32;  // bytes for one of up to 20 digits; the last is in the last one

// Eight digits from each number below 10^8, the first in the lowest byte. Every step splits numbers
// in two, the upper half of the digits in the lower half of the lane: upper = x / 10^k by a
// multiplication, and lower = x - upper * 10^k, which x << half - upper * (10^k << half) + upper
// puts where it belongs.
template <class D>
HWY_INLINE hn::Vec<D> SplitEight(D d64, hn::Vec<D> x) {
  const hn::Repartition<uint32_t, D> d32;
  const hn::Repartition<uint16_t, D> d16;
  // x / 10^4 for x < 10^8: 3518437209 is 2^45 / 10^4, rounded up.
  const auto by4 = hn::ShiftRight<45>(
      hn::MulEven(hn::BitCast(d32, x), hn::BitCast(d32, hn::Set(d64, 3518437209))));
  const auto fours =
      hn::Sub(hn::Add(hn::ShiftLeft<32>(x), by4),
              hn::ShiftLeft<32>(hn::MulEven(hn::BitCast(d32, by4),
                                            hn::BitCast(d32, hn::Set(d64, uint64_t{10000})))));
  // x / 100 for x < 10^4: 5243 is 2^19 / 100, rounded up.
  const auto fours32 = hn::BitCast(d32, fours);
  const auto by2 = hn::BitCast(
      d32, hn::ShiftRight<3>(hn::MulHigh(hn::BitCast(d16, fours32), hn::Set(d16, 5243))));
  const auto twos = hn::Sub(
      hn::Add(hn::ShiftLeft<16>(fours32), by2),
      hn::ShiftLeft<16>(hn::BitCast(d32, hn::Mul(hn::BitCast(d16, by2), hn::Set(d16, 100)))));
  // x / 10 for x < 100: 6554 is 2^16 / 10, rounded up.
  const auto twos16 = hn::BitCast(d16, twos);
  const auto by1 = hn::MulHigh(twos16, hn::Set(d16, 6554));
  const auto ones = hn::Sub(hn::Add(hn::ShiftLeft<8>(twos16), by1),
                            hn::ShiftLeft<8>(hn::Mul(by1, hn::Set(d16, 10))));
  return hn::BitCast(d64, ones);
}

HWY_INLINE size_t DigitCount(uint64_t x) { return digit_count(x, 64 - LeadingZeros(x | 1)); }

// Digits without leading zeros into the text: a copy of constant size from where they begin, whose
// rest the next number overwrites, so that no branch depends on a length. A number's digits end at
// every kStride bytes.
template <size_t kStride>
HWY_INLINE char* CopyDigits(const uint64_t* HWY_RESTRICT numbers, size_t count,
                            const uint8_t* HWY_RESTRICT digits, char* HWY_RESTRICT to) {
  for (size_t j = 0; j < count; ++j) {
    const size_t length = DigitCount(numbers[j]);
    std::memcpy(to, digits + (j + 1) * kStride - length, kStride);
    to += length;
    *to++ = '\n';
  }
  return to;
}

// Whole vectors of groups of eight digits to characters.
HWY_INLINE void ToCharacters(const uint64_t* HWY_RESTRICT eights, size_t count,
                             uint8_t* HWY_RESTRICT digits) {
  const Words d;
  const hn::Repartition<uint8_t, Words> d8;
  for (size_t j = 0; j < count; j += hn::Lanes(d)) {
    const auto ones = SplitEight(d, hn::LoadU(d, eights + j));
    hn::Store(hn::Add(hn::BitCast(d8, ones), hn::Set(d8, '0')), d8, digits + 8 * j);
  }
}

// Blocks of numbers, in several loops: numbers to groups of eight digits, those to characters, and
// these to the text. The blocks are so large because reading back what was just written, in other
// pieces, stalls. What the largest number of a block needs is done for all of them.
size_t Format(const uint64_t* HWY_RESTRICT numbers, size_t count, char* HWY_RESTRICT text) {
  constexpr size_t kRound = hn::MaxLanes(Words());
  char* to = text;
  HWY_ALIGN uint64_t eights[2 * kBlock + kRound] = {};
  HWY_ALIGN uint8_t digits[(2 * kBlock + kRound) * 8 + kRecord];
  uint8_t records[(kBlock + 1) * kRecord];
  for (size_t i = 0; i < count; i += kBlock) {
    const size_t block = HWY_MIN(kBlock, count - i);
    const uint64_t* HWY_RESTRICT x = numbers + i;
    uint64_t largest = 0;
    for (size_t j = 0; j < block; ++j) largest = HWY_MAX(largest, x[j]);
    if (largest < kTen8) {
      const size_t whole = block / kRound * kRound;
      ToCharacters(x, whole, digits);
      for (size_t j = whole; j < block; ++j) eights[j - whole] = x[j];
      if (whole != block) ToCharacters(eights, block - whole, digits + 8 * whole);
      to = CopyDigits<8>(x, block, digits, to);
    } else if (largest < kTen16) {
      for (size_t j = 0; j < block; ++j) {
        eights[2 * j] = x[j] / kTen8;
        eights[2 * j + 1] = x[j] % kTen8;
      }
      ToCharacters(eights, 2 * block, digits);
      to = CopyDigits<16>(x, block, digits, to);
    } else {
      for (size_t j = 0; j < block; ++j) {
        const uint64_t top = x[j] / kTen16, rest = x[j] % kTen16;
        eights[2 * j] = rest / kTen8;
        eights[2 * j + 1] = rest % kTen8;
        uint8_t* const record = records + j * kRecord;
        std::memcpy(record + kRecord - 20, kPairs.text + 2 * (top / 100), 2);
        std::memcpy(record + kRecord - 18, kPairs.text + 2 * (top % 100), 2);
      }
      ToCharacters(eights, 2 * block, digits);
      for (size_t j = 0; j < block; ++j)
        std::memcpy(records + j * kRecord + kRecord - 16, digits + 16 * j, 16);
      to = CopyDigits<kRecord>(x, block, records, to);
    }
  }
  return static_cast<size_t>(to - text);
}
#else
size_t Format(const uint64_t* numbers, size_t count, char* text) {
  return swar_format(numbers, count, text);
}
#endif

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// parse_integer in SIMD: several lines share each multiply. Included by parse_integer.cpp once for
// each target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "computation/digits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

HWY_INLINE void ParseLine(const char* text, const uint32_t* starts, size_t i, uint64_t* values,
                          uint8_t* good) {
  const Number number =
      swar_line(text + starts[i + 1] - 1, static_cast<int64_t>(starts[i + 1]) - 1 - starts[i]);
  values[i] = number.value;
  good[i] = number.good;
}

#if HWY_TARGET != HWY_SCALAR

#if HWY_HAVE_SCALABLE
using Bytes = hn::CappedTag<uint8_t, 16>;
constexpr size_t kBlocks = 1;
#else
using Bytes = hn::ScalableTag<uint8_t>;
constexpr size_t kBlocks = hn::MaxLanes(Bytes()) / 16;
#endif

// The last kWidth bytes of each of kCount lines, one line next to the other. (Not MaxLanes of the
// tag: of half a capped SVE vector, Highway 1.0.3 takes that for a quarter.)
template <size_t kCount, size_t kWidth, class D>
HWY_INLINE hn::Vec<D> LoadEnds(D d, const char* text, const uint32_t* starts) {
  if constexpr (kCount == 1) {
    return hn::LoadU(d, reinterpret_cast<const uint8_t*>(text) + starts[1] - 1 - kWidth);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadEnds<kCount / 2, kWidth>(half, text, starts + kCount / 2),
                       LoadEnds<kCount / 2, kWidth>(half, text, starts));
  }
}

// Characters to digits, with 0 for what is before the line: bytes further from the end than its
// length, which `length` has in each byte.
template <class D, class DI = hn::RebindToSigned<D>>
HWY_INLINE hn::Vec<D> ToDigits(D d, hn::Vec<D> bytes, hn::Vec<DI> from_end, hn::Vec<DI> length) {
  return hn::IfThenZeroElse(hn::RebindMask(d, hn::Gt(from_end, length)),
                            hn::Sub(bytes, hn::Set(d, '0')));
}

// How far each byte is from the end of its kWidth bytes: kWidth ... 1, kWidth ... 1, ...
template <size_t kWidth, class D>
HWY_INLINE auto FromEnd(D d) {
  const auto at = hn::And(hn::Iota(d, 0), hn::Set(d, kWidth - 1));
  return hn::BitCast(hn::RebindToSigned<D>(), hn::Sub(hn::Set(d, kWidth), at));
}

constexpr size_t kGroup = 2 * kBlocks;  // lines whose values fill a vector

// The lengths of kGroup lines, or 100 where they are longer: what a signed byte can hold.
template <class D>
HWY_INLINE hn::Vec<D> Lengths(D d64, const uint32_t* starts) {
  const hn::Rebind<uint32_t, D> d32;
  const auto with_end = hn::Sub(hn::LoadU(d32, starts + 1), hn::LoadU(d32, starts));
  return hn::PromoteTo(d64, hn::Min(hn::Sub(with_end, hn::Set(d32, 1)), hn::Set(d32, 100)));
}

// The value of each line that is a number, and 1; 0 and 0 for the others.
template <class D>
HWY_INLINE void StoreNumbers(D d64, hn::Vec<D> value, hn::Mask<D> is_number, uint64_t* values,
                             uint8_t* good) {
  const hn::Rebind<uint8_t, D> d8;
  hn::StoreU(hn::IfThenElseZero(is_number, value), d64, values);
  hn::StoreU(hn::TruncateTo(d8, hn::IfThenElseZero(is_number, hn::Set(d64, 1))), d8, good);
}

// A group of lines of at most eight digits: one vector takes them all.
HWY_INLINE void ParseShort(const char* text, const uint32_t* starts, uint64_t* values,
                           uint8_t* good) {
  const Bytes d;
  const hn::Repartition<uint64_t, Bytes> d64;
  const hn::RebindToSigned<Bytes> di;
  const auto lengths = Lengths(d64, starts);
  // Its low byte into all eight of its bytes.
  const auto spread = hn::BitCast(di, hn::And(hn::Iota(d, 0), hn::Set(d, 8)));
  const auto digits = ToDigits(d, LoadEnds<kGroup, 8>(d, text, starts), FromEnd<8>(d),
                               hn::TableLookupBytes(hn::BitCast(di, lengths), spread));
  const auto wrong = hn::BitCast(d64, hn::SaturatedSub(digits, hn::Set(d, 9)));
  const auto is_number = hn::And(hn::Eq(wrong, hn::Zero(d64)), hn::Ne(lengths, hn::Zero(d64)));
  StoreNumbers(d64, EightDigits(d, digits), is_number, values, good);
}

// A group of lines of any length: two vectors take sixteen digits of each. Up to four more are
// added where one of the lines has them.
HWY_INLINE void ParseAny(const char* text, const uint32_t* starts, uint64_t* values,
                         uint8_t* good) {
  const Bytes d;
  const hn::RebindToSigned<Bytes> di;
  const hn::Repartition<uint64_t, Bytes> d64;
  const hn::RebindToSigned<decltype(d64)> di64;
  const auto lengths = Lengths(d64, starts);
  const auto line = hn::ShiftRight<1>(hn::Iota(d64, 0));  // of each half of a block
  const auto length_a = hn::TableLookupLanes(lengths, hn::IndicesFromVec(d64, line));
  const auto length_b =
      hn::TableLookupLanes(lengths, hn::IndicesFromVec(d64, hn::Add(line, hn::Set(d64, kBlocks))));
  const auto a = ToDigits(d, LoadEnds<kBlocks, 16>(d, text, starts), FromEnd<16>(d),
                          hn::TableLookupBytes(hn::BitCast(di, length_a), hn::Zero(di)));
  const auto b = ToDigits(d, LoadEnds<kBlocks, 16>(d, text, starts + kBlocks), FromEnd<16>(d),
                          hn::TableLookupBytes(hn::BitCast(di, length_b), hn::Zero(di)));
  auto value = hn::ConcatEven(d64, SixteenDigits(d, b), SixteenDigits(d, a));
  const auto wrong_a = hn::BitCast(d64, hn::SaturatedSub(a, hn::Set(d, 9)));
  const auto wrong_b = hn::BitCast(d64, hn::SaturatedSub(b, hn::Set(d, 9)));
  const auto wrong =
      hn::Or(hn::ConcatEven(d64, wrong_b, wrong_a), hn::ConcatOdd(d64, wrong_b, wrong_a));
  auto is_number = hn::And(hn::Eq(wrong, hn::Zero(d64)), hn::Ne(lengths, hn::Zero(d64)));

  const auto length = hn::BitCast(di64, lengths);
  if (!hn::AllFalse(di64, hn::Gt(length, hn::Set(di64, 16)))) {
    const hn::Rebind<uint32_t, decltype(d64)> d32;
    const hn::Repartition<uint8_t, decltype(d32)> d8;
    uint32_t top[kGroup];
    for (size_t i = 0; i < kGroup; ++i) std::memcpy(top + i, text + starts[i + 1] - 21, 4);
    const auto more = hn::BitCast(d64, hn::Sub(length, hn::Set(di64, 16)));  // or less than none
    const auto spread =
        hn::Mul(hn::And(hn::TruncateTo(d32, more), hn::Set(d32, 255)), hn::Set(d32, 0x01010101));
    const auto digits = ToDigits(d8, hn::BitCast(d8, hn::LoadU(d32, top)), FromEnd<4>(d8),
                                 hn::BitCast(hn::RebindToSigned<decltype(d8)>(), spread));
    const auto wrong_top =
        hn::PromoteTo(d64, hn::BitCast(d32, hn::SaturatedSub(digits, hn::Set(d8, 9))));
    const auto high = hn::PromoteTo(d64, FourDigits(d8, digits));
    // No more than 2^64 - 1 = 1844'6744073709551615.
    const auto high_i = hn::BitCast(di64, high), low_i = hn::BitCast(di64, value);
    const auto highest = hn::Set(di64, 1844);
    const auto overflow =
        hn::Or(hn::Gt(high_i, highest),
               hn::And(hn::Eq(high_i, highest), hn::Gt(low_i, hn::Set(di64, 6744073709551615))));
    const auto wrong_length = hn::Gt(length, hn::Set(di64, 20));
    is_number = hn::AndNot(hn::RebindMask(d64, hn::Or(overflow, wrong_length)),
                           hn::And(is_number, hn::Eq(wrong_top, hn::Zero(d64))));
    // 10^16 in two halves of 32 bits.
    constexpr uint64_t kPower = 10'000'000'000'000'000;
    const hn::Repartition<uint32_t, decltype(d64)> d32x2;
    const auto high32 = hn::BitCast(d32x2, high);
    const auto times_upper = hn::MulEven(high32, hn::Set(d32x2, kPower >> 32));
    const auto times_lower = hn::MulEven(high32, hn::Set(d32x2, kPower & 0xffffffff));
    value = hn::Add(value, hn::Add(hn::ShiftLeft<32>(times_upper), times_lower));
  }
  StoreNumbers(d64, value, is_number, values, good);
}

// Lines begin at text + starts[0 ... count - 1]; values and good get `count` each. Neither a length
// nor a wrong character is a branch: a comparison zeroes what is before the line. Branches are left
// where data mostly decides them one way for long: whether the next lines are all short, and
// whether a group has a very long one.
void ParseLines(const char* text, const uint32_t* starts, size_t count, uint64_t* values,
                uint8_t* good) {
  const hn::Repartition<uint32_t, Bytes> d32;
  constexpr size_t kChunk = 64;
  size_t i = 0;
  for (; i + kChunk <= count; i += kChunk) {
    auto longest = hn::Zero(d32);
    for (size_t j = i; j < i + kChunk; j += hn::Lanes(d32))
      longest =
          hn::Max(longest, hn::Sub(hn::LoadU(d32, starts + j + 1), hn::LoadU(d32, starts + j)));
    if (hn::AllFalse(d32, hn::Gt(longest, hn::Set(d32, 8 + 1)))) {
      for (size_t j = i; j < i + kChunk; j += kGroup)
        ParseShort(text, starts + j, values + j, good + j);
    } else {
      for (size_t j = i; j < i + kChunk; j += kGroup)
        ParseAny(text, starts + j, values + j, good + j);
    }
  }
  for (; i + kGroup <= count; i += kGroup) ParseAny(text, starts + i, values + i, good + i);
  for (; i < count; ++i) ParseLine(text, starts, i, values, good);
}
#else
void ParseLines(const char* text, const uint32_t* starts, size_t count, uint64_t* values,
                uint8_t* good) {
  for (size_t i = 0; i < count; ++i) ParseLine(text, starts, i, values, good);
}
#endif

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

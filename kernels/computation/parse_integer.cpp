// computation/parse_integer: decimal text to unsigned 64-bit integers.
//
// In: one line a number, n lines a call; the lines of consecutive calls differ (2^18 of them
// rotate). Out: for each line its value and whether it is a number. A number is one to twenty
// digits and nothing else, at most 2^64 - 1: an empty line, a sign, a blank, another character, or
// a larger value is none, and its value is 0. One line in 64 is none, in one of these ways.
//
// A library call handles a digit at a time: a multiply and an add each, every one waiting for the
// last, and a branch mispredicted where the number ends. Eight digits together need three
// multiplies: pairs of digits, pairs of pairs, pairs of those (Lemire, "Quickly parsing eight
// digits", 2018; Mula, "SIMD-ized parsing of decimal numbers", 2014). The code is our own.
//
// Where lines start is known; finding line ends is another problem (simd/count_byte, string_split).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/parse_integer.cpp"
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "computation/digits.h"
#include "computation/lines.h"
#include "support/evens-inl.h"

#ifndef HEADROOM_COMPUTATION_PARSE_INTEGER_ONCE_
#define HEADROOM_COMPUTATION_PARSE_INTEGER_ONCE_
namespace headroom {
namespace {

struct Number {
  std::uint64_t value;
  bool good;
};

// 20 digits: high has at most four of them.
inline Number joined(std::uint64_t low, std::uint64_t high, bool good) {
  std::uint64_t value;
  good &= !__builtin_mul_overflow(high, std::uint64_t{10'000'000'000'000'000}, &value);
  good &= !__builtin_add_overflow(value, low, &value);
  return {good ? value : 0, good};
}

// Digits in groups of eight, three multiplies each. Only whether there is a second and a third
// group is a branch; how long the number is within a group is a mask.
inline Number swar_line(const char* end, std::int64_t length) {
  const std::uint64_t last = eight_before(end, length);
  std::uint64_t low = eight_digits(last), high = 0;
  bool good = static_cast<std::uint64_t>(length - 1) < 20 && all_digits(last);
  if (length > 8) {
    const std::uint64_t middle = eight_before(end - 8, length - 8);
    good &= all_digits(middle);
    low += eight_digits(middle) * 100'000'000;
    if (length > 16) {
      const std::uint64_t first = eight_before(end - 16, length - 16);
      good &= all_digits(first);
      high = eight_digits(first);
    }
  }
  return joined(low, high, good);
}

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

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

// Four digits in each 32-bit lane to their value: pairs of digits, then pairs of those. Multiplying
// by (power << half the width) + 1 adds the neighbour as well.
template <class D>
HWY_INLINE auto FourDigits(D, hn::Vec<D> digits) {
  const hn::Repartition<uint16_t, D> d16;
  const hn::Repartition<uint32_t, D> d32;
  const auto by2 =
      hn::ShiftRight<8>(hn::Mul(hn::BitCast(d16, digits), hn::Set(d16, (10 << 8) + 1)));
  return hn::ShiftRight<16>(hn::Mul(hn::BitCast(d32, by2), hn::Set(d32, (100 << 16) + 1)));
}

// Eight digits in each 64-bit lane to their value.
template <class D>
HWY_INLINE auto EightDigits(D d, hn::Vec<D> digits) {
  const hn::Repartition<uint32_t, D> d32;
  const hn::Repartition<uint64_t, D> d64;
  const auto by4 = FourDigits(d, digits);
  return hn::Add(hn::MulEven(by4, hn::Set(d32, 10'000)), hn::ShiftRight<32>(hn::BitCast(d64, by4)));
}

// Sixteen digits in each block to their value, in the lower half of it.
template <class D>
HWY_INLINE auto SixteenDigits(D d, hn::Vec<D> digits) {
  const hn::Repartition<uint32_t, D> d32;
  const auto by8 = EightDigits(d, digits);
  const auto upper = hn::MulEven(hn::BitCast(d32, by8), hn::Set(d32, 100'000'000));
  return hn::Add(upper, hn::Shuffle01(by8));
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
  auto value = Evens(d64, SixteenDigits(d, b), SixteenDigits(d, a));
  const auto wrong_a = hn::BitCast(d64, hn::SaturatedSub(a, hn::Set(d, 9)));
  const auto wrong_b = hn::BitCast(d64, hn::SaturatedSub(b, hn::Set(d, 9)));
  const auto wrong = hn::Or(Evens(d64, wrong_b, wrong_a), Odds(d64, wrong_b, wrong_a));
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

// Several lines share each multiply. Neither a length nor a wrong character is a branch: a
// comparison zeroes what is before the line. Branches are left where data mostly decides them one
// way for long: whether the next lines are all short, and whether a group has a very long one.
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

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(ParseLines);

struct ParseInteger {
  static constexpr auto kInputs =
      inputs("digits_1_10", "digits_8", "digits_1_19").for_tests("short", "odd");
  using Input = LineInput;
  using Call = LineCall;
  struct Output {
    Buffer<std::uint64_t> values;
    Buffer<std::uint8_t> good;
    void poison() {
      headroom::poison(values);
      headroom::poison(good);
    }
    bool spoil(Spoil how) { return spoil_parts(how, values, good); }
  };

  static Input make(const Setting& setting, Rng& rng);
  static Input from(std::span<const std::uint8_t> bytes) { return lines_of(bytes); }
  static void size(const Input& in, Output& out) {
    out.values = Buffer<std::uint64_t>(in.n);
    out.good = Buffer<std::uint8_t>(in.n);
  }
  static absl::Status same(const LineCall&, const Output& want, const Output& got) {
    const absl::Status good = exact(want.good, got.good);
    return good.ok() ? exact(want.values, got.values) : good;
  }
};
using Call = LineCall;
using Output = ParseInteger::Output;

std::string digits_of(FastRng& rng, std::size_t length) {
  std::string line;
  for (std::size_t i = 0; i < length; ++i)
    line += static_cast<char>((i == 0 ? '1' : '0') + bounded(rng, i == 0 ? 9 : 10));
  return line;
}

// Lines that are no number, and numbers that nearly are none.
std::string odd_line(FastRng& rng) {
  static const std::string kOdd[] = {"",
                                     "-1",
                                     "+1",
                                     " 1",
                                     "1 ",
                                     "12a4",
                                     "18446744073709551616",
                                     "99999999999999999999",
                                     "18446744073709551615",
                                     "000000000000000000001",
                                     "00000000000000000001",
                                     "0",
                                     "/",
                                     ":",
                                     "123456789012345678901",
                                     "1234567:",
                                     ":2345678",
                                     "18446744073709551614",
                                     "18440000000000000000",
                                     "18450000000000000000",
                                     "1844674407370955161/",
                                     "/8446744073709551615",
                                     "00000000000000000000",
                                     "1234567890123456",
                                     "12345678901234567",
                                     "12345678/",
                                     "0x10",
                                     "1e3",
                                     "\xb1"};
  return kOdd[bounded(rng, std::size(kOdd))];
}

ParseInteger::Input ParseInteger::make(const Setting& setting, Rng& rng) {
  FastRng fast(rng());
  const std::size_t n = setting.n;
  const std::size_t count = lines_for(n);
  LineWriter lines;
  std::string& text = lines.text();
  for (std::size_t i = 0; i < count; ++i) {
    const InputName input = setting.input;
    if (input == ParseInteger::kInputs["digits_8"]) {
      text += digits_of(fast, 8);
    } else if (input == ParseInteger::kInputs["short"]) {  // for the tests: odd lines among none
                                                           // longer than eight
      const std::string odd = odd_line(fast);
      text +=
          odd.size() <= 8 && bounded(fast, 4) == 0 ? odd : digits_of(fast, 1 + bounded(fast, 8));
    } else if (bounded(fast, input == ParseInteger::kInputs["odd"] ? 2 : 64) ==
               0) {  // odd: for the tests, half of them
      text += odd_line(fast);
    } else {
      text += digits_of(fast,
                        1 + bounded(fast, input == ParseInteger::kInputs["digits_1_10"] ? 10 : 19));
    }
    lines.end_line();
  }
  return lines.input(n);
}

// strtoull skips blanks and line ends and takes signs, so that its caller has to look first.
void naive(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const line = in.text + in.starts[i];
    const char* const end = in.text + in.starts[i + 1] - 1;
    std::uint64_t value = 0;
    bool good = *line >= '0' && *line <= '9' && end - line <= 20;
    if (good) {
      char* stop = nullptr;
      errno = 0;
      value = std::strtoull(line, &stop, 10);
      good = stop == end && errno == 0;
    }
    out.values[i] = good ? value : 0;
    out.good[i] = good;
  }
}

// No locale, no errno, no base to choose at run time.
void from_chars(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const line = in.text + in.starts[i];
    const char* const end = in.text + in.starts[i + 1] - 1;
    std::uint64_t value = 0;
    const auto [stop, error] = std::from_chars(line, end, value);
    const bool good = error == std::errc() && stop == end && end - line <= 20;
    out.values[i] = good ? value : 0;
    out.good[i] = good;
  }
}

// One digit after another, but nothing else: what is left when generality goes.
void loop(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const line = in.text + in.starts[i];
    const std::size_t length = in.starts[i + 1] - 1 - in.starts[i];
    std::uint64_t value = 0;
    bool good = length - 1 < 20;
    for (std::size_t j = 0; j < length && good; ++j) {
      const std::uint64_t digit = static_cast<unsigned char>(line[j]) - std::uint64_t{'0'};
      good = digit < 10 && !__builtin_mul_overflow(value, std::uint64_t{10}, &value) &&
             !__builtin_add_overflow(value, digit, &value);
    }
    out.values[i] = good ? value : 0;
    out.good[i] = good;
  }
}

// The same without a library: `swar_line` is at the top.
void swar(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const Number number = swar_line(in.text + in.starts[i + 1] - 1,
                                    static_cast<std::int64_t>(in.starts[i + 1]) - 1 - in.starts[i]);
    out.values[i] = number.value;
    out.good[i] = number.good;
  }
}

void highway(const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(ParseLines)
  (in.text, in.starts, in.count, out.values.data(), out.good.data());
}

constexpr Variant<ParseInteger> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "strtoull: locale, errno, a digit at a time"},
    {.name = "from_chars", .run = run<from_chars>, .what = "std::from_chars: no locale, no errno"},
    {.name = "loop", .run = run<loop>, .what = "a loop over the digits with overflow checks"},
    {.name = "swar",
     .run = run<swar>,
     .what = "eight digits in three multiplies, masked by length"},
    {.name = "highway",
     .run = run<highway>,
     .what = "several numbers a vector, 8 or 16 digits each; lengths and errors are masks"},
};

const Registrar kRegistrar(
    {.name = "computation/parse_integer",
     .axis = Axis::kScalar,
     .technique = "many digits a multiply; the length as a mask, not a branch",
     .sizes = {256, 4096, 65536},
     .headline = {4096, 65536},
     .ceiling = {"machine/read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const double length = s.input == ParseInteger::kInputs["digits_1_10"] ? 5.5
                                 : s.input == ParseInteger::kInputs["digits_8"]  ? 8
                                                                                 : 10;
           return Demand{.items = n,
                         .bytes = (length + 1 + 4 + 9) * n,
                         .working_set = 24 * s.n,
                         .memory = 24 * (kLines + s.n) + 5 * 9 * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

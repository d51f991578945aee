// parse_double in SIMD: the last 32 characters of a line at once. First its shape (where its point
// and its exponent are) is read off a mask of the characters that are no digits; then its digits
// become two numbers of sixteen digits; those are multiplied by Eisel's and Lemire's power of five.
// Of lines that are short on average 16 characters are enough, and a division is (ParseShortBlock).
// Included by parse_double.cpp once for each target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "computation/digits-inl.h"
#include "support/mask_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR
using Bytes = hn::CappedTag<uint8_t, 32>;
constexpr size_t kWindow = 32;  // bytes of a line's end that are looked at together
constexpr size_t kBlock = 32;   // lines

// Which of the 32 characters before `end` are no digits, the last in the highest bit.
HWY_INLINE uint32_t NonDigits(const char* end) {
  const Bytes d;
  const hn::RebindToSigned<Bytes> di;
  uint32_t digits = 0;
  for (size_t i = 0; i < kWindow; i += hn::Lanes(d)) {
    const auto bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(end) - kWindow + i);
    digits |= static_cast<uint32_t>(MaskBits(di, IsDigit(d, bytes))) << i;
  }
  return ~digits;
}

// Bytes k ... k + 31 of it have their last k set.
alignas(64) constexpr uint8_t kLastBytes[2 * kWindow] = {
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

// The digits of the 32 characters before `end`: `digits` of them, the last `fraction` of which are
// behind a point where there is one. The point is dropped without a shuffle: what is before it is
// taken from a vector loaded a byte earlier. sixteens[0] gets the first sixteen, sixteens[2] the
// last.
HWY_INLINE void ReadDigits(const char* end, size_t digits, size_t fraction, bool point,
                           uint64_t* sixteens) {
  const Bytes d;
  const hn::Repartition<uint64_t, Bytes> d64;
  for (size_t i = 0; i < kWindow; i += hn::Lanes(d)) {
    const uint8_t* const window = reinterpret_cast<const uint8_t*>(end) - kWindow + i;
    const auto behind = hn::LoadU(d, kLastBytes + fraction + i);
    const auto bytes =
        hn::IfVecThenElse(behind, hn::LoadU(d, window), hn::LoadU(d, window - point));
    const auto values =
        hn::And(hn::LoadU(d, kLastBytes + digits + i), hn::Sub(bytes, hn::Set(d, '0')));
    hn::Store(SixteenDigits(d, values), d64, sixteens + i / 8);
  }
}

// Where the digits of a number are.
struct Shape {
  const char* end;   // behind the last of them
  int32_t q;         // the power of ten that they are to be multiplied with
  uint8_t digits;    // how many; 0 where the line has another shape, or is no number
  uint8_t fraction;  // how many of them are behind the point
  uint8_t point;     // 1 if there is one
  uint8_t negative;
};

// The shape of a number of up to 32 characters before its exponent, and with four digits of that:
// no loop, and no branch on where its point is.
HWY_INLINE Shape ShapeOf(const char* line, const char* end) {
  const bool negative = *line == '-';
  Shape shape{end, 0, 0, 0, 0, negative};
  size_t length = static_cast<size_t>(end - line) - negative;
  if (length - 1 >= kWindow) {
    shape.end = line + kWindow;
    return shape;
  }
  uint32_t others = NonDigits(end) & (~uint32_t{0} << (kWindow - length));
  constexpr uint32_t kLast = uint32_t{1} << (kWindow - 1);
  // Where the point is, or the last place of all: no digit is behind either.
  size_t at = static_cast<size_t>(std::countr_zero(others | kLast));
  if ((others & (others - 1)) != 0 || (others != 0 && *(end - (kWindow - at)) != '.')) {
    // More than a point: an exponent, then, if it is a number.
    const uint32_t behind_point = *(end - (kWindow - at)) == '.' ? others & (others - 1) : others;
    const size_t mark = static_cast<size_t>(std::countr_zero(behind_point));
    const char* const e = end - (kWindow - mark);
    const size_t sign = e[1] == '-' || e[1] == '+';
    const size_t count = kWindow - 1 - mark - sign;
    const size_t after = kWindow - mark;
    // Behind it a sign at most, and digits; before it a digit at least.
    if ((*e | 0x20) != 'e' || count - 1 >= 4 || behind_point >> mark >> 1 != sign ||
        after >= length)
      return shape;
    const int32_t q =
        static_cast<int32_t>(eight_digits(eight_before(end, static_cast<int64_t>(count))));
    const int32_t minus = -static_cast<int32_t>(e[1] == '-');
    shape.q = (q ^ minus) - minus;
    shape.end = e;
    length -= after;
    others = (others ^ behind_point) << after;
    at = static_cast<size_t>(std::countr_zero(others | kLast));
  }
  shape.point = others != 0;
  shape.fraction = static_cast<uint8_t>(kWindow - 1 - at);
  shape.digits = static_cast<uint8_t>(length - shape.point);
  shape.q -= shape.fraction;
  return shape;
}

// `count` lines from `begin` on, kBlock at most. In three loops, so that the processor has many
// lines in each of them under way at once.
HWY_INLINE void ParseBlock(const LineCall& in, const PowerOfFive* powers, size_t begin,
                           size_t count, uint64_t* HWY_RESTRICT bits, uint8_t* HWY_RESTRICT good) {
  Shape shapes[kBlock];
  HWY_ALIGN uint64_t sixteens[4 * kBlock];
  for (size_t i = 0; i < count; ++i) shapes[i] = ShapeOf(in.begin(begin + i), in.end(begin + i));
  for (size_t i = 0; i < count; ++i)
    ReadDigits(shapes[i].end, shapes[i].digits, shapes[i].fraction, shapes[i].point,
               sixteens + 4 * i);
  for (size_t i = 0; i < count; ++i) {
    const uint64_t high = sixteens[4 * i];
    Number number;
    // 1843 * 10^16 + 10^16 - 1 is less than 2^64.
    if (HWY_UNLIKELY(shapes[i].digits == 0 || high > 1843)) {
      number = eisel_lemire_line(in.begin(begin + i), in.end(begin + i), powers);
    } else {
      const uint64_t w = high * 10'000'000'000'000'000 + sixteens[4 * i + 2];
      number = {nearest_double(w, LeadingZeros(w), shapes[i].q, powers) |
                    uint64_t{shapes[i].negative} << 63,
                true};
    }
    bits[begin + i] = number.bits;
    good[begin + i] = number.good;
  }
}

#if HWY_HAVE_FLOAT64
constexpr size_t kShort = 16;  // bytes of a line's end that are enough for a short number

// The same where lines are short: up to 15 digits and a point. Such a number is a whole one below
// 2^53, divided by a power of ten that is a double: rounded once (Clinger, 1990). So half as many
// characters are looked at, and from their digits on everything is vectors, several lines in each.
HWY_INLINE void ParseShortBlock(const LineCall& in, const PowerOfFive* powers, size_t begin,
                                size_t count, uint64_t* HWY_RESTRICT bits,
                                uint8_t* HWY_RESTRICT good) {
  static constexpr double kPowers[kShort] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                             1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
  HWY_ALIGN uint8_t digits[kShort * kBlock];
  HWY_ALIGN double powers_of_ten[kBlock];
  HWY_ALIGN uint64_t signs[kBlock];
  uint8_t others[kBlock];  // lines of another shape
  size_t other_count = 0;
  if (count < kBlock) {  // what is computed for lines that there aren't
    std::fill(std::begin(digits), std::end(digits), uint8_t{0});
    std::fill(std::begin(powers_of_ten), std::end(powers_of_ten), 1.0);
    std::fill(std::begin(signs), std::end(signs), uint64_t{0});
  }
  const hn::CappedTag<uint8_t, kShort> d;
  const hn::RebindToSigned<decltype(d)> di;
  for (size_t i = 0; i < count; ++i) {
    const char* const line = in.begin(begin + i);
    const char* const end = in.end(begin + i);
    const bool negative = *line == '-';
    const size_t whole_length = static_cast<size_t>(end - line) - negative;
    const size_t length = HWY_MIN(whole_length, kShort);
    const auto bytes = hn::LoadU(d, reinterpret_cast<const uint8_t*>(end) - kShort);
    const uint32_t is_digit = static_cast<uint32_t>(MaskBits(di, IsDigit(d, bytes)));
    const uint32_t is_point = static_cast<uint32_t>(MaskBits(d, hn::Eq(bytes, hn::Set(d, '.'))));
    const uint32_t rest = ~is_digit & (0xffff0000u >> length) & 0xffff;
    const size_t point = rest != 0;
    // Behind the point, or no digit.
    const size_t fraction = kShort - 1 - static_cast<size_t>(std::countr_zero(rest | 0x8000));
    const bool right = (rest & (rest - 1)) == 0 && (rest & ~is_point) == 0 &&
                       length - point - 1 < kShort - 1 && whole_length <= kShort;
    // The point is dropped as in ReadDigits.
    const auto behind = hn::LoadU(d, kLastBytes + kWindow - kShort + fraction);
    const auto without = hn::IfVecThenElse(
        behind, bytes, hn::LoadU(d, reinterpret_cast<const uint8_t*>(end) - kShort - point));
    const auto counted = hn::LoadU(d, kLastBytes + kWindow - kShort + length - point);
    hn::Store(hn::And(counted, hn::Sub(without, hn::Set(d, '0'))), d, digits + kShort * i);
    powers_of_ten[i] = kPowers[fraction];
    signs[i] = uint64_t{negative} << 63;
    good[begin + i] = right;
    others[other_count] = static_cast<uint8_t>(i);
    other_count += !right;
  }
  if (HWY_UNLIKELY(other_count > count / 4))
    return ParseBlock(in, powers, begin, count, bits, good);
  const hn::ScalableTag<uint64_t> d64;
  const hn::Repartition<uint8_t, decltype(d64)> d8;
  const hn::Repartition<double, decltype(d64)> df;
  const size_t lanes = hn::Lanes(d64);
  HWY_ALIGN uint64_t results[kBlock];
  for (size_t i = 0; i < kBlock; i += lanes) {  // digits behind the last line's are of no matter
    const auto low = SixteenDigits(d8, hn::Load(d8, digits + kShort * i));
    const auto high = SixteenDigits(d8, hn::Load(d8, digits + kShort * i + 8 * lanes));
    const auto whole = hn::ConcatEven(d64, high, low);
    // Less than 2^52, so that it fits under the leading one of that.
    const auto exponent = hn::Set(d64, uint64_t{0x4330} << 48);
    const auto value = hn::Sub(hn::BitCast(df, hn::Or(whole, exponent)), hn::BitCast(df, exponent));
    const auto quotient = hn::Div(value, hn::Load(df, powers_of_ten + i));
    hn::Store(hn::Or(hn::BitCast(d64, quotient), hn::Load(d64, signs + i)), d64, results + i);
  }
  std::copy(results, results + count, bits + begin);
  for (size_t k = 0; k < other_count; ++k) {
    const size_t i = begin + others[k];
    const Number number = eisel_lemire_line(in.begin(i), in.end(i), powers);
    bits[i] = number.bits;
    good[i] = number.good;
  }
}
#endif

void ParseLines(const LineCall& in, const PowerOfFive* powers, uint64_t* bits, uint8_t* good) {
  for (size_t i = 0; i < in.count; i += kBlock) {
    const size_t count = std::min(kBlock, in.count - i);
#if HWY_HAVE_FLOAT64
    if (in.starts[i + count] - in.starts[i] <= count * (kShort - 2)) {
      ParseShortBlock(in, powers, i, count, bits, good);
      continue;
    }
#endif
    ParseBlock(in, powers, i, count, bits, good);
  }
}
#else
void ParseLines(const LineCall& in, const PowerOfFive* powers, uint64_t* bits, uint8_t* good) {
  for (size_t i = 0; i < in.count; ++i) {
    const Number number = eisel_lemire_line(in.begin(i), in.end(i), powers);
    bits[i] = number.bits;
    good[i] = number.good;
  }
}
#endif

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// computation/parse_double: decimal text to doubles, right to the last bit.
//
// In: one line a number, n lines a call; the lines of consecutive calls differ (2^18 of them
// rotate). A number is [-] digits [. digits] [(e|E) [+|-] digits], with at least one digit before
// or behind the point, and nothing else: no blank, no plus in front, no inf, nan or hexadecimal.
// One line in 64 is none. Out: for each line whether it is a number, and the bits of the double
// nearest to it (ties to even; too large is infinite, too small is zero, each with its sign), or 0.
// Exact.
//
// strtod is exact for any base, locale and rounding mode, and pays for it with arithmetic on long
// integers. Clinger ("How to read floating point numbers accurately", 1990) saw that short numbers
// need one division or multiplication of doubles. Eisel and Lemire do with one 64 x 128-bit product
// (eisel_lemire.h), after which reading the digits is what takes time. That is where SIMD helps.
//
// Links: fast_float
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/parse_double.cpp"
#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "computation/digits.h"
#include "computation/eisel_lemire.h"
#include "computation/lines.h"
#include "support/mask_bits-inl.h"

#ifndef HEADROOM_COMPUTATION_PARSE_DOUBLE_ONCE_
#define HEADROOM_COMPUTATION_PARSE_DOUBLE_ONCE_
namespace headroom {
namespace {

struct Number {
  std::uint64_t bits;
  bool good;
};
constexpr Number kNone = {0, false};

// -w * 10^q or w * 10^q, where w has 19 digits of the number at most.
struct Decimal {
  std::uint64_t w;
  std::int64_t q;
  bool negative;
  bool good;
  bool cut;  // there were more digits, of which not all were 0
};

// Adds the digits from `at` on to w, modulo 2^64, and returns where they end.
inline const char* take_digits(const char* at, const char* end, std::uint64_t& w) {
  for (; end - at >= 8; at += 8) {
    const std::uint64_t eight = load_eight(at);
    if (!all_digits(eight)) break;
    w = w * 100'000'000 + eight_digits(eight);
  }
  for (; at < end && is_digit(*at); ++at) w = w * 10 + static_cast<std::uint64_t>(*at - '0');
  return at;
}

// The first 19 digits behind leading zeros, where take_digits had more than w can hold.
inline void take_19(const char* begin, const char* end, Decimal& number) {
  std::int64_t taken = 0, dropped = 0;
  bool behind_point = false;
  number.w = 0;
  for (; begin < end; ++begin) {
    if (*begin == '.') {
      behind_point = true;
    } else if (taken < 19) {
      number.w = number.w * 10 + static_cast<std::uint64_t>(*begin - '0');
      taken += number.w != 0;
      number.q -= behind_point;
    } else {
      number.cut |= *begin != '0';
      dropped += !behind_point;
    }
  }
  number.q += dropped;
}

inline Decimal read_decimal(const char* at, const char* end) {
  Decimal number{0, 0, *at == '-', false, false};
  at += number.negative;
  const char* const first = at;
  at = take_digits(at, end, number.w);
  std::int64_t digits = at - first, fraction = 0;
  if (at < end && *at == '.') {
    const char* const point = at++;
    at = take_digits(at, end, number.w);
    fraction = at - point - 1;
    digits += fraction;
  }
  const char* const last = at;
  std::int64_t exponent = 0;
  if (at < end && (*at | 0x20) == 'e') {
    ++at;
    const bool minus = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    if (at == end) return number;
    constexpr std::int64_t kEnough = std::int64_t{1} << 40;  // no text is long enough to make up
    for (; at < end && is_digit(*at); ++at)
      if (exponent < kEnough) exponent = exponent * 10 + (*at - '0');
    if (minus) exponent = -exponent;
  }
  number.good = digits != 0 && at == end;
  if (!number.good) return number;
  number.q = exponent;
  if (digits > 19)
    take_19(first, last, number);
  else
    number.q -= fraction;
  return number;
}

inline std::uint64_t strtod_bits(const char* line) {
  return std::bit_cast<std::uint64_t>(std::strtod(line, nullptr));
}

inline Number eisel_lemire_line(const char* line, const char* end, const PowerOfFive* powers) {
  const Decimal number = read_decimal(line, end);
  if (!number.good) return kNone;
  const std::uint64_t bits = nearest_double(number.w, number.q, powers);
  // What was cut off is more than 0 and less than 1 of the last digit.
  if (number.cut && bits != nearest_double(number.w + 1, number.q, powers))
    return {strtod_bits(line), true};
  return {bits | std::uint64_t{number.negative} << 63, true};
}

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

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
    // Moves '0' ... '9' to the ten largest numbers that a signed byte holds.
    const auto moved = hn::BitCast(di, hn::Add(bytes, hn::Set(d, 127 - '9')));
    const auto digit = hn::Gt(moved, hn::Set(di, 127 - 10));
    digits |= static_cast<uint32_t>(MaskBits(di, digit)) << i;
  }
  return ~digits;
}

// Bytes k ... k + 31 of it have their last k set.
alignas(64) constexpr uint8_t kLastBytes[2 * kWindow] = {
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};

// Sixteen digits in each block to their value, in the lower half of it: pairs of digits, pairs of
// pairs and so on. Multiplying by (power << half the width) + 1 adds the neighbour as well.
template <class D>
HWY_INLINE auto SixteenDigits(D, hn::Vec<D> digits) {
  const hn::Repartition<uint16_t, D> d16;
  const hn::Repartition<uint32_t, D> d32;
  const hn::Repartition<uint64_t, D> d64;
  const auto by2 =
      hn::ShiftRight<8>(hn::Mul(hn::BitCast(d16, digits), hn::Set(d16, (10 << 8) + 1)));
  const auto by4 =
      hn::ShiftRight<16>(hn::Mul(hn::BitCast(d32, by2), hn::Set(d32, (100 << 16) + 1)));
  const auto by8 =
      hn::Add(hn::MulEven(by4, hn::Set(d32, 10'000)), hn::ShiftRight<32>(hn::BitCast(d64, by4)));
  const auto upper = hn::MulEven(hn::BitCast(d32, by8), hn::Set(d32, 100'000'000));
  return hn::Add(upper, hn::Shuffle01(by8));
}

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

HWY_INLINE int LeadingZeros(uint64_t x) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2 && !defined(__LZCNT__)
  // Every CPU with AVX2 has it, but the compiler isn't told; its bsr takes AMD's eight steps.
  uint64_t zeros;
  asm("lzcnt %1, %0" : "=r"(zeros) : "r"(x) : "cc");
  return static_cast<int>(zeros);
#else
  return std::countl_zero(x);
#endif
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

// In three loops, so that the processor has many lines in each of them under way at once.
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

void ParseLines(const LineCall& in, const PowerOfFive* powers, uint64_t* bits, uint8_t* good) {
  for (size_t i = 0; i < in.count; i += kBlock)
    ParseBlock(in, powers, i, std::min(kBlock, in.count - i), bits, good);
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

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernel.h"
#if HEADROOM_HAVE_FAST_FLOAT
#include "fast_float/fast_float.h"
#endif

namespace headroom {
namespace {

HWY_EXPORT(ParseLines);

struct ParseDouble {
  static constexpr auto kInputs = inputs("uniform", "decimals", "exponents").for_tests("odd");
  using Input = LineInput;
  using Call = LineCall;
  struct Output {
    Buffer<std::uint64_t> bits;
    Buffer<std::uint8_t> good;
    void poison() {
      headroom::poison(bits);
      headroom::poison(good);
    }
    bool spoil(Spoil how) { return spoil_parts(how, bits, good); }
  };

  static Input make(const Setting& setting, Rng& rng);
  static Input from(std::span<const std::uint8_t> bytes) { return lines_of(bytes); }
  static void size(const Input& in, Output& out) {
    out.bits = Buffer<std::uint64_t>(in.n);
    out.good = Buffer<std::uint8_t>(in.n);
  }
  static absl::Status same(const LineCall&, const Output& want, const Output& got) {
    const absl::Status good = exact(want.good, got.good);
    return good.ok() ? exact(want.bits, got.bits) : good;
  }
};
using Output = ParseDouble::Output;

// Lines that are no number, or nearly none, or are hard to round.
std::string_view odd_line(FastRng& rng) {
  static constexpr std::string_view kOdd[] = {"",
                                              "-",
                                              ".",
                                              "-.",
                                              "+1",
                                              " 1",
                                              "1 ",
                                              "--1",
                                              "1.2.3",
                                              "1e",
                                              "1e+",
                                              "1e5.",
                                              "1e5e5",
                                              "1-5",
                                              "e5",
                                              ".e5",
                                              "-e5",
                                              "inf",
                                              "-inf",
                                              "nan",
                                              "infinity",
                                              "0x10",
                                              "-0x1p4",
                                              "1,5",
                                              "1/2",
                                              "12:5",
                                              "1d5",
                                              "1.5f",
                                              ".5",
                                              "5.",
                                              "-.5e1",
                                              "0",
                                              "-0",
                                              "-0.0e-5",
                                              "0e999999999999999999999",
                                              "1e-999999999999999999999",
                                              "1e00000000000000000001",
                                              "1e999",
                                              "-1e999",
                                              "1e308",
                                              "1.7976931348623157e308",
                                              "1.7976931348623158e308",
                                              "1.7976931348623159e308",
                                              "4.9406564584124654e-324",
                                              "2.4703282292062327e-324",
                                              "2.4703282292062328e-324",
                                              "2.2250738585072011e-308",
                                              "2.2250738585072012e-308",
                                              "2.2250738585072014E-308",
                                              "9007199254740993",
                                              "9007199254740992.5",
                                              "9007199254740993.00000000000000000000000000001",
                                              "18446744073709551615",
                                              "18446744073709551616",
                                              "000000000000000000000000000000000000000001.5",
                                              "0.000000000000000000000000000000000000000015",
                                              "12345678901234567890123456789012345678901234567890"};
  return kOdd[bounded(rng, std::size(kOdd))];
}

void add_digits(FastRng& rng, std::size_t count, std::string& text) {
  for (std::size_t i = 0; i < count; ++i) text += static_cast<char>('0' + bounded(rng, 10));
}

ParseDouble::Input ParseDouble::make(const Setting& setting, Rng& rng) {
  FastRng fast(rng());
  const InputName input = setting.input;
  LineWriter lines;
  std::string& text = lines.text();
  const std::size_t count = lines_for(setting.n);
  for (std::size_t i = 0; i < count; ++i) {
    if (bounded(fast, input == ParseDouble::kInputs["odd"] ? 2 : 64) ==
        0) {  // odd: for the tests, half of them
      text += odd_line(fast);
    } else if (input == ParseDouble::kInputs["decimals"]) {  // prices, degrees
      if (bounded(fast, 4) == 0) text += '-';
      add_digits(fast, 1 + bounded(fast, 4), text);
      text += '.';
      add_digits(fast, 1 + bounded(fast, 6), text);
    } else if (input == ParseDouble::kInputs["exponents"]) {  // any double, as programs write them
      if (bounded(fast, 2) == 0) text += '-';
      add_digits(fast, 1, text);
      text += '.';
      add_digits(fast, 14 + bounded(fast, 3), text);
      text += bounded(fast, 2) == 0 ? "e-" : "e+";
      const std::uint64_t exponent = bounded(fast, 308);
      if (exponent < 10) text += '0';
      text += std::to_string(exponent);
    } else {  // uniform in [0, 1), with the 17 digits that tell any two doubles apart
      text += "0.";
      add_digits(fast, 17, text);
    }
    lines.end_line();
  }
  return lines.input(setting.n);
}

// The library's functions take more than the grammar (blanks, a plus, inf, nan): the caller has to
// look at how a line begins, and that all of it was taken.
bool begins_as_number(const char* line, const char* end) {
  line += *line == '-';
  return line < end && (is_digit(*line) || *line == '.');
}

// In the "C" locale, as a program is in that doesn't ask for another.
void naive(const LineCall& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const line = in.begin(i);
    const char* const end = in.end(i);
    const char* const digits = line + (*line == '-');
    double value = 0;
    bool good = begins_as_number(line, end) && (digits[0] != '0' || (digits[1] | 0x20) != 'x');
    if (good) {
      char* stop = nullptr;
      value = std::strtod(line, &stop);
      good = stop == end;
    }
    out.bits[i] = good ? std::bit_cast<std::uint64_t>(value) : 0;
    out.good[i] = good;
  }
}

// No locale, no rounding mode to ask for. It says "out of range" both for too large and for too
// small, so that strtod has to tell which.
void from_chars(const LineCall& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const line = in.begin(i);
    const char* const end = in.end(i);
    double value = 0;
    bool good = begins_as_number(line, end);
    if (good) {
      const auto [stop, error] = std::from_chars(line, end, value);
      good = stop == end && error != std::errc::invalid_argument;
      if (good && error == std::errc::result_out_of_range) value = std::strtod(line, nullptr);
    }
    out.bits[i] = good ? std::bit_cast<std::uint64_t>(value) : 0;
    out.good[i] = good;
  }
}

// Two doubles that are exact give one rounding, that is the right one: w up to 2^53, and 10^22, the
// largest power of ten that is a double.
void clinger(const LineCall& in, Output& out) {
  static constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  for (std::size_t i = 0; i < in.count; ++i) {
    const Decimal number = read_decimal(in.begin(i), in.end(i));
    std::uint64_t bits = 0;
    if (number.good) {
      if (number.w <= std::uint64_t{1} << 53 && number.q >= -22 && number.q <= 22 && !number.cut) {
        const double w = static_cast<double>(number.w);
        const double value = number.q < 0 ? w / kPowers[-number.q] : w * kPowers[number.q];
        bits = std::bit_cast<std::uint64_t>(value) | std::uint64_t{number.negative} << 63;
      } else {
        bits = strtod_bits(in.begin(i));
      }
    }
    out.bits[i] = bits;
    out.good[i] = number.good;
  }
}

// Works for all numbers of up to 19 digits, and for nearly all that have more.
void eisel_lemire(const LineCall& in, Output& out) {
  const PowerOfFive* const powers = powers_of_five();
  for (std::size_t i = 0; i < in.count; ++i) {
    const Number number = eisel_lemire_line(in.begin(i), in.end(i), powers);
    out.bits[i] = number.bits;
    out.good[i] = number.good;
  }
}

// The same arithmetic behind SIMD digits: ParseShort, at the top.
void highway(const LineCall& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(ParseLines)(in, powers_of_five(), out.bits.data(), out.good.data());
}

#if HEADROOM_HAVE_FAST_FLOAT
void fast_float(const LineCall& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const line = in.begin(i);
    const char* const end = in.end(i);
    double value = 0;
    bool good = begins_as_number(line, end);
    if (good) {
      const auto [stop, error] = ::fast_float::from_chars(line, end, value);
      good = stop == end && error != std::errc::invalid_argument;
    }
    out.bits[i] = good ? std::bit_cast<std::uint64_t>(value) : 0;
    out.good[i] = good;
  }
}
constexpr auto kFastFloatRun = run<fast_float>;
#else
constexpr auto kFastFloatRun = kNotBuilt;
#endif
constexpr Need kNeedsFastFloat[] = {kFastFloat};

constexpr Variant<ParseDouble> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "strtod: locale, long integers"},
    {.name = "from_chars", .run = run<from_chars>, .what = "std::from_chars: no locale"},
    {.name = "clinger",
     .run = run<clinger>,
     .what = "one division of exact doubles; strtod for those with more than 15 or 16 digits"},
    {.name = "eisel_lemire",
     .run = run<eisel_lemire>,
     .what = "eight digits a step, then one product with a 128-bit power of five"},
    {.name = "highway",
     .run = run<highway>,
     .what = "32 digits a vector, the point dropped by two loads; no loop, no branch on lengths"},
    {.name = "fast_float",
     .run = kFastFloatRun,
     .what = "fast_float::from_chars",
     .role = Role::kPeer,
     .needs = kNeedsFastFloat},
};

const Registrar kRegistrar(
    {.name = "computation/parse_double",
     .axis = Axis::kScalar,
     .technique = "one exact product instead of long arithmetic; digits by SIMD, not by loops",
     .sizes = {256, 4096, 65536},
     .headline = {4096, 65536},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const std::size_t length = s.input == ParseDouble::kInputs["decimals"]    ? 7
                                      : s.input == ParseDouble::kInputs["exponents"] ? 22
                                                                                     : 19;
           const std::size_t line = length + 1 + 4;
           return Demand{.items = n,
                         .bytes = (static_cast<double>(line) + 9) * n,
                         .working_set = (line + 9) * s.n,
                         .memory = 2 * line * (kLines + s.n) + 6 * 9 * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

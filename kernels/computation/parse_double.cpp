// computation/parse_double: decimal text to doubles, right to the last bit.
//
// In: one line a number, n lines a call; the lines of consecutive calls differ (2^18 of them
// rotate). A number is [-] digits [. digits] [(e|E) [+|-] digits], with at least one digit before
// or behind the point, and nothing else: no blank, no plus in front, no inf, nan or hexadecimal.
// One line in 64 is none. Out: for each line whether it is a number, and the bits of the double
// nearest to it (ties to even; too large is infinite, too small is zero, each with its sign), or 0.
// Exact.
//
// Inputs: short has two to six digits with a point among them, as prices and readings have;
// coordinates are degrees with six or seven decimals, as RFC 7946 (GeoJSON, 2016) advises; uniform
// numbers have the 17 digits that tell any two doubles apart; decimals are between; exponents has
// any double, as programs write them.
//
// strtod is exact for any base, locale and rounding mode, and pays for it with arithmetic on long
// integers. Clinger ("How to read floating point numbers accurately", 1990) saw that short numbers
// need one division or multiplication of doubles. Eisel and Lemire do with one 64 x 128-bit product
// (eisel_lemire.h), after which reading the digits is what takes time. That is where SIMD helps.
//
// Links: fast_float
#include <algorithm>
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "computation/digits.h"
#include "computation/eisel_lemire.h"
#include "computation/lines.h"
#include "core/kernel.h"
#if HEADROOM_HAVE_FAST_FLOAT
#include "fast_float/fast_float.h"
#endif

namespace headroom {
namespace {

constexpr std::size_t kSmallest = 256;  // lines that are measured; fewer are for tests

struct ParseDouble {
  static constexpr auto kInputs =
      inputs("short", "coordinates", "uniform", "decimals", "exponents").for_tests("odd");
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
    out.bits = Buffer<std::uint64_t>(in.slices.size());
    out.good = Buffer<std::uint8_t>(in.slices.size());
  }
  static absl::Status same(const LineCall&, const Output& want, const Output& got) {
    const absl::Status good = exact(want.good, got.good);
    return good.ok() ? exact(want.bits, got.bits) : good;
  }
};
using Output = ParseDouble::Output;

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

// ------------------------------------------------------------------------------------------------
// By hand: text to a decimal, w * 10^q, and that to a double. What a line always needs is always
// inlined: whether a compiler does so on its own depends on what else stands in this file.

// w * 10^q, or -w * 10^q where `negative`. w has 19 digits of the number at most.
struct Decimal {
  std::uint64_t w;
  std::int64_t q;
  bool negative;
  bool good;  // the text is a number at all
  bool cut;   // there were more digits, of which not all were 0
};

// Appends the digits from `at` on to those of w, eight a step, modulo 2^64. Returns where they end.
[[gnu::always_inline]] inline const char* take_digits(const char* at, const char* end,
                                                      std::uint64_t& w) {
  for (; end - at >= 8; at += 8) {
    const std::uint64_t eight = load_eight(at);
    if (!all_digits(eight)) break;
    w = w * 100'000'000 + eight_digits(eight);
  }
  for (; at < end && is_digit(*at); ++at) w = w * 10 + static_cast<std::uint64_t>(*at - '0');
  return at;
}

// The same from digits with a point among them, where there are more than w can hold: the first 19
// behind leading zeros go to number.w, their power of ten is added to number.q.
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

// Reads a whole line; `good` says whether it is a number.
[[gnu::always_inline]] inline Decimal read_decimal(const char* at, const char* end) {
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

// Two doubles that are exact, divided or multiplied, are rounded once, and that is right: w up to
// 2^53, and powers up to 10^22, the largest power of ten that is a double.
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

struct Number {
  std::uint64_t bits;
  bool good;
};
constexpr Number kNone = {0, false};

// A line by Eisel's and Lemire's product. Of what has more than 19 digits the first 19 nearly
// always decide: the number lies between w and w + 1, and where both give the same double it is
// that one. strtod decides the rest.
[[gnu::always_inline]] inline Number eisel_lemire_line(const char* line, const char* end,
                                                       const PowerOfFive* powers) {
  const Decimal number = read_decimal(line, end);
  if (!number.good) return kNone;
  const std::uint64_t bits = nearest_double(number.w, number.q, powers);
  if (number.cut && bits != nearest_double(number.w + 1, number.q, powers))
    return {strtod_bits(line), true};
  return {bits | std::uint64_t{number.negative} << 63, true};
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

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/parse_double-inl.h"
#include "computation/parse_double-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(ParseLines);

// The same product behind SIMD digits (parse_double-inl.h).
void highway(const LineCall& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(ParseLines)(in, powers_of_five(), out.bits.data(), out.good.data());
}

// ------------------------------------------------------------------------------------------------
// The lines.

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
  const Slices slices = lines_for(setting.n, kSmallest);
  for (std::size_t i = 0; i < slices.items(); ++i) {
    // Odd, for the tests, has half of them.
    if (bounded(fast, input == kInputs["odd"] ? 2 : 64) == 0) {
      text += odd_line(fast);
    } else if (input == kInputs["short"]) {
      if (bounded(fast, 8) == 0) text += '-';
      const std::size_t digits = 2 + bounded(fast, 5), whole = 1 + bounded(fast, digits - 1);
      add_digits(fast, whole, text);
      text += '.';
      add_digits(fast, digits - whole, text);
    } else if (input == kInputs["coordinates"]) {
      if (bounded(fast, 2) == 0) text += '-';
      text += std::to_string(bounded(fast, bounded(fast, 2) == 0 ? 90 : 180)) + '.';
      add_digits(fast, 6 + bounded(fast, 2), text);
    } else if (input == kInputs["decimals"]) {  // prices, degrees
      if (bounded(fast, 4) == 0) text += '-';
      add_digits(fast, 1 + bounded(fast, 4), text);
      text += '.';
      add_digits(fast, 1 + bounded(fast, 6), text);
    } else if (input == kInputs["exponents"]) {  // any double, as programs write them
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
  return lines.input(slices);
}

constexpr Variant<ParseDouble> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "strtod: looks up a locale, computes with long integers"},
    {.name = "from_chars", .run = run<from_chars>, .what = "std::from_chars: no locale"},
    {.name = "clinger",
     .run = run<clinger>,
     .what = "digits by hand, one division of exact doubles; strtod from 16 or 17 digits on"},
    {.name = "eisel_lemire",
     .run = run<eisel_lemire>,
     .what = "clinger's digits, then one product with a 128-bit power of five, up to 19 digits"},
    {.name = "highway",
     .run = run<highway>,
     .what = "the same product behind SIMD digits, no loop over them; short numbers are divided, "
             "several per vector"},
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
     .promise = Promise::kExact | Promise::kValidating,
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const std::size_t length = s.input == ParseDouble::kInputs["short"]         ? 5
                                      : s.input == ParseDouble::kInputs["coordinates"] ? 10
                                      : s.input == ParseDouble::kInputs["decimals"]    ? 7
                                      : s.input == ParseDouble::kInputs["exponents"]   ? 22
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

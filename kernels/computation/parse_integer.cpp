// computation/parse_integer: decimal text to unsigned 64-bit integers.
//
// In: one line a number, n lines a call; the lines of consecutive calls differ (2^18 of them
// rotate). Out: for each line its value and whether it is a number. A number is one to twenty
// digits and nothing else, at most 2^64 - 1: an empty line, a sign, a blank, another character, or
// a larger value is none, and its value is 0. One line in 64 is none, in one of these ways.
//
// Inputs: digits_1_10 and digits_1_19 have numbers of all those lengths alike; digits_8 has eight
// digits, which one step takes; ids has 18 digits in each, as twitter.json has, the document that
// JSON parsers are compared by most: where all lengths are the same, no branch is mispredicted.
//
// A library call handles a digit at a time: a multiply and an add each, every one waiting for the
// last, and a branch mispredicted where the number ends. Eight digits together need three
// multiplies: pairs of digits, pairs of pairs, pairs of those (Lemire, "Quickly parsing eight
// digits", 2018; Mula, "Parsing decimal numbers", 2014). The code is our own.
//
// Where lines start is known; finding line ends is another problem (simd/count_byte, string_split).
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "computation/digits.h"
#include "computation/lines.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kSmallest = 256;  // lines that are measured; fewer are for tests

struct ParseInteger {
  static constexpr auto kInputs =
      inputs("digits_1_10", "digits_8", "digits_1_19", "ids").for_tests("short", "odd");
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
    out.values = Buffer<std::uint64_t>(in.slices.size());
    out.good = Buffer<std::uint8_t>(in.slices.size());
  }
  static absl::Status same(const LineCall&, const Output& want, const Output& got) {
    const absl::Status good = exact(want.good, got.good);
    return good.ok() ? exact(want.values, got.values) : good;
  }
};
using Call = ParseInteger::Call;
using Output = ParseInteger::Output;

// strtoull skips blanks and line ends and takes signs, so that its caller has to look first.
void naive(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const line = in.begin(i);
    const char* const end = in.end(i);
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
    const char* const line = in.begin(i);
    const char* const end = in.end(i);
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
    const char* const line = in.begin(i);
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

struct Number {
  std::uint64_t value;
  bool good;
};

// high * 10^16 + low, unless that is 2^64 or more.
inline Number joined(std::uint64_t low, std::uint64_t high, bool good) {
  std::uint64_t value;
  good &= !__builtin_mul_overflow(high, std::uint64_t{10'000'000'000'000'000}, &value);
  good &= !__builtin_add_overflow(value, low, &value);
  return {good ? value : 0, good};
}

// The number of `length` characters before `end`. Digits in groups of eight, three multiplies each.
// Only whether there is a second and a third group is a branch; how long the number is within a
// group is a mask.
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

// No loop over the digits, and no branch on where they end.
void swar(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const Number number = swar_line(in.text + in.starts[i + 1] - 1,
                                    static_cast<std::int64_t>(in.starts[i + 1]) - 1 - in.starts[i]);
    out.values[i] = number.value;
    out.good[i] = number.good;
  }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/parse_integer-inl.h"
#include "computation/parse_integer-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(ParseLines);

void highway(const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(ParseLines)
  (in.text, in.starts, in.count, out.values.data(), out.good.data());
}

// ------------------------------------------------------------------------------------------------
// The lines.

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
  const Slices slices = lines_for(setting.n, kSmallest);
  LineWriter lines;
  std::string& text = lines.text();
  for (std::size_t i = 0; i < slices.items(); ++i) {
    const InputName input = setting.input;
    if (input == kInputs["digits_8"]) {
      text += digits_of(fast, 8);
    } else if (input == kInputs["short"]) {  // odd lines among none longer than eight
      const std::string odd = odd_line(fast);
      text +=
          odd.size() <= 8 && bounded(fast, 4) == 0 ? odd : digits_of(fast, 1 + bounded(fast, 8));
    } else if (bounded(fast, input == kInputs["odd"] ? 2 : 64) == 0) {  // odd: half of them
      text += odd_line(fast);
    } else if (input == kInputs["ids"]) {
      text += digits_of(fast, 18);
    } else {
      text += digits_of(fast, 1 + bounded(fast, input == kInputs["digits_1_10"] ? 10 : 19));
    }
    lines.end_line();
  }
  return lines.input(slices);
}

constexpr Variant<ParseInteger> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "strtoull: looks up a locale, sets errno, one digit at a time"},
    {.name = "from_chars", .run = run<from_chars>, .what = "std::from_chars: no locale, no errno"},
    {.name = "loop", .run = run<loop>, .what = "a loop over the digits with overflow checks"},
    {.name = "swar",
     .run = run<swar>,
     .what = "eight digits in three multiplications, masked by length"},
    {.name = "highway",
     .run = run<highway>,
     .what =
         "several numbers share each multiplication, 8 or 16 digits of each; lengths are masks"},
};

const Registrar kRegistrar(
    {.name = "computation/parse_integer",
     .axis = Axis::kScalar,
     .technique = "many digits per multiplication; the length as a mask, not a branch",
     .sizes = {256, 4096, 65536},
     .headline = {4096, 65536},
     .ceiling = {"machine/read"},
     .promise = Promise::kExact | Promise::kValidating,
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const double length = s.input == ParseInteger::kInputs["digits_1_10"] ? 5.5
                                 : s.input == ParseInteger::kInputs["digits_8"]  ? 8
                                 : s.input == ParseInteger::kInputs["ids"]       ? 18
                                                                                 : 10;
           return Demand{.items = n,
                         .bytes = (length + 1 + 4 + 9) * n,
                         .working_set = 28 * s.n,
                         .memory = 28 * (kLines + s.n) + 5 * 9 * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom

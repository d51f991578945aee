// computation/format_integer: unsigned 64-bit integers to decimal text.
//
// In: n integers a call; those of consecutive calls differ (2^18 of them rotate). Out: each as
// decimal digits without leading zeros, behind each a '\n', all in one text. Agreement is exact,
// byte by byte.
//
// Naive is how C++ did it before 2011, which nobody ships any more: a stream asks for a locale, a
// sentry and flags, and makes a string. std::to_string, the standard, makes only the string. What
// is left without that is a chain of divisions by ten, each waiting for the last, and a branch
// mispredicted where the number ends. Two digits per division halve the chain (Alexandrescu, "Three
// optimization tips for C++", 2012). Splitting in halves (8 digits, 4, 2, 1) has a chain of four,
// and does many digits with each multiplication (Khuong, "How to print integers really fast", 2017;
// Mula, "SSE: conversion integers to decimal representation", 2011). The code is our own.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kNumbers = std::size_t{1} << 18;  // carried, so that lengths can't be learned
constexpr std::size_t kSmallest = 256;                  // measured; fewer are for tests
constexpr std::size_t kMost = 21;                       // characters of a number, '\n' included
constexpr std::size_t kSpare = 64;  // bytes behind the text that may be overwritten
constexpr std::uint64_t kTen8 = 100'000'000;
constexpr std::uint64_t kTen16 = kTen8 * kTen8;

struct FormatInteger {
  static constexpr auto kInputs = inputs("digits_1_10", "digits_1_5", "digits_1_20");
  using Call = std::span<const std::uint64_t>;
  struct Input {
    Buffer<std::uint64_t> numbers;
    Slices slices;
    Call at(std::size_t turn) const { return slices.of(numbers, turn); }
  };
  struct Output {
    Buffer<char> text;
    std::size_t size = 0;
    void poison() {
      headroom::poison(text);
      size = text.size() + 1;
    }
    bool spoil(Spoil how) { return spoil_counted(how, text.data(), size); }
    std::string_view view() const { return {text.data(), std::min(size, text.size())}; }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in;
    in.slices = n < kSmallest ? Slices::covering(4 * n, n) : Slices::within(kNumbers, n);
    in.numbers = Buffer<std::uint64_t>(in.slices.items());
    const std::size_t most = setting.input == kInputs["digits_1_5"]    ? 5
                             : setting.input == kInputs["digits_1_20"] ? 20
                                                                       : 10;
    FastRng fast(rng());
    for (std::uint64_t& number : in.numbers) {
      std::uint64_t low = 1;  // 10^(digits - 1)
      for (std::uint64_t digits = 1 + bounded(fast, most); digits > 1; --digits) low *= 10;
      const std::uint64_t range = low == kTen16 * 1000 ? ~low : 9 * low - 1;
      number = low + bounded(fast, range + 1) - (low == 1 ? bounded(fast, 2) : 0);
      if (bounded(fast, 16) == 0) number = low - bounded(fast, 2);  // 10...0 and 9...9
    }
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in;
    in.slices = Slices::within(0, bytes.size() / 8);
    in.numbers = Buffer<std::uint64_t>(in.slices.items());
    if (!in.numbers.empty()) std::memcpy(in.numbers.data(), bytes.data(), in.numbers.size() * 8);
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.text = Buffer<char>(in.slices.size() * kMost + kSpare);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    if (want.size != got.size) return exact(want.size, got.size);
    return exact(want.view(), got.view());
  }
};
using Call = FormatInteger::Call;
using Output = FormatInteger::Output;

void append(std::string_view text, Output& out) {
  std::memcpy(out.text.data() + out.size, text.data(), text.size());
  out.size += text.size();
}

std::string to_text(std::uint64_t x) {
  std::ostringstream stream;
  stream << x;
  return stream.str();
}

void naive(const Call& in, Output& out) {
  out.size = 0;
  for (const std::uint64_t x : in) {
    append(to_text(x), out);
    append("\n", out);
  }
}

// Making a stream (a locale, a buffer) is what takes longest: one for all.
void one_stream(const Call& in, Output& out) {
  std::ostringstream stream;
  for (const std::uint64_t x : in) stream << x << '\n';
  out.size = 0;
  append(stream.view(), out);
}

// No stream, but a format to read for every number.
void snprintf(const Call& in, Output& out) {
  out.size = 0;
  for (const std::uint64_t x : in)
    out.size += static_cast<std::size_t>(std::snprintf(
        out.text.data() + out.size, kMost + 1, "%llu\n", static_cast<unsigned long long>(x)));
}

// A string for each number, and its digits, two per division; short ones lie inside its
// object (up to 15 in GCC's library).
void to_string(const Call& in, Output& out) {
  out.size = 0;
  for (const std::uint64_t x : in) {
    append(std::to_string(x), out);
    append("\n", out);
  }
}

// No string: the digits go where they belong.
void to_chars(const Call& in, Output& out) {
  char* to = out.text.data();
  for (const std::uint64_t x : in) {
    to = std::to_chars(to, to + kMost, x).ptr;
    *to++ = '\n';
  }
  out.size = static_cast<std::size_t>(to - out.text.data());
}

// It makes a string, short enough to lie inside its object in most cases.
void absl_strcat(const Call& in, Output& out) {
  out.size = 0;
  for (const std::uint64_t x : in) append(absl::StrCat(x, "\n"), out);
}

void absl_append(const Call& in, Output& out) {
  std::string text;
  text.reserve(in.size() * kMost);
  for (const std::uint64_t x : in) absl::StrAppend(&text, x, "\n");
  out.size = 0;
  append(text, out);
}

// ------------------------------------------------------------------------------------------------
// By hand.

struct Pairs {
  char text[200];  // "00010203 ... 99"
  constexpr Pairs() : text() {
    for (int i = 0; i < 100; ++i) {
      text[2 * i] = static_cast<char>('0' + i / 10);
      text[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
  }
};
constexpr Pairs kPairs;

// How many digits x has, from how many bits it has (1 for 0): 1233 / 4096 is log10(2), a little
// less. The estimate is one too low where x reaches the next power of ten.
inline std::size_t digit_count(std::uint64_t x, int bits) {
  static constexpr std::uint64_t kTen[20] = {0,
                                             10,
                                             100,
                                             1000,
                                             10000,
                                             100000,
                                             1000000,
                                             10000000,
                                             kTen8,
                                             kTen8 * 10,
                                             kTen8 * 100,
                                             kTen8 * 1000,
                                             kTen8 * 10000,
                                             kTen8 * 100000,
                                             kTen8 * 1000000,
                                             kTen8 * 10000000,
                                             kTen16,
                                             kTen16 * 10,
                                             kTen16 * 100,
                                             kTen16 * 1000};
  const std::size_t least = static_cast<std::size_t>(bits) * 1233 >> 12;
  return least + (x >= kTen[least]);
}
inline std::size_t digit_count(std::uint64_t x) {
  return digit_count(x, static_cast<int>(std::bit_width(x | 1)));
}

// Two digits per division, from the last on, into a known place. libstdc++'s to_chars does the
// same, but counts the digits by comparisons.
void two_digits(const Call& in, Output& out) {
  char* to = out.text.data();
  for (std::uint64_t x : in) {
    const std::size_t length = digit_count(x);
    char* at = to + length;
    for (; x >= 100; x /= 100) {
      at -= 2;
      std::memcpy(at, kPairs.text + 2 * (x % 100), 2);
    }
    if (x >= 10)
      std::memcpy(at - 2, kPairs.text + 2 * x, 2);
    else
      at[-1] = static_cast<char>('0' + x);
    to += length;
    *to++ = '\n';
  }
  out.size = static_cast<std::size_t>(to - out.text.data());
}

// Eight digits in a 64-bit register, in three splits of all of its numbers at once; the first in
// the lowest byte. For x < 10^8.
inline std::uint64_t swar_eight(std::uint64_t x) {
  const std::uint64_t by4 = x / 10000;
  x = by4 | (x - by4 * 10000) << 32;
  const std::uint64_t by2 = ((x * 10486) >> 20) & 0x0000007f0000007f;
  x = by2 | (x - by2 * 100) << 16;
  const std::uint64_t by1 = ((x * 103) >> 10) & 0x000f000f000f000f;
  return by1 | (x - by1 * 10) << 8;
}

inline void store_eight(char* to, std::uint64_t bytes) {
  if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap64(bytes);
  std::memcpy(to, &bytes, 8);
}

// Groups of eight digits, without leading zeros by a shift. Only how many groups there are is a
// branch.
inline std::size_t swar_format(const std::uint64_t* numbers, std::size_t count, char* text) {
  constexpr std::uint64_t kZeros = 0x3030303030303030;
  char* to = text;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t x = numbers[i];
    const std::size_t length = digit_count(x);
    char* const end = to + length;
    std::uint64_t first = x;
    if (x >= kTen8) {
      first = x / kTen8;
      char* at = end - 8;
      store_eight(at, swar_eight(x % kTen8) + kZeros);
      if (first >= kTen8) {
        at -= 8;
        store_eight(at, swar_eight(first % kTen8) + kZeros);
        first /= kTen8;
      }
      // Four digits at most when there are two groups behind, and no place to write eight to.
      const std::size_t left = static_cast<std::size_t>(at - to);
      std::uint64_t digits = (swar_eight(first) + kZeros) >> 8 * (8 - left);
      for (std::size_t k = 0; k < left; ++k, digits >>= 8) to[k] = static_cast<char>(digits);
    } else {
      store_eight(to, (swar_eight(first) + kZeros) >> 8 * (8 - length));
    }
    to = end;
    *to++ = '\n';
  }
  return static_cast<std::size_t>(to - text);
}

// Only how many groups of eight digits there are is a branch.
void swar(const Call& in, Output& out) {
  out.size = swar_format(in.data(), in.size(), out.text.data());
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "computation/format_integer-inl.h"
#include "computation/format_integer-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(Format);

void highway(const Call& in, Output& out) {
  out.size = HWY_DYNAMIC_DISPATCH(Format)(in.data(), in.size(), out.text.data());
}

constexpr Variant<FormatInteger> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::ostringstream for each number, as before C++11: nobody ships it"},
    {.name = "one_stream", .run = run<one_stream>, .what = "one std::ostringstream for all"},
    {.name = "snprintf", .run = run<snprintf>, .what = "no stream; the format is read each time"},
    {.name = "to_string",
     .run = run<to_string>,
     .what = "std::to_string: digits, and a string for each number",
     .role = Role::kStandard},
    {.name = "to_chars",
     .run = run<to_chars>,
     .what = "std::to_chars: nothing but digits, where they belong"},
    {.name = "absl_strcat",
     .run = run<absl_strcat>,
     .what = "absl::StrCat: a string for each number",
     .role = Role::kPeer},
    {.name = "absl_append",
     .run = run<absl_append>,
     .what = "absl::StrAppend to one string",
     .role = Role::kPeer},
    {.name = "two_digits",
     .run = run<two_digits>,
     .what = "as std::to_chars, but digits are counted from the bit width, not by comparisons: no "
             "gain"},
    {.name = "swar",
     .run = run<swar>,
     .what = "eight digits per register, split in halves: 4, 2, 1; a shift removes zeros",
     .promise_note = "overwrites up to 7 bytes past its text"},
    {.name = "highway",
     .run = run<highway>,
     .what =
         "swar's steps for several numbers per vector; a block does what its largest number needs",
     .promise_note = "overwrites up to 32 bytes past its text"},
};

const Registrar kRegistrar(
    {.name = "computation/format_integer",
     .axis = Axis::kScalar,
     .technique = "many digits per multiplication; the length as an offset, not a branch",
     .sizes = {256, 4096, 65536},
     .headline = {4096, 65536},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const double length = s.input == FormatInteger::kInputs["digits_1_5"]    ? 3
                                 : s.input == FormatInteger::kInputs["digits_1_20"] ? 10.5
                                                                                    : 5.5;
           return Demand{.items = n,
                         .bytes = (8 + length + 1) * n,
                         .working_set = (8 + static_cast<std::size_t>(length) + 1) * s.n,
                         .memory = 8 * (kNumbers + s.n) + 12 * (kMost * s.n + kSpare)};
         },
     .test_sizes = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 257}},
    kVariants);

}  // namespace
}  // namespace headroom

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
#include <bit>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "core/kernel.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace headroom {
namespace {

constexpr std::size_t kLines = std::size_t{1} << 18;  // carried, so that lengths can't be learned
constexpr std::size_t kPad = 32;                      // readable bytes before the first line

struct ParseInteger {
  struct Call {
    const char* text;             // kPad bytes before it and after the last line may be read
    const std::uint32_t* starts;  // count + 1 of them; a line ends one before the next one's start
    std::size_t count;
  };
  struct Input {
    Buffer<char> text;
    Buffer<std::uint32_t> starts;
    std::size_t n = 0;

    Call at(std::size_t turn) const {
      const std::size_t slices = n == 0 ? 1 : (starts.size() - 1) / n;
      return {text.data(), starts.data() + turn % slices * n, n};
    }
  };
  struct Output {
    Buffer<std::uint64_t> values;
    Buffer<std::uint8_t> good;
    void poison() {
      headroom::poison(values);
      headroom::poison(good);
    }
  };

  static Input make(const Setting& setting, Rng& rng);
  static void size(const Input& in, Output& out) {
    out.values = Buffer<std::uint64_t>(in.n);
    out.good = Buffer<std::uint8_t>(in.n);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    const absl::Status good = exact(want.good, got.good);
    return good.ok() ? exact(want.values, got.values) : good;
  }
};
using Call = ParseInteger::Call;
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
                                     "12345678/",
                                     "0x10",
                                     "1e3",
                                     "\xb1"};
  return kOdd[bounded(rng, std::size(kOdd))];
}

ParseInteger::Input ParseInteger::make(const Setting& setting, Rng& rng) {
  FastRng fast(rng());
  const std::size_t n = setting.n;
  const std::size_t lines = n == 0 ? 0 : std::max<std::size_t>(1, kLines / n) * n;
  std::string text(kPad, '\n');
  Input in{{}, Buffer<std::uint32_t>(lines + 1), n};
  for (std::size_t i = 0; i < lines; ++i) {
    in.starts[i] = static_cast<std::uint32_t>(text.size());
    if (setting.input == "digits_8") {
      text += digits_of(fast, 8);
    } else if (bounded(fast, 64) == 0) {
      text += odd_line(fast);
    } else {
      text += digits_of(fast, 1 + bounded(fast, setting.input == "digits_1_19" ? 19 : 10));
    }
    text += '\n';
  }
  in.starts[lines] = static_cast<std::uint32_t>(text.size());
  text.append(kPad, '\n');
  in.text = Buffer<char>(text.size());
  std::memcpy(in.text.data(), text.data(), text.size());
  return in;
}

// strtoull skips blanks and takes signs, so that its caller has to look first.
void naive(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* line = in.text + in.starts[i];
    const char* const end = in.text + in.starts[i + 1] - 1;
    char* stop = nullptr;
    errno = 0;
    const std::uint64_t value = std::strtoull(line, &stop, 10);
    const bool good = *line >= '0' && *line <= '9' && stop == end && errno == 0 && end - line <= 20;
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

// The last `length` of the eight bytes that end at `end`, with '0' for those before: numbers of any
// length up to eight become numbers of eight digits, without a branch. 0 <= length; more than eight
// count as eight, less than one as none.
inline std::uint64_t eight_before(const char* end, std::int64_t length) {
  std::uint64_t bytes;
  std::memcpy(&bytes, end - 8, 8);
  if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap64(bytes);
  constexpr std::uint64_t kZeros = 0x3030303030303030;
  const std::int64_t kept = length < 0 ? 0 : length > 8 ? 8 : length;
  // Two shifts, because one by 64 is undefined.
  const std::uint64_t mask = ~std::uint64_t{0} << 4 * (8 - kept) << 4 * (8 - kept);
  return (bytes & mask) | (kZeros & ~mask);
}

inline bool all_digits(std::uint64_t bytes) {
  // A digit's high nibble is 3, and stays so when 6 is added to its low one.
  return ((bytes & (bytes + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0) == 0x3030303030303030 &&
         ((bytes | (bytes + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0) == 0x3030303030303030;
}

inline std::uint64_t eight_digits(std::uint64_t bytes) {
  bytes -= 0x3030303030303030;
  bytes = bytes * 10 + (bytes >> 8);  // pairs of digits, in every other byte
  return (((bytes & 0x000000ff000000ff) * 0x000f424000000064 +
           ((bytes >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
          32);
}

inline void put(Output& out, std::size_t i, std::uint64_t low, std::uint64_t high, bool good) {
  // 20 digits: high has at most four of them.
  std::uint64_t value;
  good &= !__builtin_mul_overflow(high, std::uint64_t{10'000'000'000'000'000}, &value);
  good &= !__builtin_add_overflow(value, low, &value);
  out.values[i] = good ? value : 0;
  out.good[i] = good;
}

// Digits in groups of eight, three multiplies each. Only whether there is a second and a third
// group is a branch; how long the number is within a group is a mask.
void swar(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) {
    const char* const end = in.text + in.starts[i + 1] - 1;
    const auto length = static_cast<std::int64_t>(in.starts[i + 1] - 1 - in.starts[i]);
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
    put(out, i, low, high, good);
  }
}

#if defined(__x86_64__)
bool has_sse41() { return __builtin_cpu_supports("sse4.1"); }

// A window over it, `16 - length` in, gives the mask for the last `length` bytes of sixteen.
alignas(64) constexpr std::uint8_t kWindow[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// Pairs of digits, pairs of those, pairs of those: two numbers of eight digits each.
__attribute__((target("sse4.1"))) inline std::uint64_t two_eights(__m128i digits) {
  const __m128i by2 = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));
  const __m128i by4 = _mm_madd_epi16(by2, _mm_set1_epi32(0x00010064));
  const __m128i by8 = _mm_madd_epi16(_mm_packus_epi32(by4, by4), _mm_set1_epi32(0x00012710));
  return static_cast<std::uint64_t>(_mm_cvtsi128_si64(by8));
}

__attribute__((target("sse4.1"))) inline void sse41_line(const Call& in, Output& out,
                                                         std::size_t i) {
  const char* const end = in.text + in.starts[i + 1] - 1;
  const auto length = static_cast<std::int64_t>(in.starts[i + 1] - 1 - in.starts[i]);
  const std::int64_t kept = length > 16 ? 16 : length;
  const __m128i mask = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kWindow + kept));
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16));
  const __m128i digits = _mm_and_si128(_mm_sub_epi8(bytes, _mm_set1_epi8('0')), mask);
  const __m128i wrong = _mm_subs_epu8(digits, _mm_set1_epi8(9));
  const std::uint64_t both = two_eights(digits);
  const std::uint64_t low = (both & 0xffffffff) * 100'000'000 + (both >> 32);
  bool good = static_cast<std::uint64_t>(length - 1) < 20 && _mm_testz_si128(wrong, wrong);
  std::uint64_t high = 0;
  if (length > 16) {
    const std::uint64_t first = eight_before(end - 16, length - 16);
    good &= all_digits(first);
    high = eight_digits(first);
  }
  put(out, i, low, high, good);
}

// Sixteen digits at once: x86's multiply-and-add-pairs does two levels of the tree in an
// instruction each (Highway 1.0.3 has no like of it for bytes; `swar` is the portable sibling).
// Lengths up to 16 take no branch at all.
__attribute__((target("sse4.1"))) void sse41(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.count; ++i) sse41_line(in, out, i);
}

// Where numbers of eight digits follow each other, two of them fill a vector and share the work.
__attribute__((target("sse4.1"))) void sse41_eights(const Call& in, Output& out) {
  std::size_t i = 0;
  while (i + 4 <= in.count) {
    const std::uint32_t* const at = in.starts + i;
    if (at[4] - at[0] != 36 || at[1] - at[0] != 9 || at[2] - at[0] != 18 || at[3] - at[0] != 27) {
      sse41_line(in, out, i++);
      continue;
    }
    const char* const line = in.text + at[0];
    const auto load = [line](std::size_t first) __attribute__((target("sse4.1"))) {
      const __m128i bytes = _mm_castps_si128(_mm_loadh_pi(
          _mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(line + first))),
          reinterpret_cast<const __m64*>(line + first + 9)));
      return _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
    };
    const __m128i a = load(0), b = load(18);
    const __m128i wrong = _mm_subs_epu8(_mm_max_epu8(a, b), _mm_set1_epi8(9));
    if (!_mm_testz_si128(wrong, wrong)) {
      for (int j = 0; j < 4; ++j) sse41_line(in, out, i++);
      continue;
    }
    const __m128i by4a =
        _mm_madd_epi16(_mm_maddubs_epi16(a, _mm_set1_epi16(0x010a)), _mm_set1_epi32(0x00010064));
    const __m128i by4b =
        _mm_madd_epi16(_mm_maddubs_epi16(b, _mm_set1_epi16(0x010a)), _mm_set1_epi32(0x00010064));
    const __m128i by8 = _mm_madd_epi16(_mm_packus_epi32(by4a, by4b), _mm_set1_epi32(0x00012710));
    std::uint64_t* const values = out.values.data() + i;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(values), _mm_cvtepu32_epi64(by8));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(values + 2),
                     _mm_cvtepu32_epi64(_mm_srli_si128(by8, 8)));
    const std::uint32_t good = 0x01010101;
    std::memcpy(out.good.data() + i, &good, 4);
    i += 4;
  }
  for (; i < in.count; ++i) sse41_line(in, out, i);
}
constexpr auto kSse41Run = run<sse41>;
constexpr auto kSse41EightsRun = run<sse41_eights>;
#else
bool has_sse41() { return false; }
constexpr auto kSse41Run = kNotBuilt;
constexpr auto kSse41EightsRun = kNotBuilt;
#endif

constexpr Need kNeedsSse41[] = {{"SSE4.1", has_sse41, "an x86-64 processor with SSE4.1"}};

constexpr Variant<ParseInteger> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "strtoull: locale, errno, a digit at a time"},
    {.name = "from_chars", .run = run<from_chars>, .what = "std::from_chars: no locale, no errno"},
    {.name = "loop", .run = run<loop>, .what = "a loop over the digits with overflow checks"},
    {.name = "swar",
     .run = run<swar>,
     .what = "eight digits in three multiplies, masked by length"},
    {.name = "sse41",
     .run = kSse41Run,
     .what = "sixteen digits in three multiply-add steps, no branch up to 16",
     .needs = kNeedsSse41},
    {.name = "sse41_eights",
     .run = kSse41EightsRun,
     .what = "four numbers of eight digits together, where they follow each other",
     .needs = kNeedsSse41},
};

const Registrar kRegistrar(
    {.name = "computation/parse_integer",
     .axis = Axis::kScalar,
     .technique = "many digits a multiply; the length as a mask, not a branch",
     .sizes = {256, 4096, 65536},
     .headline = {4096, 65536},
     .inputs = {"digits_1_10", "digits_8", "digits_1_19"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           const double length = s.input == "digits_1_10" ? 5.5 : s.input == "digits_8" ? 8 : 10;
           return Demand{.items = n,
                         .bytes = (length + 1 + 4 + 9) * n,
                         .working_set = 24 * s.n,
                         .memory = 24 * (kLines + s.n) + 5 * 9 * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom

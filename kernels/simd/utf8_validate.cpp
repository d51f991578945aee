// simd/utf8_validate: is a text well-formed UTF-8?
//
// Out: 1 or 0. Every text ends in a character of two bytes, and every other call sees it without
// the last byte, cut off: both answers come up, and a variant that forgets the end is caught. What
// else can be wrong with a text is the test's business (every ill-formed class at every place).
//
// Inputs: mixed has paragraphs of 30 to 250 characters, each in one of six scripts, so that lengths
// of one to four bytes come in runs, as in a web page; cjk has three bytes for most characters;
// ascii has one. Small texts rotate through half a megabyte, for branches on the length of a
// character are what the predictor would learn.
//
// The honest loop branches two or three times a character, and mispredicts where lengths vary. The
// vector method is that of Keiser and Lemire, "Validating UTF-8 in less than one instruction per
// byte" (2021); the automaton in a word is Vognsen's ("Shift-based DFAs", 2020). The code is our
// own.
//
// Links: simdjson
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/utf8_validate.cpp"
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/prefetch-inl.h"
#include "support/simd.h"

#ifndef HEADROOM_SIMD_UTF8_VALIDATE_SHARED_
#define HEADROOM_SIMD_UTF8_VALIDATE_SHARED_
namespace headroom {
namespace {

constexpr std::size_t kLarge = 1 << 20;  // bytes of text that come from beyond a second-level cache

// What can be wrong with a pair of neighbours, a bit each: a first byte in one of two ranges, then
// a second byte in one of two ranges. The first byte's own set is always "these upper bits and
// those lower bits", the second's "these upper bits", so that three small tables whose entries are
// ANDed find all of them at once.
struct Range {
  std::uint8_t low, high;
};
struct BadPair {
  Range first[2];
  Range second[2];
};
constexpr BadPair kBadPairs[8] = {
    {{{0xc0, 0xff}, {0xc0, 0xff}}, {{0x00, 0x7f}, {0xc0, 0xff}}},  // a lead, nothing that continues
    {{{0x00, 0x7f}, {0x00, 0x7f}}, {{0x80, 0xbf}, {0x80, 0xbf}}},  // ASCII, then a continuation
    {{{0xe0, 0xe0}, {0xe0, 0xe0}}, {{0x80, 0x9f}, {0x80, 0x9f}}},  // overlong, three bytes
    {{{0xf4, 0xff}, {0xf4, 0xff}}, {{0x90, 0xbf}, {0x90, 0xbf}}},  // above U+10FFFF
    {{{0xed, 0xed}, {0xed, 0xed}}, {{0xa0, 0xbf}, {0xa0, 0xbf}}},  // surrogate
    {{{0xc0, 0xc1}, {0xc0, 0xc1}}, {{0x80, 0xbf}, {0x80, 0xbf}}},  // overlong, two bytes
    {{{0xf0, 0xf0}, {0xf5, 0xff}}, {{0x80, 0x8f}, {0x80, 0x8f}}},  // overlong, or above U+10FFFF
    {{{0x80, 0xbf}, {0x80, 0xbf}}, {{0x80, 0xbf}, {0x80, 0xbf}}},  // two continuations: wrong
                                                                   // unless a third or fourth byte
};

// The set of bad pairs that a byte may be the first (or second) of, for each value of some of its
// bits: byte >> kShift, of which kBits bits count.
template <int kShift, int kBits>
constexpr std::array<std::uint8_t, 1 << kBits> bad_pairs(bool first) {
  std::array<std::uint8_t, 1 << kBits> table{};
  for (int bit = 0; bit < 8; ++bit)
    for (const Range& range : first ? kBadPairs[bit].first : kBadPairs[bit].second)
      for (int byte = range.low; byte <= range.high; ++byte)
        table[(byte >> kShift) & ((1 << kBits) - 1)] |= static_cast<std::uint8_t>(1 << bit);
  return table;
}

// By nibble, for shuffles of 16 bytes; and by six bits, for those of 64.
alignas(16) constexpr auto kFirstUpper4 = bad_pairs<4, 4>(true);
alignas(16) constexpr auto kFirstLower4 = bad_pairs<0, 4>(true);
alignas(16) constexpr auto kSecond4 = bad_pairs<4, 4>(false);
alignas(64) constexpr auto kFirstUpper6 = bad_pairs<2, 6>(true);
alignas(64) constexpr auto kFirstLower6 = bad_pairs<0, 6>(true);
alignas(64) constexpr auto kSecond6 = bad_pairs<2, 6>(false);

// The automaton in a word: a state is a multiple of six, the number of bits by which a byte's row
// is shifted down to find the next state in its low six bits. The row doesn't depend on the state,
// so its load is off the critical path, which is one shift a byte.
constexpr int kFine = 0, kBad = 6, kOneMore = 12, kTwoMore = 18, kAfterE0 = 24, kAfterEd = 30,
              kAfterF0 = 36, kThreeMore = 42, kAfterF4 = 48;
constexpr std::array<std::uint64_t, 256> kAutomaton = [] {
  std::array<std::uint64_t, 256> rows{};
  for (int byte = 0; byte < 256; ++byte) {
    const auto in = [byte](int low, int high) { return low <= byte && byte <= high; };
    std::uint64_t row = 0;
    for (int from = kFine; from <= kAfterF4; from += 6) {
      int to = kBad;
      if (from == kFine) {
        to = in(0x00, 0x7f)   ? kFine
             : in(0xc2, 0xdf) ? kOneMore
             : in(0xe0, 0xe0) ? kAfterE0
             : in(0xed, 0xed) ? kAfterEd
             : in(0xe1, 0xef) ? kTwoMore
             : in(0xf0, 0xf0) ? kAfterF0
             : in(0xf1, 0xf3) ? kThreeMore
             : in(0xf4, 0xf4) ? kAfterF4
                              : kBad;
      } else if ((from == kOneMore && in(0x80, 0xbf))) {
        to = kFine;
      } else if ((from == kTwoMore && in(0x80, 0xbf)) || (from == kAfterE0 && in(0xa0, 0xbf)) ||
                 (from == kAfterEd && in(0x80, 0x9f))) {
        to = kOneMore;
      } else if ((from == kThreeMore && in(0x80, 0xbf)) || (from == kAfterF0 && in(0x90, 0xbf)) ||
                 (from == kAfterF4 && in(0x80, 0x8f))) {
        to = kTwoMore;
      }
      row |= static_cast<std::uint64_t>(to) << from;
    }
    rows[static_cast<std::size_t>(byte)] = row;
  }
  return rows;
}();

inline bool automaton_accepts(const std::uint8_t* s, std::size_t n) {
  std::uint64_t state = kFine;
  for (std::size_t i = 0; i < n; ++i) state = kAutomaton[s[i]] >> (state & 63);
  return (state & 63) == kFine;
}

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
bool ValidUtf8(const uint8_t* text, size_t n) { return automaton_accepts(text, n); }
#else

using Bytes = hn::ScalableTag<uint8_t>;
using Vector = hn::Vec<Bytes>;

// Nonzero in each byte at `at` that is wrong after the three before it. Neighbours come from loads
// one, two and three bytes lower: unlike shuffles they work on vectors of any length.
HWY_INLINE Vector Errors(Bytes d, const uint8_t* HWY_RESTRICT at) {
  const auto byte = hn::LoadU(d, at);
  const auto before = hn::LoadU(d, at - 1);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
  // VPERMB looks six bits up, and takes no notice of the two above them: no masking, and upper bits
  // need one shift in 16-bit lanes. (Highway 1.0.3 has no lookup across blocks for bytes.)
  const auto upper = [](Vector v) { return _mm512_srli_epi16(v.raw, 2); };
  const auto table = [](const auto& bytes) { return _mm512_load_si512(bytes.data()); };
  const Vector pair{_mm512_ternarylogic_epi64(
      _mm512_permutexvar_epi8(upper(before), table(kFirstUpper6)),
      _mm512_permutexvar_epi8(before.raw, table(kFirstLower6)),
      _mm512_permutexvar_epi8(upper(byte), table(kSecond6)), 0x80)};  // and
#else
  const auto lookup = [d](const auto& table, Vector nibbles) HWY_ATTR {
    return hn::TableLookupBytes(hn::LoadDup128(d, table.data()), nibbles);
  };
  const auto pair = hn::And(hn::And(lookup(kFirstUpper4, hn::ShiftRight<4>(before)),
                                    lookup(kFirstLower4, hn::And(before, hn::Set(d, 15)))),
                            lookup(kSecond4, hn::ShiftRight<4>(byte)));
#endif
  // The top bit of a byte that is the third or fourth of its character: exactly there two
  // continuations in a row, which is the top bit of `pair`, are right.
  const auto third = hn::SaturatedSub(hn::LoadU(d, at - 2), hn::Set(d, 0xe0 - 0x80));
  const auto fourth = hn::SaturatedSub(hn::LoadU(d, at - 3), hn::Set(d, 0xf0 - 0x80));
  return hn::Xor(hn::And(hn::Or(third, fourth), hn::Set(d, 0x80)), pair);
}

HWY_INLINE bool AllAscii(Vector bytes) {
  const hn::RebindToSigned<Bytes> di;
  return hn::AllFalse(di, hn::Lt(hn::BitCast(di, bytes), hn::Zero(di)));
}

// All bits that any of four vectors has. One after the other: nested, GCC reads them out of order,
// and lines come from L2 more slowly where they aren't asked for from the first to the last.
HWY_INLINE Vector AnyOfFour(Bytes d, const uint8_t* HWY_RESTRICT at) {
  const size_t lanes = hn::Lanes(d);
  auto any = hn::LoadU(d, at);
  any = hn::Or(any, hn::LoadU(d, at + lanes));
  any = hn::Or(any, hn::LoadU(d, at + 2 * lanes));
  return hn::Or(any, hn::LoadU(d, at + 3 * lanes));
}

// Nonzero where something is wrong with four vectors. Where all are ASCII, all that can be is that
// the last character before them was cut off, and that shows in the first vector.
HWY_INLINE Vector ErrorsOfFour(Bytes d, const uint8_t* HWY_RESTRICT at) {
  const size_t lanes = hn::Lanes(d);
  const auto any = AnyOfFour(d, at);
  const auto first = Errors(d, at);
  if (AllAscii(any)) return first;
  return hn::Or(hn::Or(first, Errors(d, at + lanes)),
                hn::Or(Errors(d, at + 2 * lanes), Errors(d, at + 3 * lanes)));
}

// Four vectors at a time. Where all are ASCII, only whether the last character before them was
// complete needs a look, and that only where it was none of ASCII.
bool ValidUtf8(const uint8_t* HWY_RESTRICT text, size_t n) {
  if (n == 0) return true;  // whose text may be a null pointer, which memcpy must not see
  const Bytes d;
  const size_t lanes = hn::Lanes(d);
  // The first and the last vector are checked in here, with zeros before and behind: these are
  // ASCII, so that a character cut off shows.
  constexpr size_t kBefore = 64;
  HWY_ALIGN uint8_t edge[kBefore + hn::MaxLanes(d)];
  memset(edge, 0, sizeof edge);
  size_t i = HWY_MIN(n, lanes);
  memcpy(edge + kBefore, text, i);
  auto errors = Errors(d, edge + kBefore);
  if (n >= lanes) {
    if (n >= kLarge) {
      // From memory, parts of the text side by side, which keeps more of the hardware's prefetchers
      // busy, and lines asked for ahead: with four loads a vector, the queue of loads is full of
      // those that wait for memory before it reaches far enough. A vector's errors depend on the
      // bytes before it alone, so that parts may start anywhere.
      constexpr size_t kParts = 4, kAhead = 4096;
      const size_t part = (n - i) / kParts / (4 * lanes) * (4 * lanes);
      for (const size_t end = i + part; i < end; i += 4 * lanes) {
        for (size_t p = 0; p < kParts; ++p) {
          const uint8_t* const at = text + i + p * part;
          prefetch_lines(at, kAhead, 4 * lanes);
          errors = hn::Or(errors, ErrorsOfFour(d, at));
        }
      }
      i += (kParts - 1) * part;
    }
    bool open = true;
    for (; n - i >= 4 * lanes; i += 4 * lanes) {
      const uint8_t* const at = text + i;
      if (HWY_LIKELY(AllAscii(AnyOfFour(d, at)))) {
        if (open && (at[-1] >= 0xc0 || at[-2] >= 0xe0 || at[-3] >= 0xf0)) return false;
        open = false;
      } else {
        const auto e01 = hn::Or(Errors(d, at), Errors(d, at + lanes));
        const auto e23 = hn::Or(Errors(d, at + 2 * lanes), Errors(d, at + 3 * lanes));
        errors = hn::Or(errors, hn::Or(e01, e23));
        open = true;
      }
    }
    for (; n - i >= lanes; i += lanes) errors = hn::Or(errors, Errors(d, text + i));
    memset(edge + kBefore, 0, lanes);
    memcpy(edge + kBefore - 3, text + i - 3, n - i + 3);
    errors = hn::Or(errors, Errors(d, edge + kBefore));
  }
  return hn::AllTrue(d, hn::Eq(errors, hn::Zero(d)));
}
#endif

}  // namespace

uint8_t ValidateUtf8(const uint8_t* HWY_RESTRICT text, size_t n) { return ValidUtf8(text, n); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "simd/utf8.h"
#if HEADROOM_HAVE_SIMDJSON
#include <simdjson.h>
#endif

namespace headroom {
namespace {

HWY_EXPORT(ValidateUtf8);

constexpr std::size_t kRotated = 512 << 10;  // bytes: about a million branches of the naive loop

struct Utf8Validate {
  static constexpr auto kInputs = inputs("mixed", "cjk", "ascii");
  using Call = std::span<const std::uint8_t>;
  struct Input {
    Buffer<std::uint8_t> text;
    std::size_t n = 0;
    std::size_t slices = 1;
    // Every other turn the last character is cut off.
    Call at(std::size_t turn) const {
      return {text.data() + turn % slices * n, n - (n >= 2 ? turn & 1 : 0)};
    }
  };
  using Output = std::uint8_t;

  static Input make(const Setting& setting, Rng& rng);
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in{Buffer<std::uint8_t>(bytes.size()), bytes.size()};
    std::copy(bytes.begin(), bytes.end(), in.text.begin());
    return in;
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

void append(std::string& text, std::uint32_t code) {
  const auto put = [&](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0 | code >> 6), put(0x80 | (code & 63));
  } else if (code < 0x10000) {
    put(0xe0 | code >> 12), put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
  } else {
    put(0xf0 | code >> 18), put(0x80 | (code >> 12 & 63));
    put(0x80 | (code >> 6 & 63)), put(0x80 | (code & 63));
  }
}

// One of 64 characters is not of the script's first range but of its second; words are divided by
// spaces, one in so many characters.
struct Script {
  std::uint32_t first, first_count, second, second_count;
  unsigned second_of_64, space_of_64;
};
constexpr Script kScripts[] = {
    {'a', 26, 'A', 26, 4, 11},             // English
    {'a', 26, 0xe0, 31, 4, 10},            // French, German: accents
    {0x430, 32, 0x410, 32, 4, 10},         // Russian
    {0x3b1, 25, 0x3ac, 4, 8, 10},          // Greek
    {0x4e00, 0x51a5, 0x3001, 2, 6, 1},     // Chinese, with its own punctuation
    {0x61, 26, 0x1f600, 80, 6, 11},        // a chat, with emoji
    {0x3041, 86, 0x4e00, 0x51a5, 24, 1}};  // Japanese

std::string paragraph(const Script& script, std::size_t length, FastRng& rng) {
  std::string text;
  for (std::size_t i = 0; i < length; ++i) {
    const std::uint64_t bits = rng();
    const unsigned kind = bits & 63;
    if (kind < script.space_of_64) {
      text += ' ';
    } else if (kind < script.space_of_64 + script.second_of_64) {
      append(text, script.second + static_cast<std::uint32_t>((bits >> 32) % script.second_count));
    } else {
      append(text, script.first + static_cast<std::uint32_t>((bits >> 32) % script.first_count));
    }
  }
  return text;
}

// Paragraphs are drawn from a thousand or so.
Utf8Validate::Input Utf8Validate::make(const Setting& setting, Rng& rng) {
  FastRng fast(rng());
  std::vector<std::string> paragraphs;
  for (std::size_t i = 0; i < (setting.n < 1000 ? 32 : 1024); ++i) {
    const std::size_t which = setting.input == Utf8Validate::kInputs["ascii"] ? 0
                              : setting.input == Utf8Validate::kInputs["cjk"]
                                  ? (i % 2 == 0 ? 4 : 6)
                                  : i % std::size(kScripts);
    paragraphs.push_back(paragraph(kScripts[which], 30 + bounded(fast, 221), fast));
  }
  const std::size_t n = setting.n;
  // ASCII leaves nothing to learn.
  const bool rotates = n != 0 && n >= 1000 && setting.input != Utf8Validate::kInputs["ascii"];
  Input in{{}, n, rotates ? std::max<std::size_t>(1, kRotated / n) : 1};
  in.text = Buffer<std::uint8_t>(n * in.slices);
  for (std::size_t slice = 0; slice < in.slices; ++slice) {
    std::uint8_t* to = in.text.data() + slice * n;
    const std::size_t body = n < 2 ? n : n - 2;
    for (std::size_t i = 0; i < body;) {
      const std::string& next = paragraphs[bounded(fast, paragraphs.size())];
      std::size_t size = next.size();
      if (size > body - i) {  // the last one stops at the beginning of a character
        size = body - i;
        while ((next[size] & 0xc0) == 0x80) --size;
        std::memset(to + i, '.', body - i);
      }
      std::memcpy(to + i, next.data(), size);
      i = size == next.size() ? i + size : body;
    }
    if (n >= 2) to[n - 2] = 0xc3, to[n - 1] = 0xa9;
  }
  return in;
}
using Call = Utf8Validate::Call;

void naive(const Call& in, std::uint8_t& out) { out = well_formed_utf8(in); }

// The naive loop, but eight bytes at a time while there is nothing but ASCII.
void ascii_words(const Call& in, std::uint8_t& out) {
  const std::uint8_t* const s = in.data();
  const std::size_t n = in.size();
  std::size_t i = 0;
  while (i < n) {
    std::uint64_t word;
    while (n - i >= 8 && (std::memcpy(&word, s + i, 8), (word & 0x8080808080808080) == 0)) i += 8;
    // To the end of this stretch: the first ASCII byte after eight, where a character can't be
    // open.
    std::size_t end = i + std::min<std::size_t>(8, n - i);
    while (end < n && s[end] >= 0x80) ++end;
    if (!well_formed_utf8({s + i, end - i})) {
      out = 0;
      return;
    }
    i = end;
  }
  out = 1;
}

// No branch on data: nothing to mispredict, and one shift a byte is all that waits for the last.
void shift_automaton(const Call& in, std::uint8_t& out) {
  out = automaton_accepts(in.data(), in.size());
}

// All bytes of a vector at once: most errors show in pairs of neighbours.
void highway(const Call& in, std::uint8_t& out) {
  out = HWY_DYNAMIC_DISPATCH(ValidateUtf8)(in.data(), in.size());
}

#if HEADROOM_HAVE_SIMDJSON
void simdjson_validate(const Call& in, std::uint8_t& out) {
  out = simdjson::validate_utf8(reinterpret_cast<const char*>(in.data()), in.size());
}
constexpr auto kSimdjsonValidate = run<simdjson_validate>;
#else
constexpr auto kSimdjsonValidate = kNotBuilt;
#endif
constexpr Need kNeedsSimdjson[] = {kSimdjson};

constexpr Variant<Utf8Validate> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "character by character: two or three branches each, mispredicted where lengths vary"},
    {.name = "ascii_words",
     .run = run<ascii_words>,
     .what = "naive, but eight bytes a step while they are ASCII"},
    {.name = "shift_automaton",
     .run = run<shift_automaton>,
     .what = "an automaton whose step is a shift: no branch on data, a cycle or two a byte"},
    {.name = "highway",
     .run = run<highway>,
     .what = "three table lookups a vector find bad pairs of bytes; ASCII passes by four vectors"},
    {.name = "simdjson",
     .run = kSimdjsonValidate,
     .what = "simdjson::validate_utf8",
     .role = Role::kPeer,
     .needs = kNeedsSimdjson},
};

const Registrar kRegistrar(
    {.name = "simd/utf8_validate",
     .axis = Axis::kSimd,
     .technique = "classify bytes by table lookups in registers instead of branching",
     .sizes = {32 << 10, 512 << 10, 4 << 20, 64 << 20, 256 << 20},
     .headline = {32 << 10, 64 << 20},
     .ceiling = {"machine/read"},
     .demand =
         [](const Setting& s) {
           const std::size_t all =
               s.input == Utf8Validate::kInputs["ascii"] ? s.n : std::max(s.n, kRotated);
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = static_cast<double>(s.n),
                         .working_set = all,
                         .memory = all + (1 << 20)};
         },
     .test_sizes = {0,   1,   2,   3,   4,   5,   7,   8,   15,  16,   17,   31,
                    32,  33,  63,  64,  65,  66,  127, 128, 129, 191,  255,  257,
                    319, 320, 321, 575, 576, 577, 833, 900, 999, 1000, 4097, (1 << 20) + 77}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

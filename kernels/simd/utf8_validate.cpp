// simd/utf8_validate: is a text well-formed UTF-8?
//
// Out: 1 or 0. Every text ends in a character of two bytes, and every other call sees it without
// the last byte, cut off: both answers come up, and a variant that forgets the end is caught. What
// else can be wrong with a text is the test's business (every ill-formed class at every place).
//
// Inputs: english is prose of which a character in about 450 is none of ASCII (a dash, a curly
// quote, an accent); markup is tags and links, with runs of Chinese of a few characters, or of a
// paragraph, between them: 17% of its bytes. Both are as the articles on Mars in the English and in
// the Chinese Wikipedia are, which Lemire and Mula measure with ("Transcoding billions of Unicode
// characters per second with SIMD instructions", 2022). mixed has paragraphs of 30 to 250
// characters, each in one of seven scripts, so that lengths of one to four bytes come in runs, as
// in a chat; cjk has three bytes for most characters; ascii has one. Small texts rotate through
// half a megabyte, since branch prediction would learn the lengths of the characters.
//
// The naive loop branches two or three times a character, and mispredicts where lengths vary. But
// nearly all that can be wrong shows in a pair of neighbouring bytes, and pairs can be looked up,
// a whole vector of them at once: Keiser and Lemire, "Validating UTF-8 in less than one instruction
// per byte" (2021). The code is our own.
//
// Links: simdjson
#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "core/cpu.h"
#include "core/kernel.h"
#include "simd/utf8.h"
#include "support/bytes.h"
#include "support/slices.h"
#if HEADROOM_HAVE_SIMDJSON
#include <simdjson.h>
#endif

namespace headroom {
namespace {

constexpr std::size_t kRotated = 512 << 10;  // bytes: about a million branches of the naive loop

struct Utf8Validate {
  static constexpr auto kInputs = inputs("english", "markup", "mixed", "cjk", "ascii");
  using Call = std::span<const std::uint8_t>;
  struct Input {
    Buffer<std::uint8_t> text;
    std::size_t n = 0;
    Slices slices;
    // Every other turn the last character is cut off.
    Call at(std::size_t turn) const {
      return {text.data() + slices.first(turn), n - (n >= 2 ? turn & 1 : 0)};
    }
  };
  using Output = std::uint8_t;

  static Input make(const Setting& setting, Rng& rng);
  static Input from(std::span<const std::uint8_t> bytes) {
    return {copy_of(bytes), bytes.size(), {}};
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

using Call = Utf8Validate::Call;

// Character by character (utf8.h): its lead says how many bytes must follow, and which.
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

// An automaton in words (Vognsen, "Shift-based DFAs", 2020): a state is a multiple of six, the
// number of bits by which a byte's row is shifted down to find the next state in its low six bits.
// The row doesn't depend on the state, so its load is off the critical path, which is one shift a
// byte.
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

// No branch on data: nothing to mispredict, and one shift a byte is all that waits for the last.
void shift_automaton(const Call& in, std::uint8_t& out) {
  out = automaton_accepts(in.data(), in.size());
}

#if HEADROOM_HAVE_SIMDJSON
void simdjson_validate(const Call& in, std::uint8_t& out) {
  out = simdjson::validate_utf8(reinterpret_cast<const char*>(in.data()), in.size());
}
constexpr auto kSimdjsonValidate = run<simdjson_validate>;
#else
constexpr auto kSimdjsonValidate = kNotBuilt;
#endif

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/utf8_validate-inl.h"
#include "simd/utf8_validate-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(LookUpUtf8);
HWY_EXPORT(ValidateUtf8);

// All pairs of a vector at once, vector after vector: no branch on data, and nothing that waits for
// the vector before.
void lookup(const Call& in, std::uint8_t& out) {
  out = HWY_DYNAMIC_DISPATCH(LookUpUtf8)(in.data(), in.size());
}

// The same with a shortcut: vectors of ASCII need no lookups, and which ones have to be examined is
// a mask, not a branch for each.
void highway(const Call& in, std::uint8_t& out) {
  out = HWY_DYNAMIC_DISPATCH(ValidateUtf8)(in.data(), in.size());
}

// The texts.

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

// A script: of 64 characters so many are spaces, so many from the second range, the others from the
// first.
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

// Words; one in 75 has a character after it that keyboards don't have.
std::string prose(std::size_t length, FastRng& rng) {
  constexpr std::uint32_t kRare[] = {0x2013, 0x2019, 0xe9, 0xa0, 0xb0, 0x2212, 0x201c, 0xfc};
  std::string text;
  while (text.size() < length) {
    for (std::uint64_t left = 1 + bounded(rng, 9); left != 0; --left)
      text += static_cast<char>('a' + bounded(rng, 26));
    if (bounded(rng, 75) == 0) append(text, kRare[bounded(rng, 8)]);
    text += ' ';
  }
  return text;
}

// Tags with their links, and what stands between them.
std::string markup(std::size_t length, FastRng& rng) {
  constexpr std::string_view kTag = "abcdefghijklmnopqrstuvwxyz0123456789%%%%/=\"\" ";
  std::string text;
  while (text.size() < length) {
    text += '<';
    for (std::uint64_t left = 60 + bounded(rng, 400); left != 0; --left)
      text += kTag[bounded(rng, kTag.size())];
    text += '>';
    for (std::uint64_t left = bounded(rng, 6) == 0 ? 40 + bounded(rng, 80) : 2 + bounded(rng, 7);
         left != 0; --left)
      append(text, 0x4e00 + static_cast<std::uint32_t>(bounded(rng, 0x51a5)));
  }
  return text;
}

// Each text is made of paragraphs drawn from 1024 (from 32, if it is small), and its end is a
// character of two bytes.
Utf8Validate::Input Utf8Validate::make(const Setting& setting, Rng& rng) {
  FastRng fast(rng());
  std::vector<std::string> paragraphs;
  for (std::size_t i = 0; i < (setting.n < 1000 ? 32 : 1024); ++i) {
    if (setting.input == Utf8Validate::kInputs["english"]) {
      paragraphs.push_back(prose(100 + bounded(fast, 800), fast));
      continue;
    }
    if (setting.input == Utf8Validate::kInputs["markup"]) {
      paragraphs.push_back(markup(100 + bounded(fast, 800), fast));
      continue;
    }
    const std::size_t which = setting.input == Utf8Validate::kInputs["ascii"] ? 0
                              : setting.input == Utf8Validate::kInputs["cjk"]
                                  ? (i % 2 == 0 ? 4 : 6)
                                  : i % std::size(kScripts);
    paragraphs.push_back(paragraph(kScripts[which], 30 + bounded(fast, 221), fast));
  }
  const std::size_t n = setting.n;
  // ASCII leaves nothing to learn.
  const bool rotates = n >= 1000 && setting.input != Utf8Validate::kInputs["ascii"];
  Input in{{}, n, Slices::within(rotates ? kRotated : n, n)};
  in.text = Buffer<std::uint8_t>(in.slices.items());
  for (std::size_t slice = 0; slice < in.slices.count(); ++slice) {
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

constexpr Need kNeedsSimdjson[] = {kSimdjson};

constexpr Variant<Utf8Validate> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "character by character: two or three branches each, mispredicted where lengths vary"},
    {.name = "ascii_words",
     .run = run<ascii_words>,
     .what = "naive, but eight bytes per step while they are ASCII"},
    {.name = "shift_automaton",
     .run = run<shift_automaton>,
     .what = "an automaton whose step is a shift: no branch on data, a cycle or two per byte"},
    {.name = "lookup",
     .run = run<lookup>,
     .what = "three table look-ups find the bad pairs in a vector of bytes: no branch on data"},
    {.name = "highway",
     .run = run<highway>,
     .what = "lookup of those vectors alone that a mask names as not ASCII: no branch on data"},
    {.name = "simdjson",
     .run = kSimdjsonValidate,
     .what = "simdjson::validate_utf8",
     .role = Role::kPeer,
     .needs = kNeedsSimdjson},
};

const Registrar kRegistrar(
    {.name = "simd/utf8_validate",
     .axis = Axis::kSimd,
     .technique = "classify bytes by table look-ups in registers instead of branching",
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
                    319, 320, 321, 575, 576, 577, 833, 900, 999, 1000, 4097, l2_bytes() + 77}},
    kVariants);

}  // namespace
}  // namespace headroom

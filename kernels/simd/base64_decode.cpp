// simd/base64_decode: Base64 text (RFC 4648, with padding) to bytes, or where it is wrong.
//
// In: the text of n random bytes. Out: the bytes, and where the first character is that can't stand
// there. Decoding is strict (base64.h); up to the group with the wrong character all bytes are
// there. Nothing branches on the data of a text that is right; wrong ones of every kind are the
// test's business.
//
// A table lookup a character, with a check and three shifts, is five operations a character. In a
// vector the check costs no more than the translation: both look up nibbles. After Mula and Lemire,
// "Faster Base64 encoding and decoding using AVX2 instructions" (2018), and "Base64 encoding and
// decoding at almost the speed of a memory copy" (2019) for the AVX-512 form. The code is our own.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/base64_decode.cpp"
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "simd/base64.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#ifndef HEADROOM_SIMD_BASE64_DECODE_SHARED_
#define HEADROOM_SIMD_BASE64_DECODE_SHARED_
namespace headroom {
namespace {

// The rest of a text, `i` characters and `o` bytes into it.
inline Base64Decoded decode_rest(const std::uint8_t* text, std::size_t n, std::uint8_t* to,
                                 std::size_t i, std::size_t o) {
  Base64Decoded rest = base64_decode(text + i, n - i, to + o);
  rest.bytes += o;
  if (rest.bad != Base64Decoded::kNone) rest.bad += i;
  return rest;
}

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
Base64Decoded DecodeBase64(const uint8_t* text, size_t n, uint8_t* to) {
  return base64_decode(text, n, to);
}
Base64Decoded DecodeBase64Stream(const uint8_t* text, size_t n, uint8_t* to) {
  return base64_decode(text, n, to);
}
#else
namespace {

#if HWY_HAVE_SCALABLE
using Bytes = hn::CappedTag<uint8_t, 16>;
constexpr size_t kBlocks = 1;
#else
using Bytes = hn::ScalableTag<uint8_t>;
constexpr size_t kBlocks = hn::MaxLanes(Bytes()) / 16;
#endif
using Vector = hn::Vec<Bytes>;
constexpr size_t kTaken = 16 * kBlocks;  // characters
constexpr size_t kGiven = 12 * kBlocks;  // bytes that they make

// The four six-bit values of each 32-bit lane, first one lowest, to 24 bits, first one highest.
HWY_INLINE Vector Join(Bytes d, Vector values) {
  const hn::Repartition<uint16_t, Bytes> d16;
  const hn::Repartition<uint32_t, Bytes> d32;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // Multiplying by a power of two and adding the neighbour is one instruction, twice. (Highway
  // 1.0.3 has it for 16-bit lanes only.)
  const auto pairs = _mm512_maddubs_epi16(values.raw, _mm512_set1_epi16(0x0140));
  return Vector{_mm512_madd_epi16(pairs, _mm512_set1_epi32(0x00011000))};
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2
  const auto pairs = _mm256_maddubs_epi16(values.raw, _mm256_set1_epi16(0x0140));
  return Vector{_mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000))};
#else
  const auto by16 = hn::BitCast(d16, values);
  const auto pairs = hn::BitCast(
      d32, hn::Or(hn::And(hn::ShiftLeft<6>(by16), hn::Set(d16, 0x0fc0)), hn::ShiftRight<8>(by16)));
  return hn::BitCast(d, hn::Or(hn::And(hn::ShiftLeft<12>(pairs), hn::Set(d32, 0x00fff000)),
                               hn::ShiftRight<16>(pairs)));
#endif
}

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
// With VBMI one lookup in 128 bytes, two registers, translates any ASCII character, and one shuffle
// packs the bytes of the whole vector. (Highway 1.0.3 has neither for bytes.)
constexpr std::array<uint8_t, 64> kPack = [] {
  std::array<uint8_t, 64> index{};
  for (size_t i = 0; i < 48; ++i) index[i] = static_cast<uint8_t>(i / 3 * 4 + 2 - i % 3);
  return index;
}();

// Adds to `wrong`, in the top bits, which characters are outside the alphabet.
HWY_INLINE Vector Values(Bytes, Vector text, Vector& wrong) {
  const auto values = _mm512_permutex2var_epi8(_mm512_loadu_si512(kBase64Values.data()), text.raw,
                                               _mm512_loadu_si512(kBase64Values.data() + 64));
  wrong.raw = _mm512_ternarylogic_epi64(wrong.raw, text.raw, values, 0xfe);  // or
  return Vector{values};
}

HWY_INLINE bool AnyWrong(Bytes, Vector wrong) { return _mm512_movepi8_mask(wrong.raw) != 0; }

HWY_INLINE void StorePacked(Bytes d, Vector joined, uint8_t* to) {
  hn::StoreU(Vector{_mm512_permutexvar_epi8(_mm512_loadu_si512(kPack.data()), joined.raw)}, d, to);
}
constexpr size_t kOverwritten = 16;  // what a store writes beyond the bytes that are meant
#else
// By upper nibble, the sets of lower nibbles that are wrong with it, a bit for each kind of column:
// an upper nibble that is never right; the digits' column, 0x3a to 0x3f; 0x2_, of which + and / are
// right; 0x4_ and 0x6_, wrong with 0; 0x5_ and 0x7_, wrong from b on.
constexpr uint8_t kNever = 1, kDigits = 2, kSigns = 4, kLetters1 = 8, kLetters2 = 16;
constexpr std::array<uint8_t, 16> kUpper = [] {
  std::array<uint8_t, 16> table{};
  table.fill(kNever);
  table[2] = kSigns, table[3] = kDigits;
  table[4] = table[6] = kLetters1;
  table[5] = table[7] = kLetters2;
  return table;
}();
constexpr std::array<uint8_t, 16> kLower = [] {
  std::array<uint8_t, 16> table{};
  for (uint8_t i = 0; i < 16; ++i)
    table[i] =
        static_cast<uint8_t>(kNever | (i > 9 ? kDigits : 0) | (i != 11 && i != 15 ? kSigns : 0) |
                             (i == 0 ? kLetters1 : 0) | (i > 10 ? kLetters2 : 0));
  return table;
}();
// By upper nibble, what makes the value of a character; + and / share theirs, and / has the entry
// below, which digits leave free.
constexpr std::array<uint8_t, 16> kToValue = [] {
  std::array<uint8_t, 16> table{};
  table[1] = static_cast<uint8_t>(63 - '/'), table[2] = static_cast<uint8_t>(62 - '+');
  table[3] = static_cast<uint8_t>(52 - '0');
  table[4] = table[5] = static_cast<uint8_t>(0 - 'A');
  table[6] = table[7] = static_cast<uint8_t>(26 - 'a');
  return table;
}();

HWY_INLINE Vector Values(Bytes d, Vector text, Vector& wrong) {
  const auto lookup = [d](const std::array<uint8_t, 16>& table, Vector nibbles) HWY_ATTR {
    return hn::TableLookupBytes(hn::LoadDup128(d, table.data()), nibbles);
  };
  const auto upper = hn::ShiftRight<4>(text);
  const auto lower = hn::And(text, hn::Set(d, 15));
  wrong = hn::Or(wrong, hn::And(lookup(kUpper, upper), lookup(kLower, lower)));
  // All ones where the character is /, which makes its nibble one less.
  const auto slash = hn::VecFromMask(d, hn::Eq(text, hn::Set(d, '/')));
  return hn::Add(text, lookup(kToValue, hn::Add(upper, slash)));
}

HWY_INLINE bool AnyWrong(Bytes d, Vector wrong) {
  return !hn::AllTrue(d, hn::Eq(wrong, hn::Zero(d)));
}

// Each block's 12 bytes right behind the last one's, by stores that overlap.
template <size_t kCount, class D>
HWY_INLINE void StoreBlocks(D d, hn::Vec<D> packed, uint8_t* to) {
  if constexpr (kCount == 1) {
    hn::StoreU(packed, d, to);
  } else {
    const hn::Half<D> half;
    StoreBlocks<kCount / 2>(half, hn::LowerHalf(half, packed), to);
    StoreBlocks<kCount / 2>(half, hn::UpperHalf(half, packed), to + 6 * kCount);
  }
}

HWY_INLINE void StorePacked(Bytes d, Vector joined, uint8_t* to) {
  HWY_ALIGN static constexpr uint8_t kPack[16] = {2, 1,  0,  6,  5, 4, 10, 9,
                                                  8, 14, 13, 12, 3, 7, 11, 15};
  StoreBlocks<kBlocks>(d, hn::TableLookupBytes(joined, hn::LoadDup128(d, kPack)), to);
}
constexpr size_t kOverwritten = 4;
#endif

// Four vectors of text to their bytes; false, and nothing written, where a character is wrong.
HWY_INLINE bool DecodeFour(Bytes d, const uint8_t* HWY_RESTRICT text, uint8_t* HWY_RESTRICT to) {
  auto wrong = hn::Zero(d);
  const auto v0 = Values(d, hn::LoadU(d, text), wrong);
  const auto v1 = Values(d, hn::LoadU(d, text + kTaken), wrong);
  const auto v2 = Values(d, hn::LoadU(d, text + 2 * kTaken), wrong);
  const auto v3 = Values(d, hn::LoadU(d, text + 3 * kTaken), wrong);
  if (HWY_UNLIKELY(AnyWrong(d, wrong))) return false;
  StorePacked(d, Join(d, v0), to);
  StorePacked(d, Join(d, v1), to + kGiven);
  StorePacked(d, Join(d, v2), to + 2 * kGiven);
  StorePacked(d, Join(d, v3), to + 3 * kGiven);
  return true;
}

// Behind a step at least the last group, which may be padded, and room for what is overwritten.
constexpr size_t kBehind = (kOverwritten + 2) / 3 * 4 + 4;

// The text from its character i on, whose bytes go to to + o.
Base64Decoded DecodeFrom(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t* HWY_RESTRICT to,
                         size_t i, size_t o) {
  const Bytes d;
  for (; n - i >= 4 * kTaken + kBehind; i += 4 * kTaken, o += 4 * kGiven)
    if (!DecodeFour(d, text + i, to + o)) return decode_rest(text, n, to, i, o);
  for (; n - i >= kTaken + kBehind; i += kTaken, o += kGiven) {
    auto wrong = hn::Zero(d);
    const auto values = Values(d, hn::LoadU(d, text + i), wrong);
    if (HWY_UNLIKELY(AnyWrong(d, wrong))) break;
    StorePacked(d, Join(d, values), to + o);
  }
  return decode_rest(text, n, to, i, o);
}

}  // namespace

// Four vectors a step, and one branch on whether all their characters are right; the loop over
// characters finds which one is not, and does the end.
Base64Decoded DecodeBase64(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t* HWY_RESTRICT to) {
  return DecodeFrom(text, n, to, 0, 0);
}

// Past the caches, through a stage in L1: no vector's bytes fill a line.
Base64Decoded DecodeBase64Stream(const uint8_t* HWY_RESTRICT text, size_t n,
                                 uint8_t* HWY_RESTRICT to) {
  constexpr size_t kStageText = kStage / 3 * 4;
  static_assert(kStage % (4 * kGiven) == 0 && kStage % 64 == 0);
  const Bytes d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0, o = 0;
  // Groups of four characters lead up to the first line.
  for (; n - i >= 8 && reinterpret_cast<uintptr_t>(to + o) % 64 != 0; i += 4, o += 3) {
    const Base64Decoded group = base64_decode(text + i, 4, to + o);
    if (group.bad != Base64Decoded::kNone || group.bytes != 3)
      return decode_rest(text, n, to, i, o);
  }
  HWY_ALIGN_MAX uint8_t stage[kStage + kOverwritten];
  for (; n - i >= kStageText + kBehind; i += kStageText, o += kStage) {
    for (size_t s = 0; s < kStage; s += 4 * kGiven) {
      const uint8_t* const from = text + i + s / 3 * 4;
      prefetch_lines(from, kStreamAhead, 4 * kTaken);
      if (!DecodeFour(d, from, stage + s)) {
        hwy::FlushStream();
        memcpy(to + o, stage, s);
        return decode_rest(text, n, to, i + s / 3 * 4, o + s);
      }
    }
    for (size_t s = 0; s < kStage; s += lanes) hn::Stream(hn::Load(d, stage + s), d, to + o + s);
  }
  hwy::FlushStream();
  return DecodeFrom(text, n, to, i, o);
}
#endif

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <string>

#include "absl/strings/escaping.h"
#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(DecodeBase64);
HWY_EXPORT(DecodeBase64Stream);

struct Base64Decode {
  using Input = Buffer<std::uint8_t>;  // the text
  struct Output {
    Buffer<std::uint8_t> bytes;
    Base64Decoded result;
    std::string string;  // of the peer, which writes to a std::string
    bool in_string = false;
    std::span<const std::uint8_t> view() const {
      const std::uint8_t* const data =
          in_string ? reinterpret_cast<const std::uint8_t*>(string.data()) : bytes.data();
      return {data, std::min(result.bytes, in_string ? string.size() : bytes.size())};
    }
    void poison() {
      headroom::poison(bytes);
      headroom::poison(string);
      headroom::poison(result);
      in_string = false;
    }
    bool spoil(Spoil how) { return spoil_counted(how, bytes.data(), result.bytes); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Buffer<std::uint8_t> bytes(setting.n);
    FastRng fast(rng());
    for (std::size_t i = 0; i < bytes.size(); i += 8) {
      const std::uint64_t bits = fast();
      std::memcpy(bytes.data() + i, &bits, std::min<std::size_t>(8, bytes.size() - i));
    }
    Input in(base64_encoded_size(setting.n));
    base64_encode(bytes.data(), bytes.size(), in.data());
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in(bytes.size());
    std::copy(bytes.begin(), bytes.end(), in.begin());
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.bytes = Buffer<std::uint8_t>(in.size() / 4 * 3);
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    if (absl::Status bad = exact(want.result.bad, got.result.bad); !bad.ok()) return bad;
    if (absl::Status size = exact(want.result.bytes, got.result.bytes); !size.ok()) return size;
    return exact(want.view(), got.view());
  }
};
using Input = Base64Decode::Input;
using Output = Base64Decode::Output;

void naive(const Input& in, Output& out) {
  out.result = base64_decode(in.data(), in.size(), out.bytes.data());
}

// One table for each of the four places, with values already where they belong in the group: three
// ORs join and check them. Four KiB of tables.
void four_tables(const Input& in, Output& out) {
  constexpr std::uint32_t kWrong = 1u << 31;
  static constexpr std::array<std::array<std::uint32_t, 256>, 4> kTables = [] {
    std::array<std::array<std::uint32_t, 256>, 4> tables{};
    for (std::size_t place = 0; place < 4; ++place)
      for (std::size_t i = 0; i < 256; ++i)
        tables[place][i] = kBase64Values[i] == kBase64Bad
                               ? kWrong
                               : std::uint32_t{kBase64Values[i]} << (18 - 6 * place);
    return tables;
  }();
  const std::uint8_t* const text = in.data();
  const std::size_t n = in.size();
  std::uint8_t* const to = out.bytes.data();
  std::size_t i = 0, o = 0;
  // Stores a word at a time: behind the group there is another one, whose bytes it overwrites.
  for (; n - i > 8; i += 4, o += 3) {
    const std::uint32_t group = kTables[0][text[i]] | kTables[1][text[i + 1]] |
                                kTables[2][text[i + 2]] | kTables[3][text[i + 3]];
    if ((group & kWrong) != 0) break;
    const std::uint8_t word[4] = {static_cast<std::uint8_t>(group >> 16),
                                  static_cast<std::uint8_t>(group >> 8),
                                  static_cast<std::uint8_t>(group), 0};
    std::memcpy(to + o, word, 4);
  }
  out.result = decode_rest(text, n, to, i, o);
}

// A whole vector of characters is translated and checked at once.
void highway(const Input& in, Output& out) {
  out.result = HWY_DYNAMIC_DISPATCH(DecodeBase64)(in.data(), in.size(), out.bytes.data());
}

void stream(const Input& in, Output& out) {
  out.result = HWY_DYNAMIC_DISPATCH(DecodeBase64Stream)(in.data(), in.size(), out.bytes.data());
}

// Abseil lets pass what the RFC does not (blanks, missing padding, dots for it): where its answer
// is not that of a text that is strictly right, ours is asked.
void absl_base64(const Input& in, Output& out) {
  const std::size_t n = in.size();
  const bool decoded =
      absl::Base64Unescape({reinterpret_cast<const char*>(in.data()), n}, &out.string);
  std::uint8_t end[3];
  const std::size_t last = n < 4 ? 0 : n - 4;
  const Base64Decoded tail = base64_decode(in.data() + last, n - last, end);
  out.in_string = decoded && n % 4 == 0 && tail.bad == Base64Decoded::kNone &&
                  out.string.size() == last / 4 * 3 + tail.bytes;
  if (out.in_string) {
    out.result = {out.string.size(), Base64Decoded::kNone};
  } else {
    naive(in, out);
  }
}

constexpr Variant<Base64Decode> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "four characters to three bytes, a table lookup each, one check for the four"},
    {.name = "four_tables",
     .run = run<four_tables>,
     .what = "a table for each place with the shift in it: three ORs join and check a group"},
    {.name = "highway",
     .run = run<highway>,
     .what = "lookups in registers translate and check a vector of characters at once"},
    {.name = "stream",
     .run = run<stream>,
     .what = "highway with non-temporal stores: pays where the bytes go to memory, not before"},
    {.name = "absl",
     .run = run<absl_base64>,
     .what = "absl::Base64Unescape into a std::string; laxer, so what it lets pass is checked",
     .role = Role::kPeer},
};

const Registrar kRegistrar(
    {.name = "simd/base64_decode",
     .axis = Axis::kSimd,
     .technique = "translate and validate by lookups in registers; find the error afterwards",
     .sizes = {12 << 10, 192 << 10, 1536 << 10, 24 << 20, 96 << 20},
     .headline = {12 << 10, 24 << 20},
     .ceiling = {"machine/copy"},
     .demand =
         [](const Setting& s) {
           const std::size_t text = base64_encoded_size(s.n);
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = static_cast<double>(s.n + text),
                         .working_set = s.n + text,
                         .memory = 2 * text + (std::size(kVariants) + 1) * s.n};
         },
     .test_sizes = {0,   1,   2,   3,   4,   5,   6,   11,  12,  13,  15,  16,   17,   27,   28,
                    29,  31,  32,  33,  47,  48,  49,  63,  64,  65,  66,  79,   111,  112,  113,
                    127, 128, 129, 207, 208, 209, 255, 256, 257, 403, 512, 1000, 3077, 4097, 9300}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

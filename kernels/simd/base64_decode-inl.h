// The SIMD code of simd/base64_decode: a vector of characters is translated and checked. Included
// by base64_decode.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "simd/base64.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

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
    if (!DecodeFour(d, text + i, to + o)) return base64_decode_rest(text, n, to, i, o);
  for (; n - i >= kTaken + kBehind; i += kTaken, o += kGiven) {
    auto wrong = hn::Zero(d);
    const auto values = Values(d, hn::LoadU(d, text + i), wrong);
    if (HWY_UNLIKELY(AnyWrong(d, wrong))) break;
    StorePacked(d, Join(d, values), to + o);
  }
  return base64_decode_rest(text, n, to, i, o);
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
      return base64_decode_rest(text, n, to, i, o);
  }
  HWY_ALIGN_MAX uint8_t stage[kStage + kOverwritten];
  for (; n - i >= kStageText + kBehind; i += kStageText, o += kStage) {
    for (size_t s = 0; s < kStage; s += 4 * kGiven) {
      const uint8_t* const from = text + i + s / 3 * 4;
      prefetch_lines(from, kStreamAhead, 4 * kTaken);
      if (!DecodeFour(d, from, stage + s)) {
        hwy::FlushStream();
        memcpy(to + o, stage, s);
        return base64_decode_rest(text, n, to, i + s / 3 * 4, o + s);
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

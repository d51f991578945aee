// The SIMD code of simd/hex_decode: a vector of digits is translated and checked at once. Included
// by hex_decode.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/cache_control.h"
#include "simd/hex.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET == HWY_SCALAR
HexDecoded DecodeHex(const uint8_t* text, size_t n, uint8_t* to) { return hex_decode(text, n, to); }
HexDecoded DecodeHexStream(const uint8_t* text, size_t n, uint8_t* to) {
  return hex_decode(text, n, to);
}
#else
namespace {

using Digits = hn::ScalableTag<uint8_t>;
using Pairs = hn::Repartition<uint16_t, Digits>;
using Bytes = hn::Rebind<uint8_t, Pairs>;
using Vector = hn::Vec<Digits>;

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
// With VBMI one lookup in 128 bytes, two registers, translates any ASCII character. Adds to
// `wrong`, in the top bits, which characters are no digits. (Highway 1.0.3 has no such lookup.)
HWY_INLINE Vector Values(Digits, Vector text, Vector& wrong) {
  const auto values = _mm512_permutex2var_epi8(_mm512_loadu_si512(kHexValues.data()), text.raw,
                                               _mm512_loadu_si512(kHexValues.data() + 64));
  wrong.raw = _mm512_ternarylogic_epi64(wrong.raw, text.raw, values, 0xfe);  // or
  return Vector{values};
}
HWY_INLINE bool AnyWrong(Digits, Vector wrong) { return _mm512_movepi8_mask(wrong.raw) != 0; }
#else
// The value of each digit; what is none comes out as 16 or more, which is added to `wrong`.
HWY_INLINE Vector Values(Digits d, Vector text, Vector& wrong) {
  // '0' to '9' become 0xf6 to 0xff; then, as what is below 6 stops at zero, only they have 0xf0 to
  // 0xf9, and after one more subtraction 0 to 9.
  const auto top = hn::SaturatedSub(hn::Add(text, hn::Set(d, 0xff - '9')), hn::Set(d, 6));
  const auto figure = hn::Sub(top, hn::Set(d, 0xf0));
  // Letters of either case become 0 to 5, then 10 to 15; sums stop at 255.
  const auto letter =
      hn::SaturatedAdd(hn::Sub(hn::And(text, hn::Set(d, 0xdf)), hn::Set(d, 'A')), hn::Set(d, 10));
  const auto values = hn::Min(figure, letter);
  wrong = hn::Or(wrong, values);
  return values;
}
HWY_INLINE bool AnyWrong(Digits d, Vector wrong) {
  return !hn::AllTrue(d, hn::Eq(hn::And(wrong, hn::Set(d, 0xf0)), hn::Zero(d)));
}
#endif

// The two values of each pair to a byte.
HWY_INLINE void StoreJoined(Digits d, Vector values, uint8_t* to) {
  const Pairs d16;
  (void)d;
  const auto pairs = hn::BitCast(d16, values);
  const auto joined = hn::Or(hn::ShiftLeft<4>(pairs), hn::ShiftRight<8>(pairs));
  hn::StoreU(hn::TruncateTo(Bytes(), joined), Bytes(), to);
}

// Four vectors of text to their bytes; false, and nothing written, where one is no digit.
HWY_INLINE bool DecodeFour(Digits d, const uint8_t* HWY_RESTRICT text, uint8_t* HWY_RESTRICT to) {
  const size_t lanes = hn::Lanes(d), half = lanes / 2;
  auto wrong = hn::Zero(d);
  const auto v0 = Values(d, hn::LoadU(d, text), wrong);
  const auto v1 = Values(d, hn::LoadU(d, text + lanes), wrong);
  const auto v2 = Values(d, hn::LoadU(d, text + 2 * lanes), wrong);
  const auto v3 = Values(d, hn::LoadU(d, text + 3 * lanes), wrong);
  if (HWY_UNLIKELY(AnyWrong(d, wrong))) return false;
  StoreJoined(d, v0, to);
  StoreJoined(d, v1, to + half);
  StoreJoined(d, v2, to + 2 * half);
  StoreJoined(d, v3, to + 3 * half);
  return true;
}

// The text from its character i on.
HexDecoded DecodeFrom(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t* HWY_RESTRICT to,
                      size_t i) {
  const Digits d;
  const size_t lanes = hn::Lanes(d);
  for (; n - i >= 4 * lanes; i += 4 * lanes)
    if (!DecodeFour(d, text + i, to + i / 2)) return hex_decode_rest(text, n, to, i);
  for (; n - i >= lanes; i += lanes) {
    auto wrong = hn::Zero(d);
    const auto values = Values(d, hn::LoadU(d, text + i), wrong);
    if (HWY_UNLIKELY(AnyWrong(d, wrong))) break;
    StoreJoined(d, values, to + i / 2);
  }
  return hex_decode_rest(text, n, to, i);
}

}  // namespace

// Four vectors a step, and one branch on whether all of their characters are digits; the loop over
// pairs finds which one is none, and does the end.
HexDecoded DecodeHex(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t* HWY_RESTRICT to) {
  return DecodeFrom(text, n, to, 0);
}

// Past the caches, through a stage in L1: no vector's bytes fill a line.
HexDecoded DecodeHexStream(const uint8_t* HWY_RESTRICT text, size_t n, uint8_t* HWY_RESTRICT to) {
  const Digits d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  // Pairs lead up to the first line.
  const size_t head = 2 * items_to_alignment(to, n / 2, 64);
  if (head != 0) {
    const HexDecoded first = hex_decode(text, head, to);
    if (first.bad != HexDecoded::kNone) return first;
    i = head;
  }
  HWY_ALIGN_MAX uint8_t stage[kStage];
  const size_t step =
      kStage / (2 * lanes) * (2 * lanes);  // all of it, where a vector has 2^k bytes
  for (; n - i >= 2 * step; i += 2 * step) {
    for (size_t s = 0; s < step; s += 2 * lanes) {
      prefetch_lines(text + i + 2 * s, kStreamAhead, 4 * lanes);
      if (!DecodeFour(d, text + i + 2 * s, stage + s)) {
        hwy::FlushStream();
        memcpy(to + i / 2, stage, s);
        return hex_decode_rest(text, n, to, i + 2 * s);
      }
    }
    for (size_t s = 0; s < step; s += lanes) hn::Stream(hn::Load(d, stage + s), d, to + i / 2 + s);
  }
  hwy::FlushStream();
  return DecodeFrom(text, n, to, i);
}
#endif

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

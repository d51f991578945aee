// The SIMD code of simd/hex_encode: a shuffle looks up a vector of digits. Included by
// hex_encode.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "simd/hex.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
template <bool>
void Encode(const uint8_t* from, size_t n, uint8_t* to) {
  hex_encode(from, n, to);
}
#else

using Digits = hn::ScalableTag<uint8_t>;
using Pairs = hn::Repartition<uint16_t, Digits>;
using Bytes = hn::Rebind<uint8_t, Pairs>;

// Half a vector of bytes to a vector of digits.
HWY_INLINE hn::Vec<Digits> EncodeVector(Digits d, const uint8_t* from) {
  const Pairs d16;
  // Each byte in 16 bits of its own: its upper nibble has to go to the first, its lower nibble to
  // the second byte of them.
  const auto byte = hn::PromoteTo(d16, hn::LoadU(Bytes(), from));
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
  // VBMI cuts eight bits out of a word at any place, and its lookup takes notice of six bits: four
  // copies of the digits make it one of four bits, and nothing needs a mask. (Highway has no
  // multishift, and 1.0.3 no lookup across blocks for bytes.)
  const auto index = _mm512_multishift_epi64_epi8(_mm512_set1_epi64(0x3034202410140004), byte.raw);
  return hn::Vec<Digits>{_mm512_permutexvar_epi8(
      index, hn::LoadDup128(d, reinterpret_cast<const uint8_t*>(kHexDigits)).raw)};
#else
  const auto nibbles =
      hn::And(hn::Or(hn::ShiftRight<4>(byte), hn::ShiftLeft<8>(byte)), hn::Set(d16, 0x0f0f));
  return hn::TableLookupBytes(hn::LoadDup128(d, reinterpret_cast<const uint8_t*>(kHexDigits)),
                              hn::BitCast(d, nibbles));
#endif
}

// The digits of the n bytes at `from`, to `to`; past the caches if kStream.
template <bool kStream>
void Encode(const uint8_t* HWY_RESTRICT from, size_t n, uint8_t* HWY_RESTRICT to) {
  const Digits d;
  const size_t lanes = hn::Lanes(d), half = lanes / 2;
  size_t i = 0;
  if constexpr (kStream) {  // these stores go to whole vectors of memory: up to the first of them
    const size_t past = reinterpret_cast<uintptr_t>(to) % lanes;
    if (past % 2 != 0) return Encode<false>(from, n, to);
    i = HWY_MIN(n, past == 0 ? 0 : (lanes - past) / 2);
    hex_encode(from, i, to);
  }
  for (; n - i >= 2 * lanes; i += 2 * lanes) {
    if constexpr (kStream) prefetch_lines(from + i, kStreamAhead, 2 * lanes);
    StoreOrStream<kStream>(d, EncodeVector(d, from + i), to + 2 * i);
    StoreOrStream<kStream>(d, EncodeVector(d, from + i + half), to + 2 * i + lanes);
    StoreOrStream<kStream>(d, EncodeVector(d, from + i + 2 * half), to + 2 * i + 2 * lanes);
    StoreOrStream<kStream>(d, EncodeVector(d, from + i + 3 * half), to + 2 * i + 3 * lanes);
  }
  for (; n - i >= half; i += half) StoreOrStream<kStream>(d, EncodeVector(d, from + i), to + 2 * i);
  if constexpr (kStream) hwy::FlushStream();
  hex_encode(from + i, n - i, to + 2 * i);
}
#endif

}  // namespace

void HexEncodePlain(const uint8_t* from, size_t n, uint8_t* to) { Encode<false>(from, n, to); }
void HexEncodeStream(const uint8_t* from, size_t n, uint8_t* to) { Encode<true>(from, n, to); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

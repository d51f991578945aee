// The SIMD code of simd/base64_encode: six-bit fields are cut out and translated in registers.
// Included by base64_encode.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <array>
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "simd/base64.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
template <bool>
void Encode(const uint8_t* from, size_t n, uint8_t* to) {
  base64_encode(from, n, to);
}
#else

// Twelve bytes make a block of 16 characters. On SVE a vector has one block, for shuffles across an
// unknown number of blocks would cost more than they bring.
#if HWY_HAVE_SCALABLE
using Bytes = hn::CappedTag<uint8_t, 16>;
constexpr size_t kBlocks = 1;
#else
using Bytes = hn::ScalableTag<uint8_t>;
constexpr size_t kBlocks = hn::MaxLanes(Bytes()) / 16;
#endif
using Vector = hn::Vec<Bytes>;
constexpr size_t kTaken = 12 * kBlocks;  // bytes that make a vector of text
constexpr size_t kGiven = 16 * kBlocks;

#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
// With VBMI three instructions make 64 characters: VPERMB spreads three bytes over four,
// VPMULTISHIFTQB cuts eight bits out of a word at any place, and VPERMB, which looks at six bits of
// an index and ignores two, needs no mask between and has the whole alphabet as its table. (Highway
// has no multishift, and 1.0.3 no lookup across blocks for bytes; the portable form is below.)
template <size_t kFirst>
constexpr std::array<uint8_t, 64> kSpread = [] {
  std::array<uint8_t, 64> index{};
  for (size_t i = 0; i < 64; ++i)
    index[i] = static_cast<uint8_t>(kFirst + i / 4 * 3 + (i % 4 == 1 ? 0 : i % 4 == 2 ? 2 : 1));
  return index;
}();

constexpr size_t kOverread = 64 - kTaken;  // what a load reads beyond those

// The text of the kTaken bytes at `from` + kFirst; a vector is read at `from`.
template <size_t kFirst = 0>
HWY_INLINE Vector EncodeVector(Bytes d, const uint8_t* from) {
  const auto spread =
      _mm512_permutexvar_epi8(_mm512_loadu_si512(kSpread<kFirst>.data()), hn::LoadU(d, from).raw);
  // Where the six bits of each character start.
  const auto start = _mm512_set1_epi64(0x3036242a1016040a);
  return Vector{_mm512_permutexvar_epi8(_mm512_multishift_epi64_epi8(start, spread),
                                        _mm512_loadu_si512(kBase64Alphabet))};
}
#else
constexpr size_t kOverread = 16 - 12;

// Twelve bytes for each block; reads four more.
template <size_t kCount, class D>
HWY_INLINE hn::Vec<D> LoadBlocks(D d, const uint8_t* from) {
  if constexpr (kCount == 1) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadBlocks<kCount / 2>(half, from + 6 * kCount),
                       LoadBlocks<kCount / 2>(half, from));
  }
}

// From an index to its character, by the stretch of the alphabet that the index is in. 0: a to z;
// 1 to 10: digits; 11: plus; 12: slash; 13: A to Z.
constexpr std::array<uint8_t, 16> kDistance = [] {
  std::array<uint8_t, 16> table{};
  table.fill(static_cast<uint8_t>('0' - 52));
  table[0] = 'a' - 26, table[13] = 'A';
  table[11] = static_cast<uint8_t>('+' - 62), table[12] = static_cast<uint8_t>('/' - 63);
  return table;
}();

HWY_INLINE Vector EncodeVector(Bytes d, const uint8_t* from) {
  const hn::Repartition<uint16_t, Bytes> d16;
  const hn::Repartition<uint32_t, Bytes> d32;
  HWY_ALIGN static constexpr uint8_t kSpread[16] = {1, 0, 2, 1, 4,  3, 5,  4,
                                                    7, 6, 8, 7, 10, 9, 11, 10};
  const auto spread = hn::BitCast(
      d32, hn::TableLookupBytes(LoadBlocks<kBlocks>(d, from), hn::LoadDup128(d, kSpread)));
  // Two of the four six-bit fields have to move down, each by its own distance, and two up: a
  // multiplication shifts each 16-bit lane by as much as its factor says.
  const auto down = hn::MulHigh(hn::BitCast(d16, hn::And(spread, hn::Set(d32, 0x0fc0fc00))),
                                hn::BitCast(d16, hn::Set(d32, 0x04000040)));
  const auto up = hn::Mul(hn::BitCast(d16, hn::And(spread, hn::Set(d32, 0x003f03f0))),
                          hn::BitCast(d16, hn::Set(d32, 0x01000010)));
  const auto index = hn::BitCast(d, hn::Or(down, up));
  // The alphabet is five stretches of ASCII: find which, and add the distance to it.
  const hn::RebindToSigned<Bytes> di;
  const auto upper = hn::RebindMask(d, hn::Lt(hn::BitCast(di, index), hn::Set(di, 26)));
  const auto stretch =
      hn::Or(hn::SaturatedSub(index, hn::Set(d, 51)), hn::IfThenElseZero(upper, hn::Set(d, 13)));
  return hn::Add(index, hn::TableLookupBytes(hn::LoadDup128(d, kDistance.data()), stretch));
}
#endif

// The text of the n bytes at `from`, to `to`; past the caches if kStream.
template <bool kStream>
void Encode(const uint8_t* HWY_RESTRICT from, size_t n, uint8_t* HWY_RESTRICT to) {
  const Bytes d;
  [[maybe_unused]] const uint8_t* const begin = from;
  if constexpr (kStream) {
    // Streaming stores go to whole vectors of memory. Groups of four characters lead up to the
    // first, if that is possible.
    while (n >= 3 && reinterpret_cast<uintptr_t>(to) % kGiven != 0) {
      base64_encode(from, 3, to);
      from += 3, n -= 3, to += 4;
      if (reinterpret_cast<uintptr_t>(to) % 4 != 0) return Encode<false>(from, n, to);
    }
  }
  for (; n >= 4 * kTaken + kOverread; n -= 4 * kTaken, from += 4 * kTaken, to += 4 * kGiven) {
    if constexpr (kStream) prefetch_lines(from, kStreamAhead, 4 * kTaken);
    const auto t0 = EncodeVector(d, from);
    const auto t1 = EncodeVector(d, from + kTaken);
    const auto t2 = EncodeVector(d, from + 2 * kTaken);
    const auto t3 = EncodeVector(d, from + 3 * kTaken);
    StoreOrStream<kStream>(d, t0, to);
    StoreOrStream<kStream>(d, t1, to + kGiven);
    StoreOrStream<kStream>(d, t2, to + 2 * kGiven);
    StoreOrStream<kStream>(d, t3, to + 3 * kGiven);
  }
  for (; n >= kTaken + kOverread; n -= kTaken, from += kTaken, to += kGiven)
    StoreOrStream<kStream>(d, EncodeVector(d, from), to);
  if constexpr (kStream) hwy::FlushStream();
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
  // The last groups at once as well: vectors that end with them, and are read from before.
  while (n >= 3) {
    const size_t groups = HWY_MIN(n, kTaken) / 3;
    if (static_cast<size_t>(from - begin) + 3 * groups < kGiven) break;
    from += 3 * groups, n -= 3 * groups, to += 4 * groups;
    hn::StoreU(EncodeVector<kOverread>(d, from - kGiven), d, to - kGiven);
  }
#endif
  base64_encode(from, n, to);
}
#endif

}  // namespace

void Base64EncodePlain(const uint8_t* from, size_t n, uint8_t* to) { Encode<false>(from, n, to); }
void Base64EncodeStream(const uint8_t* from, size_t n, uint8_t* to) { Encode<true>(from, n, to); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// The SIMD code of simd/utf8_validate: what is wrong with a pair of neighbouring bytes is looked up
// for a whole vector at once (Keiser and Lemire, 2021). Included by utf8_validate.cpp once for each
// target.
//
// No include guard: it must be read again for every target.
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/mask_bits-inl.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
template <bool>
bool ValidUtf8(const uint8_t* text, size_t n) {
  return automaton_accepts(text, n);
}
#else

// What can be wrong with a pair of neighbours, a bit each: a first byte in one of two ranges, then
// a second byte in one of two ranges. All that counts is the upper and the lower bits of the first
// byte and the upper bits of the second, each for itself. So three small tables, whose entries are
// ANDed, find all of them at once.
struct Range {
  uint8_t low, high;
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

// The set of bad pairs that a byte may be the first (or second) of, for each value of kBits of its
// bits, from bit kShift on.
template <int kShift, int kBits>
constexpr std::array<uint8_t, 1 << kBits> BadPairs(bool first) {
  std::array<uint8_t, 1 << kBits> table{};
  for (int bit = 0; bit < 8; ++bit)
    for (const Range& range : first ? kBadPairs[bit].first : kBadPairs[bit].second)
      for (int byte = range.low; byte <= range.high; ++byte)
        table[(byte >> kShift) & ((1 << kBits) - 1)] |= static_cast<uint8_t>(1 << bit);
  return table;
}

// By nibble, for shuffles of 16 bytes; and by six bits, for those of 64.
alignas(16) constexpr auto kFirstUpper4 = BadPairs<4, 4>(true);
alignas(16) constexpr auto kFirstLower4 = BadPairs<0, 4>(true);
alignas(16) constexpr auto kSecond4 = BadPairs<4, 4>(false);
alignas(64) constexpr auto kFirstUpper6 = BadPairs<2, 6>(true);
alignas(64) constexpr auto kFirstLower6 = BadPairs<0, 6>(true);
alignas(64) constexpr auto kSecond6 = BadPairs<2, 6>(false);

using Bytes = hn::ScalableTag<uint8_t>;
using Vector = hn::Vec<Bytes>;

// Nonzero in each byte that is wrong after the one, the second and the third before it.
HWY_INLINE Vector Errors(Bytes d, Vector byte, Vector before, Vector before_2, Vector before_3) {
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
  const auto third = hn::SaturatedSub(before_2, hn::Set(d, 0xe0 - 0x80));
  const auto fourth = hn::SaturatedSub(before_3, hn::Set(d, 0xf0 - 0x80));
  return hn::Xor(hn::And(hn::Or(third, fourth), hn::Set(d, 0x80)), pair);
}
// Of the bytes at `at`: the neighbours come from loads one, two and three bytes lower.
HWY_INLINE Vector Errors(Bytes d, const uint8_t* HWY_RESTRICT at) {
  return Errors(d, hn::LoadU(d, at), hn::LoadU(d, at - 1), hn::LoadU(d, at - 2),
                hn::LoadU(d, at - 3));
}

// Of `count` vectors in a row. From memory, a load that touches two lines holds up those behind it
// until both are there, so here the neighbours come from the vector before, by shuffles (those of
// any length but SVE's).
HWY_INLINE Vector ErrorsOfAll(Bytes d, const uint8_t* HWY_RESTRICT at, size_t count) {
  const size_t lanes = hn::Lanes(d);
  Vector errors = hn::Zero(d);
#if HWY_HAVE_SCALABLE
  for (size_t i = 0; i < count; ++i, at += lanes) errors = hn::Or(errors, Errors(d, at));
#else
  auto last = hn::LoadU(d, at - lanes);
  for (size_t i = 0; i < count; ++i, at += lanes) {
    const auto byte = hn::LoadU(d, at);
    // For each block of 16 bytes the block before it.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
    const Vector blocks{_mm512_alignr_epi64(byte.raw, last.raw, 6)};
#elif HWY_ARCH_X86 && HWY_TARGET == HWY_AVX2
    const auto blocks = hn::ConcatLowerUpper(d, byte, last);
#else
    const auto blocks = last;
#endif
    errors = hn::Or(errors, Errors(d, byte, hn::CombineShiftRightBytes<15>(d, byte, blocks),
                                   hn::CombineShiftRightBytes<14>(d, byte, blocks),
                                   hn::CombineShiftRightBytes<13>(d, byte, blocks)));
    last = byte;
  }
#endif
  return errors;
}

HWY_INLINE bool AllAscii(Vector bytes) {
  const hn::RebindToSigned<Bytes> di;
  return hn::AllFalse(di, hn::Lt(hn::BitCast(di, bytes), hn::Zero(di)));
}

// Which of `count` vectors, kChunk at most, have to be examined, the first in the lowest bit: a
// vector of ASCII behind three bytes of ASCII is right. No branch: which ones they are is as random
// as the text is.
constexpr size_t kChunk = 64;
HWY_INLINE uint64_t NotAscii(Bytes d, const uint8_t* HWY_RESTRICT at, size_t count) {
  const size_t lanes = hn::Lanes(d);
  uint64_t before = static_cast<uint64_t>((at[-1] | at[-2] | at[-3]) & 0x80);
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  // A bit for each eight bytes goes to memory as it is: two instructions per vector. What is behind
  // the last eight of a vector is examined, whether or not it is behind the last three.
  alignas(64) uint8_t eights[kChunk] = {};
  const __m512i top = _mm512_set1_epi8(static_cast<char>(0x80));
  for (size_t i = 0; i < count; ++i)
    eights[i] = _mm512_test_epi64_mask(_mm512_loadu_si512(at + i * lanes), top);
  const __m512i all = _mm512_load_si512(eights);
  const uint64_t open = _mm512_movepi8_mask(all);
  const uint64_t examine = _mm512_test_epi8_mask(all, all) | open << 1 | before >> 7;
  return count == kChunk ? examine : examine & ((uint64_t{1} << count) - 1);
#else
  uint64_t examine = 0;
  for (size_t i = 0; i < count; ++i, at += lanes) {
#if HWY_HAVE_SCALABLE
    examine |= uint64_t{!AllAscii(hn::LoadU(d, at)) || before != 0} << i;
    before = static_cast<uint64_t>(at[lanes - 1] | at[lanes - 2] | at[lanes - 3]) & 0x80;
#else
    const hn::RebindToSigned<Bytes> di;
    const uint64_t bits = MaskBits(di, hn::Lt(hn::BitCast(di, hn::LoadU(d, at)), hn::Zero(di)));
    examine |= uint64_t{(bits | before) != 0} << i;
    before = bits >> (lanes - 3);
#endif
  }
  return examine;
#endif
}

// Nonzero where something is wrong with `count` vectors. Only those are examined that have to be,
// by a loop over the bits of their mask, whose end is the only branch that is mispredicted. Where
// that is most of them, all are, in the next three chunks too (`whole`, which counts them).
HWY_INLINE Vector ErrorsOfChunk(Bytes d, const uint8_t* HWY_RESTRICT at, size_t count,
                                size_t& whole) {
  const size_t lanes = hn::Lanes(d);
  uint64_t examine = 0;
  Vector errors = hn::Zero(d);
  if (whole == 0) {
    examine = NotAscii(d, at, count);
    if (static_cast<size_t>(std::popcount(examine)) > count - count / 4) whole = 4;
  }
  if (whole != 0) {
    --whole;
    return ErrorsOfAll(d, at, count);
  }
  for (; examine != 0; examine &= examine - 1)
    errors = hn::Or(errors, Errors(d, at + lanes * static_cast<size_t>(std::countr_zero(examine))));
  return errors;
}

// Texts so long that they aren't in a cache near the core, and how far ahead lines are asked for.
constexpr size_t kFar = size_t{512} << 10;
constexpr std::ptrdiff_t kAhead = 8192;

// Whether the n bytes at `text` are well-formed. If kShortcuts, ASCII is passed over, kChunk
// vectors at a time.
template <bool kShortcuts>
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
    size_t whole = 0;
    while (n - i >= lanes) {
      const size_t count = HWY_MIN(kChunk, (n - i) / lanes);
      const uint8_t* const at = text + i;
      if (n >= kFar) prefetch_lines(at, kAhead, count * lanes);
      errors = hn::Or(errors,
                      kShortcuts ? ErrorsOfChunk(d, at, count, whole) : ErrorsOfAll(d, at, count));
      i += count * lanes;
    }
    memset(edge + kBefore, 0, lanes);
    memcpy(edge + kBefore - 3, text + i - 3, n - i + 3);
    errors = hn::Or(errors, Errors(d, edge + kBefore));
  }
  return hn::AllTrue(d, hn::Eq(errors, hn::Zero(d)));
}
#endif

}  // namespace

uint8_t LookUpUtf8(const uint8_t* text, size_t n) { return ValidUtf8<false>(text, n); }
uint8_t ValidateUtf8(const uint8_t* text, size_t n) { return ValidUtf8<true>(text, n); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

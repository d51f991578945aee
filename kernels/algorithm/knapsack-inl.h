// One item more in a bit set of sums, in SIMD. Included by knapsack.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Bit s of `sums` is 1 where items so far can weigh s together. Adds an item of weight w > 0: a
// shift by w, in place from the top down, since each word depends on lower ones only. The first
// `words` can change. Notes in first[s] that sums which are new came with item `item`.
//
// kSlack zero words lie before sums[0]. Once many items are in few sums are new: a branch skips
// those vectors that have none.
void AddItem(uint64_t* HWY_RESTRICT sums, size_t words, size_t w, uint16_t item,
             uint16_t* HWY_RESTRICT first) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  const size_t whole = w / 64;
  const int bits = static_cast<int>(w % 64);
  // The lanes of one word's new sums, written as whole vectors: a store per sum would cost as much
  // as all the rest.
  const hn::CappedTag<uint16_t, 64> d16;
  const auto items = hn::Set(d16, item);
  const auto note = [&](size_t word, uint64_t fresh) HWY_ATTR {
    uint8_t bytes[16] = {};
    if constexpr (std::endian::native == std::endian::big) fresh = __builtin_bswap64(fresh);
    std::memcpy(bytes, &fresh, 8);
    for (size_t k = 0; k < 64; k += hn::Lanes(d16)) {
      if (hn::Lanes(d16) < 8) {
        if ((bytes[k / 8] >> k % 8 & 1) != 0) first[word * 64 + k] = item;
      } else {
        hn::BlendedStore(items, hn::LoadMaskBits(d16, bytes + k / 8), d16, first + word * 64 + k);
      }
    }
  };
  size_t at = words;
  for (; at >= lanes; at -= lanes) {
    const size_t i = at - lanes;
    const auto old = hn::LoadU(d, sums + i);
    const auto low = hn::LoadU(d, sums + i - whole);
    // Two shifts of the lower neighbour: one by 64 would be undefined.
    const auto lower = hn::ShiftRight<1>(hn::LoadU(d, sums + i - whole - 1));
    const auto moved = hn::Or(hn::ShiftLeftSame(low, bits), hn::ShiftRightSame(lower, 63 - bits));
    const auto fresh = hn::AndNot(old, moved);
    if (HWY_LIKELY(hn::AllTrue(d, hn::Eq(fresh, hn::Zero(d))))) continue;
    hn::StoreU(hn::Or(old, fresh), d, sums + i);
    HWY_ALIGN uint64_t each[hn::MaxLanes(d)];
    hn::Store(fresh, d, each);
    for (size_t l = 0; l < lanes; ++l)
      if (each[l] != 0) note(i + l, each[l]);
  }
  for (; at > 0; --at) {
    const size_t i = at - 1;
    const uint64_t moved = sums[i - whole] << bits | sums[i - whole - 1] >> 1 >> (63 - bits);
    const uint64_t fresh = moved & ~sums[i];
    sums[i] |= fresh;
    if (fresh != 0) note(i, fresh);
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

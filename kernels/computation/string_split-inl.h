// string_split in SIMD: the commas of 64 bytes at once. Included by string_split.cpp once for each
// target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "support/mask_bits-inl.h"
#include "support/places-inl.h"
#include "support/prefetch-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// Which of 64 bytes are commas, the first in the lowest bit.
HWY_INLINE uint64_t Commas(const uint8_t* text) {
  const hn::CappedTag<uint8_t, 64> d;
  uint64_t commas = 0;
  for (size_t i = 0; i < 64; i += hn::Lanes(d)) {
    commas |= MaskBits(d, hn::Eq(hn::LoadU(d, text + i), hn::Set(d, ','))) << i;
  }
  return commas;
}

constexpr size_t kPlacesAStep = 12;  // more commas are rare in 64 bytes

// Writes where commas are, and returns how many. `ends` has 64 to spare.
size_t FindCommas(const uint8_t* HWY_RESTRICT text, size_t size, uint32_t* HWY_RESTRICT ends) {
  uint32_t* to = ends;
  size_t i = 0;
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3_DL
  // Here one instruction moves the numbers of the bytes that are commas together.
  const hn::ScalableTag<uint8_t> d;
  const hn::ScalableTag<uint32_t> d32;
  const hn::Half<decltype(d)> half;
  const hn::Rebind<uint8_t, decltype(d32)> part;
  const auto numbers = hn::Iota(d, 0);
  for (; i + 64 <= size; i += 64) {
    // The hardware's prefetcher starts over at each page, and in each text. Never faults.
    prefetch_lines(text + i, 2048, 64);
    const auto commas = hn::Eq(hn::LoadU(d, text + i), hn::Set(d, ','));
    const size_t count = hn::CountTrue(d, commas);
    const auto places = hn::Compress(numbers, commas);
    const auto base = hn::Set(d32, static_cast<uint32_t>(i));
    const auto first = hn::LowerHalf(part, hn::LowerHalf(half, places));
    hn::StoreU(hn::Add(hn::PromoteTo(d32, first), base), d32, to);
    if (HWY_UNLIKELY(count > 16)) {
      HWY_ALIGN uint8_t rest[64];
      hn::Store(places, d, rest);
      for (size_t k = 16; k < count; k += 16)
        hn::StoreU(hn::Add(hn::PromoteTo(d32, hn::Load(part, rest + k)), base), d32, to + k);
    }
    to += count;
  }
#endif
  for (; i + 64 <= size; i += 64)
    to += WritePlaces<kPlacesAStep>(Commas(text + i), static_cast<uint32_t>(i), to);
  if (i < size) {
    uint8_t last[64] = {};
    std::memcpy(last, text + i, size - i);
    to += WritePlaces<kPlacesAStep>(Commas(last), static_cast<uint32_t>(i), to);
  }
  return static_cast<size_t>(to - ends);
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// read_lines in SIMD: the ends of lines in 64 bytes at once. Included by read_lines.cpp once for
// each target, below what it uses from there.
//
// No include guard: it must be read again for every target.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "support/mask_bits-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// Which of 64 bytes are newlines, the first in the lowest bit.
HWY_INLINE uint64_t Newlines(const unsigned char* text) {
  const hn::CappedTag<uint8_t, 64> d;
  const auto newline = hn::Set(d, static_cast<uint8_t>('\n'));
  uint64_t bits = 0;
  for (size_t i = 0; i < 64; i += hn::Lanes(d))
    bits |= MaskBits(d, hn::Eq(hn::LoadU(d, text + i), newline)) << i;
  return bits;
}

// The same as split_memchr, in two steps for each 4 KiB. The first finds all ends: four are
// written whether there are as many or not, and the next ones overwrite what was too much, since a
// branch for each line would be mispredicted once in every 64 bytes. The second takes the lines.
const unsigned char* SplitSimd(const unsigned char* text, const unsigned char* end, Line*& to) {
  constexpr size_t kChunk = 4096, kStep = 4;
  uint32_t ends[kChunk + kStep];
  const unsigned char* line = text;
  Line* next = to;
  const auto take = [&](const unsigned char* at) {
    const auto length = static_cast<size_t>(at - line);
    *next++ = {key_of(line, length, end), length};
    line = at + 1;
  };
  while (end - text >= 64) {
    const size_t bytes = std::min(kChunk, static_cast<size_t>(end - text) / 64 * 64);
    size_t count = 0;
    for (size_t i = 0; i < bytes; i += 64) {
      uint64_t bits = Newlines(text + i);
      const auto found = static_cast<size_t>(std::popcount(bits));
      for (size_t k = 0; k < found; k += kStep) {
        for (size_t j = 0; j < kStep; ++j) {
          ends[count + k + j] =
              static_cast<uint32_t>(i) + static_cast<uint32_t>(std::countr_zero(bits));
          bits &= bits - 1;
        }
      }
      count += found;
    }
    for (size_t e = 0; e < count; ++e) take(text + ends[e]);
    text += bytes;
  }
  for (; text != end; ++text)
    if (*text == '\n') take(text);
  to = next;
  return line;
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// UTF-8, one character after another: what a text must be. The baseline of simd/utf8_validate, in a
// header of its own so that its test can hold it against the standard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace headroom {

// Whether the text is well-formed (The Unicode Standard, table 3-7): every character in its
// shortest form, no surrogates, none above U+10FFFF, none cut off.
inline bool well_formed_utf8(std::span<const std::uint8_t> text) {
  const std::uint8_t* const s = text.data();
  const std::size_t n = text.size();
  const auto continues = [&](std::size_t at) { return (s[at] & 0xc0) == 0x80; };
  std::size_t i = 0;
  while (i < n) {
    const std::uint8_t lead = s[i];
    if (lead < 0x80) {
      i += 1;
    } else if (lead < 0xc2) {  // a continuation without a lead, or overlong
      return false;
    } else if (lead < 0xe0) {
      if (n - i < 2 || !continues(i + 1)) return false;
      i += 2;
    } else if (lead < 0xf0) {
      if (n - i < 3 || !continues(i + 1) || !continues(i + 2)) return false;
      if (lead == 0xe0 && s[i + 1] < 0xa0) return false;   // overlong
      if (lead == 0xed && s[i + 1] >= 0xa0) return false;  // surrogate
      i += 3;
    } else if (lead < 0xf5) {
      if (n - i < 4 || !continues(i + 1) || !continues(i + 2) || !continues(i + 3)) return false;
      if (lead == 0xf0 && s[i + 1] < 0x90) return false;   // overlong
      if (lead == 0xf4 && s[i + 1] >= 0x90) return false;  // above U+10FFFF
      i += 4;
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace headroom

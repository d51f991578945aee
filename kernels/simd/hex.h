// Hexadecimal digits (RFC 4648, section 8; lower case when written, either when read), a byte at a
// time: what naive does in simd/hex_encode and simd/hex_decode, and the faster variants at the end
// of a text. In a header so that the tests can hold it against the RFC.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace headroom {

inline constexpr char kHexDigits[] = "0123456789abcdef";

// Writes 2 n digits.
inline void hex_encode(const std::uint8_t* from, std::size_t n, std::uint8_t* to) {
  for (std::size_t i = 0; i < n; ++i) {
    to[2 * i] = static_cast<std::uint8_t>(kHexDigits[from[i] >> 4]);
    to[2 * i + 1] = static_cast<std::uint8_t>(kHexDigits[from[i] & 15]);
  }
}

// The value of each character, kHexBad for those that are no digits.
inline constexpr std::uint8_t kHexBad = 0x80;
inline constexpr std::array<std::uint8_t, 256> kHexValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kHexBad);
  for (std::uint8_t i = 0; i < 16; ++i) values[static_cast<std::uint8_t>(kHexDigits[i])] = i;
  for (std::uint8_t i = 10; i < 16; ++i) values['A' + i - 10] = i;
  return values;
}();

struct HexDecoded {
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::size_t bytes = 0;    // written
  std::size_t bad = kNone;  // the first character that is no digit; the text's size where its last
                            // digit has no second one
};

// Writes the bytes of all pairs before the wrong one.
inline HexDecoded hex_decode(const std::uint8_t* text, std::size_t n, std::uint8_t* to) {
  std::size_t i = 0;
  for (; n - i >= 2; i += 2) {
    const std::uint8_t high = kHexValues[text[i]], low = kHexValues[text[i + 1]];
    if (((high | low) & kHexBad) != 0) return {i / 2, high == kHexBad ? i : i + 1};
    to[i / 2] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if (i == n) return {n / 2, HexDecoded::kNone};
  return {i / 2, kHexValues[text[i]] == kHexBad ? i : n};
}

// What is left of a text after i characters, an even number; the result is the whole text's.
inline HexDecoded hex_decode_rest(const std::uint8_t* text, std::size_t n, std::uint8_t* to,
                                  std::size_t i) {
  HexDecoded rest = hex_decode(text + i, n - i, to + i / 2);
  rest.bytes += i / 2;
  if (rest.bad != HexDecoded::kNone) rest.bad += i;
  return rest;
}

}  // namespace headroom

// Base64 (RFC 4648, section 4: the alphabet with + and /, padded), three bytes or four characters
// at a time: what naive does in simd/base64_encode and simd/base64_decode, and the faster variants
// at the end of a text. In a header so that the tests can hold it against the RFC.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace headroom {

inline constexpr char kBase64Alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::size_t base64_encoded_size(std::size_t bytes) { return (bytes + 2) / 3 * 4; }

// Writes base64_encoded_size(n) characters.
inline void base64_encode(const std::uint8_t* from, std::size_t n, std::uint8_t* to) {
  const auto letter = [](std::uint32_t index) {
    return static_cast<std::uint8_t>(kBase64Alphabet[index & 63]);
  };
  for (; n >= 3; n -= 3, from += 3, to += 4) {
    to[0] = letter(from[0] >> 2);
    to[1] = letter(from[0] << 4 | from[1] >> 4);
    to[2] = letter(from[1] << 2 | from[2] >> 6);
    to[3] = letter(from[2]);
  }
  if (n == 0) return;
  to[0] = letter(from[0] >> 2);
  to[1] = letter(from[0] << 4 | (n == 2 ? from[1] >> 4 : 0));
  to[2] = n == 2 ? letter(from[1] << 2) : std::uint8_t{'='};
  to[3] = '=';
}

// The value of each character, kBase64Bad for those outside the alphabet.
inline constexpr std::uint8_t kBase64Bad = 0x80;
inline constexpr std::array<std::uint8_t, 256> kBase64Values = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kBase64Bad);
  for (std::uint8_t i = 0; i < 64; ++i) values[static_cast<std::uint8_t>(kBase64Alphabet[i])] = i;
  return values;
}();

struct Base64Decoded {
  static constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
  std::size_t bytes = 0;    // written
  std::size_t bad = kNone;  // where the text is wrong: the first character that can't stand there;
                            // the text's size where characters are missing
};

// Strict: no characters outside the alphabet, padding only where and as the RFC has it, the bits
// that padding leaves over zero. Writes the bytes of all groups of four before the wrong one.
inline Base64Decoded base64_decode(const std::uint8_t* text, std::size_t n, std::uint8_t* to) {
  if (n == 0) return {};
  const std::size_t last = (n - 1) / 4 * 4;  // where the last group starts, which may be padded
  std::size_t i = 0, o = 0;
  for (; i < last; i += 4, o += 3) {
    const std::uint32_t a = kBase64Values[text[i]], b = kBase64Values[text[i + 1]],
                        c = kBase64Values[text[i + 2]], d = kBase64Values[text[i + 3]];
    if (((a | b | c | d) & kBase64Bad) != 0)
      return {o, a == kBase64Bad ? i : b == kBase64Bad ? i + 1 : c == kBase64Bad ? i + 2 : i + 3};
    const std::uint32_t group = a << 18 | b << 12 | c << 6 | d;
    to[o] = static_cast<std::uint8_t>(group >> 16);
    to[o + 1] = static_cast<std::uint8_t>(group >> 8);
    to[o + 2] = static_cast<std::uint8_t>(group);
  }
  std::uint32_t group = 0;
  std::size_t letters = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    if (i + k == n) return {o, n};
    const std::uint8_t character = text[i + k], value = kBase64Values[character];
    if (value != kBase64Bad && letters == k) {
      ++letters;
      group |= std::uint32_t{value} << (18 - 6 * k);
    } else if (character != '=' || k < 2) {
      return {o, i + k};
    }
  }
  if ((letters < 4 && (group & 0xff) != 0) || (letters == 2 && (group & 0xff00) != 0))
    return {o, i + letters - 1};
  for (std::size_t k = 0; k + 1 < letters; ++k)
    to[o++] = static_cast<std::uint8_t>(group >> (16 - 8 * k));
  return {o, Base64Decoded::kNone};
}

// What is left of a text after i characters that gave o bytes; the result is the whole text's.
inline Base64Decoded base64_decode_rest(const std::uint8_t* text, std::size_t n, std::uint8_t* to,
                                        std::size_t i, std::size_t o) {
  Base64Decoded rest = base64_decode(text + i, n - i, to + o);
  rest.bytes += o;
  if (rest.bad != Base64Decoded::kNone) rest.bad += i;
  return rest;
}

}  // namespace headroom

// Cyclic redundancy checks of 32 bits, reflected (the first bit of a message is the lowest one of
// its first byte): the definition, a bit at a time, and the tables and constants that follow from
// it. In a header so that the tests can hold the definition against published check values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace headroom::crc {

// The polynomials, reflected: bit 31 is x^0, bit 0 is x^31, x^32 is implied.
inline constexpr std::uint32_t kIeee = 0xedb88320;        // CRC-32: zip, PNG, Ethernet
inline constexpr std::uint32_t kCastagnoli = 0x82f63b78;  // CRC-32C: iSCSI, ext4, SCTP

// The remainder times x.
template <std::uint32_t kPoly>
constexpr std::uint32_t times_x(std::uint32_t r) {
  return (r >> 1) ^ (kPoly & (0 - (r & 1)));
}

// The definition, a bit a step: the register after the n bytes at p. Here and below `r` is the
// register before, so that pieces of a message can follow one another; for a whole message it
// starts as all ones and ends inverted.
template <std::uint32_t kPoly>
std::uint32_t bitwise(std::uint32_t r, const std::uint8_t* p, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    r ^= p[i];
    for (int bit = 0; bit < 8; ++bit) r = times_x<kPoly>(r);
  }
  return r;
}

// The product of two remainders.
template <std::uint32_t kPoly>
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (int bit = 31; bit >= 0; --bit) {
    if ((a >> bit & 1) != 0) product ^= b;
    b = times_x<kPoly>(b);
  }
  return product;
}

// x^k modulo the polynomial.
template <std::uint32_t kPoly>
constexpr std::uint32_t power(std::uint64_t k) {
  std::uint32_t result = 1u << 31, square = 1u << 30;  // 1 and x
  for (; k != 0; k >>= 1) {
    if ((k & 1) != 0) result = multiply<kPoly>(result, square);
    square = multiply<kPoly>(square, square);
  }
  return result;
}

// kTables<kPoly>[k][b]: what byte b does to the register k bytes later.
template <std::uint32_t kPoly>
inline constexpr std::array<std::array<std::uint32_t, 256>, 16> kTables = [] {
  std::array<std::array<std::uint32_t, 256>, 16> t{};
  for (std::uint32_t b = 0; b < 256; ++b) {
    std::uint32_t r = b;
    for (int bit = 0; bit < 8; ++bit) r = times_x<kPoly>(r);
    t[0][b] = r;
  }
  for (std::size_t k = 1; k < t.size(); ++k)
    for (std::size_t b = 0; b < 256; ++b) t[k][b] = t[k - 1][b] >> 8 ^ t[0][t[k - 1][b] & 255];
  return t;
}();

// A byte a step.
template <std::uint32_t kPoly>
std::uint32_t by_table(std::uint32_t r, const std::uint8_t* p, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) r = r >> 8 ^ kTables<kPoly>[0][(r ^ p[i]) & 255];
  return r;
}

// kSlices (8 or 16) bytes a step. Their lookups don't wait for each other, and only those of the
// first four bytes depend on the register.
template <std::uint32_t kPoly, std::size_t kSlices>
std::uint32_t by_slices(std::uint32_t r, const std::uint8_t* p, std::size_t n) {
  constexpr auto& t = kTables<kPoly>;
  for (; n >= kSlices; p += kSlices, n -= kSlices) {
    const std::uint32_t first = r ^ (p[0] | p[1] << 8 | p[2] << 16 | std::uint32_t{p[3]} << 24);
    r = t[kSlices - 1][first & 255] ^ t[kSlices - 2][first >> 8 & 255] ^
        t[kSlices - 3][first >> 16 & 255] ^ t[kSlices - 4][first >> 24];
    for (std::size_t k = 4; k < kSlices; ++k) r ^= t[kSlices - 1 - k][p[k]];
  }
  return by_table<kPoly>(r, p, n);
}

// kShift<kPoly, kBytes>[k][b]: what byte k of a register, being b, becomes when kBytes zeros
// follow: a multiplication by x^(8 kBytes).
template <std::uint32_t kPoly, std::size_t kBytes>
inline constexpr std::array<std::array<std::uint32_t, 256>, 4> kShift = [] {
  std::array<std::array<std::uint32_t, 256>, 4> t{};
  const std::uint32_t factor = power<kPoly>(8 * kBytes);
  for (std::size_t k = 0; k < 4; ++k)
    for (std::size_t b = 1; b < 256; ++b)
      t[k][b] = (b & (b - 1)) == 0
                    ? multiply<kPoly>(static_cast<std::uint32_t>(b << (8 * k)), factor)
                    : t[k][b & (b - 1)] ^ t[k][b & (0 - b)];
  return t;
}();

// The register after kBytes zeros, by four lookups.
template <std::uint32_t kPoly, std::size_t kBytes>
std::uint32_t shifted(std::uint32_t r) {
  constexpr auto& t = kShift<kPoly, kBytes>;
  return t[0][r & 255] ^ t[1][r >> 8 & 255] ^ t[2][r >> 16 & 255] ^ t[3][r >> 24];
}

// floor(x^95 / polynomial), 64 bits, reflected: bit 0 is x^63. For Barrett's reduction.
template <std::uint32_t kPoly>
constexpr std::uint64_t quotient() {
  // Long division, one bit of the quotient a step. The highest, x^63, is 1 and leaves the
  // polynomial's lower part times x^63.
  std::uint64_t q = 1;
  std::uint32_t r = kPoly;
  for (int bit = 1; bit < 64; ++bit) {
    q |= std::uint64_t{r & 1} << bit;
    r = times_x<kPoly>(r);
  }
  return q;
}

}  // namespace headroom::crc

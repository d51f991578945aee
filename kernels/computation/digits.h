// Eight decimal digits at a time in a 64-bit register (Lemire, "Quickly parsing eight digits",
// 2018).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace headroom {

// The first character in the lowest byte.
inline std::uint64_t load_eight(const char* at) {
  std::uint64_t bytes;
  std::memcpy(&bytes, at, 8);
  if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap64(bytes);
  return bytes;
}

// The last `length` of the eight bytes that end at `end`, with '0' for those before: numbers of any
// length up to eight become numbers of eight digits, without a branch. 0 <= length; more than eight
// count as eight, less than one as none.
inline std::uint64_t eight_before(const char* end, std::int64_t length) {
  constexpr std::uint64_t kZeros = 0x3030303030303030;
  const std::int64_t kept = length < 0 ? 0 : length > 8 ? 8 : length;
  // Two shifts, because one by 64 is undefined.
  const std::uint64_t mask = ~std::uint64_t{0} << 4 * (8 - kept) << 4 * (8 - kept);
  return (load_eight(end - 8) & mask) | (kZeros & ~mask);
}

inline bool all_digits(std::uint64_t bytes) {
  // A digit's high nibble is 3, and stays so when 6 is added to its low one.
  return ((bytes & (bytes + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0) == 0x3030303030303030 &&
         ((bytes | (bytes + 0x0606060606060606)) & 0xf0f0f0f0f0f0f0f0) == 0x3030303030303030;
}

// Three multiplies: pairs of digits, pairs of pairs, pairs of those.
inline std::uint64_t eight_digits(std::uint64_t bytes) {
  bytes -= 0x3030303030303030;
  bytes = bytes * 10 + (bytes >> 8);  // pairs of digits, in every other byte
  return (((bytes & 0x000000ff000000ff) * 0x000f424000000064 +
           ((bytes >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >>
          32);
}

inline bool is_digit(char c) { return static_cast<unsigned char>(c - '0') < 10; }

}  // namespace headroom

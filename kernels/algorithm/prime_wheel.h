// The wheel sieve's tables, its step, and its memory: what algorithm/primes' wheel variants have in
// plain C++. primes-inl.h has the rest.
//
// Only eight residues modulo 30 have no factor 2, 3 or 5, so a byte holds 30 numbers, a bit for
// each that can be a prime (Pritchard, "Explaining the wheel sieve", 1982). The multiples of a
// prime that have a bit then come in turns of eight, at distances that are the same in each turn
// (as in primesieve, by Kim Walisch).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>
#include <vector>

namespace headroom {

inline constexpr std::uint32_t kResidues[8] = {1, 7, 11, 13, 17, 19, 23, 29};

constexpr std::uint32_t residue_index(std::uint32_t residue) {
  std::uint32_t i = 0;
  while (kResidues[i] != residue) ++i;
  return i;
}

// The multiples p * k of a prime p = 30 * q + kResidues[kClass] that have a bit are those whose k
// has one. From k of residue i to the next k, the multiple's byte moves by gap * q + step of
// wheel[kClass][i].
struct WheelStep {
  std::uint32_t gap;   // of k
  std::uint32_t step;  // bytes beyond gap * q
  std::uint8_t keep;   // all bits but the one of p * k
};

inline constexpr std::array<std::array<WheelStep, 8>, 8> kWheel = [] {
  std::array<std::array<WheelStep, 8>, 8> wheel{};
  for (std::uint32_t c = 0; c < 8; ++c)
    for (std::uint32_t i = 0; i < 8; ++i) {
      const std::uint32_t r = kResidues[c], k = kResidues[i];
      const std::uint32_t next = i == 7 ? 31 : kResidues[i + 1];
      wheel[c][i] = {next - k, r * next / 30 - r * k / 30,
                     static_cast<std::uint8_t>(~(1u << residue_index(r * k % 30)))};
    }
  return wheel;
}();

// A prime at work: which byte of the segment its next multiple is in, and at which place of the
// wheel that multiple's factor k is, kResidues[place]. (`segmented` has bits there, and no wheel.)
struct SievingPrime {
  std::uint32_t prime;
  std::uint32_t byte;
  std::uint32_t place;
};

// Crosses off the multiples of a prime of class kClass in a segment. Once its place is 0, a whole
// turn of the wheel is eight stores at distances that are known but for q.
template <std::uint32_t kClass, std::size_t... kPlace>
inline void cross_off_class(std::uint8_t* segment, std::uint32_t size, SievingPrime& p,
                            std::index_sequence<kPlace...>) {
  constexpr const std::array<WheelStep, 8>& wheel = kWheel[kClass];
  const std::uint32_t q = p.prime / 30;
  std::uint32_t byte = p.byte, place = p.place;
  while (place != 0 && byte < size) {
    segment[byte] &= wheel[place].keep;
    byte += wheel[place].gap * q + wheel[place].step;
    place = (place + 1) & 7;
  }
  if (place == 0) {
    // Offsets of a turn's eight stores from its first one, and their sum.
    std::uint32_t offset[9] = {};
    ((offset[kPlace + 1] = offset[kPlace] + wheel[kPlace].gap * q + wheel[kPlace].step), ...);
    while (byte + offset[7] < size) {
      std::uint8_t* const at = segment + byte;
      ((at[offset[kPlace]] &= wheel[kPlace].keep), ...);
      byte += offset[8];
    }
    while (byte < size) {
      segment[byte] &= wheel[place].keep;
      byte += wheel[place].gap * q + wheel[place].step;
      place = (place + 1) & 7;
    }
  }
  p.byte = byte - size;
  p.place = place;
}

inline void cross_off(std::uint8_t* segment, std::uint32_t size, SievingPrime& p) {
  constexpr auto kPlaces = std::make_index_sequence<8>();
  switch (p.prime % 30) {
    case 1:
      return cross_off_class<0>(segment, size, p, kPlaces);
    case 7:
      return cross_off_class<1>(segment, size, p, kPlaces);
    case 11:
      return cross_off_class<2>(segment, size, p, kPlaces);
    case 13:
      return cross_off_class<3>(segment, size, p, kPlaces);
    case 17:
      return cross_off_class<4>(segment, size, p, kPlaces);
    case 19:
      return cross_off_class<5>(segment, size, p, kPlaces);
    case 23:
      return cross_off_class<6>(segment, size, p, kPlaces);
    default:
      return cross_off_class<7>(segment, size, p, kPlaces);
  }
}

// A segment is what L1 holds on every processor, beside little else: 32 KiB, nearly a million
// numbers.
inline constexpr std::uint32_t kSegment = 32 << 10;

// A prime that crosses off only a few bytes of a segment costs more in the branch that is
// mispredicted where it ends than in stores. Large primes go through a block of several segments at
// once, in L2 (as in the larger sieve that primesieve takes for them).
inline constexpr std::uint32_t kBlock = 8 * kSegment;
inline constexpr std::uint32_t kLargePrime = 4096;

// What the primes from 7 to 97 leave, which cross off most, is periodic: it can be copied, as an
// AND of patterns of two primes each. A pattern is as long as a segment and its period.
inline constexpr std::uint32_t kPairs[11][2] = {{7, 97},  {11, 89}, {13, 83}, {17, 79},
                                                {19, 73}, {23, 71}, {29, 67}, {31, 61},
                                                {37, 59}, {41, 53}, {43, 47}};
inline constexpr std::size_t kPatterns = std::size(kPairs);
inline constexpr std::uint32_t kLastPatterned = 97;
inline constexpr std::size_t kPatternBytes = kSegment + 43 * 53 + 64;

struct WheelPatterns {
  std::vector<std::uint8_t> bytes;  // kPatternBytes each
  WheelPatterns() : bytes(kPatterns * kPatternBytes, 0xff) {
    for (std::size_t k = 0; k < kPatterns; ++k)
      for (const std::uint32_t p : kPairs[k])
        for (std::uint32_t i = 0; i < 8; ++i) {
          std::size_t byte = 0;
          while ((byte * 30 + kResidues[i]) % p != 0) ++byte;
          for (; byte < kPatternBytes; byte += p)
            bytes[k * kPatternBytes + byte] &= static_cast<std::uint8_t>(~(1u << i));
        }
  }
};

// The numbers 0 to 119, where patterns would cross off their own primes.
inline constexpr std::uint8_t kFirstBytes[4] = {0b11111110, 0b11011111, 0b11101111, 0b01111110};

struct WheelSieve {
  std::vector<SievingPrime> sieving;
  std::vector<std::uint8_t> composite;           // to find them
  alignas(64) std::uint8_t block[kBlock + 256];  // stores of whole vectors may go beyond
};

}  // namespace headroom

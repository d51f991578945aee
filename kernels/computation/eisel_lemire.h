// From a decimal, w * 10^q, to the nearest double: Eisel's and Lemire's algorithm (Lemire, "Number
// parsing at a gigabyte per second", 2021). One multiplication by a 128-bit power of five, rarely
// two, decides the rounding; that this is always enough for w < 2^64 was shown by Mushtak and
// Lemire ("Fast number parsing without fallback", 2023). The code is our own.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace headroom {

inline constexpr int kLeastPower = -342;   // w * 10^-343 is 0 for every w < 2^64
inline constexpr int kLargestPower = 308;  // 10^309 is infinite

// The top 128 bits of a power of five, the first of them set: high * 2^64 + low.
struct PowerOfFive {
  std::uint64_t high, low;
};

// All powers from 5^kLeastPower to 5^kLargestPower, truncated; but from 5^-27 to 5^-1, whose
// product must not fall below a double that it equals, rounded up.
class PowersOfFive {
  // A number of 1216 bits, the least significant word first.
  class Wide {
   public:
    static constexpr int kBits = 1216;
    explicit Wide(int bit) { words_[bit / 32] = std::uint32_t{1} << bit % 32; }
    void multiply_by_5() {
      std::uint64_t carry = 0;
      for (std::uint32_t& word : words_) {
        carry += std::uint64_t{word} * 5;
        word = static_cast<std::uint32_t>(carry);
        carry >>= 32;
      }
    }
    void divide_by_5() {
      std::uint64_t rest = 0;
      for (std::size_t i = words_.size(); i-- > 0;) {
        rest = rest << 32 | words_[i];
        words_[i] = static_cast<std::uint32_t>(rest / 5);
        rest %= 5;
      }
    }
    PowerOfFive top() const {
      std::size_t last = words_.size() - 1;
      while (words_[last] == 0) --last;
      const int shift = std::countl_zero(words_[last]);
      const auto word = [&](std::size_t back) -> std::uint64_t {
        const auto at = [&](std::size_t k) { return k > last ? 0 : words_[last - k]; };
        return (static_cast<std::uint64_t>(at(back)) << 32 | at(back + 1)) << shift >> 32;
      };
      return {word(0) << 32 | word(1), word(2) << 32 | word(3)};
    }

   private:
    std::array<std::uint32_t, kBits / 32> words_{};
  };

 public:
  PowersOfFive() {
    Wide positive(0);
    for (int q = 0; q <= kLargestPower; ++q, positive.multiply_by_5()) at(q) = positive.top();
    Wide negative(Wide::kBits - 1);
    for (int q = -1; q >= kLeastPower; --q) {
      negative.divide_by_5();
      PowerOfFive power = negative.top();
      if (q >= -27 && ++power.low == 0) ++power.high;
      at(q) = power;
    }
  }
  const PowerOfFive* table() const { return powers_.data(); }

 private:
  PowerOfFive& at(int q) { return powers_[static_cast<std::size_t>(q - kLeastPower)]; }
  std::array<PowerOfFive, kLargestPower - kLeastPower + 1> powers_;
};

inline const PowerOfFive* powers_of_five() {
  static const PowersOfFive powers;
  return powers.table();
}

// The bits of the double nearest to w * 10^q, ties to even; infinity where it is too large.
// `zeros` are the leading ones of w.
[[gnu::always_inline]] inline std::uint64_t nearest_double(std::uint64_t w, int zeros,
                                                           std::int64_t q,
                                                           const PowerOfFive* powers) {
  constexpr std::uint64_t kInfinity = std::uint64_t{0x7ff} << 52;
  if (w == 0 || q < kLeastPower) return 0;
  if (q > kLargestPower) return kInfinity;
  w <<= zeros;
  const PowerOfFive& power = powers[q - kLeastPower];
  const unsigned __int128 product = static_cast<unsigned __int128>(w) * power.high;
  std::uint64_t high = static_cast<std::uint64_t>(product >> 64);
  std::uint64_t low = static_cast<std::uint64_t>(product);
  // Nine bits more than needed, and all of them set: what was left out may carry into the rest.
  if (__builtin_expect((high & 0x1ff) == 0x1ff, 0)) {
    low += static_cast<std::uint64_t>((static_cast<unsigned __int128>(w) * power.low) >> 64);
    high += low < static_cast<std::uint64_t>(product);
  }
  const int top = static_cast<int>(high >> 63);
  const int shift = top + 9;  // leaves 54 bits, one of them for rounding
  std::uint64_t mantissa = high >> shift;
  // log2(10^q), rounded down, by 217706 = 2^16 log2(10); then the bias.
  std::int64_t exponent = ((q * 217706) >> 16) + 63 + top - zeros + 1023;
  if (__builtin_expect(exponent <= 0, 0)) {  // subnormal
    if (exponent <= -63) return 0;
    mantissa >>= 1 - exponent;
    return (mantissa + (mantissa & 1)) >> 1;  // rounds up to the least normal number as well
  }
  // Half way between two doubles, exactly, which only these powers allow: to the even one, that is
  // down where rounding up would make it odd.
  if (__builtin_expect(low <= 1 && (mantissa & 3) == 1, 0))
    if (q >= -4 && q <= 23 && mantissa << shift == high) mantissa ^= 1;
  mantissa = (mantissa + (mantissa & 1)) >> 1;
  // The leading one is added to the exponent, and with it a carry out of the mantissa.
  const std::uint64_t bits = mantissa + (static_cast<std::uint64_t>(exponent - 1) << 52);
  return bits < kInfinity ? bits : kInfinity;
}
[[gnu::always_inline]] inline std::uint64_t nearest_double(std::uint64_t w, std::int64_t q,
                                                           const PowerOfFive* powers) {
  return nearest_double(w, std::countl_zero(w), q, powers);
}

}  // namespace headroom

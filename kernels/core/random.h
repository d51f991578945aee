// Seeded generators whose numbers are the same on every machine and standard library.
//
// std::*_distribution is implementation-defined, so core has its own. Golden values are tested.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

namespace headroom {

using Rng = std::mt19937_64;

// xoshiro256++ of Blackman and Vigna (2019): about five times faster than Rng; for filling large
// arrays. Satisfies UniformRandomBitGenerator.
class FastRng {
 public:
  using result_type = std::uint64_t;
  explicit FastRng(std::uint64_t seed);
  static constexpr result_type min() { return 0; }
  static constexpr result_type max() { return ~result_type{0}; }
  result_type operator()() {
    const std::uint64_t result = rotate_left(s_[0] + s_[3], 23) + s_[0];
    const std::uint64_t t = s_[1] << 17;
    s_[2] ^= s_[0];
    s_[3] ^= s_[1];
    s_[1] ^= s_[2];
    s_[0] ^= s_[3];
    s_[2] ^= t;
    s_[3] = rotate_left(s_[3], 45);
    return result;
  }

 private:
  static std::uint64_t rotate_left(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }
  std::uint64_t s_[4];
};

// Uniform in [0, bound), unbiased; bound 0 gives 0. Lemire, "Fast random integer generation in an
// interval" (2019).
template <class Generator>
std::uint64_t bounded(Generator& rng, std::uint64_t bound) {
  if (bound == 0) return 0;
  unsigned __int128 product = static_cast<unsigned __int128>(rng()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold)
      product = static_cast<unsigned __int128>(rng()) * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

// Uniform in [0, 1), a multiple of 2^-53.
template <class Generator>
double uniform(Generator& rng) {
  return static_cast<double>(rng() >> 11) * 0x1p-53;
}

// Approximately normal, mean 0, standard deviation 1, within [-6, 6]: the sum of twelve uniforms
// less six. Only additions, so the same bits everywhere (a log from libm would not be).
template <class Generator>
double normal(Generator& rng) {
  double sum = 0;
  for (int i = 0; i < 12; ++i) sum += uniform(rng);
  return sum - 6;
}

// Fisher-Yates. std::shuffle differs between standard libraries.
template <class T, class Generator>
void shuffle(std::span<T> items, Generator& rng) {
  for (std::size_t i = items.size(); i > 1; --i)
    std::swap(items[i - 1], items[static_cast<std::size_t>(bounded(rng, i))]);
}

// Ranks 0 .. n-1 with probability proportional to 1 / (rank + 1)^s. Weights are rounded to 20 bits
// relative, so that a last-bit difference between libms does not change a draw.
class Zipf {
 public:
  Zipf(std::size_t n, double s);
  template <class Generator>
  std::size_t operator()(Generator& rng) const {
    return find(bounded(rng, total_));
  }

 private:
  std::size_t find(std::uint64_t ticket) const;
  std::vector<std::uint64_t> cumulative_;
  std::uint64_t total_ = 0;
};

}  // namespace headroom

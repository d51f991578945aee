#include "core/random.h"

#include <algorithm>
#include <cmath>

namespace headroom {

FastRng::FastRng(std::uint64_t seed) {
  // SplitMix64, as the authors of xoshiro prescribe: no state is all zero, near seeds diverge.
  for (std::uint64_t& word : s_) {
    std::uint64_t z = (seed += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    word = z ^ (z >> 31);
  }
}

Zipf::Zipf(std::size_t n, double s) : cumulative_(n) {
  for (std::size_t rank = 0; rank < n; ++rank) {
    int exponent = 0;
    const double weight = std::pow(static_cast<double>(rank + 1), -s);
    const double mantissa = std::frexp(weight, &exponent);
    const double rounded = std::ldexp(std::nearbyint(mantissa * 0x1p20), exponent - 20);
    total_ += static_cast<std::uint64_t>(rounded * 0x1p40) + 1;
    cumulative_[rank] = total_;
  }
}

std::size_t Zipf::find(std::uint64_t ticket) const {
  const auto it = std::upper_bound(cumulative_.begin(), cumulative_.end(), ticket);
  return std::min(static_cast<std::size_t>(it - cumulative_.begin()), cumulative_.size() - 1);
}

}  // namespace headroom

#include "support/arrivals.h"

#include <limits>
#include <stdexcept>

namespace headroom {
namespace {

// The time of an arrival `units` of 2^-32 mean gaps after the start, rounded down to a nanosecond.
// One multiplication and no addition: nothing that a compiler could contract and round otherwise.
class Pace {
 public:
  explicit Pace(double per_second) : ns_a_unit_(1e9 * 0x1p-32 / per_second) {
    if (!(per_second > 0) || per_second > 1e9)
      throw std::invalid_argument("arrivals: a rate must be above 0 and at most 10^9 per second");
  }
  std::uint64_t time(std::uint64_t units) const {
    const double ns = static_cast<double>(units) * ns_a_unit_;
    if (ns >= static_cast<double>(std::numeric_limits<std::int64_t>::max()))
      throw std::invalid_argument("arrivals: the schedule is longer than 292 years");
    return static_cast<std::uint64_t>(ns);
  }

 private:
  double ns_a_unit_;
};

}  // namespace

// Von Neumann's way, by comparisons alone (1951): of uniform draws u1 > u2 > ... the length of the
// descending run is odd with probability exp(-u1). Where it is, u1 is the fraction; each even run
// before it adds 1.
std::uint64_t exponential(FastRng& rng) {
  for (std::uint64_t whole = 0;; ++whole) {
    const std::uint64_t first = rng();
    std::uint64_t last = first;
    bool odd = true;
    for (std::uint64_t next = rng(); next < last; next = rng()) {
      last = next;
      odd = !odd;
    }
    if (odd) return whole << 32 | first >> 32;
  }
}

Arrivals poisson_arrivals(std::size_t count, double per_second, std::uint64_t seed) {
  const Pace pace(per_second);
  FastRng rng(seed);
  Arrivals arrivals(count);
  std::uint64_t units = 0;
  for (std::uint64_t& arrival : arrivals) arrival = pace.time(units += exponential(rng));
  return arrivals;
}

Arrivals constant_arrivals(std::size_t count, double per_second) {
  const Pace pace(per_second);
  Arrivals arrivals(count);
  std::uint64_t units = 0;
  for (std::uint64_t& arrival : arrivals) arrival = pace.time(units += std::uint64_t{1} << 32);
  return arrivals;
}

}  // namespace headroom

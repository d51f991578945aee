// Schedules of arrivals: the same on every machine, and of the distribution that they claim.
#include "support/arrivals.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "catch.h"

namespace headroom {
namespace {

TEST_CASE("arrivals are the same on every machine") {
  CHECK(poisson_arrivals(6, 1000, 42) ==
        Arrivals{1'701'135, 2'908'852, 3'468'392, 5'014'396, 7'157'117, 8'241'601});
  FastRng rng(42);
  const std::vector<std::uint64_t> draws = {exponential(rng), exponential(rng), exponential(rng),
                                            exponential(rng), exponential(rng)};
  CHECK(draws ==
        std::vector<std::uint64_t>{7306321760, 5187105754, 2403203736, 6640035928, 9202920306});
  // A checksum of a long one, order-sensitive.
  std::uint64_t hash = 0;
  for (const std::uint64_t ns : poisson_arrivals(100'000, 12'345.678, 9)) hash = hash * 31 + ns;
  CHECK(hash == 12993180816947968623u);
  CHECK(constant_arrivals(4, 3) ==
        Arrivals{333'333'333, 666'666'666, 1'000'000'000, 1'333'333'333});
}

TEST_CASE("gaps of Poisson arrivals are exponential") {
  constexpr std::size_t kCount = 1'000'000;
  const Arrivals arrivals = poisson_arrivals(kCount, 1000, 3);
  CHECK(std::is_sorted(arrivals.begin(), arrivals.end()));
  // The mean gap of 10^6, 1 ms, is known to 0.1%.
  CHECK(std::abs(static_cast<double>(arrivals.back()) / (kCount * 1e6) - 1) < 0.004);
  // The share of gaps above x is exp(-x): known to 0.0005 at most.
  for (const double x : {0.01, 0.1, 0.5, 1.0, 2.0, 3.0, 5.0, 8.0}) {
    std::size_t above = 0;
    for (std::size_t i = 0; i < kCount; ++i)
      above += static_cast<double>(arrivals[i] - (i == 0 ? 0 : arrivals[i - 1])) > x * 1e6 ? 1 : 0;
    INFO("gaps over " << x << " means");
    CHECK(std::abs(static_cast<double>(above) / kCount - std::exp(-x)) < 0.002);
  }
  // A gap says nothing of the next.
  double product = 0;
  for (std::size_t i = 1; i + 1 < kCount; ++i)
    product += (static_cast<double>(arrivals[i] - arrivals[i - 1]) / 1e6 - 1) *
               (static_cast<double>(arrivals[i + 1] - arrivals[i]) / 1e6 - 1);
  CHECK(std::abs(product / kCount) < 0.005);
}

TEST_CASE("another rate stretches the schedule, another seed changes it") {
  const Arrivals slow = poisson_arrivals(1000, 500, 1), fast = poisson_arrivals(1000, 1000, 1);
  for (std::size_t i = 0; i < slow.size(); ++i) {
    const std::uint64_t twice = 2 * fast[i];
    if (slow[i] < twice || slow[i] > twice + 1) FAIL_CHECK("at " << i);
  }
  CHECK(poisson_arrivals(1000, 1000, 2) != fast);
  CHECK(poisson_arrivals(0, 1000, 2).empty());
}

TEST_CASE("a rate that is none is refused") {
  CHECK_THROWS_AS(poisson_arrivals(1, 0, 1), std::invalid_argument);
  CHECK_THROWS_AS(poisson_arrivals(1, std::nan(""), 1), std::invalid_argument);
  CHECK_THROWS_AS(constant_arrivals(1, -1), std::invalid_argument);
  CHECK_THROWS_AS(constant_arrivals(1, 2e9), std::invalid_argument);
  CHECK_THROWS_AS(constant_arrivals(1, 1e-10), std::invalid_argument);
}

}  // namespace
}  // namespace headroom

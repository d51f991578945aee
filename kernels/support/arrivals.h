// When requests arrive: a schedule of intended times, fixed before the first of them is sent.
//
// Users don't wait for each other's answers, so the times must not depend on how fast the service
// is. The same numbers on every machine: integers and single multiplications, no logarithm from
// libm. Golden values are tested.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/random.h"

namespace headroom {

// Nanoseconds from the start of the run, ascending.
using Arrivals = std::vector<std::uint64_t>;

// `count` arrivals of a Poisson process of `per_second` on average, which is how many independent
// users arrive. Another rate at the same seed is the same schedule, stretched.
Arrivals poisson_arrivals(std::size_t count, double per_second, std::uint64_t seed);

// `count` arrivals evenly spaced, the first one gap after the start.
Arrivals constant_arrivals(std::size_t count, double per_second);

// A draw from the exponential distribution of mean 1, in units of 2^-32.
std::uint64_t exponential(FastRng& rng);

}  // namespace headroom

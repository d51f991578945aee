// In which order the arms of a ladder run, round by round.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/random.h"

namespace headroom {

// Where an arm stands in a round, and which arm ran before it, is part of what it measures: the one
// before leaves its own data in the caches. So each arm stands in each place equally often, and
// follows each other arm equally often: a Latin square balanced for neighbours (E. J. Williams,
// "Experimental designs balanced for the estimation of residual effects of treatments", 1949), of
// as many rounds as there are arms, or twice as many where their number is odd. Each square gets
// its arms and its rounds at random; where a square ends before its last round the rest is chance.
class RoundOrder {
 public:
  RoundOrder(std::size_t arms, std::uint64_t seed);
  // The arms of the next round, in order; valid until the next call.
  std::span<const std::size_t> next();

 private:
  FastRng rng_;
  std::vector<std::vector<std::size_t>> square_;  // of places in arms_
  std::vector<std::size_t> arms_;
  std::vector<std::size_t> round_;
  std::size_t row_ = 0;
};

}  // namespace headroom

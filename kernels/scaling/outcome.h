// What simulated requests came to: for each one what it waited, and from that the figures.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "core/arm.h"
#include "support/simulator.h"

namespace headroom {

// The mean service time of all kernels of this group.
inline constexpr SimTime kService = 1'000'000;

inline double in_services(double ns) { return ns / static_cast<double>(kService); }

// p50, p99 and mean of the requests after the warm-up, in mean service times. `p99_error` is the
// standard error of the p99, by ten batches one after the other, over the p99: another seed would
// give another figure, by about so much. utilisation, servers: what the model is asked for.
inline Quantities latency_figures(std::span<const SimTime> latency, double utilisation,
                                  std::size_t servers) {
  constexpr std::size_t kBatches = 10;
  const std::span<const SimTime> counted = steady(latency);
  const double p99 = static_cast<double>(exact_percentile(counted, 99));
  double sum = 0, squares = 0;
  const std::size_t each = counted.size() / kBatches;
  for (std::size_t i = 0; i < kBatches; ++i) {
    const double own =
        static_cast<double>(exact_percentile(counted.subspan(i * each, each), 99)) / (p99 + 1e-9);
    sum += own / kBatches, squares += own * own / kBatches;
  }
  return {
      {"p99", {in_services(p99), "service times"}},
      {"p99_error", {std::sqrt(std::max(squares - sum * sum, 0.0) / (kBatches - 1)), "ratio"}},
      {"p50", {in_services(static_cast<double>(exact_percentile(counted, 50))), "service times"}},
      {"mean", {in_services(exact_mean(counted)), "service times"}},
      {"validated", {validated(utilisation, servers, latency.size()), "0 or 1"}}};
}

}  // namespace headroom

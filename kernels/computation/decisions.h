// How much data the calls of a kernel carry before any of it comes again, where branches depend on
// it: so much that no branch predictor learns it.
#pragma once

#include <cstddef>

#include "support/slices.h"

namespace headroom {

inline constexpr std::size_t kDecisions = std::size_t{1} << 20;

// Calls of n items, kDecisions in all. Few below the smallest size that is measured, where only
// tests go.
inline Slices slices_for(std::size_t n, std::size_t smallest) {
  const std::size_t decisions = n < smallest ? std::size_t{1} << 12 : kDecisions;
  return Slices::covering(decisions, n, decisions);
}

}  // namespace headroom

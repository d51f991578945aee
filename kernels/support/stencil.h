// One step of Jacobi's method for Laplace's equation on a square grid of floats, stored row by row:
// what the stencil kernels have in common.
#pragma once

#include <algorithm>
#include <cstddef>

namespace headroom {

// A cell after a step; every variant adds in this order.
inline float mean(const float* cell, std::size_t n) {
  return ((cell[-static_cast<std::ptrdiff_t>(n)] + cell[n]) + (cell[-1] + cell[1])) * 0.25f;
}

// The border, and all of a grid that has no inside.
inline void copy_border(const float* from, std::size_t n, float* to) {
  if (n == 0) return;
  std::copy_n(from, n, to);
  for (std::size_t i = 1; i + 1 < n; ++i) {
    to[i * n] = from[i * n];
    to[i * n + n - 1] = from[i * n + n - 1];
  }
  std::copy_n(from + (n - 1) * n, n, to + (n - 1) * n);
}

}  // namespace headroom

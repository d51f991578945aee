// One point of the Mandelbrot set, by the same arithmetic in every kernel and variant: without
// fused multiply-adds, which would give some points on the edge another count.
#pragma once

#include <cstdint>

namespace headroom {

inline constexpr std::uint32_t kMostSteps = 256;

// Makes a product one that is rounded on its own: GCC fuses a multiplication and an addition where
// it may, across statements too, when the target has the instruction.
template <class T>
__attribute__((always_inline)) inline void keep_rounded([[maybe_unused]] T& product) {
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
  asm("" : "+v"(product));
#elif defined(__GNUC__) && !defined(__clang__) && defined(__aarch64__)
  asm("" : "+w"(product));
#endif
}

inline float rounded(float product) {
  keep_rounded(product);
  return product;
}

// How many steps of z = z^2 + c it takes to leave the circle of radius 2, at most kMostSteps.
inline std::uint32_t steps_to_leave(float cx, float cy) {
  float x = 0, y = 0;
  std::uint32_t steps = 0;
  for (; steps < kMostSteps; ++steps) {
    const float xx = rounded(x * x), yy = rounded(y * y), xy = rounded(x * y);
    if (!(xx + yy <= 4)) break;
    x = xx - yy + cx;
    y = xy + xy + cy;
  }
  return steps;
}

}  // namespace headroom

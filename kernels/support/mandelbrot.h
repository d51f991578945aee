// The problem of the mandelbrot kernels, and one point of the set, by the same arithmetic in every
// kernel and variant: without fused multiply-adds, which would give some points on the edge another
// count.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/kernel.h"

namespace headroom {

// n is the side of the picture, a square of the complex plane. Each call sees one of several
// squares, moved by less than a point, so that branch prediction can't learn where a point's loop
// ends. Out: n * n counts. A kernel adds make(), which says where the squares lie.
struct MandelbrotProblem {
  struct Call {
    std::span<const float> xs, ys;  // the coordinates of columns and rows
  };
  struct Input {
    std::size_t n = 0;
    std::size_t squares = 1;
    Buffer<float> xs, ys;
    Call at(std::size_t turn) const {
      const std::size_t first = turn % squares * n;
      return {{xs.data() + first, n}, {ys.data() + first, n}};
    }
  };
  using Output = Buffer<std::uint32_t>;

  // From -2 to 0.5 on the real axis, and as high, from `lowest` on.
  static Input squares_from(double lowest, const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in;
    in.n = n;
    if (n == 0) return in;
    in.squares = std::max<std::size_t>(1, (n < 64 ? 1 << 12 : 1 << 20) / (n * n));
    in.xs = in.ys = Buffer<float>(n * in.squares);
    for (std::size_t square = 0; square < in.squares; ++square) {
      const double dx = uniform(rng), dy = uniform(rng), step = 2.5 / static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) {
        in.xs[square * n + i] = static_cast<float>(-2 + step * (static_cast<double>(i) + dx));
        in.ys[square * n + i] = static_cast<float>(lowest + step * (static_cast<double>(i) + dy));
      }
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n * in.n); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
  // steps: that a point takes on average, at least. variants: of the kernel.
  static Demand demand(const Setting& s, double steps, std::size_t variants) {
    const double points = static_cast<double>(s.n) * static_cast<double>(s.n);
    const std::size_t all = std::max(s.n * s.n, std::size_t{1} << 20) / (s.n + 1) * 8;
    return {.items = points,
            .bytes = 4 * points,
            .flops = 8 * steps * points,  // eight operations a step
            .working_set = 4 * s.n * s.n,
            .memory = all + 4 * s.n * s.n * (variants + 1)};
  }
};

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

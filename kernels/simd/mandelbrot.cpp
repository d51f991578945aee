// simd/mandelbrot: for each point of a square of the complex plane, how many steps of z = z^2 + c
// it takes to leave the circle of radius 2, at most 256.
//
// n is the side of the picture, around the whole set. The problem, and what keeps the variants'
// counts exact: support/mandelbrot.h.
//
// A point's steps wait for each other (a multiplication and two additions deep), so that one point
// at a time leaves the pipes nearly empty; several vectors of points fill them. What remains lost:
// a vector runs until its last point is out.
#include <algorithm>
#include <cstdint>

#include "core/kernel.h"
#include "support/mandelbrot.h"

namespace headroom {
namespace {

struct Mandelbrot : MandelbrotProblem {
  static Input make(const Setting& setting, Rng& rng) { return squares_from(-1.25, setting, rng); }
};
using Call = Mandelbrot::Call;
using Output = Mandelbrot::Output;

// Point by point: steps until it is out.
void naive(const Call& in, Output& out) {
  const std::size_t n = in.xs.size();
  for (std::size_t r = 0; r < n; ++r)
    for (std::size_t i = 0; i < n; ++i) out[r * n + i] = steps_to_leave(in.xs[i], in.ys[r]);
}

// Four points side by side, of four rows, in scalar code: while one waits for a product, the others
// go on. The price is the steps that a point goes on making after it is out.
void four_points(const Call& in, Output& out) {
  const std::size_t n = in.xs.size();
  for (std::size_t r = 0; r < n; r += 4) {
    for (std::size_t i = 0; i < n; ++i) {
      const float cx = in.xs[i];
      float cy[4], x[4] = {}, y[4] = {};
      std::uint32_t steps[4] = {}, inside[4] = {1, 1, 1, 1};
      for (std::size_t k = 0; k < 4; ++k) cy[k] = in.ys[std::min(r + k, n - 1)];
      for (std::uint32_t step = 0; step < kMostSteps; ++step) {
#pragma GCC unroll 4
        for (std::size_t k = 0; k < 4; ++k) {
          const float xx = rounded(x[k] * x[k]), yy = rounded(y[k] * y[k]);
          const float xy = rounded(x[k] * y[k]);
          inside[k] &= static_cast<std::uint32_t>(xx + yy <= 4);
          steps[k] += inside[k];
          x[k] = xx - yy + cx;
          y[k] = xy + xy + cy[k];
        }
        if ((inside[0] | inside[1] | inside[2] | inside[3]) == 0) break;
      }
      for (std::size_t k = 0; k < std::min<std::size_t>(4, n - r); ++k)
        out[(r + k) * n + i] = steps[k];
    }
  }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/mandelbrot-inl.h"
#include "simd/mandelbrot-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(MandelbrotByOne);
HWY_EXPORT(MandelbrotByFour);

// As many points as the host's vectors have lanes, but one chain of operations that wait.
void highway_one(const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(MandelbrotByOne)(in.xs.data(), in.ys.data(), in.xs.size(), out.data());
}

// Four vectors of points: while one waits the others go on.
void highway(const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(MandelbrotByFour)(in.xs.data(), in.ys.data(), in.xs.size(), out.data());
}

constexpr Variant<Mandelbrot> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "point by point: each step waits for the last one, and the exit is mispredicted"},
    {.name = "four_points",
     .run = run<four_points>,
     .what = "four points in lockstep, in scalar code: their steps overlap"},
    {.name = "highway_one",
     .run = run<highway_one>,
     .what = "a vector of points, masked when out; still one chain of operations"},
    {.name = "highway",
     .run = run<highway>,
     .what = "four vectors of points, from four rows: enough in flight to fill the pipes"},
};

const Registrar kRegistrar(
    {.name = "simd/mandelbrot",
     .axis = Axis::kSimd,
     .technique = "lanes that end at different steps: masks, and several vectors in flight",
     .sizes = {64, 128, 256, 1024},
     .headline = {64, 256},
     .ceiling = {"machine/fma", "f32"},
     .demand =
         [](const Setting& s) { return MandelbrotProblem::demand(s, 60, std::size(kVariants)); },
     .test_sizes = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 31, 32, 33, 63}},
    kVariants);

}  // namespace
}  // namespace headroom

// simd/mandelbrot: for each point of a square of the complex plane, how many steps of z = z^2 + c
// it takes to leave the circle of radius 2, at most 256.
//
// n is the side of the picture, around the whole set; each call sees one of several squares, moved
// by less than a point, so that branch prediction can't learn where a point's loop ends. Out: n * n
// counts. Exact: every variant rounds the same operations in the same order, without fused
// multiply-adds, which would give some points on the edge another count.
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

struct Mandelbrot {
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

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{n};
    if (n == 0) return in;
    in.squares = std::max<std::size_t>(1, (n < 64 ? 1 << 12 : 1 << 20) / (n * n));
    in.xs = in.ys = Buffer<float>(n * in.squares);
    for (std::size_t square = 0; square < in.squares; ++square) {
      const double dx = uniform(rng), dy = uniform(rng), step = 2.5 / static_cast<double>(n);
      for (std::size_t i = 0; i < n; ++i) {
        in.xs[square * n + i] = static_cast<float>(-2 + step * (static_cast<double>(i) + dx));
        in.ys[square * n + i] = static_cast<float>(-1.25 + step * (static_cast<double>(i) + dy));
      }
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n * in.n); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
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
         [](const Setting& s) {
           const double points = static_cast<double>(s.n) * static_cast<double>(s.n);
           const std::size_t all = std::max(s.n * s.n, std::size_t{1} << 20) / (s.n + 1) * 8;
           return Demand{.items = points,
                         .bytes = 4 * points,
                         // Eight operations a step, and of steps at least 60 a point on average.
                         .flops = 8 * 60 * points,
                         .working_set = 4 * s.n * s.n,
                         .memory = all + 4 * s.n * s.n * (std::size(kVariants) + 1)};
         },
     .test_sizes = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 31, 32, 33, 63}},
    kVariants);

}  // namespace
}  // namespace headroom

// gpu/mandelbrot: for each point of a square of the complex plane, how many steps of z = z^2 + c it
// takes to leave the circle of radius 2, at most 256; on the CPU and on a device.
//
// n is the side of the picture. The problem, and what keeps the variants' counts exact on a CPU:
// support/mandelbrot.h; on a device the pragma FP_CONTRACT OFF does. The param `transfer`: 0, the
// picture stays in the device's memory; 1, a call brings the coordinates there and the counts back.
//
// Much arithmetic on hardly any data: what a device is made for. But its work-items go through a
// program together, 32 or 64 at a time, and those that are done wait for the last one: neighbours
// should have about as much to do.
//
// Links: opencl
#include <algorithm>
#include <atomic>
#include <cstdint>

#include "core/kernel.h"
#include "gpu/all_cores.h"
#include "support/mandelbrot.h"
#include "support/opencl.h"

namespace headroom {
namespace {

struct GpuMandelbrot : MandelbrotProblem {
  static Input make(const Setting& setting, Rng& rng) { return squares_from(-2.5, setting, rng); }
};
using Call = GpuMandelbrot::Call;
using Output = GpuMandelbrot::Output;

// One thread, point by point: each step waits for the last one.
void naive(const Call& in, Output& out) {
  const std::size_t n = in.xs.size();
  for (std::size_t r = 0; r < n; ++r)
    for (std::size_t i = 0; i < n; ++i) out[r * n + i] = steps_to_leave(in.xs[i], in.ys[r]);
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "gpu/mandelbrot-inl.h"
#include "gpu/mandelbrot-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(GpuMandelbrotRows);

// The CPU used well: four vectors of points in flight a core, and the next four rows to whichever
// core is free (parallel/mandelbrot). What a device has to beat.
void cores(gpu::AllCores& cores, const Call& in, Output& out) {
  constexpr std::size_t kRows = 4;
  const std::size_t n = in.xs.size();
  const auto rows = HWY_DYNAMIC_DISPATCH(GpuMandelbrotRows);
  std::atomic<std::size_t> next{0};
  cores.team->run([&](int) {
    for (std::size_t r; (r = next.fetch_add(kRows, std::memory_order_relaxed)) < n;)
      rows(in.xs.data(), n, in.ys.data() + r, std::min(kRows, n - r), out.data() + r * n);
  });
}

#if HEADROOM_HAVE_OPENCL
constexpr const char* kSource = R"cl(
#pragma OPENCL FP_CONTRACT OFF
#define MOST 256
uint steps_to_leave(float cx, float cy) {
  float x = 0, y = 0;
  uint steps = 0;
  for (; steps < MOST; ++steps) {
    const float xx = x * x, yy = y * y, xy = x * y;
    if (!(xx + yy <= 4)) break;
    x = xx - yy + cx;
    y = xy + xy + cy;
  }
  return steps;
}

// An item for each point. Launched in groups that are pieces of a row, or squares.
__kernel void points(uint n, __global const float* xs, __global const float* ys, uint first,
                     __global uint* counts) {
  const uint i = get_global_id(0), r = get_global_id(1);
  if (i < n && r < n) counts[r * n + i] = steps_to_leave(xs[first + i], ys[first + r]);
}

// Eight steps without a look at whether the point is out: a branch fewer a step. A point that is out
// stays out, for its count no longer grows.
__kernel void unrolled(uint n, __global const float* xs, __global const float* ys, uint first,
                       __global uint* counts) {
  const uint i = get_global_id(0), r = get_global_id(1);
  if (i >= n || r >= n) return;
  const float cx = xs[first + i], cy = ys[first + r];
  float x = 0, y = 0;
  uint steps = 0;
  bool inside = true;
  for (uint turn = 0; turn < MOST / 8 && inside; ++turn) {
#pragma unroll
    for (uint s = 0; s < 8; ++s) {
      const float xx = x * x, yy = y * y, xy = x * y;
      inside = inside && xx + yy <= 4;
      steps += inside ? 1 : 0;
      x = xx - yy + cx;
      y = xy + xy + cy;
    }
  }
  counts[r * n + i] = steps;
}
)cl";

struct OnDevice {
  OnDevice(const GpuMandelbrot::Input& in, const Setting& setting, const char* name)
      : transfers(gpu::transfers(setting)),
        all(&in),
        xs(transfers ? in.n : in.xs.size()),
        ys(xs.size()),
        counts(in.n * in.n),
        kernel(kSource, name) {
    if (transfers) return;
    xs.write({in.xs.data(), in.xs.size()});
    ys.write({in.ys.data(), in.ys.size()});
  }
  void answer(Output& out) const { counts.bring(out); }

  void call(const Call& in, Output& out, opencl::Range group) {
    const std::size_t n = in.xs.size();
    if (transfers) {
      xs.write(in.xs);
      ys.write(in.ys);
    }
    // Where this call's square is among those that lie on the device.
    const auto first = transfers || n == 0 ? 0 : in.xs.data() - all->xs.data();
    kernel.launch(0, {n, n}, group, static_cast<cl_uint>(n), xs, ys, static_cast<cl_uint>(first),
                  counts.array());
    if (transfers) return counts.array().read({out.data(), out.size()});
    opencl::finish();
    counts.fresh();
  }

  bool transfers;
  const GpuMandelbrot::Input* all;
  opencl::Array<float> xs, ys;
  opencl::Result<cl_uint> counts;
  opencl::Kernel kernel;
};

struct Points : OnDevice {
  Points(const GpuMandelbrot::Input& in, const Setting& setting)
      : OnDevice(in, setting, "points") {}
};
// Groups that are pieces of a row.
void opencl_naive(Points& state, const Call& in, Output& out) {
  state.call(in, out, {opencl::group_of(256), 1});
}

// Groups that are squares: points that are near each other leave at about the same time.
void opencl_squares(Points& state, const Call& in, Output& out) {
  const std::size_t items = opencl::group_of(64);
  state.call(in, out, {std::min<std::size_t>(8, items), std::max<std::size_t>(1, items / 8)});
}

struct Unrolled : OnDevice {
  Unrolled(const GpuMandelbrot::Input& in, const Setting& setting)
      : OnDevice(in, setting, "unrolled") {}
};
void opencl_unrolled(Unrolled& state, const Call& in, Output& out) {
  const std::size_t items = opencl::group_of(64);
  state.call(in, out, {std::min<std::size_t>(8, items), std::max<std::size_t>(1, items / 8)});
}
constexpr auto kNaive = run<opencl_naive>;
constexpr auto kSquares = run<opencl_squares>;
constexpr auto kUnrolled = run<opencl_unrolled>;
#else
constexpr auto kNaive = kNotBuilt, kSquares = kNotBuilt, kUnrolled = kNotBuilt;
#endif

constexpr Variant<GpuMandelbrot> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread of the CPU, point by point: each step waits for the last one"},
    {.name = "cores",
     .run = run<cores>,
     .what = "four vectors of points a core, the next rows to whoever is free: the CPU's best"},
    {.name = "opencl_naive",
     .run = kNaive,
     .what = "on the device, an item a point, in groups that are pieces of a row",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_squares",
     .run = kSquares,
     .what = "on the device, groups of 8 by 8 points, which leave at about the same time",
     .needs = opencl::kNeedsDevice},
    {.name = "opencl_unrolled",
     .run = kUnrolled,
     .what = "the same, with a look at whether the point is out every eight steps",
     .needs = opencl::kNeedsDevice},
};

const Registrar kRegistrar(
    {.name = "gpu/mandelbrot",
     .axis = Axis::kGpu,
     .technique = "much arithmetic on little data; neighbours with as much to do",
     .sizes = {64, 128, 256, 1024, 2048},
     .headline = {128, 256},
     .params = {{"transfer", {0, 1}}},
     .ceiling = {"machine/device_fma"},
     .demand =
         [](const Setting& s) {
           return MandelbrotProblem::demand(s, 30, 4 * std::size(kVariants));
         },
     .test_sizes = {0, 1, 2, 3, 7, 8, 9, 17, 33, 63, 130}},
    kVariants);

}  // namespace
}  // namespace headroom

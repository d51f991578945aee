// parallel/mandelbrot: for each point of a square of the complex plane, how many steps of z = z^2 +
// c it takes to leave the circle of radius 2, at most 256; with one thread and with several.
//
// n is the side of the picture: the upper half of the set and what is above it, so that the rows at
// the bottom take many times as long as those at the top. The problem, and what keeps the variants'
// counts exact: support/mandelbrot.h.
//
// Points are independent, and memory plays no part: as many cores, as many times as fast, if only
// all have as much to do. Equal parts of the rows are not equal parts of the work.
//
// Links: openmp tbb
#include <algorithm>
#include <cstdint>

#include "core/kernel.h"
#include "support/mandelbrot.h"
#include "support/openmp.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

struct ParallelMandelbrot : MandelbrotProblem {
  static Input make(const Setting& setting, Rng& rng) { return squares_from(-2.5, setting, rng); }
};
using Call = ParallelMandelbrot::Call;
using Output = ParallelMandelbrot::Output;

// One row, point by point.
void scalar_row(const Call& in, std::size_t r, Output& out) {
  const std::size_t n = in.xs.size();
  for (std::size_t i = 0; i < n; ++i) out[r * n + i] = steps_to_leave(in.xs[i], in.ys[r]);
}

void naive(const Call& in, Output& out) {
  for (std::size_t r = 0; r < in.ys.size(); ++r) scalar_row(in, r, out);
}

constexpr std::size_t kRowsAtOnce = 4;  // in SIMD

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/mandelbrot-inl.h"
#include "parallel/mandelbrot-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(MandelbrotRows);

// The rows from kRowsAtOnce * `block` on.
void simd_rows(const Call& in, std::size_t block, Output& out) {
  const std::size_t n = in.xs.size(), first = block * kRowsAtOnce;
  HWY_DYNAMIC_DISPATCH(MandelbrotRows)
  (in.xs.data(), n, in.ys.data() + first, std::min(kRowsAtOnce, in.ys.size() - first),
   out.data() + first * n);
}

std::size_t row_blocks(const Call& in) { return (in.ys.size() + kRowsAtOnce - 1) / kRowsAtOnce; }

// One core used well: four vectors of points in flight.
void simd(const Call& in, Output& out) {
  for (std::size_t block = 0; block < row_blocks(in); ++block) simd_rows(in, block, out);
}

#if HEADROOM_HAVE_OPENMP
// Equal parts of the rows: the threads above are done long before the one at the bottom.
void openmp_static(const Setting& setting, const Call& in, Output& out) {
  const auto rows = static_cast<std::ptrdiff_t>(in.ys.size());
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t r = 0; r < rows; ++r) scalar_row(in, static_cast<std::size_t>(r), out);
}

// Row by row to whoever is free: at the end nobody waits longer than one row takes. The price is an
// atomic increment a row.
void openmp_dynamic(const Setting& setting, const Call& in, Output& out) {
  const auto rows = static_cast<std::ptrdiff_t>(in.ys.size());
#pragma omp parallel for num_threads(setting.threads) schedule(dynamic)
  for (std::ptrdiff_t r = 0; r < rows; ++r) scalar_row(in, static_cast<std::size_t>(r), out);
}

// Large pieces first and small ones at the end: as even as dynamic with fewer increments, unless
// the first piece happens to be the hardest (Polychronopoulos and Kuck, "Guided Self-Scheduling",
// 1987).
void openmp_guided(const Setting& setting, const Call& in, Output& out) {
  const auto rows = static_cast<std::ptrdiff_t>(in.ys.size());
#pragma omp parallel for num_threads(setting.threads) schedule(guided)
  for (std::ptrdiff_t r = 0; r < rows; ++r) scalar_row(in, static_cast<std::size_t>(r), out);
}

// The same schedules around the SIMD code.
void simd_static(const Setting& setting, const Call& in, Output& out) {
  const auto blocks = static_cast<std::ptrdiff_t>(row_blocks(in));
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t b = 0; b < blocks; ++b) simd_rows(in, static_cast<std::size_t>(b), out);
}
void simd_dynamic(const Setting& setting, const Call& in, Output& out) {
  const auto blocks = static_cast<std::ptrdiff_t>(row_blocks(in));
#pragma omp parallel for num_threads(setting.threads) schedule(dynamic)
  for (std::ptrdiff_t b = 0; b < blocks; ++b) simd_rows(in, static_cast<std::size_t>(b), out);
}
constexpr auto kStatic = run<openmp_static>;
constexpr auto kDynamic = run<openmp_dynamic>;
constexpr auto kGuided = run<openmp_guided>;
constexpr auto kSimdStatic = run<simd_static>;
constexpr auto kSimdDynamic = run<simd_dynamic>;
#else
constexpr auto kStatic = kNotBuilt, kDynamic = kNotBuilt, kGuided = kNotBuilt,
               kSimdStatic = kNotBuilt, kSimdDynamic = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
void tbb_for(TbbArena& arena, const Call& in, Output& out) {
  using Range = tbb::blocked_range<std::size_t>;
  arena.run([&] {
    tbb::parallel_for(
        Range(0, row_blocks(in), 1),
        [&](const Range& part) {
          for (std::size_t b = part.begin(); b < part.end(); ++b) simd_rows(in, b, out);
        },
        tbb::simple_partitioner());
  });
}
constexpr auto kTbbFor = run<tbb_for>;
#else
constexpr auto kTbbFor = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<ParallelMandelbrot> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, point by point: each step waits for the last one",
     .single_thread = true},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread, four vectors of points in flight: the best of one core",
     .single_thread = true},
    {.name = "static",
     .run = kStatic,
     .what = "equal parts of the rows: the threads at the top wait for the one at the bottom",
     .needs = kNeedsOpenMp},
    {.name = "dynamic",
     .run = kDynamic,
     .what = "the next row to whoever is free: all are busy to the end",
     .needs = kNeedsOpenMp},
    {.name = "guided",
     .run = kGuided,
     .what = "large pieces of rows first, small ones last: as even with fewer atomic increments",
     .needs = kNeedsOpenMp},
    {.name = "simd_static",
     .run = kSimdStatic,
     .what = "SIMD in equal parts of the rows",
     .needs = kNeedsOpenMp},
    {.name = "simd_dynamic",
     .run = kSimdDynamic,
     .what = "SIMD, the next four rows to whoever is free: cores times lanes",
     .needs = kNeedsOpenMp},
    {.name = "tbb",
     .run = kTbbFor,
     .what = "tbb::parallel_for of the same SIMD code, by four rows, with work stealing",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar(
    {.name = "parallel/mandelbrot",
     .axis = Axis::kCores,
     .technique = "give out work as it is done where parts take unequal times",
     .sizes = {64, 128, 256, 1024},
     .headline = {128, 256},
     .sweeps_threads = true,
     .ceiling = {"machine/fma", "f32"},
     .demand =
         [](const Setting& s) { return MandelbrotProblem::demand(s, 30, std::size(kVariants)); },
     .test_sizes = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 19, 31, 32, 33, 63}},
    kVariants);

}  // namespace
}  // namespace headroom

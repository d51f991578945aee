// layout/stencil: four steps of Jacobi's method for Laplace's equation on a square grid of floats.
//
// n is the side; in each step an inner cell becomes the mean of its four neighbours, and the border
// stays. Out: the grid after kSteps steps. Every variant adds (north + south) + (west + east), and
// the factor is a power of two, so fusing changes nothing: agreement is to the last bit.
//
// Column by column each cell costs three lines of cache, and in a large grid as many pages; nobody
// ships that. Row by row, the standard, the grid streams through memory once a step; with time
// tiles, once for all of them.
//
// Time tiles by rows: Wonnacott, "Using Time Skewing to Eliminate Idle Time due to Memory Bandwidth
// and Network Limitations" (2000), in its simplest form.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/stencil.cpp"
#include "support/stencil-inl.h"

#if HWY_ONCE
#include <algorithm>

#include "core/kernel.h"
#include "support/stencil.h"

namespace headroom {
namespace {

constexpr int kSteps = 4;
static_assert(kSteps % 2 == 0);

struct Stencil {
  struct Input {
    std::size_t n = 0;
    Buffer<float> grid;  // grid[i * n + j]: row i, column j
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{setting.n, Buffer<float>(setting.n * setting.n)};
    FastRng fast(rng());
    for (float& x : in.grid) x = static_cast<float>(fast() >> 40) * 0x1p-24f + 0.5f;
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n * in.n); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// A second grid: steps go from one to the other and back.
struct Second {
  explicit Second(const Stencil::Input& in) : grid(in.n * in.n) {}
  Buffer<float> grid;
};

// Calls `step(from, to)` kSteps times; the first reads the input, the last writes `out`.
template <class Step>
void all_steps(Second& second, const Stencil::Input& in, Buffer<float>& out, Step step) {
  const float* from = in.grid.data();
  for (int i = 0; i < kSteps; ++i) {
    float* const to = i % 2 == 0 ? second.grid.data() : out.data();
    step(from, to);
    from = to;
  }
}

// Column by column.
void naive(Second& second, const Stencil::Input& in, Buffer<float>& out) {
  const std::size_t n = in.n;
  all_steps(second, in, out, [n](const float* from, float* to) {
    copy_border(from, n, to);
    for (std::size_t j = 1; j + 1 < n; ++j)
      for (std::size_t i = 1; i + 1 < n; ++i) to[i * n + j] = mean(from + i * n + j, n);
  });
}

// The two loops change places: lines are used whole, the next ones are prefetched, and the compiler
// vectorizes.
void row_order(Second& second, const Stencil::Input& in, Buffer<float>& out) {
  const std::size_t n = in.n;
  all_steps(second, in, out, [n](const float* from, float* to) {
    copy_border(from, n, to);
    for (std::size_t i = 1; i + 1 < n; ++i)
      for (std::size_t j = 1; j + 1 < n; ++j) to[i * n + j] = mean(from + i * n + j, n);
  });
}

// Strips of 1024 columns, so that three rows of a strip stay in L1 until the row below has used
// them. (Rows of up to a few thousand floats stay there anyway.)
void tiled(Second& second, const Stencil::Input& in, Buffer<float>& out) {
  constexpr std::size_t kStrip = 1024;
  const std::size_t n = in.n;
  all_steps(second, in, out, [n](const float* from, float* to) {
    copy_border(from, n, to);
    for (std::size_t strip = 1; strip + 1 < n; strip += kStrip) {
      const std::size_t end = std::min(strip + kStrip, n - 1);
      for (std::size_t i = 1; i + 1 < n; ++i)
        for (std::size_t j = strip; j < end; ++j) to[i * n + j] = mean(from + i * n + j, n);
    }
  });
}

constexpr std::size_t kStrip = 2048;  // columns

// Four rows of a strip for each step but the last (100 KiB, on the stack). Rows that lie a power of
// two apart would compete for the same sets of L1.
constexpr std::size_t kStride = kStrip + 80;

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// One step of the whole grid.
void Step(const float* from, size_t n, float* to) {
  for (size_t i = 1; i + 1 < n; ++i)
    StepCells(from + (i - 1) * n + 1, from + i * n + 1, from + (i + 1) * n + 1, n - 2,
              to + i * n + 1);
}

// All `steps` steps at once, for columns [first, end) of the inner ones.
void StepsTogether(const float* grid, size_t n, size_t steps, size_t first, size_t end, float* last,
                   size_t stride, float* to) {
  StepStrip(grid, n, steps, first, end, last, stride, to);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(Step);
HWY_EXPORT(StepsTogether);

// Row order with the widest vectors of the host.
void simd(Second& second, const Stencil::Input& in, Buffer<float>& out) {
  all_steps(second, in, out, [n = in.n](const float* from, float* to) {
    copy_border(from, n, to);
    HWY_DYNAMIC_DISPATCH(Step)(from, n, to);
  });
}

// Time tiles: as soon as a step has three rows, the next one makes a row of them. All steps sweep
// down the grid together, each one row behind the other, so memory is read and written once for all
// steps; and in strips so narrow that what lies between them stays in L2. (So narrow that it stays
// in L1 is slower: short rows break up the prefetcher's streams.)
void time_tiled(const Stencil::Input& in, Buffer<float>& out) {
  const std::size_t n = in.n;
  alignas(64) float last[(kSteps - 1) * 4 * kStride];
  copy_border(in.grid.data(), n, out.data());
  for (std::size_t first = 1; first + 1 < n; first = (first / kStrip + 1) * kStrip)
    HWY_DYNAMIC_DISPATCH(StepsTogether)
  (in.grid.data(), n, kSteps, first, std::min((first / kStrip + 1) * kStrip, n - 1), last, kStride,
   out.data());
}

constexpr Variant<Stencil> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "column by column: three cache lines for each cell; nobody ships it",
     .max_n = 1024},
    {.name = "row_order",
     .run = run<row_order>,
     .what = "loops swapped: lines are used whole and prefetched, the inner loop vectorizes",
     .role = Role::kStandard},
    {.name = "tiled",
     .run = run<tiled>,
     .what = "strips whose rows stay in L1: no gain or a loss, as three rows nearly fit L1 anyway"},
    {.name = "simd", .run = run<simd>, .what = "row order, widest SIMD of the host"},
    {.name = "time_tiled",
     .run = run<time_tiled>,
     .what = "all steps in one sweep: memory is read and written once for all of them"},
};

const Registrar kRegistrar({.name = "layout/stencil",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "walk rows, and do all steps while a row is in a cache",
                            .sizes = {64, 256, 512, 1024, 2048, 4096},
                            .headline = {512, 2048},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t cells = s.n * s.n;
                                  return Demand{
                                      .items = kSteps * static_cast<double>(cells),
                                      .bytes = 8 * static_cast<double>(cells),
                                      .flops = 4 * kSteps * static_cast<double>(cells),
                                      .working_set = 8 * cells,
                                      .memory = 4 * cells * (1 + 2 * std::size(kVariants))};
                                },
                            .test_sizes = {0,  1,  2,  3,  4,  5,  7,  8,  9,  15, 16,
                                           17, 18, 19, 31, 33, 34, 35, 65, 67, 130}},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

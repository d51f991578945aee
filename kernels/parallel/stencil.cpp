// parallel/stencil: four steps of Jacobi's method for Laplace's equation on a square grid of
// floats, with one thread and with several.
//
// n is the side; in each step an inner cell becomes the mean of its four neighbours, and the border
// stays. Out: the grid after kSteps steps. Every variant adds (north + south) + (west + east), and
// the factor is a power of two: agreement is to the last bit.
//
// A step reads and writes the whole grid, so from memory all cores together are as fast as memory.
// What helps is to read it once for all steps: strips of columns, each with all its steps, and a
// few columns more at its edges that its neighbour makes too, so that no thread waits for another
// (overlapped tiles: Krishnamoorthy and others, "Effective Automatic Parallelization of Stencil
// Computations", 2007).
//
// Links: openmp tbb
#include <algorithm>
#include <atomic>
#include <vector>

#include "core/kernel.h"
#include "support/openmp.h"
#include "support/stencil.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

constexpr int kSteps = 4;
static_assert(kSteps % 2 == 0);

struct ParallelStencil {
  struct Input {
    std::size_t n = 0;
    Buffer<float> grid;  // grid[i * n + j]: row i, column j
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{setting.n, Buffer<float>(setting.n * setting.n)};
    FastRng fast(rng());
    for (float& x : in.grid) x = static_cast<float>(fast() >> 40) * 0x1p-24f;
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n * in.n); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// A second grid: steps go from one to the other and back.
struct Second {
  Second(const ParallelStencil::Input& in, const Setting& setting)
      : grid(in.n * in.n), threads(setting.threads) {}
  Buffer<float> grid;
  int threads;
  // Where step `step` reads and writes; the first reads the input, the last writes `out`.
  const float* from(int step, const ParallelStencil::Input& in, Buffer<float>& out) const {
    return step == 0 ? in.grid.data() : step % 2 == 0 ? out.data() : grid.data();
  }
  float* to(int step, Buffer<float>& out) { return step % 2 == 0 ? grid.data() : out.data(); }
};

// The inner cells of row i, in a loop that the compiler vectorizes.
void plain_row(const float* from, std::size_t i, std::size_t n, float* to) {
  for (std::size_t j = 1; j + 1 < n; ++j) to[i * n + j] = mean(from + i * n + j, n);
}

void naive(Second& second, const ParallelStencil::Input& in, Buffer<float>& out) {
  for (int step = 0; step < kSteps; ++step) {
    const float* const from = second.from(step, in, out);
    float* const to = second.to(step, out);
    copy_border(from, in.n, to);
    for (std::size_t i = 1; i + 1 < in.n; ++i) plain_row(from, i, in.n, to);
  }
}

constexpr std::size_t kStrip = 2048;  // columns at most, which L2 holds for all steps
// No power of two: rows lie in other sets of L1. A strip that ends at a line may have 15 columns
// more than kStrip; two lines and three columns lie before it, three after it.
constexpr std::size_t kStride = kStrip + 80;
constexpr std::size_t kKept = (kSteps - 1) * 4 * kStride;  // four rows of a strip a step

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/stencil-inl.h"
#include "parallel/stencil-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(StencilRows);
HWY_EXPORT(StencilStrip);

// All steps of the inner columns [first, end), at most kStrip of them.
void all_steps(const ParallelStencil::Input& in, std::size_t first, std::size_t end,
               Buffer<float>& out) {
  alignas(64) float kept[kKept];  // 100 KiB, on each thread's stack
  HWY_DYNAMIC_DISPATCH(StencilStrip)
  (in.grid.data(), in.n, kSteps, first, end, kept, kStride, out.data());
}

// One core used well: all steps in one sweep down the grid, strip after strip.
void time_tiled(const ParallelStencil::Input& in, Buffer<float>& out) {
  copy_border(in.grid.data(), in.n, out.data());
  for (std::size_t first = 1; first + 1 < in.n; first += kStrip)
    all_steps(in, first, std::min(first + kStrip, in.n - 1), out);
}

// In how many strips `threads` threads share the inner columns: the same number for each, as few
// as are narrow enough, and none narrower than four lines.
std::size_t strips(std::size_t n, int threads) {
  const std::size_t columns = n < 3 ? 0 : n - 2, team = static_cast<std::size_t>(threads);
  const std::size_t rounds = (columns + team * kStrip - 1) / (team * kStrip);
  return std::clamp<std::size_t>(columns / 64, 1, std::max<std::size_t>(rounds, 1) * team);
}
// All steps of one of them, and its part of the first row and the last. Where rows start at lines
// strips do too: two threads that go down the grid side by side would take a line of each row from
// each other.
void strip_steps(const ParallelStencil::Input& in, std::size_t part, std::size_t parts,
                 Buffer<float>& out) {
  const std::size_t n = in.n;
  if (n < 3) return copy_border(in.grid.data(), n, out.data());
  const Share own = share(n, 64 / sizeof(float), static_cast<int>(part), static_cast<int>(parts));
  all_steps(in, std::max<std::size_t>(own.begin, 1), std::min(own.end, n - 1), out);
  for (std::size_t row : {std::size_t{0}, n * (n - 1)})
    std::copy_n(in.grid.data() + row + own.begin, own.size(), out.data() + row + own.begin);
}

#if HEADROOM_HAVE_OPENMP
// Every step is split by rows; each ends at a barrier, since the next one needs its neighbours'
// rows.
void openmp(Second& second, const ParallelStencil::Input& in, Buffer<float>& out) {
  const auto rows = static_cast<std::ptrdiff_t>(in.n) - 2;
  for (int step = 0; step < kSteps; ++step) {
    const float* const from = second.from(step, in, out);
    float* const to = second.to(step, out);
    copy_border(from, in.n, to);
#pragma omp parallel for num_threads(second.threads) schedule(static)
    for (std::ptrdiff_t i = 0; i < rows; ++i)
      plain_row(from, static_cast<std::size_t>(i) + 1, in.n, to);
  }
}

// The widest vectors, one region for all steps.
void openmp_simd(Second& second, const ParallelStencil::Input& in, Buffer<float>& out) {
  const auto step_rows = HWY_DYNAMIC_DISPATCH(StencilRows);
  const std::size_t n = in.n;
#pragma omp parallel num_threads(second.threads)
  for (int step = 0; step < kSteps; ++step) {
    const float* const from = second.from(step, in, out);
    float* const to = second.to(step, out);
#pragma omp single nowait
    copy_border(from, n, to);
    const Share part = own_part(n < 2 ? 0 : n - 2);
    step_rows(from, n, part.begin + 1, part.end + 1, to);
#pragma omp barrier
  }
}

// A strip of columns a thread, with all its steps: memory is read and written once, and nobody
// waits. The price: at the edges of a strip a few columns of each step are made twice.
void openmp_time_tiled(const Setting& setting, const ParallelStencil::Input& in,
                       Buffer<float>& out) {
  const auto parts = static_cast<std::ptrdiff_t>(strips(in.n, setting.threads));
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t part = 0; part < parts; ++part)
    strip_steps(in, static_cast<std::size_t>(part), static_cast<std::size_t>(parts), out);
}
constexpr auto kOpenMpRows = run<openmp>;
constexpr auto kOpenMpSimd = run<openmp_simd>;
constexpr auto kOpenMpTiled = run<openmp_time_tiled>;
#else
constexpr auto kOpenMpRows = kNotBuilt, kOpenMpSimd = kNotBuilt, kOpenMpTiled = kNotBuilt;
#endif

struct ReadyTeam {
  ReadyTeam(const ParallelStencil::Input&, const Setting& setting)
      : team(ready_team(setting.threads)) {}
  std::shared_ptr<Team> team;
  std::atomic<std::size_t> taken{0};  // strips
};

// The same strips, without a region. Whoever is free takes the next one: on cores that others use
// too, equal shares take unequal times.
void team_time_tiled(ReadyTeam& ready, const ParallelStencil::Input& in, Buffer<float>& out) {
  const std::size_t parts = strips(in.n, ready.team->count());
  ready.taken.store(0, std::memory_order_relaxed);
  ready.team->run([&](int) {
    for (std::size_t part; (part = ready.taken.fetch_add(1, std::memory_order_relaxed)) < parts;)
      strip_steps(in, part, parts, out);
  });
}

#if HEADROOM_HAVE_TBB
void tbb_time_tiled(TbbArena& arena, const ParallelStencil::Input& in, Buffer<float>& out) {
  using Range = tbb::blocked_range<std::size_t>;
  const std::size_t parts = strips(in.n, arena.threads());
  arena.run([&] {
    tbb::parallel_for(
        Range(0, parts, 1),
        [&](const Range& some) {
          for (std::size_t part = some.begin(); part < some.end(); ++part)
            strip_steps(in, part, parts, out);
        },
        tbb::simple_partitioner());
  });
}
constexpr auto kTbbTiled = run<tbb_time_tiled>;
#else
constexpr auto kTbbTiled = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<ParallelStencil> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, row by row, step by step; the compiler vectorizes",
     .single_thread = true},
    {.name = "time_tiled",
     .run = run<time_tiled>,
     .what = "one thread, widest SIMD, all steps in one sweep: the best of one core",
     .single_thread = true},
    {.name = "openmp",
     .run = kOpenMpRows,
     .what = "parallel for over the rows of each step: all cores, but memory is read for each step",
     .needs = kNeedsOpenMp},
    {.name = "openmp_simd",
     .run = kOpenMpSimd,
     .what = "one region for all steps, widest SIMD, a barrier between steps",
     .needs = kNeedsOpenMp},
    {.name = "openmp_time_tiled",
     .run = kOpenMpTiled,
     .what = "strips with all their steps, overlapping at the edges: memory read once, no barrier",
     .needs = kNeedsOpenMp},
    {.name = "team_time_tiled",
     .run = run<team_time_tiled>,
     .what = "the same strips, to whoever is free of threads that stand ready, awake for 50 us"},
    {.name = "tbb",
     .run = kTbbTiled,
     .what = "tbb::parallel_for over the same strips",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/stencil",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "all steps of a part while it is near, on every core",
                            .sizes = {64, 512, 2048, 4096},
                            .headline = {512, 2048},
                            .sweeps_threads = true,
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
                            .test_sizes = {0,  1,  2,  3,  4,  5,  7,  8,  9,  15,  16,
                                           17, 18, 19, 31, 33, 34, 35, 65, 67, 130, 260}},
                           kVariants);

}  // namespace
}  // namespace headroom

// parallel/saxpy: y = a * x + y for arrays of floats, in place, with one thread and with several.
//
// The problem is simd/saxpy's (support/saxpy.h). Out: y; exact. Calls alternate between a and -a,
// so that y goes back and forth between two arrays.
//
// Nothing waits here for anything: one core is bound by its caches, and beyond them by what it can
// get from memory alone. Several cores have several caches, but one memory: from there they gain
// what one core leaves unused, and no more.
//
// Links: openmp tbb
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/saxpy.cpp"
#include "support/blas1-inl.h"

#if HWY_ONCE
#include "core/kernel.h"
#include "support/openblas_threads.h"
#include "support/openmp.h"
#include "support/saxpy.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

// One call's x and y, and the threads that it may use.
struct Work : SaxpyProblem::Work {
  Work(const SaxpyProblem::Input& in, const Setting& setting)
      : SaxpyProblem::Work(in), threads(setting.threads) {}
  std::size_t size() const { return input->x.size(); }
  const float* x() const { return input->x.data(); }
  float* y() const { return shared->y.data(); }
  int threads;
};

// One loop, which compilers vectorize.
void naive(Work& work, Buffer<float>&) {
  const float a = work.next();
  const Buffer<float>& x = work.input->x;
  Buffer<float>& y = work.shared->y;
  for (std::size_t i = 0; i < x.size(); ++i) y[i] += a * x[i];
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void SaxpyPart(float a, const float* HWY_RESTRICT x, float* HWY_RESTRICT y, size_t n) {
  AddMultiple(a, x, y, n);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(SaxpyPart);

// One core used well: its widest vectors, and fused multiply-adds.
void simd(Work& work, Buffer<float>&) {
  HWY_DYNAMIC_DISPATCH(SaxpyPart)(work.next(), work.x(), work.y(), work.size());
}

#if HEADROOM_HAVE_OPENMP
// Elements are independent, so that splitting the loop is all there is to do.
void openmp(Work& work, Buffer<float>&) {
  const float a = work.next();
  const float* const x = work.x();
  float* const y = work.y();
  const auto n = static_cast<std::ptrdiff_t>(work.size());
#pragma omp parallel for simd num_threads(work.threads) schedule(static)
  for (std::ptrdiff_t i = 0; i < n; ++i) y[i] += a * x[i];
}

// The widest vectors on every core. Parts end at a line: no two cores write to the same.
void openmp_highway(Work& work, Buffer<float>&) {
  const float a = work.next();
  const float* const x = work.x();
  float* const y = work.y();
  const auto saxpy = HWY_DYNAMIC_DISPATCH(SaxpyPart);
#pragma omp parallel num_threads(work.threads)
  {
    const Share part = own_part(work.size(), 64 / sizeof(float));
    saxpy(a, x + part.begin, y + part.begin, part.size());
  }
}

// OpenBLAS decides by n whether it uses its threads.
void openblas(Work& work, Buffer<float>&) {
  openblas_threads().set_threads(work.threads);
  openblas_threads().saxpy(static_cast<int>(work.size()), work.next(), work.x(), 1, work.y(), 1);
}
constexpr auto kOpenMpLoop = run<openmp>;
constexpr auto kOpenMpHighway = run<openmp_highway>;
constexpr auto kOpenBlas = run<openblas>;
#else
constexpr auto kOpenMpLoop = kNotBuilt, kOpenMpHighway = kNotBuilt, kOpenBlas = kNotBuilt;
#endif

struct TeamWork : Work {
  TeamWork(const SaxpyProblem::Input& in, const Setting& setting)
      : Work(in, setting), team(ready_team(setting.threads)) {}
  std::shared_ptr<Team> team;
};

// The same, without a region: what that costs is a large part of a short call.
void team_highway(TeamWork& work, Buffer<float>&) {
  const float a = work.next();
  const auto saxpy = HWY_DYNAMIC_DISPATCH(SaxpyPart);
  work.team->run([&](int i) {
    const Share part = share(work.size(), 64 / sizeof(float), i, work.threads);
    saxpy(a, work.x() + part.begin, work.y() + part.begin, part.size());
  });
}

#if HEADROOM_HAVE_TBB
struct TbbWork : Work {
  TbbWork(const SaxpyProblem::Input& in, const Setting& setting)
      : Work(in, setting), arena(TbbArena::of_all_works(setting.threads)) {}
  std::shared_ptr<TbbArena> arena;
};

void tbb_for(TbbWork& work, Buffer<float>&) {
  using Range = tbb::blocked_range<std::size_t>;
  const float a = work.next();
  const float* const x = work.x();
  float* const y = work.y();
  const auto saxpy = HWY_DYNAMIC_DISPATCH(SaxpyPart);
  work.arena->run([&] {
    tbb::parallel_for(
        Range(0, work.size(), work.arena->grain(work.size())),
        [&](const Range& part) { saxpy(a, x + part.begin(), y + part.begin(), part.size()); },
        tbb::simple_partitioner());
  });
}
constexpr auto kTbbFor = run<tbb_for>;
#else
constexpr auto kTbbFor = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};
constexpr Need kNeedsOpenBlas[] = {kOpenMp, kOpenBlasThreads};

constexpr Variant<SaxpyProblem> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, one loop, which compilers vectorize for the base ISA",
     .single_thread = true},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread, widest SIMD of the host: the best of one core",
     .single_thread = true},
    {.name = "openmp",
     .run = kOpenMpLoop,
     .what = "parallel for simd: the naive loop on every core",
     .needs = kNeedsOpenMp},
    {.name = "openmp_highway",
     .run = kOpenMpHighway,
     .what = "a part a thread, in whole lines, widest SIMD of the host in it",
     .needs = kNeedsOpenMp},
    {.name = "team_highway",
     .run = run<team_highway>,
     .what = "the same by threads that stand ready, awake for 50 us after each call: no region"},
    {.name = "openblas",
     .run = kOpenBlas,
     .what = "cblas_saxpy on OpenMP's threads; one thread below a size of its own choice",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
    {.name = "tbb",
     .run = kTbbFor,
     .what = "tbb::parallel_for, a part a thread, the same SIMD loop in it",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/saxpy",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "a stream on all cores: as many as memory can feed",
                            .sizes = {8192, 1 << 17, 1 << 19, 8 << 20, 32 << 20},
                            .headline = {1 << 17, 8 << 20},
                            .sweeps_threads = true,
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{
                                      .items = n,
                                      .bytes = 8 * n,  // read; what is written back comes on top
                                      .flops = 2 * n,
                                      .working_set = 8 * s.n,
                                      .memory = 4 * s.n * (3 + std::size(kVariants))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

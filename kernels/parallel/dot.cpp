// parallel/dot: the inner product of two arrays of doubles, with one thread and with several.
//
// Out: one double. The numbers are integers, none of them zero (|x| is 1 to 1024, either sign), so
// every partial sum, in any order, fused or not, is an integer below 2^53 and thus exact: right
// answers are equal to the last bit, and a pair that goes missing is seen.
//
// Two loads for each multiply-add: from memory this is bound by bandwidth, and a second core adds
// only what the first leaves unused of it. In the cores' own caches it doubles.
//
// Links: openmp tbb
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/dot.cpp"
#include "support/blas1-inl.h"

#if HWY_ONCE
#include <functional>

#include "core/kernel.h"
#include "support/openblas_threads.h"
#include "support/openmp.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

struct ParallelDot {
  struct Input {
    Buffer<double> x, y;
  };
  using Output = double;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<double>(setting.n), Buffer<double>(setting.n)};
    FastRng fast(rng());
    const auto number = [](std::uint64_t bits) {
      return static_cast<double>((bits & 1023) + 1) * ((bits & 1024) != 0 ? 1.0 : -1.0);
    };
    for (std::size_t i = 0; i < setting.n; ++i) {
      const std::uint64_t bits = fast();
      in.x[i] = number(bits >> 8);
      in.y[i] = number(bits >> 40);
    }
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return within(want, got, 0);  // exact
  }
};

void naive(const ParallelDot::Input& in, double& out) {
  double sum = 0;
  for (std::size_t i = 0; i < in.x.size(); ++i) sum += in.x[i] * in.y[i];
  out = sum;
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

double DotDoubles(const double* HWY_RESTRICT x, const double* HWY_RESTRICT y, size_t n) {
#if HWY_HAVE_FLOAT64
  return DotArrays<0>(x, y, n);
#else  // SIMD without doubles (32-bit Arm)
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i] * y[i];
  return sum;
#endif
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(DotDoubles);

// One core used well: eight vectors of partial sums.
void simd(const ParallelDot::Input& in, double& out) {
  out = HWY_DYNAMIC_DISPATCH(DotDoubles)(in.x.data(), in.y.data(), in.x.size());
}

#if HEADROOM_HAVE_OPENMP
// The naive loop on a part for each thread; the clause adds up the parts.
void openmp(const Setting& setting, const ParallelDot::Input& in, double& out) {
  const double *const x = in.x.data(), *const y = in.y.data();
  const auto n = static_cast<std::ptrdiff_t>(in.x.size());
  double sum = 0;
#pragma omp parallel for num_threads(setting.threads) schedule(static) reduction(+ : sum)
  for (std::ptrdiff_t i = 0; i < n; ++i) sum += x[i] * y[i];
  out = sum;
}

// The adds within a part may change order too: vectors of the base ISA on every core. (In two
// pragmas, for clang 14 makes wrong code of `parallel for simd reduction` where it doesn't
// vectorize it.)
void openmp_simd(const Setting& setting, const ParallelDot::Input& in, double& out) {
  const double *const x = in.x.data(), *const y = in.y.data();
  double sum = 0;
#pragma omp parallel num_threads(setting.threads) reduction(+ : sum)
  {
    const Share part = own_part(in.x.size());
    double own = 0;
#pragma omp simd reduction(+ : own)
    for (std::size_t i = part.begin; i < part.end; ++i) own += x[i] * y[i];
    sum += own;
  }
  out = sum;
}

// Threads times SIMD: the two factors multiply where each part fits its own core's cache.
void openmp_highway(const Setting& setting, const ParallelDot::Input& in, double& out) {
  const double *const x = in.x.data(), *const y = in.y.data();
  const auto dot = HWY_DYNAMIC_DISPATCH(DotDoubles);
  double sum = 0;
#pragma omp parallel num_threads(setting.threads) reduction(+ : sum)
  {
    const Share part = own_part(in.x.size());
    sum += dot(x + part.begin, y + part.begin, part.size());
  }
  out = sum;
}

// OpenBLAS decides by n whether it uses its threads.
void openblas(const Setting& setting, const ParallelDot::Input& in, double& out) {
  openblas_threads().set_threads(setting.threads);
  out = openblas_threads().ddot(static_cast<int>(in.x.size()), in.x.data(), 1, in.y.data(), 1);
}
constexpr auto kOpenMpNaive = run<openmp>;
constexpr auto kOpenMpSimd = run<openmp_simd>;
constexpr auto kOpenMpHighway = run<openmp_highway>;
constexpr auto kOpenBlas = run<openblas>;
#else
constexpr auto kOpenMpNaive = kNotBuilt, kOpenMpSimd = kNotBuilt, kOpenMpHighway = kNotBuilt,
               kOpenBlas = kNotBuilt;
#endif

// The same, without a region: what that costs is a large part of a short call.
void team_highway(TeamSum& team, const ParallelDot::Input& in, double& out) {
  const auto dot = HWY_DYNAMIC_DISPATCH(DotDoubles);
  out = team.of(in.x.size(), [&](Share part) {
    return dot(in.x.data() + part.begin, in.y.data() + part.begin, part.size());
  });
}

#if HEADROOM_HAVE_TBB
void tbb_reduce(TbbArena& arena, const ParallelDot::Input& in, double& out) {
  using Range = tbb::blocked_range<std::size_t>;
  const double *const x = in.x.data(), *const y = in.y.data();
  const auto dot = HWY_DYNAMIC_DISPATCH(DotDoubles);
  out = arena.run([&] {
    return tbb::parallel_reduce(
        Range(0, in.x.size(), arena.grain(in.x.size())), 0.0,
        [&](const Range& part, double sum) {
          return sum + dot(x + part.begin(), y + part.begin(), part.size());
        },
        std::plus<double>(), tbb::simple_partitioner());
  });
}
constexpr auto kTbbReduce = run<tbb_reduce>;
#else
constexpr auto kTbbReduce = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};
constexpr Need kNeedsOpenBlas[] = {kOpenMp, kOpenBlasThreads};

constexpr Variant<ParallelDot> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, one accumulator: each add waits for the last",
     .single_thread = true},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread, eight vectors of partial sums: the best of one core",
     .single_thread = true},
    {.name = "openmp",
     .run = kOpenMpNaive,
     .what = "parallel for with a reduction: the naive loop on every core",
     .needs = kNeedsOpenMp},
    {.name = "openmp_simd",
     .run = kOpenMpSimd,
     .what = "a part a thread, simd reduction in it: vectors of the base ISA on every core",
     .needs = kNeedsOpenMp},
    {.name = "openmp_highway",
     .run = kOpenMpHighway,
     .what = "a part a thread, widest SIMD of the host in it",
     .needs = kNeedsOpenMp},
    {.name = "team_highway",
     .run = run<team_highway>,
     .what = "the same by threads that stand ready, awake for 50 us after each call: no region"},
    {.name = "openblas",
     .run = kOpenBlas,
     .what = "cblas_ddot on OpenMP's threads; one thread below a size of its own choice",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
    {.name = "tbb",
     .run = kTbbReduce,
     .what = "tbb::parallel_reduce, a part a thread, the same SIMD loop in it",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/dot",
                            .axis = Axis::kCores,
                            .technique = "parts for the cores, with SIMD in each",
                            .sizes = {4096, 1 << 16, 1 << 18, 4 << 20, 16 << 20},
                            .headline = {1 << 16, 4 << 20},
                            .sweeps_threads = true,
                            .ceiling = {"machine/read"},
                            .promise = Promise::kNone,  // on other inputs the order of sums shows
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 16 * n,
                                                .flops = 2 * n,
                                                .working_set = 16 * s.n,
                                                .memory = 16 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

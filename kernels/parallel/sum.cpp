// parallel/sum: add up an array of doubles, with one thread and with several.
//
// Out: one double. The numbers are integers from 1 to 2^20, so that every partial sum is exact in
// any order, right answers are equal to the last bit, and no element can go missing unseen.
//
// Opening a region, waking and joining its threads, takes on the order of a microsecond: at the
// smallest size one thread with SIMD beats any number of threads without, and gains nothing by
// them.
//
// Links: openmp tbb
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/sum.cpp"
#include "support/blas1-inl.h"

#if HWY_ONCE
#include <functional>

#include "core/kernel.h"
#include "support/openmp.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_reduce.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

HWY_EXPORT(SumDoubles);

struct ParallelSum {
  using Input = Buffer<double>;
  using Output = double;

  static Input make(const Setting& setting, Rng& rng) {
    Input x(setting.n);
    FastRng fast(rng());
    for (double& value : x) value = static_cast<double>((fast() >> 44) + 1);
    return x;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return within(want, got, 0);  // exact
  }
};

void naive(const ParallelSum::Input& x, double& out) {
  double sum = 0;
  for (double value : x) sum += value;
  out = sum;
}

// The other way to be faster, and the one to try first: eight vectors of partial sums on one core.
void one_thread_simd(const ParallelSum::Input& x, double& out) {
  out = HWY_DYNAMIC_DISPATCH(SumDoubles)(x.data(), x.size());
}

#if HEADROOM_HAVE_OPENMP
// Each thread runs the naive loop on a part of its own; the reduction clause gives it a private sum
// (a shared one would bounce between the cores with each add) and adds up the parts at the end.
void openmp(const Setting& setting, const ParallelSum::Input& in, double& out) {
  const double* const x = in.data();
  const auto n = static_cast<std::ptrdiff_t>(in.size());
  double sum = 0;
#pragma omp parallel for num_threads(setting.threads) schedule(static) reduction(+ : sum)
  for (std::ptrdiff_t i = 0; i < n; ++i) sum += x[i];
  out = sum;
}

// The adds within a part may change order too: vectors of the base ISA on every core.
void openmp_simd(const Setting& setting, const ParallelSum::Input& in, double& out) {
  const double* const x = in.data();
  double sum = 0;
#pragma omp parallel num_threads(setting.threads) reduction(+ : sum)
  {
    const Share part = own_part(in.size());
    double own = 0;
#pragma omp simd reduction(+ : own)
    for (std::size_t i = part.begin; i < part.end; ++i) own += x[i];
    sum += own;
  }
  out = sum;
}

// Threads times SIMD: the widest vectors of the host, several in flight, on every core.
void openmp_highway(const Setting& setting, const ParallelSum::Input& in, double& out) {
  const double* const x = in.data();
  const auto sum_part = HWY_DYNAMIC_DISPATCH(SumDoubles);
  double sum = 0;
#pragma omp parallel num_threads(setting.threads) reduction(+ : sum)
  {
    const Share part = own_part(in.size());
    sum += sum_part(x + part.begin, part.size());
  }
  out = sum;
}
constexpr auto kOpenMpNaive = run<openmp>;
constexpr auto kOpenMpSimd = run<openmp_simd>;
constexpr auto kOpenMpHighway = run<openmp_highway>;
#else
constexpr auto kOpenMpNaive = kNotBuilt, kOpenMpSimd = kNotBuilt, kOpenMpHighway = kNotBuilt;
#endif

// The same, without a region: what that costs is a large part of a short call.
void team_highway(TeamSum& team, const ParallelSum::Input& in, double& out) {
  const auto sum_part = HWY_DYNAMIC_DISPATCH(SumDoubles);
  out =
      team.of(in.size(), [&](Share part) { return sum_part(in.data() + part.begin, part.size()); });
}

#if HEADROOM_HAVE_TBB
void tbb_reduce(TbbArena& arena, const ParallelSum::Input& in, double& out) {
  using Range = tbb::blocked_range<const double*>;
  const auto sum_part = HWY_DYNAMIC_DISPATCH(SumDoubles);
  out = arena.run([&] {
    return tbb::parallel_reduce(
        Range(in.begin(), in.end(), arena.grain(in.size())), 0.0,
        [&](const Range& part, double sum) { return sum + sum_part(part.begin(), part.size()); },
        std::plus<double>(), tbb::simple_partitioner());
  });
}
constexpr auto kTbbReduce = run<tbb_reduce>;
#else
constexpr auto kTbbReduce = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<ParallelSum> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, one accumulator: each add waits for the last",
     .single_thread = true},
    {.name = "simd",
     .run = run<one_thread_simd>,
     .what = "one thread, eight vectors of partial sums, widest SIMD of the host",
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
    {.name = "tbb",
     .run = kTbbReduce,
     .what = "tbb::parallel_reduce, a part a thread, the same SIMD loop in it",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/sum",
                            .axis = Axis::kCores,
                            .technique = "split the work among cores once one core's SIMD is used",
                            .sizes = {8192, 1 << 17, 1 << 19, 8 << 20, 32 << 20},
                            .headline = {1 << 17, 8 << 20},
                            .sweeps_threads = true,
                            .ceiling = {"machine/read"},
                            .promise = Promise::kNone,  // on other inputs the order of sums shows
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .flops = n,
                                                .working_set = 8 * s.n,
                                                .memory = 8 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

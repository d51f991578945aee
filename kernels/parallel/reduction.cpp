// parallel/reduction: the sum of an array of doubles into one variable that all threads share.
//
// Out: one double. The numbers are arbitrary in [0, 1), so that the order of the additions shows in
// the last bits; answers must agree within what any order can differ by, n * epsilon * sum of x for
// either of the two (Higham, "Accuracy and Stability of Numerical Algorithms", 4.2).
//
// How the partial results come together is all that differs here. One addition takes part of a
// nanosecond; a locked one on a line that another core holds takes a hundred times that.
//
// Links: openmp tbb
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/reduction.cpp"
#include "support/blas1-inl.h"

#if HWY_ONCE
#include <algorithm>
#include <limits>

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

struct Reduction {
  using Input = Buffer<double>;
  using Output = double;

  static Input make(const Setting& setting, Rng& rng) {
    Input x(setting.n);
    FastRng fast(rng());
    for (double& value : x) value = static_cast<double>(fast() >> 11) * 0x1p-53;
    return x;
  }
  static absl::Status same(const Input& x, const Output& want, const Output& got) {
    double all = 0;
    for (double value : x) all += value;
    constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
    return within(want, got, 2 * static_cast<double>(x.size()) * kEpsilon * all);
  }
};

void naive(const Reduction::Input& x, double& out) {
  double sum = 0;
  for (double value : x) sum += value;
  out = sum;
}

// Numbers of a block whose sum is made on its own.
constexpr std::size_t kBlock = 1024;

HWY_EXPORT(SumDoubles);

// One core used well.
void simd(const Reduction::Input& x, double& out) {
  out = HWY_DYNAMIC_DISPATCH(SumDoubles)(x.data(), x.size());
}

#if HEADROOM_HAVE_OPENMP
// A lock taken and given back for each number.
void critical(const Setting& setting, const Reduction::Input& x, double& out) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
  double sum = 0;
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t i = 0; i < n; ++i) {
#pragma omp critical(reduction_each)
    sum += x[static_cast<std::size_t>(i)];
  }
  out = sum;
}

// No lock, but a compare-and-swap for each number, since processors have no atomic addition of
// doubles; it fails, and is tried again, where another core was in between.
void atomic(const Setting& setting, const Reduction::Input& x, double& out) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
  double sum = 0;
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t i = 0; i < n; ++i) {
#pragma omp atomic
    sum += x[static_cast<std::size_t>(i)];
  }
  out = sum;
}

// The lock once for each thread: what the clause does, by hand.
void critical_once(const Setting& setting, const Reduction::Input& x, double& out) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
  double sum = 0;
#pragma omp parallel num_threads(setting.threads)
  {
    double own = 0;
#pragma omp for schedule(static) nowait
    for (std::ptrdiff_t i = 0; i < n; ++i) own += x[static_cast<std::size_t>(i)];
#pragma omp critical(reduction_once)
    sum += own;
  }
  out = sum;
}

// A private sum for each thread, added up at the end.
void clause(const Setting& setting, const Reduction::Input& x, double& out) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
  double sum = 0;
#pragma omp parallel for num_threads(setting.threads) schedule(static) reduction(+ : sum)
  for (std::ptrdiff_t i = 0; i < n; ++i) sum += x[static_cast<std::size_t>(i)];
  out = sum;
}

void clause_simd(const Setting& setting, const Reduction::Input& x, double& out) {
  const auto reduce = HWY_DYNAMIC_DISPATCH(SumDoubles);
  double sum = 0;
#pragma omp parallel num_threads(setting.threads) reduction(+ : sum)
  {
    const Share part = own_part(x.size());
    sum += reduce(x.data() + part.begin, part.size());
  }
  out = sum;
}

// The sums of fixed blocks, in an array, which one thread adds up in order: the same bits with any
// number of threads, which no clause promises.
struct Blocks {
  Blocks(const Reduction::Input& x, const Setting& setting)
      : sums((x.size() + kBlock - 1) / kBlock), threads(setting.threads) {}
  Buffer<double> sums;
  int threads;
};
void fixed_blocks(Blocks& blocks, const Reduction::Input& x, double& out) {
  const auto reduce = HWY_DYNAMIC_DISPATCH(SumDoubles);
  const auto count = static_cast<std::ptrdiff_t>(blocks.sums.size());
#pragma omp parallel for num_threads(blocks.threads) schedule(static)
  for (std::ptrdiff_t b = 0; b < count; ++b) {
    const std::size_t begin = static_cast<std::size_t>(b) * kBlock;
    blocks.sums[static_cast<std::size_t>(b)] =
        reduce(x.data() + begin, std::min(kBlock, x.size() - begin));
  }
  double sum = 0;
  for (double block : blocks.sums) sum += block;
  out = sum;
}
constexpr auto kCritical = run<critical>;
constexpr auto kAtomic = run<atomic>;
constexpr auto kCriticalOnce = run<critical_once>;
constexpr auto kClause = run<clause>;
constexpr auto kClauseSimd = run<clause_simd>;
constexpr auto kFixedBlocks = run<fixed_blocks>;
#else
constexpr auto kCritical = kNotBuilt, kAtomic = kNotBuilt, kCriticalOnce = kNotBuilt,
               kClause = kNotBuilt, kClauseSimd = kNotBuilt, kFixedBlocks = kNotBuilt;
#endif

// Without a region: what that costs is a large part of a short call.
void team_simd(TeamSum& team, const Reduction::Input& x, double& out) {
  const auto reduce = HWY_DYNAMIC_DISPATCH(SumDoubles);
  out = team.of(x.size(), [&](Share part) { return reduce(x.data() + part.begin, part.size()); });
}

#if HEADROOM_HAVE_TBB
// Splits and joins in a fixed tree, so that its bits do not change from run to run either.
void tbb_deterministic(TbbArena& arena, const Reduction::Input& x, double& out) {
  using Range = tbb::blocked_range<const double*>;
  const auto reduce = HWY_DYNAMIC_DISPATCH(SumDoubles);
  out = arena.run([&] {
    return tbb::parallel_deterministic_reduce(
        Range(x.begin(), x.end(), arena.grain(x.size())), 0.0,
        [&](const Range& part, double sum) { return sum + reduce(part.begin(), part.size()); },
        [](double a, double b) { return a + b; }, tbb::simple_partitioner());
  });
}
constexpr auto kTbbReduce = run<tbb_deterministic>;
#else
constexpr auto kTbbReduce = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};
constexpr std::size_t kMostShared = 1 << 15;  // a lock an addition: milliseconds beyond

constexpr Variant<Reduction> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, one accumulator",
     .single_thread = true},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread, eight vectors of partial sums: the best of one core",
     .single_thread = true},
    {.name = "critical",
     .run = kCritical,
     .what = "a shared sum in a critical section for each number: far slower than one thread",
     .max_n = kMostShared,
     .needs = kNeedsOpenMp},
    {.name = "atomic",
     .run = kAtomic,
     .what = "a shared sum, an atomic addition for each number: the line travels with each",
     .max_n = kMostShared,
     .needs = kNeedsOpenMp},
    {.name = "critical_once",
     .run = kCriticalOnce,
     .what = "a sum of its own for each thread, and the critical section once for each",
     .needs = kNeedsOpenMp},
    {.name = "clause",
     .run = kClause,
     .what = "reduction clause: the same, and the compiler and its run time do it",
     .needs = kNeedsOpenMp},
    {.name = "clause_simd",
     .run = kClauseSimd,
     .what = "reduction clause over a part a thread, widest SIMD of the host in it",
     .needs = kNeedsOpenMp},
    {.name = "fixed_blocks",
     .run = kFixedBlocks,
     .what =
         "SIMD sums of fixed blocks, added up in order: the same bits with any number of threads",
     .needs = kNeedsOpenMp},
    {.name = "team_simd",
     .run = run<team_simd>,
     .what =
         "a SIMD sum for each of the threads that stand ready, awake for 50 us after each call"},
    {.name = "tbb",
     .run = kTbbReduce,
     .what = "tbb::parallel_deterministic_reduce, the same SIMD loop in a part a thread",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/reduction",
                            .axis = Axis::kCoherence,
                            .technique = "partial results of each thread's own, combined once",
                            .sizes = {4096, 1 << 15, 1 << 18, 2 << 20},
                            .headline = {1 << 15, 1 << 18},
                            .sweeps_threads = true,
                            .ceiling = {"machine/read"},
                            .promise = Promise::kNone,  // the order of sums shows
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

// parallel/triangular_loop: for each number of an array, how many before it are smaller; the loop
// over i has an inner loop of i rounds, as in many loops over pairs.
//
// Out: n counts; exact. (They can be had in n log n; what is taught here is how to share out a loop
// whose rounds take unequal times, known beforehand.)
//
// Cut in the middle, the second half of the rounds has three quarters of the work: two threads gain
// a third, and T threads n / (2 - 1/T), never more than half of T. Every cure costs nothing but a
// thought, since the shape of the imbalance is known.
//
// Links: openmp tbb
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/triangular_loop.cpp"
#include "support/simd.h"

#if HWY_ONCE
#include <algorithm>
#include <cmath>

#include "core/kernel.h"
#include "support/openmp.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

struct TriangularLoop {
  using Input = Buffer<std::int32_t>;
  using Output = Buffer<std::int32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input x(setting.n);
    FastRng fast(rng());
    for (std::int32_t& item : x) item = static_cast<std::int32_t>(fast() >> 48);
    return x;
  }
  static void size(const Input& x, Output& out) { out = Output(x.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// How many of the i numbers at x are smaller than x[i]. Compilers vectorize it for the base ISA.
std::int32_t smaller_before(const std::int32_t* x, std::size_t i) {
  std::int32_t count = 0;
  for (std::size_t j = 0; j < i; ++j) count += x[j] < x[i] ? 1 : 0;
  return count;
}

void naive(const TriangularLoop::Input& x, Buffer<std::int32_t>& out) {
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = smaller_before(x.data(), i);
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Four vectors of counts, from which a mask of ones (-1) is subtracted.
int32_t SmallerBefore(const int32_t* HWY_RESTRICT x, size_t i) {
  const hn::ScalableTag<int32_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto own = hn::Set(d, x[i]);
  auto c0 = hn::Zero(d), c1 = c0, c2 = c0, c3 = c0;
  const auto count = [&](auto sum, size_t at) HWY_ATTR {
    return hn::Sub(sum, hn::VecFromMask(d, hn::Lt(hn::LoadU(d, x + at), own)));
  };
  size_t j = 0;
  for (; j + 4 * lanes <= i; j += 4 * lanes) {
    c0 = count(c0, j);
    c1 = count(c1, j + lanes);
    c2 = count(c2, j + 2 * lanes);
    c3 = count(c3, j + 3 * lanes);
  }
  for (; j + lanes <= i; j += lanes) c0 = count(c0, j);
  c0 = hn::Add(hn::Add(c0, c1), hn::Add(c2, c3));
  int32_t sum = hn::GetLane(hn::SumOfLanes(d, c0));
  for (; j < i; ++j) sum += x[j] < x[i] ? 1 : 0;
  return sum;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(SmallerBefore);

// One core used well.
void simd(const TriangularLoop::Input& x, Buffer<std::int32_t>& out) {
  const auto smaller = HWY_DYNAMIC_DISPATCH(SmallerBefore);
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = smaller(x.data(), i);
}

#if HEADROOM_HAVE_OPENMP
// Equal parts of the rounds.
void openmp_static(const Setting& setting, const TriangularLoop::Input& x,
                   Buffer<std::int32_t>& out) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t i = 0; i < n; ++i)
    out[static_cast<std::size_t>(i)] = smaller_before(x.data(), static_cast<std::size_t>(i));
}

// By turns: each thread has short rounds and long ones. By 16, so that a line of the output is one
// thread's.
void openmp_cyclic(const Setting& setting, const TriangularLoop::Input& x,
                   Buffer<std::int32_t>& out) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
#pragma omp parallel for num_threads(setting.threads) schedule(static, 16)
  for (std::ptrdiff_t i = 0; i < n; ++i)
    out[static_cast<std::size_t>(i)] = smaller_before(x.data(), static_cast<std::size_t>(i));
}

// To whoever is free: right for unknown shapes, and here an atomic increment for nothing.
void openmp_dynamic(const Setting& setting, const TriangularLoop::Input& x,
                    Buffer<std::int32_t>& out) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
#pragma omp parallel for num_threads(setting.threads) schedule(dynamic, 16)
  for (std::ptrdiff_t i = 0; i < n; ++i)
    out[static_cast<std::size_t>(i)] = smaller_before(x.data(), static_cast<std::size_t>(i));
}

// A large piece first: but here the last pieces have the longest rounds, which is the wrong way
// round for it.
void openmp_guided(const Setting& setting, const TriangularLoop::Input& x,
                   Buffer<std::int32_t>& out) {
  const auto n = static_cast<std::ptrdiff_t>(x.size());
#pragma omp parallel for num_threads(setting.threads) schedule(guided, 16)
  for (std::ptrdiff_t i = 0; i < n; ++i)
    out[static_cast<std::size_t>(i)] = smaller_before(x.data(), static_cast<std::size_t>(i));
}

// Where part `part` begins: parts have equal areas of the triangle, in whole lines of the output.
std::size_t area_begin(std::size_t n, int part, int parts) {
  if (part == parts) return n;
  const double at = static_cast<double>(n) * std::sqrt(static_cast<double>(part) / parts);
  return static_cast<std::size_t>(at) / 16 * 16;
}

// Contiguous parts of equal area: no schedule at all, and each thread streams through one piece.
void equal_area(const Setting& setting, const TriangularLoop::Input& x, Buffer<std::int32_t>& out) {
#pragma omp parallel num_threads(setting.threads)
  {
    const int part = omp_get_thread_num(), parts = omp_get_num_threads();
    const std::size_t end = area_begin(x.size(), part + 1, parts);
    for (std::size_t i = area_begin(x.size(), part, parts); i < end; ++i)
      out[i] = smaller_before(x.data(), i);
  }
}

// The same in the widest SIMD of the host.
void equal_area_simd(const Setting& setting, const TriangularLoop::Input& x,
                     Buffer<std::int32_t>& out) {
  const auto smaller = HWY_DYNAMIC_DISPATCH(SmallerBefore);
#pragma omp parallel num_threads(setting.threads)
  {
    const int part = omp_get_thread_num(), parts = omp_get_num_threads();
    const std::size_t end = area_begin(x.size(), part + 1, parts);
    for (std::size_t i = area_begin(x.size(), part, parts); i < end; ++i)
      out[i] = smaller(x.data(), i);
  }
}

// Equal areas take equal times only on cores of one speed, with nothing else to do. Here whoever is
// free takes the next piece, the longest rounds first, so that what is left at the end is short: no
// thread waits for longer than a small piece takes (Graham's longest processing time first, 1969).
void longest_first_simd(const Setting& setting, const TriangularLoop::Input& x,
                        Buffer<std::int32_t>& out) {
  const auto smaller = HWY_DYNAMIC_DISPATCH(SmallerBefore);
  const std::size_t n = x.size();
  // Whole lines of the output, and some 16 pieces a thread: few increments of what they share.
  const std::size_t lines = n / (16 * 16 * static_cast<std::size_t>(setting.threads)) + 1;
  const auto piece = static_cast<std::ptrdiff_t>(16 * lines);
  const auto pieces = (static_cast<std::ptrdiff_t>(n) + piece - 1) / piece;
#pragma omp parallel for num_threads(setting.threads) schedule(dynamic, 1)
  for (std::ptrdiff_t taken = 0; taken < pieces; ++taken) {
    const auto begin = static_cast<std::size_t>((pieces - 1 - taken) * piece);
    const std::size_t end = std::min(n, begin + static_cast<std::size_t>(piece));
    for (std::size_t i = begin; i < end; ++i) out[i] = smaller(x.data(), i);
  }
}
constexpr auto kStatic = run<openmp_static>;
constexpr auto kCyclic = run<openmp_cyclic>;
constexpr auto kDynamic = run<openmp_dynamic>;
constexpr auto kGuided = run<openmp_guided>;
constexpr auto kEqualArea = run<equal_area>;
constexpr auto kEqualAreaSimd = run<equal_area_simd>;
constexpr auto kLongestFirstSimd = run<longest_first_simd>;
#else
constexpr auto kStatic = kNotBuilt, kCyclic = kNotBuilt, kDynamic = kNotBuilt, kGuided = kNotBuilt,
               kEqualArea = kNotBuilt, kEqualAreaSimd = kNotBuilt, kLongestFirstSimd = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
void tbb_for(TbbArena& arena, const TriangularLoop::Input& x, Buffer<std::int32_t>& out) {
  using Range = tbb::blocked_range<std::size_t>;
  const auto smaller = HWY_DYNAMIC_DISPATCH(SmallerBefore);
  arena.run([&] {
    tbb::parallel_for(Range(0, x.size(), 16), [&](const Range& part) {
      for (std::size_t i = part.begin(); i < part.end(); ++i) out[i] = smaller(x.data(), i);
    });
  });
}
constexpr auto kTbbFor = run<tbb_for>;
#else
constexpr auto kTbbFor = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<TriangularLoop> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, round i looks at i numbers; the compiler vectorizes",
     .single_thread = true},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread, widest SIMD of the host: the best of one core",
     .single_thread = true},
    {.name = "static",
     .run = kStatic,
     .what = "equal parts of the rounds: the last one has most of the work, the others wait",
     .needs = kNeedsOpenMp},
    {.name = "cyclic",
     .run = kCyclic,
     .what = "rounds by turns, 16 at a time: each thread has short ones and long ones",
     .needs = kNeedsOpenMp},
    {.name = "dynamic",
     .run = kDynamic,
     .what = "16 rounds to whoever is free: even, at an atomic increment each",
     .needs = kNeedsOpenMp},
    {.name = "guided",
     .run = kGuided,
     .what = "large pieces first, small ones last: even only as the last pieces are small",
     .needs = kNeedsOpenMp},
    {.name = "equal_area",
     .run = kEqualArea,
     .what = "contiguous parts with equal work, computed beforehand: no schedule needed",
     .needs = kNeedsOpenMp},
    {.name = "equal_area_simd",
     .run = kEqualAreaSimd,
     .what = "the same, widest SIMD of the host",
     .needs = kNeedsOpenMp},
    {.name = "longest_first_simd",
     .run = kLongestFirstSimd,
     .what = "pieces to whoever is free, long rounds first; SIMD: even on cores of unequal speed",
     .needs = kNeedsOpenMp},
    {.name = "tbb",
     .run = kTbbFor,
     .what = "tbb::parallel_for, the same SIMD loop, split and stolen as its partitioner sees fit",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/triangular_loop",
                            .axis = Axis::kCores,
                            .technique = "equal work for each thread, not equal numbers of rounds",
                            .sizes = {256, 1024, 4096, 16384},
                            .headline = {1024, 4096},
                            .sweeps_threads = true,
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n * (n - 1) / 2 + n,  // pairs looked at
                                                .working_set = 8 * s.n,
                                                .memory = 4 * s.n * (2 + std::size(kVariants))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

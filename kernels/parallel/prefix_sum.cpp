// parallel/prefix_sum: out[i] = x[0] + ... + x[i], for uint32 that wrap, with one thread and with
// several. The problem is that of simd/prefix_sum (support/prefix_sum.h).
//
// Each sum needs all before it, so the loop can't just be split. Two passes can: each thread adds
// up its part, then starts its sums from the totals of the parts before (Blelloch, "Prefix Sums and
// Their Applications", 1990). That is twice the reading, so two threads gain nothing from memory
// unless the second pass finds its part in a cache: hence blocks.
//
// Links: openmp tbb
#include <algorithm>
#include <vector>

#include "core/cpu.h"
#include "core/kernel.h"
#include "support/openmp.h"
#include "support/prefix_sum.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_scan.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

struct ParallelPrefixSum : PrefixSumProblem {};

// One chain of adds.
void naive(const ParallelPrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = sum += x[i];
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/prefix_sum-inl.h"
#include "parallel/prefix_sum-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(PartScan);
HWY_EXPORT(PartScanStreamed);
HWY_EXPORT(PartTotal);

// One core used well, out of caches: log2 steps in a vector, one add from vector to vector.
void simd(const ParallelPrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  HWY_DYNAMIC_DISPATCH(PartScan)(x.data(), x.size(), 0, out.data());
}

// One core used well, out of memory: stores that read no line before they fill it.
void simd_streamed(const ParallelPrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  HWY_DYNAMIC_DISPATCH(PartScanStreamed)(x.data(), x.size(), 0, out.data());
}

#if HEADROOM_HAVE_OPENMP
// The totals of the parts, each on a line of its own.
struct Totals {
  Totals(const ParallelPrefixSum::Input&, const Setting& setting)
      : threads(setting.threads), of(static_cast<std::size_t>(threads)) {}
  struct alignas(kApart) Total {
    std::uint32_t value = 0;
  };
  std::uint32_t before(int part) const {
    std::uint32_t sum = 0;
    for (int p = 0; p < part; ++p) sum += of[static_cast<std::size_t>(p)].value;
    return sum;
  }
  Total& mine() { return of[static_cast<std::size_t>(omp_get_thread_num())]; }
  int threads;
  std::vector<Total> of;
};

#ifndef __clang__
// The scan directive of OpenMP 5.0: the compiler makes the two passes, and keeps the sums of the
// first one in an array of its own. (clang's array is on the stack, which that of a large input
// overflows: not built there.)
void scan_directive(const Setting& setting, const ParallelPrefixSum::Input& in,
                    Buffer<std::uint32_t>& output) {
  const std::uint32_t* const x = in.data();
  std::uint32_t* const out = output.data();
  const auto n = static_cast<std::ptrdiff_t>(in.size());
  std::uint32_t sum = 0;
#pragma omp parallel for num_threads(setting.threads) reduction(inscan, + : sum)
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    sum += x[i];
#pragma omp scan inclusive(sum)
    out[i] = sum;
  }
}
#endif

// Two passes with the naive loops. The last part's total is nobody's to know.
void two_pass(Totals& totals, const ParallelPrefixSum::Input& in, Buffer<std::uint32_t>& out) {
#pragma omp parallel num_threads(totals.threads)
  {
    const Share part = own_part(in.size(), 16);
    std::uint32_t total = 0;
    for (std::size_t i = part.begin; i < part.end; ++i) total += in[i];
    totals.mine().value = total;
#pragma omp barrier
    std::uint32_t sum = totals.before(omp_get_thread_num());
    for (std::size_t i = part.begin; i < part.end; ++i) out[i] = sum += in[i];
  }
}

// The same with the widest SIMD of the host in both passes.
void two_pass_simd(Totals& totals, const ParallelPrefixSum::Input& in, Buffer<std::uint32_t>& out) {
  const auto total = HWY_DYNAMIC_DISPATCH(PartTotal);
  const auto scan = HWY_DYNAMIC_DISPATCH(PartScan);
#pragma omp parallel num_threads(totals.threads)
  {
    const Share part = own_part(in.size(), 16);
    totals.mine().value = total(in.data() + part.begin, part.size());
#pragma omp barrier
    scan(in.data() + part.begin, part.size(), totals.before(omp_get_thread_num()),
         out.data() + part.begin);
  }
}

// Block after block, each so small that what a thread adds up in the first pass is in its L2 for
// the second: memory is read once. The stores go past the caches. Two barriers a block: the totals
// of a block may not be overwritten before all have read them.
void blocks_simd(Totals& totals, const ParallelPrefixSum::Input& in, Buffer<std::uint32_t>& out) {
  const auto total = HWY_DYNAMIC_DISPATCH(PartTotal);
  const auto scan = HWY_DYNAMIC_DISPATCH(PartScanStreamed);
  const std::size_t n = in.size();
  const std::size_t block =
      l2_bytes() / 4 / sizeof(std::uint32_t) * static_cast<std::size_t>(totals.threads);
#pragma omp parallel num_threads(totals.threads)
  {
    std::uint32_t before_block = 0;
    for (std::size_t from = 0; from < n; from += block) {
      const Share part = own_part(std::min(block, n - from), 16);
      const std::size_t begin = from + part.begin;
      totals.mine().value = total(in.data() + begin, part.size());
#pragma omp barrier
      const std::uint32_t before = before_block + totals.before(omp_get_thread_num());
      before_block += totals.before(omp_get_num_threads());
#pragma omp barrier
      scan(in.data() + begin, part.size(), before, out.data() + begin);
    }
  }
}
constexpr auto kTwoPass = run<two_pass>;
constexpr auto kTwoPassSimd = run<two_pass_simd>;
constexpr auto kBlocksSimd = run<blocks_simd>;
#else
constexpr auto kTwoPass = kNotBuilt, kTwoPassSimd = kNotBuilt, kBlocksSimd = kNotBuilt;
#endif

#if HEADROOM_HAVE_OPENMP && !defined(__clang__)
constexpr auto kScanDirective = run<scan_directive>;
#else
constexpr auto kScanDirective = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
void tbb_scan(TbbArena& arena, const ParallelPrefixSum::Input& in, Buffer<std::uint32_t>& out) {
  using Range = tbb::blocked_range<std::size_t>;
  const auto total = HWY_DYNAMIC_DISPATCH(PartTotal);
  const auto scan = HWY_DYNAMIC_DISPATCH(PartScan);
  arena.run([&] {
    return tbb::parallel_scan(
        Range(0, in.size(), arena.grain(in.size())), std::uint32_t{0},
        [&](const Range& part, std::uint32_t sum, bool last) {
          return last ? scan(in.data() + part.begin(), part.size(), sum, out.data() + part.begin())
                      : sum + total(in.data() + part.begin(), part.size());
        },
        [](std::uint32_t a, std::uint32_t b) { return a + b; }, tbb::simple_partitioner());
  });
}
constexpr auto kTbbScan = run<tbb_scan>;
#else
constexpr auto kTbbScan = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};
#ifdef __clang__
bool scans_on_the_heap() { return false; }
#else
bool scans_on_the_heap() { return true; }
#endif
constexpr Need kNeedsScan[] = {
    kOpenMp,
    {"a scan directive without an array on the stack", scans_on_the_heap, "build with GCC"}};

constexpr Variant<ParallelPrefixSum> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, a chain of adds: at best one number a cycle",
     .single_thread = true},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread, widest SIMD: the best of one core in caches",
     .single_thread = true},
    {.name = "simd_streamed",
     .run = run<simd_streamed>,
     .what = "the same with non-temporal stores: the best of one core from memory",
     .single_thread = true},
    {.name = "scan_directive",
     .run = kScanDirective,
     .what =
         "OpenMP 5's scan directive: two passes made by the compiler, with an array between them",
     .needs = kNeedsScan},
    {.name = "two_pass",
     .run = kTwoPass,
     .what = "totals of the parts, then their sums: all is read twice, two threads gain little",
     .needs = kNeedsOpenMp},
    {.name = "two_pass_simd",
     .run = kTwoPassSimd,
     .what = "the same in the widest SIMD of the host",
     .needs = kNeedsOpenMp},
    {.name = "blocks_simd",
     .run = kBlocksSimd,
     .what = "both passes block by block, so that the second reads L2; non-temporal stores",
     .needs = kNeedsOpenMp},
    {.name = "tbb",
     .run = kTbbScan,
     .what =
         "tbb::parallel_scan with the same SIMD loops; a part is summed first only where stolen",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/prefix_sum",
                            .axis = Axis::kCores,
                            .technique = "two passes where each result needs the one before",
                            .sizes = {8192, 1 << 17, 1 << 19, 8 << 20, 32 << 20},
                            .headline = {1 << 17, 8 << 20},
                            .sweeps_threads = true,
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 4 * s.n * (2 + std::size(kVariants))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

// simd/prefix_sum: out[i] = x[0] + ... + x[i], for uint32 that wrap (support/prefix_sum.h).
//
// The naive loop is a chain of adds, one number a cycle at best. The prefix sums within a vector of
// L numbers take log2(L) steps of shifting and adding, which are independent from vector to vector;
// the chain that is left is one add a vector. After Hillis and Steele, "Data Parallel Algorithms"
// (1986), and Zhang, Wang and Ross, "Parallel Prefix Sum with SIMD" (2020).
#include <numeric>

#include "core/kernel.h"
#include "support/prefix_sum.h"

namespace headroom {
namespace {

struct PrefixSum : PrefixSumProblem {};

// One chain of adds.
void naive(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) out[i] = sum += x[i];
}

// Four numbers a step: their own sums first, which need not wait for the total, then the total
// added to each: the chain has one add for four numbers. More work, but in parallel.
void fours(const PrefixSum::Input& in, Buffer<std::uint32_t>& output) {
  const std::uint32_t* const x = in.data();
  std::uint32_t* const out = output.data();
  const std::size_t n = in.size();
  std::uint32_t sum = 0;
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    const std::uint32_t s1 = x[i] + x[i + 1], s3 = x[i + 2] + x[i + 3];
    out[i] = sum + x[i];
    out[i + 1] = sum + s1;
    out[i + 2] = sum + (s1 + x[i + 2]);
    out[i + 3] = sum += s1 + s3;
  }
  for (; i < n; ++i) out[i] = sum += x[i];
}

void std_inclusive_scan(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  std::inclusive_scan(x.begin(), x.end(), out.begin());
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/prefix_sum-inl.h"
#include "simd/prefix_sum-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(ScanStored);
HWY_EXPORT(ScanStreamed);
HWY_EXPORT(ScanTwoPass);

// A vector's sums in log2 steps of shift and add; from vector to vector one add waits for the last.
void highway(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  HWY_DYNAMIC_DISPATCH(ScanStored)(x.data(), x.size(), out.data());
}

// What several threads need, tried on one: first each block's total, so that no block waits for the
// sums of another. One thread reads everything twice for nothing.
void two_pass(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  HWY_DYNAMIC_DISPATCH(ScanTwoPass)(x.data(), x.size(), out.data());
}

// Stores past the caches: no line of the output is read before it is written, which saves a third
// of the traffic. (And what is read is asked for ahead, as the hardware's prefetchers do too little
// beside such stores.)
void non_temporal(const PrefixSum::Input& x, Buffer<std::uint32_t>& out) {
  HWY_DYNAMIC_DISPATCH(ScanStreamed)(x.data(), x.size(), out.data());
}

constexpr Variant<PrefixSum> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "a chain of adds: at best one number per cycle"},
    {.name = "fours",
     .run = run<fours>,
     .what = "four numbers per step: only one add in four waits for the total"},
    {.name = "highway",
     .run = run<highway>,
     .what = "widest SIMD: log2 steps of shift and add in a vector, one add from vector to vector"},
    {.name = "two_pass",
     .run = run<two_pass>,
     .what =
         "blocks totalled first, then summed up: what threads need; one thread loses to highway"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what =
         "highway with non-temporal stores, which read no line before they fill it: from memory "
         "a copy's pace, of which naive has half; a loss in caches"},
    {.name = "std_inclusive_scan",
     .run = run<std_inclusive_scan>,
     .what = "std::inclusive_scan of the standard library",
     .role = Role::kPeer},
};

const Registrar kRegistrar({.name = "simd/prefix_sum",
                            .axis = Axis::kSimd,
                            .technique = "scan in log2 steps, and keep the serial chain short",
                            .sizes = {2048, 64 << 10, 384 << 10, 8 << 20, 32 << 20},
                            .headline = {2048, 8 << 20},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 4 * s.n * (1 + std::size(kVariants))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

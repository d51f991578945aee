// simd/dot: the inner product of two arrays of floats.
//
// Out: one float. The numbers are integers, none of them zero (|x| is 1 to 8, either sign), so
// products are integers of at most 64, and partial sums, in any of the orders used here, stay below
// 2^24 and are exact: right answers are equal to the last bit, a variant that drops, repeats or
// mispairs an element is caught, and fused multiply-adds change nothing. (For arbitrary floats any
// order is within n * epsilon * sum|x * y|: Higham, "Accuracy and Stability of Numerical
// Algorithms", 3.1.)
//
// The naive loop waits for each add; the load ports could deliver 16 pairs and more in a cycle.
//
// Links: openblas openmp
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/dot.cpp"
#include "support/blas1-inl.h"

#if HWY_ONCE
#include "core/kernel.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

struct DotProblem {
  struct Input {
    Buffer<float> x, y;
  };
  using Output = float;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<float>(setting.n), Buffer<float>(setting.n)};
    FastRng fast(rng());
    const auto number = [](std::uint64_t bits) {
      return static_cast<float>((bits & 7) + 1) * ((bits & 8) != 0 ? 1.0f : -1.0f);
    };
    for (std::size_t i = 0; i < setting.n;) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 8 && i < setting.n; ++k, ++i, bits >>= 8) {
        in.x[i] = number(bits);
        in.y[i] = number(bits >> 4);
      }
    }
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return within(want, got, 0);  // exact, and NaN would agree with NaN
  }
};

// One accumulator.
void naive(const DotProblem::Input& in, float& out) {
  float sum = 0;
  for (std::size_t i = 0; i < in.x.size(); ++i) sum += in.x[i] * in.y[i];
  out = sum;
}

// Four chains of adds overlap where one waits for itself; the compiler may not do it for us, since
// float addition is not associative.
void accumulators(const DotProblem::Input& in, float& out) {
  const float* const x = in.x.data();
  const float* const y = in.y.data();
  const std::size_t n = in.x.size();
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    s0 += x[i] * y[i];
    s1 += x[i + 1] * y[i + 1];
    s2 += x[i + 2] * y[i + 2];
    s3 += x[i + 3] * y[i + 3];
  }
  for (; i < n; ++i) s0 += x[i] * y[i];
  out = (s0 + s1) + (s2 + s3);
}

// The same with 32 chains. Chains side by side in an array are what a vector is, so the compiler
// makes them vectors of the base ISA without leave to reorder: the source fixes the order.
void chains_32(const DotProblem::Input& in, float& out) {
  constexpr std::size_t kChains = 32;
  const float* const x = in.x.data();
  const float* const y = in.y.data();
  const std::size_t n = in.x.size();
  float s[kChains] = {};
  std::size_t i = 0;
  for (; i + kChains <= n; i += kChains)
    for (std::size_t k = 0; k < kChains; ++k) s[k] += x[i + k] * y[i + k];
  for (std::size_t k = 0; i < n; ++i, ++k) s[k] += x[i] * y[i];
  float sum = 0;
  for (float chain : s) sum += chain;
  out = sum;
}

#if HEADROOM_HAVE_OPENMP
// The pragma gives the compiler leave to reorder: it vectorizes for the base ISA. One vector of
// sums is still one chain of adds.
void omp_simd(const DotProblem::Input& in, float& out) {
  const float* const x = in.x.data();
  const float* const y = in.y.data();
  const std::size_t n = in.x.size();
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < n; ++i) sum += x[i] * y[i];
  out = sum;
}
constexpr auto kOmpSimd = run<omp_simd>;
#else
constexpr auto kOmpSimd = kNotBuilt;
#endif

#if HEADROOM_HAVE_OPENBLAS
void openblas(const DotProblem::Input& in, float& out) {
  openblas_set_num_threads(1);
  out = cblas_sdot(static_cast<blasint>(in.x.size()), in.x.data(), 1, in.y.data(), 1);
}
constexpr auto kOpenBlasDot = run<openblas>;
#else
constexpr auto kOpenBlasDot = kNotBuilt;
#endif

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

float DotPlain(const float* HWY_RESTRICT x, const float* HWY_RESTRICT y, size_t n) {
  return DotArrays<0>(x, y, n);
}
float DotPrefetched(const float* HWY_RESTRICT x, const float* HWY_RESTRICT y, size_t n) {
  return DotArrays<4096>(x, y, n);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(DotPlain);
HWY_EXPORT(DotPrefetched);

// As wide as the host's vectors are, and many of them in flight: bound by the load ports.
void highway(const DotProblem::Input& in, float& out) {
  out = HWY_DYNAMIC_DISPATCH(DotPlain)(in.x.data(), in.y.data(), in.x.size());
}

// Each line asked for 4 KiB ahead: across the page's end, where hardware prefetchers start over.
void prefetch(const DotProblem::Input& in, float& out) {
  out = HWY_DYNAMIC_DISPATCH(DotPrefetched)(in.x.data(), in.y.data(), in.x.size());
}

constexpr Need kNeedsOpenMp[] = {kOpenMp};
constexpr Need kNeedsOpenBlas[] = {kOpenBlas};

constexpr Variant<DotProblem> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one accumulator: each add waits for the one before"},
    {.name = "accumulators", .run = run<accumulators>, .what = "four independent chains of adds"},
    {.name = "omp_simd",
     .run = kOmpSimd,
     .what =
         "omp simd reduction: the compiler vectorizes for the base ISA, as one chain of vectors",
     .needs = kNeedsOpenMp},
    {.name = "chains_32",
     .run = run<chains_32>,
     .what = "32 chains in an array: the compiler makes them vectors of the base ISA"},
    {.name = "highway",
     .run = run<highway>,
     .what = "eight vectors of partial sums, fused multiply-adds, widest SIMD of the host"},
    {.name = "prefetch",
     .run = run<prefetch>,
     .what =
         "highway with both arrays prefetched 4 KiB ahead: at most a gain beyond L2, a loss in L1"},
    {.name = "openblas",
     .run = kOpenBlasDot,
     .what = "cblas_sdot, one thread",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

const Registrar kRegistrar(
    {.name = "simd/dot",
     .axis = Axis::kSimd,
     .technique = "independent accumulators, then SIMD: two loads per addition",
     .sizes = {2048, 64 << 10, 384 << 10, 8 << 20, 32 << 20},
     .headline = {2048, 8 << 20},
     .ceiling = {"machine/read"},
     .promise = Promise::kNone,  // on other inputs the order of sums shows
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = 8 * n,
                         .flops = 2 * n,
                         .working_set = 8 * s.n,
                         .memory = 8 * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

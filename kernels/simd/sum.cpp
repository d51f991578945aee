// simd/sum: add up an array of floats.
//
// Out: one float. The numbers are integers, none of them zero (|x| is 1 to 128, either sign), and
// so small that every partial sum, in any order, is an integer below 2^24 and thus exact: right
// answers are equal to the last bit, and a variant that drops or repeats one element is caught.
// (For arbitrary floats any order is within n * epsilon * sum|x|: Higham, "Accuracy and Stability
// of Numerical Algorithms", 4.2.)
//
// The naive loop is bound by the latency of one add, 2 to 4 cycles a float; the load ports could
// deliver 16 or 32 floats in a cycle.
//
// Links: openblas openmp
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/sum.cpp"
#include "support/blas1-inl.h"

#if HWY_ONCE
#include <algorithm>

#include "core/kernel.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

struct Sum {
  using Input = Buffer<float>;
  using Output = float;

  static Input make(const Setting& setting, Rng& rng) {
    Input x(setting.n);
    FastRng fast(rng());
    for (std::size_t i = 0; i < x.size();) {
      std::uint64_t bits = fast();
      for (int k = 0; k < 8 && i < x.size(); ++k, bits >>= 8)
        x[i++] = static_cast<float>((bits & 127) + 1) * ((bits & 128) != 0 ? 1.0f : -1.0f);
    }
    return x;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return within(want, got, 0);  // exact, and NaN would agree with NaN
  }
};

// One accumulator.
void naive(const Sum::Input& x, float& out) {
  float sum = 0;
  for (float value : x) sum += value;
  out = sum;
}

// Four chains of adds overlap where one waits for itself; the compiler may not do it for us, since
// float addition is not associative.
void accumulators(const Sum::Input& in, float& out) {
  const float* x = in.data();
  const std::size_t n = in.size();
  float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    s0 += x[i];
    s1 += x[i + 1];
    s2 += x[i + 2];
    s3 += x[i + 3];
  }
  for (; i < n; ++i) s0 += x[i];
  out = (s0 + s1) + (s2 + s3);
}

// The same with 32 chains. Chains side by side in an array are what a vector is, so the compiler
// turns eight of them at a time into SIMD without leave to reorder: the source fixes the order.
void chains_32(const Sum::Input& in, float& out) {
  constexpr std::size_t kChains = 32;
  const float* x = in.data();
  const std::size_t n = in.size();
  float s[kChains] = {};
  std::size_t i = 0;
  for (; i + kChains <= n; i += kChains)
    for (std::size_t k = 0; k < kChains; ++k) s[k] += x[i + k];
  for (std::size_t k = 0; i < n; ++i, ++k) s[k] += x[i];
  float sum = 0;
  for (float chain : s) sum += chain;
  out = sum;
}

#if HEADROOM_HAVE_OPENMP
// The pragma gives the compiler leave to reorder: it vectorizes for the base ISA. One vector of
// sums is still one chain of adds.
void omp_simd(const Sum::Input& in, float& out) {
  const float* x = in.data();
  const std::size_t n = in.size();
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < n; ++i) sum += x[i];
  out = sum;
}
constexpr auto kOmpSimd = run<omp_simd>;
#else
constexpr auto kOmpSimd = kNotBuilt;
#endif

#if HEADROOM_HAVE_OPENBLAS
void openblas(const Sum::Input& x, float& out) {
  openblas_set_num_threads(1);
  out = cblas_ssum(static_cast<blasint>(x.size()), x.data(), 1);
}

// A sum as standard BLAS can say it: the product with a block of ones, which stays in L1.
void openblas_dot(const Sum::Input& x, float& out) {
  constexpr std::size_t kBlock = 2048;
  static const Buffer<float> ones = [] {
    Buffer<float> block(kBlock);
    std::fill(block.begin(), block.end(), 1.0f);
    return block;
  }();
  openblas_set_num_threads(1);
  float sum = 0;
  for (std::size_t i = 0; i < x.size(); i += kBlock)
    sum += cblas_sdot(static_cast<blasint>(std::min(kBlock, x.size() - i)), x.data() + i, 1,
                      ones.data(), 1);
  out = sum;
}

// True where cblas_ssum, an extension of BLAS, adds up every element. That of OpenBLAS 0.3.21 does
// not where it uses AVX-512, from 16 elements on.
bool ssum_is_right() {
  static const bool right = [] {
    float x[64];
    for (int i = 0; i < 64; ++i) x[i] = static_cast<float>(i * i);
    return cblas_ssum(64, x, 1) == 63.0f * 64 * 127 / 6;
  }();
  return right;
}
constexpr auto kOpenBlasSum = run<openblas>;
constexpr auto kOpenBlasDot = run<openblas_dot>;
#else
bool ssum_is_right() { return false; }
constexpr auto kOpenBlasSum = kNotBuilt, kOpenBlasDot = kNotBuilt;
#endif

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

float SumPlain(const float* HWY_RESTRICT x, size_t n) { return SumArray<0>(x, n); }
float SumPrefetched(const float* HWY_RESTRICT x, size_t n) { return SumArray<4096>(x, n); }

// Four quarters side by side, two vectors of each a step; what is left over in the end.
float SumStreams(const float* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const size_t quarter = n / 4 / (2 * lanes) * (2 * lanes);
  const float* HWY_RESTRICT x1 = x + quarter;
  const float* HWY_RESTRICT x2 = x1 + quarter;
  const float* HWY_RESTRICT x3 = x2 + quarter;
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (size_t i = 0; i < quarter; i += 2 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, x1 + i));
    s3 = hn::Add(s3, hn::LoadU(d, x1 + i + lanes));
    s4 = hn::Add(s4, hn::LoadU(d, x2 + i));
    s5 = hn::Add(s5, hn::LoadU(d, x2 + i + lanes));
    s6 = hn::Add(s6, hn::LoadU(d, x3 + i));
    s7 = hn::Add(s7, hn::LoadU(d, x3 + i + lanes));
  }
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  return hn::GetLane(hn::SumOfLanes(d, s0)) + SumPlain(x + 4 * quarter, n - 4 * quarter);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(SumPlain);
HWY_EXPORT(SumPrefetched);
HWY_EXPORT(SumStreams);

// As wide as the host's vectors are, and many of them in flight: bound by the load ports.
void highway(const Sum::Input& x, float& out) {
  out = HWY_DYNAMIC_DISPATCH(SumPlain)(x.data(), x.size());
}

// The hardware prefetcher starts over at each page boundary; asking for a line 4 KiB ahead keeps
// misses in flight there. It pays where L3 feeds; DRAM is the limit either way, and in L1 each
// prefetch takes the place of a load.
void prefetch(const Sum::Input& x, float& out) {
  out = HWY_DYNAMIC_DISPATCH(SumPrefetched)(x.data(), x.size());
}

// From four places at once: more of the hardware's prefetchers, and of the memory's banks, are
// busy.
void streams(const Sum::Input& x, float& out) {
  out = HWY_DYNAMIC_DISPATCH(SumStreams)(x.data(), x.size());
}

constexpr Need kNeedsOpenMp[] = {kOpenMp};
constexpr Need kNeedsOpenBlas[] = {kOpenBlas};
constexpr Need kNeedsSsum[] = {
    kOpenBlas,
    {"a right cblas_ssum", ssum_is_right,
     "an OpenBLAS that sums rightly on this CPU (0.3.21 does not with AVX-512)"}};

constexpr Variant<Sum> kVariants[] = {
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
     .what = "eight vectors of partial sums, widest SIMD of the host"},
    {.name = "prefetch",
     .run = run<prefetch>,
     .what = "highway with prefetches 4 KiB ahead: at most a gain beyond L2, a loss in L1"},
    {.name = "streams",
     .run = run<streams>,
     .what = "highway from four places at once: more prefetchers and memory banks are busy"},
    {.name = "openblas",
     .run = kOpenBlasSum,
     .what = "cblas_ssum, one thread",
     .role = Role::kPeer,
     .needs = kNeedsSsum},
    {.name = "openblas_dot",
     .run = kOpenBlasDot,
     .what = "cblas_sdot with ones, one thread: two loads per number, as BLAS has no sum",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

const Registrar kRegistrar({.name = "simd/sum",
                            .axis = Axis::kSimd,
                            .technique = "independent accumulators, then SIMD",
                            .sizes = {4096, 65536, 1 << 20, 16 << 20, 64 << 20},
                            .headline = {4096, 16 << 20},
                            .ceiling = {"machine/read"},
                            .promise = Promise::kNone,  // on other inputs the order of sums shows
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 4 * n,
                                                .flops = n,
                                                .working_set = 4 * s.n,
                                                .memory = 4 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

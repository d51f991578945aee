// simd/sum: add up an array of floats.
//
// Out: one float. Any order of additions is right, so agreement is within the error bound of
// recursive summation, n * epsilon * sum|x| (Higham, "Accuracy and Stability of Numerical
// Algorithms", 4.2). The naive loop is bound by the latency of one add (3-4 cycles a float); memory
// could deliver 16 floats in that time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/sum.cpp"
#include "core/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Eight vectors of partial sums: enough independent adds in flight to hide the latency of an add at
// two a cycle.
float SumFloats(const float* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  size_t i = 0;
  for (; i + 8 * lanes <= n; i += 8 * lanes) {
    s0 = hn::Add(s0, hn::LoadU(d, x + i));
    s1 = hn::Add(s1, hn::LoadU(d, x + i + lanes));
    s2 = hn::Add(s2, hn::LoadU(d, x + i + 2 * lanes));
    s3 = hn::Add(s3, hn::LoadU(d, x + i + 3 * lanes));
    s4 = hn::Add(s4, hn::LoadU(d, x + i + 4 * lanes));
    s5 = hn::Add(s5, hn::LoadU(d, x + i + 5 * lanes));
    s6 = hn::Add(s6, hn::LoadU(d, x + i + 6 * lanes));
    s7 = hn::Add(s7, hn::LoadU(d, x + i + 7 * lanes));
  }
  for (; i + lanes <= n; i += lanes) s0 = hn::Add(s0, hn::LoadU(d, x + i));
  s0 = hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  float sum = hn::GetLane(hn::SumOfLanes(d, s0));
  for (; i < n; ++i) sum += x[i];
  return sum;
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "core/kernel.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

HWY_EXPORT(SumFloats);

struct Sum {
  struct Input {
    Buffer<float> x;
    double magnitude = 0;  // sum of |x|, for the tolerance
  };
  using Output = float;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<float>(setting.n)};
    FastRng fast(rng());
    for (float& x : in.x) {
      x = static_cast<float>(uniform(fast) - 0.25);
      in.magnitude += std::abs(static_cast<double>(x));
    }
    return in;
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    return within(want, got, static_cast<double>(in.x.size()) * 0x1p-23 * in.magnitude);
  }
};

void naive(const Sum::Input& in, float& out) {
  float sum = 0;
  for (float x : in.x) sum += x;
  out = sum;
}

// Four chains of adds overlap where one waits for itself; the compiler may not do it for us, since
// float addition is not associative.
void accumulators(const Sum::Input& in, float& out) {
  const float* x = in.x.data();
  const std::size_t n = in.x.size();
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

// The pragma gives the compiler leave to reorder: it vectorizes for the base ISA.
void omp_simd(const Sum::Input& in, float& out) {
  const float* x = in.x.data();
  const std::size_t n = in.x.size();
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::size_t i = 0; i < n; ++i) sum += x[i];
  out = sum;
}

void highway(const Sum::Input& in, float& out) {
  out = HWY_DYNAMIC_DISPATCH(SumFloats)(in.x.data(), in.x.size());
}

#if HEADROOM_HAVE_OPENBLAS
void openblas(const Sum::Input& in, float& out) {
  openblas_set_num_threads(1);
  out = cblas_ssum(static_cast<blasint>(in.x.size()), in.x.data(), 1);
}
constexpr auto kOpenBlasSum = run<openblas>;
#else
constexpr auto kOpenBlasSum = kNotBuilt;
#endif

constexpr Need kNeedsOpenMp[] = {kOpenMp};
constexpr Need kNeedsOpenBlas[] = {kOpenBlas};

constexpr Variant<Sum> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "one accumulator: each add waits for the last"},
    {.name = "accumulators", .run = run<accumulators>, .what = "four independent chains of adds"},
    {.name = "omp_simd",
     .run = run<omp_simd>,
     .what = "omp simd reduction: the compiler vectorizes for the base ISA",
     .needs = kNeedsOpenMp},
    {.name = "highway",
     .run = run<highway>,
     .what = "eight vectors of partial sums, widest SIMD of the host"},
    {.name = "openblas",
     .run = kOpenBlasSum,
     .what = "cblas_ssum, one thread",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

const Registrar kRegistrar({.name = "simd/sum",
                            .axis = Axis::kSimd,
                            .technique = "independent accumulators, then SIMD",
                            .sizes = {4096, 65536, 1 << 20, 16 << 20, 64 << 20},
                            .headline = {4096, 16 << 20},
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

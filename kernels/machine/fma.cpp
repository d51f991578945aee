// machine/fma: fused multiply-adds at the rate that the core's pipes allow.
//
// Twelve independent chains of vector FMAs: two pipes with a latency of four or five cycles need
// eight or ten; more would not fit into the sixteen vector registers of AVX2. Every lane computes
// x = x * 1 + 1, so it counts its own FMAs exactly, and the sum over all lanes is known: n / 2.
// A target without FMA (SSE) multiplies, then adds: two operations
// too.
#include <cstddef>
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "machine/fma.cpp"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The sum over all lanes of how far v is from its start.
template <class D, class V>
HWY_INLINE double Counted(D d, V v, hn::TFromD<D> start) {
  HWY_ALIGN hn::TFromD<D> lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  double sum = 0;
  for (size_t i = 0; i < hn::Lanes(d); ++i) sum += static_cast<double>(lanes[i] - start);
  return sum;
}

// Makes `fmas` lane-wise FMAs with multiplier and addend `one`, and returns how many were made, as
// the lanes counted them. The chains start from 12 small integers that the compiler does not know:
// where it can tell that two are alike, it computes one for both.
template <class T>
HWY_INLINE double Fmas(const T* HWY_RESTRICT start, T one, size_t fmas) {
  const hn::ScalableTag<T> d;
  const size_t block = 12 * hn::Lanes(d);
  const auto k = hn::Set(d, one);
  auto x0 = hn::Set(d, start[0]);
  auto x1 = hn::Set(d, start[1]);
  auto x2 = hn::Set(d, start[2]);
  auto x3 = hn::Set(d, start[3]);
  auto x4 = hn::Set(d, start[4]);
  auto x5 = hn::Set(d, start[5]);
  auto x6 = hn::Set(d, start[6]);
  auto x7 = hn::Set(d, start[7]);
  auto x8 = hn::Set(d, start[8]);
  auto x9 = hn::Set(d, start[9]);
  auto x10 = hn::Set(d, start[10]);
  auto x11 = hn::Set(d, start[11]);
  for (; fmas >= block; fmas -= block) {
    x0 = hn::MulAdd(x0, k, k);
    x1 = hn::MulAdd(x1, k, k);
    x2 = hn::MulAdd(x2, k, k);
    x3 = hn::MulAdd(x3, k, k);
    x4 = hn::MulAdd(x4, k, k);
    x5 = hn::MulAdd(x5, k, k);
    x6 = hn::MulAdd(x6, k, k);
    x7 = hn::MulAdd(x7, k, k);
    x8 = hn::MulAdd(x8, k, k);
    x9 = hn::MulAdd(x9, k, k);
    x10 = hn::MulAdd(x10, k, k);
    x11 = hn::MulAdd(x11, k, k);
  }
  double made = 0;
  made += Counted(d, x0, start[0]);
  made += Counted(d, x1, start[1]);
  made += Counted(d, x2, start[2]);
  made += Counted(d, x3, start[3]);
  made += Counted(d, x4, start[4]);
  made += Counted(d, x5, start[5]);
  made += Counted(d, x6, start[6]);
  made += Counted(d, x7, start[7]);
  made += Counted(d, x8, start[8]);
  made += Counted(d, x9, start[9]);
  made += Counted(d, x10, start[10]);
  made += Counted(d, x11, start[11]);
  const hn::CappedTag<T, 1> d1;
  const auto k1 = hn::Set(d1, one);
  auto x = hn::Zero(d1);
  for (; fmas != 0; --fmas) x = hn::MulAdd(x, k1, k1);
  return made + static_cast<double>(hn::GetLane(x));
}

double FmasF32(const float* start, size_t fmas) { return Fmas(start, start[0], fmas); }
double FmasF64(const double* start, size_t fmas) { return Fmas(start, start[0], fmas); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <atomic>

#include "core/kernel.h"
#include "support/team.h"

namespace headroom {
namespace {

HWY_EXPORT(FmasF32);
HWY_EXPORT(FmasF64);

std::size_t fma_count(const Setting& s) { return std::max<std::size_t>(1, s.n / 2); }

struct Fma {
  static constexpr auto kInputs = inputs("f32", "f64");
  struct Input {
    bool f64 = false;
    std::size_t fmas = 0;
    // The first is the multiplier and the addend too.
    float start32[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    double start64[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  };
  using Output = double;

  static Input make(const Setting& setting, Rng&) {
    return {setting.input == kInputs["f64"], fma_count(setting)};
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (absl::Status status = exact(static_cast<double>(in.fmas), want); !status.ok())
      return status;
    return exact(want, got);
  }
};

struct Ready {
  Ready(const Fma::Input&, const Setting& setting) : team(setting.threads) {}
  Team team;
};

void probe(Ready& ready, const Fma::Input& in, double& out) {
  // Whole blocks of every vector length up to SVE's 2048 bits.
  constexpr std::size_t kUnit = 12 * 64;
  const int count = ready.team.count();
  std::atomic<double> made{0};
  ready.team.run([&](int thread) {
    const std::size_t fmas = share(in.fmas, kUnit, thread, count).size();
    made += in.f64 ? HWY_DYNAMIC_DISPATCH(FmasF64)(in.start64, fmas)
                   : HWY_DYNAMIC_DISPATCH(FmasF32)(in.start32, fmas);
  });
  out = made;
}

constexpr Variant<Fma> kVariants[] = {
    {.name = "probe",
     .run = run<probe>,
     .what = "twelve chains of vector FMAs: enough to keep two pipes of five cycles busy"},
};

const Registrar kRegistrar(
    {.name = "machine/fma",
     .axis = Axis::kSimd,
     .technique = "peak floating-point rate: independent FMAs on the widest vectors",
     .sizes = {12 << 20},
     .headline = {12 << 20},
     .sweeps_threads = true,
     .unit = "FLOP/s",
     .demand =
         [](const Setting& s) {
           const double fmas = static_cast<double>(fma_count(s));
           return Demand{.items = fmas, .flops = 2 * fmas};
         },
     .test_sizes = {1, 2, 3, 31, 383, 384, 385, 1535, 1536, 4099, 100'000}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

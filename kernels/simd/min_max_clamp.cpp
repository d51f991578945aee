// simd/min_max_clamp: every number of an array limited to a range, low <= out[i] <= high.
//
// Out: the whole array, exact. A quarter of the numbers lie below the range and a quarter above;
// some are equal to its ends; there is no NaN. (std::clamp would keep it; what the minimum and the
// maximum of vectors do differs from one architecture to the next.)
//
// Compilers vectorize the plain loop, so what is to be won is the width of the vectors in caches,
// and from memory the reading of lines that are overwritten.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/min_max_clamp.cpp"
#include "hwy/cache_control.h"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#if HWY_ONCE
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

struct MinMaxClamp {
  struct Input {
    Buffer<float> x;
    float low = -1, high = 1;
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<float>(setting.n)};
    FastRng fast(rng());
    // Multiples of 2^-10 in [-2, 2), so the ends of the range come up, and both sides of them.
    for (float& x : in.x) x = static_cast<float>(fast() >> 52) * 0x1p-10f - 2;
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.x.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// std::clamp, number by number.
void naive(const MinMaxClamp::Input& in, Buffer<float>& out) {
  for (std::size_t i = 0; i < in.x.size(); ++i) out[i] = std::clamp(in.x[i], in.low, in.high);
}

// Range and arrays in local variables, which nothing that is stored can change: the same vectors
// with fewer checks and instructions around them.
void locals(const MinMaxClamp::Input& in, Buffer<float>& output) {
  const float* const x = in.x.data();
  float* const out = output.data();
  const float low = in.low, high = in.high;
  const std::size_t n = in.x.size();
  for (std::size_t i = 0; i < n; ++i) {
    const float v = x[i] < low ? low : x[i];
    out[i] = v > high ? high : v;
  }
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The range is taken by value: low and high stay in registers whatever is stored.
template <bool kStream>
HWY_INLINE void Clamp(const float* HWY_RESTRICT x, size_t n, float low, float high,
                      float* HWY_RESTRICT out) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto low_v = hn::Set(d, low), high_v = hn::Set(d, high);
  const auto one = [&](size_t at) HWY_ATTR {
    StoreOrStream<kStream>(d, hn::Min(hn::Max(hn::LoadU(d, x + at), low_v), high_v), out + at);
  };
  const auto scalar = [&](float v) { return v < low ? low : v > high ? high : v; };
  size_t i = 0;
  if constexpr (kStream) {
    const size_t head = items_to_alignment(out, n, lanes * sizeof(float));
    for (; i < head; ++i) out[i] = scalar(x[i]);
  }
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    if constexpr (kStream) prefetch_lines(x + i, kStreamAhead, 4 * lanes * sizeof(float));
    one(i);
    one(i + lanes);
    one(i + 2 * lanes);
    one(i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) one(i);
  for (; i < n; ++i) out[i] = scalar(x[i]);
  if constexpr (kStream) hwy::FlushStream();
}

void ClampStored(const float* HWY_RESTRICT x, size_t n, float low, float high,
                 float* HWY_RESTRICT out) {
  Clamp<false>(x, n, low, high, out);
}
void ClampStreamed(const float* HWY_RESTRICT x, size_t n, float low, float high,
                   float* HWY_RESTRICT out) {
  Clamp<true>(x, n, low, high, out);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(ClampStored);
HWY_EXPORT(ClampStreamed);

// The host's vectors instead of the base ISA's.
void highway(const MinMaxClamp::Input& in, Buffer<float>& out) {
  HWY_DYNAMIC_DISPATCH(ClampStored)(in.x.data(), in.x.size(), in.low, in.high, out.data());
}

// Stores past the caches: no line of the output is read before it is written, which saves a third
// of the traffic. (And what is read is asked for ahead, as the hardware's prefetchers do too little
// beside such stores.)
void non_temporal(const MinMaxClamp::Input& in, Buffer<float>& out) {
  HWY_DYNAMIC_DISPATCH(ClampStreamed)(in.x.data(), in.x.size(), in.low, in.high, out.data());
}

constexpr Variant<MinMaxClamp> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::clamp; GCC and clang vectorize it for the base ISA, after checks for overlap"},
    {.name = "locals",
     .run = run<locals>,
     .what = "range and arrays in local variables: fewer checks around the same vectors, no gain"},
    {.name = "highway",
     .run = run<highway>,
     .what = "widest SIMD of the host: as fast as L1 can store"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what = "highway with non-temporal stores, which read no line before they fill it; a loss in "
             "caches"},
};

const Registrar kRegistrar({.name = "simd/min_max_clamp",
                            .axis = Axis::kSimd,
                            .technique = "wider vectors in caches, streaming stores in memory",
                            .sizes = {2048, 64 << 10, 384 << 10, 8 << 20, 32 << 20},
                            .headline = {2048, 8 << 20},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .flops = 2 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 4 * s.n * (1 + std::size(kVariants))};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

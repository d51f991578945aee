// simd/dot_i8: the inner product of two arrays of int8, the heart of quantized neural networks.
//
// Out: the sum in 32 bits, modulo 2^32, exact: integers may be added in any order. All values from
// -128 to 127 occur but zero, so that a pair that is dropped, repeated or mispaired shows.
//
// Compilers vectorize the naive loop, but widen every byte to 16 and 32 bits on the way: shuffles,
// not products, are its price. VNNI (Intel, 2018) multiplies bytes and adds up four products in one
// instruction; but its first operand is unsigned. After Rodriguez et al., "Lower Numerical
// Precision Deep Learning Inference and Training" (2018).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/dot_i8.cpp"
#include "support/prefetch-inl.h"
#include "support/simd.h"

#if HWY_ONCE
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "core/kernel.h"

namespace headroom {
namespace {

struct DotI8 {
  struct Input {
    Buffer<std::int8_t> x, y;
  };
  using Output = std::uint32_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::int8_t>(setting.n), Buffer<std::int8_t>(setting.n)};
    FastRng fast(rng());
    const auto fill = [&](Buffer<std::int8_t>& to) {
      for (std::size_t i = 0; i < to.size();) {
        std::uint64_t bits = fast();
        for (int k = 0; k < 8 && i < to.size(); ++k, bits >>= 8) {
          const auto value = static_cast<std::int8_t>(bits);
          to[i++] = value == 0 ? std::int8_t{-128} : value;
        }
      }
    };
    fill(in.x);
    fill(in.y);
    return in;
  }
  // The first half of the bytes and the second.
  static Input from(std::span<const std::uint8_t> bytes) {
    const std::size_t n = bytes.size() / 2;
    Input in{Buffer<std::int8_t>(n), Buffer<std::int8_t>(n)};
    for (std::size_t i = 0; i < n; ++i) {
      in.x[i] = static_cast<std::int8_t>(bytes[i]);
      in.y[i] = static_cast<std::int8_t>(bytes[n + i]);
    }
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// One loop over bytes.
void naive(const DotI8::Input& in, std::uint32_t& out) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < in.x.size(); ++i)
    sum += static_cast<std::uint32_t>(in.x[i] * in.y[i]);
  out = sum;
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

template <class D32>
HWY_INLINE uint32_t SumOf32(D32 d32, hn::Vec<D32> v) {
  HWY_ALIGN int32_t lanes[hn::MaxLanes(d32)];
  hn::Store(v, d32, lanes);
  uint32_t sum = 0;
  for (size_t i = 0; i < hn::Lanes(d32); ++i) sum += static_cast<uint32_t>(lanes[i]);
  return sum;
}

HWY_INLINE uint32_t DotScalar(const int8_t* x, const int8_t* y, size_t n) {
  uint32_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += static_cast<uint32_t>(int32_t{x[i]} * y[i]);
  return sum;
}

#if HWY_TARGET == HWY_SCALAR
uint32_t DotWidened(const int8_t* x, const int8_t* y, size_t n) { return DotScalar(x, y, n); }
#else

// Half a vector of bytes is widened to a vector of 16 bits, which are multiplied, and the products
// added in pairs, by one instruction (PMADDWD): a quarter of the widening that 32 bits need.
uint32_t DotWidened(const int8_t* HWY_RESTRICT x, const int8_t* HWY_RESTRICT y, size_t n) {
  const hn::ScalableTag<int32_t> d32;
  const hn::Repartition<int16_t, decltype(d32)> d16;
  const hn::Rebind<int8_t, decltype(d16)> d8;
  const size_t lanes = hn::Lanes(d16);
  const auto load = [&](const int8_t* at)
                        HWY_ATTR { return hn::PromoteTo(d16, hn::LoadU(d8, at)); };
  // Two sums each, as some targets keep the products of a pair apart.
  auto s0 = hn::Zero(d32), s1 = s0, s2 = s0, s3 = s0;
  auto r0 = s0, r1 = s0, r2 = s0, r3 = s0;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    s0 = hn::ReorderWidenMulAccumulate(d32, load(x + i), load(y + i), s0, r0);
    s1 = hn::ReorderWidenMulAccumulate(d32, load(x + i + lanes), load(y + i + lanes), s1, r1);
    s2 = hn::ReorderWidenMulAccumulate(d32, load(x + i + 2 * lanes), load(y + i + 2 * lanes), s2,
                                       r2);
    s3 = hn::ReorderWidenMulAccumulate(d32, load(x + i + 3 * lanes), load(y + i + 3 * lanes), s3,
                                       r3);
  }
  for (; i + lanes <= n; i += lanes)
    s0 = hn::ReorderWidenMulAccumulate(d32, load(x + i), load(y + i), s0, r0);
  s0 =
      hn::Add(hn::Add(hn::Add(s0, r0), hn::Add(s1, r1)), hn::Add(hn::Add(s2, r2), hn::Add(s3, r3)));
  return SumOf32(d32, s0) + DotScalar(x + i, y + i, n - i);
}
#endif  // HWY_SCALAR

// Not where SIMD is held down to an older target.
bool DotMayUseVnni() { return HWY_ARCH_X86 != 0 && HWY_TARGET <= HWY_AVX3_DL; }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(DotWidened);
HWY_EXPORT(DotMayUseVnni);

// Bytes widened once, to 16 bits; the rest is done by one multiply-add.
void widened(const DotI8::Input& in, std::uint32_t& out) {
  out = HWY_DYNAMIC_DISPATCH(DotWidened)(in.x.data(), in.y.data(), in.x.size());
}

#if defined(__x86_64__)
// No widening at all: 64 products in one instruction, of unsigned by signed bytes. x + 128 is
// unsigned, and sum(x * y) = sum((x + 128) * y) - sum(128 * y): an exclusive or adds 128, and a
// second chain of products is the excess. Nothing saturates, so sums may wrap. Four chains of each
// hide the latency; with eight, what comes before and after the loop costs a short array more.
// (Intrinsics, since Highway 1.0.3 has no name for the instruction, nor leave to use it.)
#define HEADROOM_VNNI __attribute__((target("avx512f,avx512bw,avx512vnni")))

template <std::size_t kAhead>
HEADROOM_VNNI std::uint32_t dot_vnni(const std::int8_t* x, const std::int8_t* y, std::size_t n) {
  constexpr std::size_t kChains = 4, kLanes = 64;
  const __m512i k128 = _mm512_set1_epi8(-128);
  __m512i sum[kChains], excess[kChains];
#pragma GCC unroll 4
  for (std::size_t k = 0; k < kChains; ++k) sum[k] = excess[k] = _mm512_setzero_si512();
  std::size_t i = 0;
  for (; i + kChains * kLanes <= n; i += kChains * kLanes) {
#pragma GCC unroll 4
    for (std::size_t k = 0; k < kChains; ++k) {
      const std::int8_t* const xk = x + i + k * kLanes;
      const std::int8_t* const yk = y + i + k * kLanes;
      if constexpr (kAhead != 0) {
        prefetch_lines(xk, kAhead, kLanes);
        prefetch_lines(yk, kAhead, kLanes);
      }
      const __m512i b = _mm512_loadu_si512(yk);
      sum[k] = _mm512_dpbusd_epi32(sum[k], _mm512_xor_si512(_mm512_loadu_si512(xk), k128), b);
      excess[k] = _mm512_dpbusd_epi32(excess[k], k128, b);
    }
  }
  for (; i + kLanes <= n; i += kLanes) {
    const __m512i b = _mm512_loadu_si512(y + i);
    sum[0] = _mm512_dpbusd_epi32(sum[0], _mm512_xor_si512(_mm512_loadu_si512(x + i), k128), b);
    excess[0] = _mm512_dpbusd_epi32(excess[0], k128, b);
  }
#pragma GCC unroll 4
  for (std::size_t k = 0; k < kChains; ++k) sum[k] = _mm512_sub_epi32(sum[k], excess[k]);
#pragma GCC unroll 4
  for (std::size_t k = 1; k < kChains; ++k) sum[0] = _mm512_add_epi32(sum[0], sum[k]);
  std::uint32_t lanes[16];
  _mm512_storeu_si512(lanes, sum[0]);
  std::uint32_t total = 0;
  for (const std::uint32_t lane : lanes) total += lane;
  for (; i < n; ++i) total += static_cast<std::uint32_t>(x[i] * y[i]);
  return total;
}

HEADROOM_VNNI void vnni(const DotI8::Input& in, std::uint32_t& out) {
  out = dot_vnni<0>(in.x.data(), in.y.data(), in.x.size());
}

// Each line asked for 4 KiB ahead: across the page's end, where hardware prefetchers start over.
HEADROOM_VNNI void vnni_prefetch(const DotI8::Input& in, std::uint32_t& out) {
  out = dot_vnni<4096>(in.x.data(), in.y.data(), in.x.size());
}
#undef HEADROOM_VNNI

// (hwy::SupportedTargets() is no way to ask: that of Highway 1.0.3 sets the chosen target anew.)
bool has_vnni() {
  return __builtin_cpu_supports("avx512vnni") && HWY_DYNAMIC_DISPATCH(DotMayUseVnni)();
}
constexpr auto kVnni = run<vnni>;
constexpr auto kVnniPrefetch = run<vnni_prefetch>;
#else
bool has_vnni() { return false; }
constexpr auto kVnni = kNotBuilt, kVnniPrefetch = kNotBuilt;
#endif

constexpr Need kNeedsVnni[] = {
    {"avx512-vnni", has_vnni, "an x86-64 processor with AVX-512 VNNI (Ice Lake, Zen 4)"}};

constexpr Variant<DotI8> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one loop; GCC and clang vectorize it for the base ISA, and widen every byte twice"},
    {.name = "highway",
     .run = run<widened>,
     .what = "widest SIMD: bytes widened once to 16 bits, multiplied and added in pairs"},
    {.name = "vnni",
     .run = kVnni,
     .what = "AVX-512 VNNI: four byte products and their sum per lane, no widening (x86)",
     .needs = kNeedsVnni},
    {.name = "vnni_prefetch",
     .run = kVnniPrefetch,
     .what = "vnni with both arrays prefetched 4 KiB ahead: at most a gain beyond L2, a loss in L1",
     .needs = kNeedsVnni},
};

const Registrar kRegistrar({.name = "simd/dot_i8",
                            .axis = Axis::kSimd,
                            .technique = "keep narrow numbers narrow",
                            .sizes = {8 << 10, 256 << 10, 1536 << 10, 32 << 20, 128 << 20},
                            .headline = {8 << 10, 32 << 20},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 2 * n,
                                                .working_set = 2 * s.n,
                                                .memory = 2 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

// Portable SIMD: include this where a kernel's Highway code goes, after defining HWY_TARGET_INCLUDE
// as the file's own path below kernels/. The file is then compiled once for each target (x86: SSE2
// to AVX-512, Arm: NEON, SVE), and HWY_DYNAMIC_DISPATCH picks the best one that the host has.
//
// Where a screen holds the SIMD code, the file is the kernel's .cpp, and all that is needed once
// (the problem, the plain variants above the SIMD code, the table below) is between #if HWY_ONCE
// and #endif: simd/sum.cpp. Longer code is in <kernel>-inl.h, which alone is read again, and the
// .cpp is an ordinary file that includes it below its plain variants: simd/filter.cpp.
//
// No include guard: it must be read again for every target.

// AVX3_DL (Ice Lake, Zen 4) is off by default in Highway 1.0.3.
#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL 1
#endif
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#if defined(HEADROOM_SUPPORT_SIMD_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_SIMD_H_
#undef HEADROOM_SUPPORT_SIMD_H_
#else
#define HEADROOM_SUPPORT_SIMD_H_
#endif
HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The sum of all lanes modulo 2^64. By storing: GCC's own reduction of 64-bit lanes adds signed,
// which the undefined-behaviour sanitizer minds.
template <class D>
HWY_INLINE uint64_t SumLanes(D d, hn::Vec<D> v) {
  static_assert(sizeof(hn::TFromD<D>) == 8);
  HWY_ALIGN uint64_t lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  uint64_t sum = 0;
  for (size_t i = 0; i < hn::Lanes(d); ++i) sum += lanes[i];
  return sum;
}

// Stores a vector at `to`, past the caches if kStream: `to` is then a multiple of the vector's
// bytes, and hwy::FlushStream() follows the last one.
template <bool kStream, class D>
HWY_INLINE void StoreOrStream(D d, hn::Vec<D> v, hn::TFromD<D>* HWY_RESTRICT to) {
  if constexpr (kStream) {
    hn::Stream(v, d, to);
  } else {
    hn::StoreU(v, d, to);
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

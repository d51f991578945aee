// Portable SIMD: include this where a kernel's Highway code goes, after defining HWY_TARGET_INCLUDE
// as the file's own path below kernels/. The file is then compiled once for each target (x86: SSE2
// to AVX-512, Arm: NEON, SVE), and HWY_DYNAMIC_DISPATCH picks the best one that the host has.
//
// No include guard: it must be read again for every target.

// AVX3_DL (Ice Lake, Zen 4) is off by default in Highway 1.0.3.
#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL 1
#endif
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

#if defined(HEADROOM_CORE_SIMD_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_CORE_SIMD_H_
#undef HEADROOM_CORE_SIMD_H_
#else
#define HEADROOM_CORE_SIMD_H_
#endif
HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

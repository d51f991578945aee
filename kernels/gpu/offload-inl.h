// The SIMD code of gpu/offload. Included once for each target.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

#if defined(HEADROOM_GPU_OFFLOAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_GPU_OFFLOAD_INL_H_
#undef HEADROOM_GPU_OFFLOAD_INL_H_
#else
#define HEADROOM_GPU_OFFLOAD_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Eight vectors of numbers go through their steps together: what one waits for, the others hide.
void GpuOffloadPart(const float* HWY_RESTRICT x, float* HWY_RESTRICT y, size_t n, int64_t steps,
                    float a, float b) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto av = hn::Set(d, a), bv = hn::Set(d, b);
  size_t i = 0;
  for (; i + 8 * lanes <= n; i += 8 * lanes) {
    const float* const from = x + i;
    auto v0 = hn::LoadU(d, from), v1 = hn::LoadU(d, from + lanes);
    auto v2 = hn::LoadU(d, from + 2 * lanes), v3 = hn::LoadU(d, from + 3 * lanes);
    auto v4 = hn::LoadU(d, from + 4 * lanes), v5 = hn::LoadU(d, from + 5 * lanes);
    auto v6 = hn::LoadU(d, from + 6 * lanes), v7 = hn::LoadU(d, from + 7 * lanes);
    for (int64_t s = 0; s < steps; ++s) {
      v0 = hn::MulAdd(v0, av, bv);
      v1 = hn::MulAdd(v1, av, bv);
      v2 = hn::MulAdd(v2, av, bv);
      v3 = hn::MulAdd(v3, av, bv);
      v4 = hn::MulAdd(v4, av, bv);
      v5 = hn::MulAdd(v5, av, bv);
      v6 = hn::MulAdd(v6, av, bv);
      v7 = hn::MulAdd(v7, av, bv);
    }
    float* const to = y + i;
    hn::StoreU(v0, d, to);
    hn::StoreU(v1, d, to + lanes);
    hn::StoreU(v2, d, to + 2 * lanes);
    hn::StoreU(v3, d, to + 3 * lanes);
    hn::StoreU(v4, d, to + 4 * lanes);
    hn::StoreU(v5, d, to + 5 * lanes);
    hn::StoreU(v6, d, to + 6 * lanes);
    hn::StoreU(v7, d, to + 7 * lanes);
  }
  for (; i + lanes <= n; i += lanes) {
    auto v = hn::LoadU(d, x + i);
    for (int64_t s = 0; s < steps; ++s) v = hn::MulAdd(v, av, bv);
    hn::StoreU(v, d, y + i);
  }
  for (; i < n; ++i) {
    float v = x[i];
    for (int64_t s = 0; s < steps; ++s) v = a * v + b;
    y[i] = v;
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

// Sum, dot product and saxpy of whole arrays: the SIMD loops that kernels of one thread and of
// several have in common. Included once for each target; a kernel exports SumDoubles, or functions
// of its own that call the others.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>

#include "support/prefetch-inl.h"
#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_BLAS1_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_BLAS1_INL_H_
#undef HEADROOM_SUPPORT_BLAS1_INL_H_
#else
#define HEADROOM_SUPPORT_BLAS1_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// The sum of x[0..n). Eight vectors of partial sums: enough independent adds in flight to hide the
// latency of an add at two a cycle. `kAhead` bytes further on are prefetched, 0 for none.
template <size_t kAhead, class T>
HWY_INLINE T SumArray(const T* HWY_RESTRICT x, size_t n) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const size_t step = 8 * lanes;
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  size_t i = 0;
  for (; i + step <= n; i += step) {
    if constexpr (kAhead != 0) prefetch_lines(x + i, kAhead, step * sizeof(T));
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
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  T sum = hn::GetLane(hn::SumOfLanes(d, s0));
  for (; i < n; ++i) sum += x[i];
  return sum;
}

// The sum of doubles, for a kernel to export: also where the target's SIMD has none.
HWY_MAYBE_UNUSED double SumDoubles(const double* HWY_RESTRICT x, size_t n) {
#if HWY_HAVE_FLOAT64
  return SumArray<0>(x, n);
#else  // 32-bit Arm
  double sum = 0;
  for (size_t i = 0; i < n; ++i) sum += x[i];
  return sum;
#endif
}

// The dot product of x[0..n) and y[0..n), with eight vectors of partial sums.
template <size_t kAhead, class T>
HWY_INLINE T DotArrays(const T* HWY_RESTRICT x, const T* HWY_RESTRICT y, size_t n) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const size_t step = 8 * lanes;
  const auto add = [&](auto sum, size_t at) HWY_ATTR {
    return hn::MulAdd(hn::LoadU(d, x + at), hn::LoadU(d, y + at), sum);
  };
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  size_t i = 0;
  for (; i + step <= n; i += step) {
    if constexpr (kAhead != 0) {
      prefetch_lines(x + i, kAhead, step * sizeof(T));
      prefetch_lines(y + i, kAhead, step * sizeof(T));
    }
    s0 = add(s0, i);
    s1 = add(s1, i + lanes);
    s2 = add(s2, i + 2 * lanes);
    s3 = add(s3, i + 3 * lanes);
    s4 = add(s4, i + 4 * lanes);
    s5 = add(s5, i + 5 * lanes);
    s6 = add(s6, i + 6 * lanes);
    s7 = add(s7, i + 7 * lanes);
  }
  for (; i + lanes <= n; i += lanes) s0 = add(s0, i);
  s0 =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)), hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)));
  T sum = hn::GetLane(hn::SumOfLanes(d, s0));
  for (; i < n; ++i) sum += x[i] * y[i];
  return sum;
}

// y += a * x. Four vectors a step; nothing waits for anything.
template <class T>
HWY_INLINE void AddMultiple(T a, const T* HWY_RESTRICT x, T* HWY_RESTRICT y, size_t n) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const auto av = hn::Set(d, a);
  const auto update = [&](size_t at) HWY_ATTR {
    hn::StoreU(hn::MulAdd(av, hn::LoadU(d, x + at), hn::LoadU(d, y + at)), d, y + at);
  };
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    update(i);
    update(i + lanes);
    update(i + 2 * lanes);
    update(i + 3 * lanes);
  }
  for (; i + lanes <= n; i += lanes) update(i);
  for (; i < n; ++i) y[i] += a * x[i];
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

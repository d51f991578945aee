// The SIMD code of the stencil kernels: rows of a step, and several steps of a strip in one sweep.
// Included once for each target.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_STENCIL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_STENCIL_INL_H_
#undef HEADROOM_SUPPORT_STENCIL_INL_H_
#else
#define HEADROOM_SUPPORT_STENCIL_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// `count` inner cells of a row of a step, from the row before, the row itself and the one after.
// Stores start at multiples of a vector, so that where rows are aligned only the loads of west and
// east straddle lines; the first and the last vector overlap their neighbours.
HWY_INLINE void StepCells(const float* HWY_RESTRICT north, const float* HWY_RESTRICT row,
                          const float* HWY_RESTRICT south, size_t count, float* HWY_RESTRICT to) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  const auto quarter = hn::Set(d, 0.25f);
  const auto cells = [&](size_t j) HWY_ATTR {
    const auto vertical = hn::Add(hn::LoadU(d, north + j), hn::LoadU(d, south + j));
    const auto horizontal = hn::Add(hn::LoadU(d, row + j - 1), hn::LoadU(d, row + j + 1));
    hn::StoreU(hn::Mul(hn::Add(vertical, horizontal), quarter), d, to + j);
  };
  if (count < lanes) {
    for (size_t j = 0; j < count; ++j)
      to[j] = ((north[j] + south[j]) + (row[j - 1] + row[j + 1])) * 0.25f;
    return;
  }
  cells(0);
  size_t j = lanes - reinterpret_cast<uintptr_t>(to) / sizeof(float) % lanes;
  for (; j + 2 * lanes <= count; j += 2 * lanes) {
    cells(j);
    cells(j + lanes);
  }
  for (; j + lanes <= count; j += lanes) cells(j);
  if (j < count) cells(count - lanes);
}

// All `steps` steps at once, for columns [first, end) of the inner ones: step s makes row i as soon
// as step s - 1 has made row i + 1. Of each step but the last one only four rows are kept, in
// `last`; they reach further to either side by a column for each step that is to come.
HWY_INLINE void StepStrip(const float* grid, size_t n, size_t steps, size_t first, size_t end,
                          float* last, size_t stride, float* to) {
  const size_t origin = first < 16 ? 0 : first / 16 * 16 - 16;  // the column where kept rows begin
  const auto kept = [=](size_t step, size_t i) { return last + (step * 4 + i % 4) * stride; };
  for (size_t front = 1; front + 2 < n + steps; ++front) {
    for (size_t step = 0; step < HWY_MIN(steps, front); ++step) {
      const size_t i = front - step;
      if (i + 1 >= n) continue;
      const size_t wider = steps - 1 - step;
      const size_t begin = first > wider ? HWY_MAX(first - wider, size_t{1}) : 1;
      const size_t stop = HWY_MIN(end + wider, n - 1);
      // Row r as it was before this step, from column `begin` on.
      const auto before = [=](size_t r) -> const float* {
        return step == 0 || r == 0 || r == n - 1 ? grid + r * n + begin
                                                 : kept(step - 1, r) + (begin - origin);
      };
      float* const made = step + 1 == steps ? to + i * n + begin : kept(step, i) + (begin - origin);
      StepCells(before(i - 1), before(i), before(i + 1), stop - begin, made);
      if (begin == 1) made[-1] = grid[i * n];
      if (stop == n - 1) made[stop - begin] = grid[i * n + n - 1];
    }
  }
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

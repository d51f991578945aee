// The SIMD code of parallel/stencil, from support/stencil-inl.h. Included by stencil.cpp once for
// each target.
//
// No include guard: it must be read again for every target.
#include <cstddef>

#include "support/stencil-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// One step of the inner cells of rows [begin, end).
void StencilRows(const float* from, size_t n, size_t begin, size_t end, float* to) {
  for (size_t i = begin; i < end; ++i)
    StepCells(from + (i - 1) * n + 1, from + i * n + 1, from + (i + 1) * n + 1, n - 2,
              to + i * n + 1);
}

void StencilStrip(const float* grid, size_t n, size_t steps, size_t first, size_t end, float* last,
                  size_t stride, float* to) {
  StepStrip(grid, n, steps, first, end, last, stride, to);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

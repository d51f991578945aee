// The SIMD code of gpu/mandelbrot, from support/mandelbrot-inl.h. Included by mandelbrot.cpp once
// for each target.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/mandelbrot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void GpuMandelbrotRows(const float* xs, size_t n, const float* ys, size_t rows, uint32_t* counts) {
  Picture<true>(xs, n, ys, rows, counts);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// The SIMD code of simd/mandelbrot; support/mandelbrot-inl.h has what parallel/mandelbrot uses too.
// Included by mandelbrot.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "support/mandelbrot-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void MandelbrotByOne(const float* xs, const float* ys, size_t n, uint32_t* counts) {
  Picture<false>(xs, n, ys, n, counts);
}
void MandelbrotByFour(const float* xs, const float* ys, size_t n, uint32_t* counts) {
  Picture<true>(xs, n, ys, n, counts);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

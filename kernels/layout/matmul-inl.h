// The SIMD code of layout/matmul; support/matmul-inl.h has what parallel/matmul uses too. Included
// by matmul.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <cstddef>

#include "support/matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void MultiplyF32(const Job<float>& job, size_t unpacked) { Multiply(job, unpacked); }
void MultiplyF64(const Job<double>& job, size_t unpacked) { Multiply(job, unpacked); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

// The SIMD code of gpu/matmul, from support/matmul-inl.h. Included by matmul.cpp once for each
// target.
//
// No include guard: it must be read again for every target.
#include <cstddef>

#include "support/matmul-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void GpuMatmulRows(const Job<float>& job, size_t unpacked) { Multiply(job, unpacked); }
void GpuMatmulTogether(const Job<float>& job, const Crew& crew) { MultiplyTogether(job, crew); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

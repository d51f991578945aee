// The SIMD code of parallel/prefix_sum, from support/prefix_sum-inl.h. Included by prefix_sum.cpp
// once for each target.
//
// No include guard: it must be read again for every target.
#include "support/prefix_sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

uint32_t PartScan(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t before,
                  uint32_t* HWY_RESTRICT out) {
  return ScanPart(x, n, before, out);
}
uint32_t PartScanStreamed(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t before,
                          uint32_t* HWY_RESTRICT out) {
  return ScanPartStreamed(x, n, before, out);
}
uint32_t PartTotal(const uint32_t* HWY_RESTRICT x, size_t n) { return TotalOfPart(x, n); }

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

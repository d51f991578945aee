// The SIMD code of simd/prefix_sum; support/prefix_sum-inl.h has what parallel/prefix_sum uses too.
// Included by prefix_sum.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include "support/prefix_sum-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

void ScanStored(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t* HWY_RESTRICT out) {
  ScanPart(x, n, 0, out);
}

void ScanStreamed(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t* HWY_RESTRICT out) {
  ScanPartStreamed(x, n, 0, out);
}

// Blocks that fit L1: first each one's total, then its sums, from the total of all before it.
void ScanTwoPass(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t* HWY_RESTRICT out) {
  constexpr size_t kItems = 2048;  // 8 KiB
  uint32_t before = 0;
  for (size_t from = 0; from < n; from += kItems) {
    const size_t count = HWY_MIN(kItems, n - from);
    const uint32_t total = TotalOfPart(x + from, count);
    ScanPart(x + from, count, before, out + from);
    before += total;
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

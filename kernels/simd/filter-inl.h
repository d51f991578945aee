// The SIMD code of simd/filter: lanes in the range are packed to the front of a vector. Included by
// filter.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

#if HWY_TARGET == HWY_AVX2
// For each set of the eight lanes: those in it, packed to the front. 2 KiB; Highway 1.0.3 has the
// same inside a function, from where GCC 12 copies it to the stack for each call.
struct FilterTable {
  uint8_t lane[256][8];
};
constexpr FilterTable kFilterTable = [] {
  FilterTable table{};
  for (unsigned set = 0; set < 256; ++set)
    for (uint8_t lane = 0, to = 0; lane < 8; ++lane)
      if (set >> lane & 1) table.lane[set][to++] = lane;
  return table;
}();
#endif

#if HWY_TARGET == HWY_SSE4
// The same for four lanes, by bytes; and how many they are, for not all of these processors count
// bits.
struct alignas(16) FilterTable {
  uint8_t byte[16][16];
  uint8_t count[16];
};
constexpr FilterTable kFilterTable = [] {
  FilterTable table{};
  for (unsigned set = 0; set < 16; ++set)
    for (unsigned lane = 0; lane < 4; ++lane) {
      if ((set >> lane & 1) == 0) continue;
      for (unsigned byte = 0; byte < 4; ++byte)
        table.byte[set][4 * table.count[set] + byte] = static_cast<uint8_t>(4 * lane + byte);
      ++table.count[set];
    }
  return table;
}();
#endif

// Stores the lanes of v in `set` side by side, in a whole vector; returns how many. In two steps,
// compress to a register and then store: compressing into memory takes Zen 4 142 cycles.
template <class D>
HWY_INLINE size_t Keep(D d, hn::Vec<D> v, hn::Mask<D> set, uint32_t* to) {
#if HWY_TARGET == HWY_AVX2
  uint8_t bits = 0;
  hn::StoreMaskBits(d, set, &bits);
  const hn::Rebind<uint8_t, D> d8;
  const auto lanes = hn::PromoteTo(d, hn::LoadU(d8, kFilterTable.lane[bits]));
  hn::StoreU(hn::TableLookupLanes(v, hn::IndicesFromVec(d, lanes)), d, to);
  return hwy::PopCount(bits);
#elif HWY_TARGET == HWY_SSE4
  uint8_t bits = 0;
  hn::StoreMaskBits(d, set, &bits);
  const hn::Repartition<uint8_t, D> d8;
  const auto bytes = hn::Load(d8, kFilterTable.byte[bits]);
  hn::StoreU(hn::BitCast(d, hn::TableLookupBytes(hn::BitCast(d8, v), bytes)), d, to);
  return kFilterTable.count[bits];
#else
  hn::StoreU(hn::Compress(v, set), d, to);
  return hn::CountTrue(d, set);
#endif
}

// The numbers of the n at x that are in the range, to `to`, where there is room for one vector more
// than n; returns how many.
size_t FilterRange(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t low, uint32_t width,
                   uint32_t* HWY_RESTRICT to) {
  const hn::ScalableTag<uint32_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto low_v = hn::Set(d, low);
  const auto width_v = hn::Set(d, width);
  const auto in_range = [&](auto v) HWY_ATTR { return hn::Lt(hn::Sub(v, low_v), width_v); };
  uint32_t* const start = to;
  size_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const auto v0 = hn::LoadU(d, x + i), v1 = hn::LoadU(d, x + i + lanes),
               v2 = hn::LoadU(d, x + i + 2 * lanes), v3 = hn::LoadU(d, x + i + 3 * lanes);
    to += Keep(d, v0, in_range(v0), to);
    to += Keep(d, v1, in_range(v1), to);
    to += Keep(d, v2, in_range(v2), to);
    to += Keep(d, v3, in_range(v3), to);
  }
  for (; i + lanes <= n; i += lanes) {
    const auto v = hn::LoadU(d, x + i);
    to += Keep(d, v, in_range(v), to);
  }
  for (; i < n; ++i) {
    *to = x[i];
    to += x[i] - low < width;
  }
  return static_cast<size_t>(to - start);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

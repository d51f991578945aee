// The SIMD code of layout/padding: records packed into 64 bits, a lane each. Included by
// padding.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// The four numbers of a page of packed records, `n` of them, added to `out`.
void PagePacked(const uint64_t* HWY_RESTRICT records, size_t n, uint32_t* HWY_RESTRICT out) {
  const hn::ScalableTag<uint64_t> d;
  const size_t lanes = hn::Lanes(d);
  const auto bits = [d](int count) HWY_ATTR { return hn::Set(d, (uint64_t{1} << count) - 1); };
  const auto time_mask = bits(kTimeBits), count_mask = bits(kCountBits),
             station_mask = bits(kStationBits), kind_mask = bits(kKindBits),
             unit_mask = bits(kUnitBits), one = hn::Set(d, 1);
  auto counts = hn::Zero(d), alarms = counts, places = counts, kinds = counts;
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto r = hn::LoadU(d, records + i);
    const auto valid = hn::And(hn::ShiftRight<kValidAt>(r), one);
    const auto count = hn::And(hn::ShiftRight<kCountAt>(r), count_mask);
    const auto station = hn::And(hn::ShiftRight<kStationAt>(r), station_mask);
    const auto kind = hn::And(hn::ShiftRight<kKindAt>(r), kind_mask);
    const auto unit = hn::And(hn::ShiftRight<kUnitAt>(r), unit_mask);
    counts = hn::Add(counts, hn::And(count, hn::Sub(hn::Zero(d), valid)));
    alarms = hn::Add(alarms, hn::ShiftRight<kAlarmAt>(r));
    places = hn::Add(places, hn::Xor(hn::And(r, time_mask), hn::ShiftLeft<8>(station)));
    kinds = hn::Add(kinds, hn::Xor(hn::ShiftLeft<2>(kind), unit));
  }
  uint64_t sums[4] = {SumLanes(d, counts), SumLanes(d, alarms), SumLanes(d, places),
                      SumLanes(d, kinds)};
  for (; i < n; ++i) {
    const uint64_t r = records[i];
    const auto field = [r](int at, int count) { return r >> at & ((uint64_t{1} << count) - 1); };
    sums[0] += field(kValidAt, 1) * field(kCountAt, kCountBits);
    sums[1] += field(kAlarmAt, 1);
    sums[2] += field(0, kTimeBits) ^ field(kStationAt, kStationBits) << 8;
    sums[3] += field(kKindAt, kKindBits) << 2 ^ field(kUnitAt, kUnitBits);
  }
  for (size_t k = 0; k < 4; ++k) out[k] = static_cast<uint32_t>(sums[k]);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

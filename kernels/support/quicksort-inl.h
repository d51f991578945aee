// A quicksort of unsigned integers in SIMD, with a second array of as many keys: no branch on a
// key. Included once for each target. Its parts, each a rung of algorithm/sort:
//
//   Partition()           splits an array by a pivot with two compress instructions per vector
//                         (Bramas, "A novel hybrid quicksort algorithm vectorized using AVX-512",
//                         2017), from one array into two
//   SortSmall8(), 16()    sorting networks, below 16 vectors (sorting_network-inl.h)
//   Distribute()          what L1 doesn't hold goes to 256 or more places by its leading bits first
//                         (distribute-inl.h)
//   IsSorted(), CountFew() inputs that need less than a sort (few_values-inl.h)
//
// No plain include guard: it must be read again for every target.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "support/distribute-inl.h"
#include "support/few_values-inl.h"
#include "support/sorting_network-inl.h"

#if defined(HEADROOM_SUPPORT_QUICKSORT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_QUICKSORT_INL_H_
#undef HEADROOM_SUPPORT_QUICKSORT_INL_H_
#else
#define HEADROOM_SUPPORT_QUICKSORT_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET == HWY_SCALAR
template <class T>
void QuicksortArray(T* keys, T*, size_t n) {
  std::sort(keys, keys + n);
}
#else

template <class T>
HWY_INLINE T Median(T a, T b, T c) {
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

// A key near the median: of five vectors spread over the array, lane by lane, then of the lanes.
// `all_equal` says whether all keys that were looked at are the same.
template <class T>
HWY_INLINE T ChoosePivot(const T* keys, size_t n, bool& all_equal) {
  const Tag<T> d;
  constexpr size_t kN = kLanes<T>;
  const size_t step = (n - kN) / 4;
  auto v0 = hn::LoadU(d, keys), v1 = hn::LoadU(d, keys + step), v2 = hn::LoadU(d, keys + 2 * step),
       v3 = hn::LoadU(d, keys + 3 * step), v4 = hn::LoadU(d, keys + 4 * step);
  Order(v0, v1), Order(v3, v4);
  Order(v0, v3), Order(v1, v4);  // v0 and v4 are the least and greatest of four, not the median
  const auto any = hn::Set(d, keys[0]);
  all_equal = hn::AllTrue(d, hn::And(hn::Eq(v2, any), hn::And(hn::Eq(v0, any), hn::Eq(v4, any))));
  Order(v1, v2), Order(v2, v3), Order(v1, v2);
  T m[kN];
  hn::StoreU(v2, d, m);
  if constexpr (kN >= 9) {
    return Median(Median(m[0], m[1], m[2]), Median(m[3], m[4], m[5]), Median(m[6], m[7], m[8]));
  } else if constexpr (kN >= 3) {
    return Median(m[0], m[1], m[2]);
  } else {
    return m[0];
  }
}

#if HWY_TARGET == HWY_AVX2
// For each set of the eight lanes: first those that are not in it, then those that are.
struct PartitionTable {
  uint8_t lane[256][8];
};
constexpr PartitionTable kPartitionTable = [] {
  PartitionTable table{};
  for (unsigned set = 0; set < 256; ++set) {
    size_t to = 0;
    for (unsigned in = 0; in < 2; ++in)
      for (uint8_t lane = 0; lane < 8; ++lane)
        if ((set >> lane & 1) == in) table.lane[set][to++] = lane;
  }
  return table;
}();
#endif

// Packs the lanes of `v` that are not in `set` to the front of `out`, those that are to the front
// of `in`; other lanes are of no meaning.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void Split([[maybe_unused]] D d, V v, hn::Mask<D> set, V& out, V& in) {
#if HWY_TARGET == HWY_AVX2
  // One permutation does both: a key of 64 bits is two lanes of 32. (Highway's own tables lie in
  // functions, from where GCC 12 copies all 2 KiB to the stack each time.)
  const hn::Repartition<uint32_t, D> d32;
  uint8_t bits = 0;
  hn::StoreMaskBits(d32, hn::MaskFromVec(hn::BitCast(d32, hn::VecFromMask(d, set))), &bits);
  const hn::Rebind<uint8_t, decltype(d32)> d8;
  const auto lanes = hn::PromoteTo(d32, hn::LoadU(d8, kPartitionTable.lane[bits]));
  out = hn::BitCast(d, hn::TableLookupLanes(hn::BitCast(d32, v), hn::IndicesFromVec(d32, lanes)));
  in = hn::Reverse(d, out);
#elif HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  if constexpr (sizeof(hn::TFromD<D>) == 8) {
    // Highway 1.0.3 has a table in memory for this one too; the instruction is faster.
    out = V{_mm512_maskz_compress_epi64(hn::Not(set).raw, v.raw)};
    in = V{_mm512_maskz_compress_epi64(set.raw, v.raw)};
  } else {
    out = hn::CompressNot(v, set);
    in = hn::Compress(v, set);
  }
#else
  out = hn::CompressNot(v, set);
  in = hn::Compress(v, set);
#endif
}

// Moves the keys <= pivot to the front of one array, the others to the front of the other; returns
// the number of the first. kLowStays says which of them stay in `keys`, packed to its front.
//
// A vector is split by two compress instructions and two whole stores. A store writes more than was
// meant, but only where the next ones go, and in `keys` only where all has been read. So there is
// no branch on data, and no bookkeeping of the room left at two ends, which a partition in place
// needs (as in Bramas' and in vqsort: Wassenberg and others, "Vectorized and performance-portable
// Quicksort", 2022).
template <bool kLowStays, class T>
HWY_INLINE size_t Partition(T* HWY_RESTRICT keys, T* HWY_RESTRICT spare, size_t n, T pivot) {
  const Tag<T> d;
  constexpr size_t kN = kLanes<T>;
  using V = hn::Vec<Tag<T>>;
  const V splitter = hn::Set(d, pivot);
  size_t stayed = 0;
  const auto split = [&](V v, size_t done) HWY_ATTR __attribute__((always_inline)) {
    const auto high = hn::Gt(v, splitter);
    const size_t highs = hn::CountTrue(d, high);
    V low_keys, high_keys;
    Split(d, v, high, low_keys, high_keys);
    hn::StoreU(kLowStays ? low_keys : high_keys, d, keys + stayed);
    hn::StoreU(kLowStays ? high_keys : low_keys, d, spare + (done - stayed));
    stayed += kLowStays ? kN - highs : highs;
  };

  // First those that don't fill a vector, so that nothing has to be masked at the end.
  const size_t head = n % kN;
  const V first = hn::LoadU(d, keys), second = hn::LoadU(d, keys + head);
  {
    const auto valid = hn::FirstN(d, head);
    const auto high = hn::And(valid, hn::Gt(first, splitter));
    const auto low = hn::AndNot(high, valid);
    V others, low_keys, high_keys;
    Split(d, first, low, others, low_keys);
    Split(d, first, high, others, high_keys);
    hn::StoreU(kLowStays ? low_keys : high_keys, d, keys);
    hn::StoreU(kLowStays ? high_keys : low_keys, d, spare);
    stayed = hn::CountTrue(d, kLowStays ? low : high);
  }
  split(second, head);
  size_t i = head + kN;
  for (; i + 4 * kN <= n; i += 4 * kN) {
    const V a = hn::LoadU(d, keys + i), b = hn::LoadU(d, keys + i + kN);
    const V c = hn::LoadU(d, keys + i + 2 * kN), e = hn::LoadU(d, keys + i + 3 * kN);
    split(a, i), split(b, i + kN), split(c, i + 2 * kN), split(e, i + 3 * kN);
  }
  for (; i < n; i += kN) split(hn::LoadU(d, keys + i), i);
  return kLowStays ? stayed : n - stayed;
}

template <class T>
HWY_INLINE bool AllEqual(const T* keys, size_t n) {
  const Tag<T> d;
  constexpr size_t kN = kLanes<T>;
  const auto any = hn::Set(d, keys[0]);
  for (size_t i = 0; i + kN < n; i += kN)
    if (!hn::AllTrue(d, hn::Eq(hn::LoadU(d, keys + i), any))) return false;
  return hn::AllTrue(d, hn::Eq(hn::LoadU(d, keys + n - kN), any));
}

// Sorts n keys that lie in `keys`, all within [lowest, highest], into `keys` or (kInPlace false)
// into `spare`. The part that stayed and the part that moved each have the other array for their
// spare one, so nothing is ever copied back. kNetworks: small arrays by sorting networks; else by
// std::sort, and nothing is distributed. `depth`: so many levels are halved by a sampled pivot.
template <bool kInPlace, bool kNetworks, class T>
void Quicksort(T* keys, T* spare, size_t n, T lowest, T highest, size_t depth, bool distribute) {
  T* const result = kInPlace ? keys : spare;
  if constexpr (kNetworks) {
    if (n <= 8 * kLanes<T>) return SortSmall8(keys, result, n);
    if (n <= 16 * kLanes<T>) return SortSmall16(keys, result, n);
  } else if (n <= 16 * kLanes<T>) {
    std::sort(keys, keys + n);
    if (!kInPlace) std::copy_n(keys, n, spare);
    return;
  }
  bool all_equal = false;
  T pivot = ChoosePivot(keys, n, all_equal);
  if (lowest == highest || (all_equal && AllEqual(keys, n))) {
    if (!kInPlace) std::fill_n(spare, n, keys[0]);
    return;
  }
  if constexpr (kNetworks) {
    if (distribute && n * sizeof(T) > kDistributed && n <= std::numeric_limits<uint32_t>::max()) {
      if (n * sizeof(T) > kDistributedByLines
              ? Distribute<kInPlace, kManyPlaces>(keys, spare, n, lowest, highest)
              : Distribute<kInPlace, kFewPlaces>(keys, spare, n, lowest, highest))
        return;
      distribute = false;  // where it failed once, don't count in vain at every level
    }
  }
  // Whatever the keys, halving their range ends after as many levels as a key has bits.
  if (depth == 0) pivot = lowest + (highest - lowest) / 2;
  // The largest key possible must not split off nothing; below it, what is split off is all equal.
  pivot = std::min<T>(pivot, highest - 1);
  const size_t low = Partition<kInPlace>(keys, spare, n, pivot);
  depth -= depth != 0;
  Quicksort<false, kNetworks>(kInPlace ? spare : keys, result + low, n - low,
                              static_cast<T>(pivot + 1), highest, depth, distribute);
  Quicksort<true, kNetworks>(result, kInPlace ? spare : keys, low, lowest, pivot, depth,
                             distribute);
}

template <class T>
bool IsSorted(const T* keys, size_t n) {
  const Tag<T> d;
  constexpr size_t kN = kLanes<T>;
  size_t i = 0;
  for (; i + kN < n; i += kN)
    if (!hn::AllFalse(d, hn::Gt(hn::LoadU(d, keys + i), hn::LoadU(d, keys + i + 1)))) return false;
  return std::is_sorted(keys + i, keys + n);
}

// Sorts n keys. `spare` has room for n more.
template <class T>
void QuicksortArray(T* keys, T* spare, size_t n) {
  if (IsSorted(keys, n)) return;
  if (n * sizeof(T) >= kFewFrom && SeemFew(keys, n) && CountFew(keys, n)) return;
  Quicksort<true, true, T>(keys, spare, n, 0, std::numeric_limits<T>::max(), 2 * Log2(n), true);
}
#endif  // HWY_SCALAR

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

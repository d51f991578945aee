// A quicksort of unsigned integers with a second array of as many keys: no branch on a key.
// Included once for each target.
//
// No plain include guard: it must be read again for every target.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <tuple>
#include <utility>

#include "core/evens-inl.h"
#include "hwy/cache_control.h"

#if defined(HEADROOM_ALGORITHM_QUICKSORT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_ALGORITHM_QUICKSORT_INL_H_
#undef HEADROOM_ALGORITHM_QUICKSORT_INL_H_
#else
#define HEADROOM_ALGORITHM_QUICKSORT_INL_H_
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

// Vectors of up to 16 lanes, their number known when compiling (of scalable vectors, 128 bits).
#if HWY_HAVE_SCALABLE
template <class T>
using Tag = hn::CappedTag<T, 16 / sizeof(T)>;
template <class T>
constexpr size_t kLanes = 16 / sizeof(T);
#else
template <class T>
using Tag = hn::CappedTag<T, 16>;
template <class T>
constexpr size_t kLanes = hn::MaxLanes(Tag<T>());
#endif

// Arrays from so many bytes on are dealt out by their keys' leading bits, to so many places.
constexpr size_t kDistributed = size_t{1} << 17, kFewPlaces = 256;
constexpr size_t kDistributedByLines = size_t{1} << 23, kManyPlaces = 1024;

constexpr size_t Log2(size_t x) { return x <= 1 ? 0 : 1 + Log2(x / 2); }

// ------------------------------------------------------------------------------------------------
// The base case: up to 8 or 16 rows of kLanes keys, sorted without a branch on data. Rows are held
// in a tuple of references, since vectors of unknown size may not be members of an array.

template <class V>
HWY_INLINE void Order(V& a, V& b) {
  const V smaller = hn::Min(a, b);
  b = hn::Max(a, b);
  a = smaller;
}

// Sorts each column of eight rows: 19 exchanges, the least possible.
template <class V>
HWY_INLINE void SortColumns(V& v0, V& v1, V& v2, V& v3, V& v4, V& v5, V& v6, V& v7) {
  Order(v0, v2), Order(v1, v3), Order(v4, v6), Order(v5, v7);
  Order(v0, v4), Order(v1, v5), Order(v2, v6), Order(v3, v7);
  Order(v0, v1), Order(v2, v3), Order(v4, v5), Order(v6, v7);
  Order(v2, v4), Order(v3, v5);
  Order(v1, v4), Order(v3, v6);
  Order(v1, v2), Order(v3, v4), Order(v5, v6);
}

// Sorts each column of sixteen rows: the 60 exchanges that Green found (1969; Knuth, "The Art of
// Computer Programming", volume 3, 5.3.4).
template <class V>
HWY_INLINE void SortColumns(V& v0, V& v1, V& v2, V& v3, V& v4, V& v5, V& v6, V& v7, V& v8, V& v9,
                            V& va, V& vb, V& vc, V& vd, V& ve, V& vf) {
  Order(v0, v1), Order(v2, v3), Order(v4, v5), Order(v6, v7);
  Order(v8, v9), Order(va, vb), Order(vc, vd), Order(ve, vf);
  Order(v0, v2), Order(v4, v6), Order(v8, va), Order(vc, ve);
  Order(v1, v3), Order(v5, v7), Order(v9, vb), Order(vd, vf);
  Order(v0, v4), Order(v8, vc), Order(v1, v5), Order(v9, vd);
  Order(v2, v6), Order(va, ve), Order(v3, v7), Order(vb, vf);
  Order(v0, v8), Order(v1, v9), Order(v2, va), Order(v3, vb);
  Order(v4, vc), Order(v5, vd), Order(v6, ve), Order(v7, vf);
  Order(v5, va), Order(v6, v9), Order(v3, vc), Order(vd, ve);
  Order(v4, v8), Order(v7, vb), Order(v1, v2);
  Order(v1, v4), Order(v7, vd), Order(v2, v8), Order(vb, ve);
  Order(v2, v4), Order(v5, v6), Order(v9, va), Order(vb, vd);
  Order(v3, v8), Order(v7, vc);
  Order(v6, v8), Order(va, vc), Order(v3, v5), Order(v7, v9);
  Order(v3, v4), Order(v5, v6), Order(v7, v8), Order(v9, va), Order(vb, vc);
  Order(v6, v7), Order(v8, v9);
}

// Swaps lane i with lane i ^ kFlip.
template <size_t kFlip, class D, class V>
HWY_INLINE V FlipLanes(D d, V v) {
  const hn::RebindToUnsigned<D> du;
  const auto index = hn::Xor(hn::Iota(du, 0), hn::Set(du, kFlip));
  return hn::TableLookupLanes(v, hn::IndicesFromVec(d, index));
}

// Where bit kBit of the lane's number is set, `upper`, else `lower`.
template <size_t kBit, class D, class V>
HWY_INLINE V ByLaneBit(D d, V upper, V lower) {
  return hn::IfThenElse(hn::TestBit(hn::Iota(d, 0), hn::Set(d, kBit)), upper, lower);
}

// Orders lanes i and i ^ kBit of one row.
template <size_t kBit, class D, class V>
HWY_INLINE void OrderLanes(D d, V& v) {
  const V other = FlipLanes<kBit>(d, v);
  v = ByLaneBit<kBit>(d, hn::Max(v, other), hn::Min(v, other));
}

// Orders lane i of one row and lane i ^ (2 * kBit - 1) of the other.
template <size_t kBit, class D, class V>
HWY_INLINE void OrderMirrored(D d, V& a, V& b) {
  const V other = FlipLanes<2 * kBit - 1>(d, b);
  const V smaller = hn::Min(a, other), larger = hn::Max(a, other);
  a = ByLaneBit<kBit>(d, larger, smaller);
  b = FlipLanes<2 * kBit - 1>(d, ByLaneBit<kBit>(d, smaller, larger));
}

template <class Rows>
constexpr size_t kRowsOf = std::tuple_size_v<Rows>;

// Orders all rows i and i + kDistance where bit kDistance of i is not set; then so for half of it.
template <size_t kDistance, class Rows, size_t... kRow>
HWY_INLINE void OrderRows(Rows& rows, std::index_sequence<kRow...> all) {
  if constexpr (kDistance != 0) {
    (
        [&]() HWY_ATTR __attribute__((always_inline)) {
          if constexpr ((kRow & kDistance) == 0)
            Order(std::get<kRow>(rows), std::get<kRow + kDistance>(rows));
        }(),
        ...);
    OrderRows<kDistance / 2>(rows, all);
  }
}

template <size_t kBit, class D, class Rows, size_t... kRow>
HWY_INLINE void OrderWithin(D d, Rows& rows, std::index_sequence<kRow...> all) {
  if constexpr (kBit != 0) {
    (OrderLanes<kBit>(d, std::get<kRow>(rows)), ...);
    OrderWithin<kBit / 2>(d, rows, all);
  }
}

template <size_t kBit, class D, class Rows, size_t... kRow>
HWY_INLINE void MirrorRows(D d, Rows& rows, std::index_sequence<kRow...>) {
  (OrderMirrored<kBit>(d, std::get<kRow>(rows), std::get<kRowsOf<Rows> - 1 - kRow>(rows)), ...);
}

// Batcher's bitonic merge of each pair of sorted groups of kBit columns, then of twice as many.
// Keys ascend column after column, so that the exchanges which come most often are between whole
// rows.
template <size_t kBit, class D, class Rows>
HWY_INLINE void MergeColumns(D d, Rows& rows) {
  if constexpr (kBit < kLanes<hn::TFromD<D>>) {
    constexpr size_t kCount = kRowsOf<Rows>;
    MirrorRows<kBit>(d, rows, std::make_index_sequence<kCount / 2>());
    OrderWithin<kBit / 2>(d, rows, std::make_index_sequence<kCount>());
    OrderRows<kCount / 2>(rows, std::make_index_sequence<kCount>());
    MergeColumns<kBit * 2>(d, rows);
  }
}

// One step of the transposition: even lanes of a pair of rows into one, odd lanes into the other.
// It rotates the bits of a key's position: the lowest of the lane's becomes the row's, the row's
// the highest of the lane's.
template <size_t kDistance, class D, class Rows, size_t... kRow>
HWY_INLINE void Deal(D d, Rows& rows, std::index_sequence<kRow...>) {
  (
      [&]() HWY_ATTR __attribute__((always_inline)) {
        if constexpr ((kRow & kDistance) == 0) {
          auto& a = std::get<kRow>(rows);
          auto& b = std::get<kRow + kDistance>(rows);
          const auto even = Evens(d, b, a);
          b = Odds(d, b, a);
          a = even;
        }
      }(),
      ...);
}

template <size_t kStep, class D, class Rows>
HWY_INLINE void Transpose(D d, Rows& rows) {
  if constexpr (kStep < Log2(kLanes<hn::TFromD<D>>)) {
    constexpr size_t kCount = kRowsOf<Rows>;
    Deal<size_t{1} << (kStep % Log2(kCount))>(d, rows, std::make_index_sequence<kCount>());
    Transpose<kStep + 1>(d, rows);
  }
}

// Where row `row` belongs after the transposition: follows the bits of the position through it.
constexpr size_t TransposedRow(size_t row, size_t row_bits, size_t lane_bits) {
  size_t row_bit[8] = {}, lane_bit[8] = {};
  for (size_t i = 0; i < row_bits; ++i) row_bit[i] = i;
  for (size_t i = 0; i < lane_bits; ++i) lane_bit[i] = row_bits + i;
  for (size_t step = 0; step < lane_bits; ++step) {
    const size_t lowest = lane_bit[0];
    for (size_t i = 0; i + 1 < lane_bits; ++i) lane_bit[i] = lane_bit[i + 1];
    lane_bit[lane_bits - 1] = row_bit[step % row_bits];
    row_bit[step % row_bits] = lowest;
  }
  size_t to = 0;
  for (size_t i = 0; i < row_bits; ++i) to |= (row >> i & 1) << (row_bit[i] - lane_bits);
  return to;
}

// Loads row kRow of n keys, filled up with the largest key; touches nothing behind the n keys.
template <size_t kRow, class D, class T>
HWY_INLINE hn::Vec<D> LoadRow(D d, const T* keys, size_t n) {
  constexpr size_t kFrom = kRow * kLanes<T>;
#if HWY_MEM_OPS_MIGHT_FAULT
  if (n >= kFrom + kLanes<T>) return hn::LoadU(d, keys + kFrom);
  T padded[kLanes<T>];
  for (size_t i = 0; i < kLanes<T>; ++i)
    padded[i] = kFrom + i < n ? keys[kFrom + i] : std::numeric_limits<T>::max();
  return hn::LoadU(d, padded);
#else
  const hn::RebindToSigned<D> di;
  const auto mask = hn::RebindMask(
      d, hn::Lt(hn::Iota(di, kFrom), hn::Set(di, static_cast<hn::TFromD<decltype(di)>>(n))));
  return hn::IfThenElse(mask, hn::MaskedLoad(mask, d, keys + kFrom),
                        hn::Set(d, std::numeric_limits<T>::max()));
#endif
}

template <size_t kRow, class D, class T>
HWY_INLINE void StoreRow(D d, hn::Vec<D> v, T* keys, size_t n) {
  constexpr size_t kFrom = kRow * kLanes<T>;
  if (n >= kFrom + kLanes<T>) {
    hn::StoreU(v, d, keys + kFrom);
  } else if (n > kFrom) {
#if HWY_MEM_OPS_MIGHT_FAULT
    T whole[kLanes<T>];
    hn::StoreU(v, d, whole);
    for (size_t i = kFrom; i < n; ++i) keys[i] = whole[i - kFrom];
#else
    hn::BlendedStore(v, hn::FirstN(d, n - kFrom), d, keys + kFrom);
#endif
  }
}

template <class D, class T, class Rows, size_t... kRow>
HWY_INLINE void StoreRows(D d, Rows& rows, T* keys, size_t n, std::index_sequence<kRow...>) {
  (StoreRow<TransposedRow(kRow, Log2(kRowsOf<Rows>), Log2(kLanes<T>))>(d, std::get<kRow>(rows),
                                                                       keys, n),
   ...);
}

template <class D, class T, class... V>
HWY_INLINE void SortRows(D d, T* to, size_t n, V&... row) {
  SortColumns(row...);
  auto rows = std::tie(row...);
  MergeColumns<1>(d, rows);
  Transpose<0>(d, rows);
  StoreRows(d, rows, to, n, std::make_index_sequence<sizeof...(V)>());
}

template <class T>
HWY_NOINLINE void SortSmall8(const T* from, T* to, size_t n) {
  const Tag<T> d;
  auto v0 = LoadRow<0>(d, from, n), v1 = LoadRow<1>(d, from, n), v2 = LoadRow<2>(d, from, n),
       v3 = LoadRow<3>(d, from, n), v4 = LoadRow<4>(d, from, n), v5 = LoadRow<5>(d, from, n),
       v6 = LoadRow<6>(d, from, n), v7 = LoadRow<7>(d, from, n);
  SortRows(d, to, n, v0, v1, v2, v3, v4, v5, v6, v7);
}

template <class T>
HWY_NOINLINE void SortSmall16(const T* from, T* to, size_t n) {
  const Tag<T> d;
  auto v0 = LoadRow<0>(d, from, n), v1 = LoadRow<1>(d, from, n), v2 = LoadRow<2>(d, from, n),
       v3 = LoadRow<3>(d, from, n), v4 = LoadRow<4>(d, from, n), v5 = LoadRow<5>(d, from, n),
       v6 = LoadRow<6>(d, from, n), v7 = LoadRow<7>(d, from, n), v8 = LoadRow<8>(d, from, n),
       v9 = LoadRow<9>(d, from, n), va = LoadRow<10>(d, from, n), vb = LoadRow<11>(d, from, n),
       vc = LoadRow<12>(d, from, n), vd = LoadRow<13>(d, from, n), ve = LoadRow<14>(d, from, n),
       vf = LoadRow<15>(d, from, n);
  SortRows(d, to, n, v0, v1, v2, v3, v4, v5, v6, v7, v8, v9, va, vb, vc, vd, ve, vf);
}

// ------------------------------------------------------------------------------------------------
// Quicksort

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
// A vector is split by two compressions and two whole stores. A store writes more than was meant,
// but only where the next ones go, and in `keys` only where all has been read. So there is no
// branch on data, and no bookkeeping of the room left at two ends, as a partition in place needs.
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

template <bool kInPlace, size_t kPlaces, class T>
bool Distribute(T* keys, T* spare, size_t n, T lowest, T highest);

// Sorts n keys that lie in `keys`, all within [lowest, highest], into `keys` or (kInPlace false)
// into `spare`. The part that stayed and the part that moved each have the other array for their
// spare one, so nothing is ever copied back.
template <bool kInPlace, class T>
void Quicksort(T* keys, T* spare, size_t n, T lowest, T highest, size_t depth,
               bool distribute = true) {
  T* const result = kInPlace ? keys : spare;
  if (n <= 8 * kLanes<T>) return SortSmall8(keys, result, n);
  if (n <= 16 * kLanes<T>) return SortSmall16(keys, result, n);
  bool all_equal = false;
  T pivot = ChoosePivot(keys, n, all_equal);
  if (lowest == highest || (all_equal && AllEqual(keys, n))) {
    if (!kInPlace) std::fill_n(spare, n, keys[0]);
    return;
  }
  if (distribute && n * sizeof(T) > kDistributed && n <= std::numeric_limits<uint32_t>::max()) {
    if (n * sizeof(T) > kDistributedByLines
            ? Distribute<kInPlace, kManyPlaces>(keys, spare, n, lowest, highest)
            : Distribute<kInPlace, kFewPlaces>(keys, spare, n, lowest, highest))
      return;
    distribute = false;  // where it didn't work once, don't count in vain at every level
  }
  // Whatever the data, halving the range of values ends after as many levels as a key has bits.
  if (depth == 0) pivot = lowest + (highest - lowest) / 2;
  // The largest key possible must not split off nothing; below it, what is split off is all equal.
  pivot = std::min<T>(pivot, highest - 1);
  const size_t low = Partition<kInPlace>(keys, spare, n, pivot);
  depth -= depth != 0;
  Quicksort<false>(kInPlace ? spare : keys, result + low, n - low, static_cast<T>(pivot + 1),
                   highest, depth, distribute);
  Quicksort<true>(result, kInPlace ? spare : keys, low, lowest, pivot, depth, distribute);
}

// Moves n keys to the kPlaces places next[place(key)], which start at first[place(key)], four lines
// of the cache at a time: places that far apart fall into few sets of the caches, which don't hold
// a line of each while it fills. Here they lie side by side until they are full, and go past the
// caches then (Wassenberg and Sanders, "Engineering a Multi-core Radix Sort", 2011). Full ones wait
// for their place's next key: loaded right behind the store of their last one, they would wait for
// it.
template <size_t kPlaces, class T, class Place>
HWY_INLINE void DealLines(const T* keys, size_t n, T* const* first, T** next, const Place& place) {
  constexpr size_t kLine = 256 / sizeof(T);
  const Tag<T> d;
  HWY_ALIGN_MAX T lines[kPlaces][kLine];
  const auto slot_of = [](const T* to)
                           HWY_ATTR { return reinterpret_cast<uintptr_t>(to) / sizeof(T) % kLine; };
  // Writes what place p holds of the line that ends at `end`, which has `count` keys by now; the
  // place may start within it.
  const auto write = [&](size_t p, T* end, size_t count) HWY_ATTR {
    const size_t own = std::min(count, static_cast<size_t>(end - first[p]));
    if (own == kLine) {
      for (size_t k = 0; k < kLine; k += kLanes<T>)
        hn::Stream(hn::Load(d, lines[p] + k), d, end - kLine + k);
    } else {
      std::copy_n(lines[p] + (count - own), own, end - own);
    }
  };
  for (size_t i = 0; i < n; ++i) {
    const T key = keys[i];
    const size_t p = place(key);
    T* const to = next[p];
    const size_t slot = slot_of(to);
    if (slot == 0 && to != first[p]) write(p, to, kLine);
    lines[p][slot] = key;
    next[p] = to + 1;
  }
  for (size_t p = 0; p < kPlaces; ++p)
    if (next[p] != first[p]) write(p, next[p], slot_of(next[p] - 1) + 1);
  hwy::FlushStream();
}

// Sorts keys that L1 doesn't hold. Halving them again and again would read and write them all in L2
// or beyond each time; dealt out to many places by their leading bits they fit there at once (a
// step of the radix sort that starts with the highest digit: Hildebrandt and Isbitz, "Radix
// Exchange", 1959). False, and nothing is done, where the leading bits tell too few of them apart.
// place(key): the key's leading bits, those below bit `shift` cut off.
template <bool kInPlace, size_t kPlaces, class T, class Place>
bool DistributeBy(T* keys, T* spare, size_t n, T lowest, T highest, size_t shift,
                  const Place& place) {
  constexpr size_t kTables = 4;  // several, lest equal keys wait for one another; L1 holds them
  uint32_t counts[kTables][kPlaces] = {};
  size_t i = 0;
  for (; i + kTables <= n; i += kTables)
    for (size_t t = 0; t < kTables; ++t) ++counts[t][place(keys[i + t])];
  for (; i < n; ++i) ++counts[0][place(keys[i])];
  T *first[kPlaces], *next[kPlaces];
  size_t start = 0;
  for (size_t p = 0; p < kPlaces; ++p) {
    const size_t count = counts[0][p] + counts[1][p] + counts[2][p] + counts[3][p];
    if (count > n / 32) return false;
    first[p] = next[p] = spare + start;
    start += count;
  }
  if constexpr (kPlaces == kManyPlaces)
    DealLines<kPlaces>(keys, n, first, next, place);
  else
    for (i = 0; i < n; ++i) *next[place(keys[i])]++ = keys[i];
  start = 0;
  for (size_t p = 0; p < kPlaces; ++p) {
    const size_t count = static_cast<size_t>(next[p] - spare) - start;
    const T first = static_cast<T>(lowest + (static_cast<T>(p) << shift));
    const T last = highest - first < (T{1} << shift) ? highest : first + ((T{1} << shift) - 1);
    if (count != 0)
      Quicksort<!kInPlace>(spare + start, keys + start, count, first, last, 2 * Log2(count));
    start += count;
  }
  return true;
}

template <bool kInPlace, size_t kPlaces, class T>
bool Distribute(T* keys, T* spare, size_t n, T lowest, T highest) {
  const size_t bits = Log2(static_cast<size_t>(highest - lowest)) + 1;
  const size_t shift = bits > Log2(kPlaces) ? bits - Log2(kPlaces) : 0;
  // The whole array starts at 0, and there the subtraction would cost the most.
  if (lowest == 0)
    return DistributeBy<kInPlace, kPlaces>(
        keys, spare, n, lowest, highest, shift,
        [shift](T key) HWY_ATTR { return static_cast<size_t>(key >> shift); });
  return DistributeBy<kInPlace, kPlaces>(
      keys, spare, n, lowest, highest, shift,
      [shift, lowest](T key) HWY_ATTR { return static_cast<size_t>((key - lowest) >> shift); });
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

// ------------------------------------------------------------------------------------------------
// A counting sort where there are few different keys, whatever they are.

constexpr size_t kMaxFew = 32;        // values; more are cheaper halved than counted
constexpr size_t kFewBlock = 4096;    // bytes: L1 holds them while each value is counted
constexpr size_t kFewFrom = 1 << 13;  // bytes

// Whether kMaxFew values or fewer are likely, by a look at eight vectors spread over the array: of
// kMaxFew values one pair of lanes in kMaxFew would be equal; half as many are enough.
template <class T>
bool SeemFew(const T* keys, size_t n) {
  const Tag<T> d;
  constexpr size_t kN = kLanes<T>, kVectors = 8;
  const size_t step = (n - kN) / (kVectors - 1);
  size_t equal = 0;
  for (size_t i = 0; i < kVectors; ++i)
    for (size_t j = 0; j < i; ++j)
      equal +=
          hn::CountTrue(d, hn::Eq(hn::LoadU(d, keys + i * step), hn::LoadU(d, keys + j * step)));
  return equal * 2 * kMaxFew >= kVectors * (kVectors - 1) / 2 * kN;
}

// How many of n keys are `key`. AVX-512 compares one vector a cycle, into mask registers; there
// min(x ^ key, 1) counts those that differ by operations of which it does several.
template <class T>
HWY_INLINE size_t CountKey(const T* keys, size_t n, T key) {
  const Tag<T> d;
  constexpr size_t kN = kLanes<T>;
  constexpr bool kDiffering = HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3;
  const auto wanted = hn::Set(d, key);
  auto a = hn::Zero(d), b = a, c = a, e = a;
  const auto count = [&](size_t i, auto& sum) HWY_ATTR __attribute__((always_inline)) {
    const auto v = hn::LoadU(d, keys + i);
    if constexpr (kDiffering)
      sum = hn::Add(sum, hn::Min(hn::Xor(v, wanted), hn::Set(d, 1)));
    else
      sum = hn::Sub(sum, hn::VecFromMask(d, hn::Eq(v, wanted)));
  };
  size_t i = 0;
  for (; i + 4 * kN <= n; i += 4 * kN)
    count(i, a), count(i + kN, b), count(i + 2 * kN, c), count(i + 3 * kN, e);
  for (; i + kN <= n; i += kN) count(i, a);
  const size_t sum =
      static_cast<size_t>(hn::GetLane(hn::SumOfLanes(d, hn::Add(hn::Add(a, b), hn::Add(c, e)))));
  return (kDiffering ? i - sum : sum) + static_cast<size_t>(std::count(keys + i, keys + n, key));
}

// Sorts keys of kMaxFew different values or fewer: counts each value, block by block, then writes
// them out in order. A block whose counts don't add up holds a value not met before. False, and
// nothing is done, where there are too many.
template <class T>
bool CountFew(T* keys, size_t n) {
  constexpr size_t kBlock = kFewBlock / sizeof(T);
  struct Value {
    T key;
    size_t count;
  } values[kMaxFew];
  size_t distinct = 0;
  for (size_t at = 0; at < n; at += kBlock) {
    const T* const block = keys + at;
    const size_t size = std::min(kBlock, n - at);
    size_t known = 0;
    for (size_t v = 0; v < distinct; ++v) {
      const size_t count = CountKey(block, size, values[v].key);
      values[v].count += count;
      known += count;
    }
    for (size_t i = 0; known != size; ++i) {
      const auto is_it = [&](const Value& v) { return v.key == block[i]; };
      if (std::any_of(values, values + distinct, is_it)) continue;
      if (distinct == kMaxFew) return false;
      values[distinct] = {block[i], CountKey(block, size, block[i])};
      known += values[distinct++].count;
    }
  }
  std::sort(values, values + distinct,
            [](const Value& a, const Value& b) { return a.key < b.key; });
  for (size_t v = 0; v < distinct; ++v) keys = std::fill_n(keys, values[v].count, values[v].key);
  return true;
}

template <class T>
void QuicksortArray(T* keys, T* spare, size_t n) {
  if (IsSorted(keys, n)) return;
  if (n * sizeof(T) >= kFewFrom && SeemFew(keys, n) && CountFew(keys, n)) return;
  Quicksort<true, T>(keys, spare, n, 0, std::numeric_limits<T>::max(), 2 * Log2(n));
}
#endif  // HWY_SCALAR

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

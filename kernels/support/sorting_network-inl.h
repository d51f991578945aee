// A sorting network of vectors: up to 8 or 16 rows of kLanes unsigned integers, sorted without a
// branch on data. The base case of quicksort-inl.h; included once for each target.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>
#include <limits>
#include <tuple>
#include <utility>

#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_SORTING_NETWORK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_SORTING_NETWORK_INL_H_
#undef HEADROOM_SUPPORT_SORTING_NETWORK_INL_H_
#else
#define HEADROOM_SUPPORT_SORTING_NETWORK_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR

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

constexpr size_t Log2(size_t x) { return x <= 1 ? 0 : 1 + Log2(x / 2); }

// Rows are held in a tuple of references, since vectors of unknown size may not be members of an
// array.

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
          const auto even = hn::ConcatEven(d, b, a);
          b = hn::ConcatOdd(d, b, a);
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
#endif  // HWY_SCALAR

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

// A quicksort of unsigned integers with a second array of as many keys: no branch on a key.
// Included once for each target.
//
// No plain include guard: it must be read again for every target.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "algorithm/sorting_network-inl.h"
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

// Arrays from so many bytes on are dealt out by their keys' leading bits, to so many places.
constexpr size_t kDistributed = size_t{1} << 17, kFewPlaces = 256;
constexpr size_t kDistributedByLines = size_t{1} << 23, kManyPlaces = 1024;

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

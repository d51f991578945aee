// One step of a radix sort that starts with the highest digit, for arrays that L1 doesn't hold:
// keys are moved to 256 or 1024 places by their leading bits, and each place is sorted by
// Quicksort(). Included by quicksort-inl.h once for each target.
//
// No plain include guard: it must be read again for every target.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "support/sorting_network-inl.h"

#if defined(HEADROOM_SUPPORT_DISTRIBUTE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_DISTRIBUTE_INL_H_
#undef HEADROOM_SUPPORT_DISTRIBUTE_INL_H_
#else
#define HEADROOM_SUPPORT_DISTRIBUTE_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR

// Arrays of more bytes than these are distributed by their keys' leading bits, to so many places.
// Found best where L1 has 48 KiB and L2 1 MiB.
constexpr size_t kDistributed = size_t{1} << 17, kFewPlaces = 256;
constexpr size_t kDistributedByLines = size_t{1} << 23, kManyPlaces = 1024;

// In quicksort-inl.h.
template <bool kInPlace, bool kNetworks, class T>
void Quicksort(T* keys, T* spare, size_t n, T lowest, T highest, size_t depth, bool distribute);

// Moves n keys to the kPlaces places next[place(key)], which start at first[place(key)], four cache
// lines at a time: places that far apart fall into few sets of the caches, which don't hold a line
// of each while it fills. In `lines` they lie side by side until they are full, and then go past
// the caches by non-temporal stores (software write combining: Wassenberg and Sanders, "Engineering
// a Multi-core Radix Sort", 2011). A full one is written when its place's next key comes: loaded
// right after the store of its last key, it would wait for that store.
template <size_t kPlaces, class T, class Place>
HWY_INLINE void DealLines(const T* keys, size_t n, T* const* first, T** next, const Place& place) {
  constexpr size_t kLine = 256 / sizeof(T);
  const Tag<T> d;
  HWY_ALIGN_MAX T lines[kPlaces][kLine];
  const auto slot_of = [](const T* to)
                           HWY_ATTR { return reinterpret_cast<uintptr_t>(to) / sizeof(T) % kLine; };
  // Writes what place p holds of the four lines that end at `end`, which have `count` keys by now;
  // the place may start within them.
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

// Sorts n keys that lie in `keys`, as Quicksort() does. Partitioning in two again and again would
// read and write all of them in L2 or beyond each time; distributed to many places they fit L1
// after one pass (Hildebrandt and Isbitz, "Radix Exchange", 1959). False, and nothing is done,
// where a place would get more than a 32nd of them: the leading bits tell too few apart.
// place(key): the key's bits from bit `shift` on.
template <bool kInPlace, size_t kPlaces, class T, class Place>
bool DistributeBy(T* keys, T* spare, size_t n, T lowest, T highest, size_t shift,
                  const Place& place) {
  constexpr size_t kTables = 4;  // several, so that equal keys don't wait for one another
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
      Quicksort<!kInPlace, true>(spare + start, keys + start, count, first, last, 2 * Log2(count),
                                 true);
    start += count;
  }
  return true;
}

// As DistributeBy(), with as many leading bits of [lowest, highest] as tell kPlaces places apart.
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

#endif  // HWY_SCALAR

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

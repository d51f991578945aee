// Counting sort of unsigned integers of few different values, whatever they are: each value is
// counted in vectors, block by block, and none is moved. Included once for each target.
//
// No plain include guard: it must be read again for every target.
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "support/sorting_network-inl.h"

#if defined(HEADROOM_SUPPORT_FEW_VALUES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_FEW_VALUES_INL_H_
#undef HEADROOM_SUPPORT_FEW_VALUES_INL_H_
#else
#define HEADROOM_SUPPORT_FEW_VALUES_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

#if HWY_TARGET != HWY_SCALAR

constexpr size_t kMaxFew = 32;        // values; more are cheaper to partition than to count
constexpr size_t kFewBlock = 4096;    // bytes of a block: L1 holds it while each value is counted
constexpr size_t kFewFrom = 1 << 13;  // bytes of an array; smaller ones are partitioned in no time

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
#endif  // HWY_SCALAR

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

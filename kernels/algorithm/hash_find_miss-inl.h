// Finds in a FlatTable behind a filter. Included by hash_find_miss.cpp once for each target, after
// Filter.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "algorithm/flat_table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

template <FlatTable::Mixing kMixing>
HWY_INLINE void FindEachFilteredWith(const FlatTable::View& table, const Filter& filter,
                                     const uint64_t* HWY_RESTRICT keys, size_t count,
                                     uint64_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i) {
    const uint64_t hash = table.hash.of<kMixing>(keys[i]);
    const size_t home = table.hash.home(hash);
    uint64_t value = 0;
    if (HWY_UNLIKELY(filter.may_have(hash, home))) value = Find(table, keys[i], home);
    out[i] = value;
  }
}

}  // namespace

// A filter in front of the table: of 100 queries for keys that aren't there, 99 end at a word of 32
// bits, and a word for each bucket is a 16th of the table.
void FindEachFiltered(const FlatTable::View& view, const Filter& filter,
                      const uint64_t* HWY_RESTRICT keys, size_t count, uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  WithMixing(table.hash, [&](auto mixing) HWY_ATTR {
    FindEachFilteredWith<mixing.value>(table, filter, keys, count, out);
  });
}

// In passes over a group. Hashes and homes, in a loop that the compiler vectorizes; the words of
// the filter, prefetched where they are larger than the cache of `near` bytes; those that pass are
// gathered without a branch, and their buckets prefetched; only they are looked up.
void FindGroupsFiltered(const FlatTable::View& view, const Filter& filter, size_t near,
                        const uint64_t* HWY_RESTRICT keys, size_t count,
                        uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  const FlatTable::Hash hash = table.hash;
  const size_t buckets = table.mask + 1;
  uint64_t hashes[kKeysInStep];
  uint16_t passed[kKeysInStep];
  for (size_t i = 0; i < count; i += kKeysInStep) {
    const size_t group = HWY_MIN(kKeysInStep, count - i);
    const uint64_t* HWY_RESTRICT k = keys + i;
    UpperBits(hash, 0, k, group, hashes);
    if (buckets * sizeof(*filter.words) > near)
      for (size_t j = 0; j < group; ++j) hwy::Prefetch(filter.words + hash.home(hashes[j]));
    size_t left = 0;
    for (size_t j = 0; j < group; ++j) {
      out[i + j] = 0;
      passed[left] = static_cast<uint16_t>(j);
      left += filter.may_have(hashes[j], hash.home(hashes[j]));
    }
    if (buckets * sizeof(FlatTable::Bucket) > near)
      for (size_t j = 0; j < left; ++j) hwy::Prefetch(table.buckets + hash.home(hashes[passed[j]]));
    for (size_t j = 0; j < left; ++j) {
      const size_t query = passed[j];
      out[i + query] = Find(table, k[query], hash.home(hashes[query]));
    }
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

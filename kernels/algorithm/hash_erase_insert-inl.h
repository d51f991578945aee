// Keys of a FlatTable replaced. Included by hash_erase_insert.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "algorithm/flat_table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// For each i: takes old[i] out of the table, and puts keys[i] in with values[i]. erased[i]: the
// value of old[i], or 0 if it wasn't there; inserted[i]: 1 if keys[i] was new, else 0.
void ReplaceEach(FlatTable& table, const uint64_t* HWY_RESTRICT old,
                 const uint64_t* HWY_RESTRICT keys, const uint64_t* HWY_RESTRICT values,
                 size_t count, uint64_t* HWY_RESTRICT erased, uint64_t* HWY_RESTRICT inserted) {
  Changer to(table);
  for (size_t i = 0; i < count; ++i) {
    erased[i] = to.erase(old[i], to.own_slot(old[i]));
    to.reserve(1);
    inserted[i] = to.insert(keys[i], values[i], to.own_slot(keys[i]));
  }
}

// The same; the lines of the next kStep replacements are prefetched together where the table is
// larger than L2.
void ReplaceGroups(FlatTable& table, size_t l2_bytes, const uint64_t* HWY_RESTRICT old,
                   const uint64_t* HWY_RESTRICT keys, const uint64_t* HWY_RESTRICT values,
                   size_t count, uint64_t* HWY_RESTRICT erased, uint64_t* HWY_RESTRICT inserted) {
  constexpr size_t kStep = 64;  // twice as many lines: what the core can have under way
  Changer to(table);
  size_t from[kStep], into[kStep];
  for (size_t i = 0; i < count; i += kStep) {
    const size_t group = HWY_MIN(kStep, count - i);
    to.reserve(static_cast<int64_t>(group));
    const FlatTable::Bucket* const buckets = to.view().buckets;
    const bool far = table.bytes() > l2_bytes;
    OwnSlots(to.view(), far, old + i, group, from);
    OwnSlots(to.view(), far, keys + i, group, into);
    for (size_t j = 0; j < group; ++j) {
      const uint64_t gone = old[i + j], key = keys[i + j];
      const bool moved = to.view().buckets != buckets;  // to a new table: hardly ever
      erased[i + j] = to.erase(gone, HWY_UNLIKELY(moved) ? to.own_slot(gone) : from[j]);
      inserted[i + j] =
          to.insert(key, values[i + j], HWY_UNLIKELY(moved) ? to.own_slot(key) : into[j]);
    }
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

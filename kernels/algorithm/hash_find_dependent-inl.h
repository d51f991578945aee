// Finds in a FlatTable that wait for one another. Included by hash_find_dependent.cpp once for each
// target.
//
// No include guard: it must be read again for every target.
#include <cstddef>
#include <cstdint>

#include "algorithm/flat_table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

template <FlatTable::Mixing kMixing>
HWY_INLINE void FindChainWith(const FlatTable::View& table, const uint64_t* HWY_RESTRICT masked,
                              size_t count, uint64_t* HWY_RESTRICT out) {
  const FlatTable::Slot* HWY_RESTRICT slots = table.buckets->slots;
  uint64_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t key = masked[i] ^ last;
    const size_t own = table.hash.slot(table.hash.of<kMixing>(key));
    const FlatTable::Slot& slot = slots[own];
    if (HWY_LIKELY(slot.key == key && key != FlatTable::kEmpty))
      last = slot.value;
    else
      last = Find(table, key, own / FlatTable::kSlots);
    out[i] = last;
  }
}

}  // namespace

// out[i] is the value of key masked[i] ^ out[i - 1]. The value is loaded together with the key, not
// after it was compared: that the key lies in its own slot, as six of seven do, is left to branch
// prediction, and the next find starts from the value meanwhile. A misprediction costs less than
// always waiting for the comparison of four keys.
void FindChain(const FlatTable::View& view, const uint64_t* HWY_RESTRICT masked, size_t count,
               uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  WithMixing(table.hash,
             [&](auto mixing) HWY_ATTR { FindChainWith<mixing.value>(table, masked, count, out); });
}

// The same without speculation: the value waits for the comparison.
void FindChainCompared(const FlatTable::View& view, const uint64_t* HWY_RESTRICT masked,
                       size_t count, uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  uint64_t last = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint64_t key = masked[i] ^ last;
    last = Find(table, key, table.home(key));
    out[i] = last;
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

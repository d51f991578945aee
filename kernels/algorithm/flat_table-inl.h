// FlatTable in portable SIMD: a key compared with a whole bucket at once, and many keys under way
// at once. Included once for each target, where a kernel names it as its HWY_TARGET_INCLUDE or from
// the file that it names.
//
// No plain include guard: it must be read again for every target.
#include <type_traits>

#include "algorithm/flat_table.h"
#include "hwy/cache_control.h"
#include "support/mask_bits-inl.h"

#if defined(HEADROOM_ALGORITHM_FLAT_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_ALGORITHM_FLAT_TABLE_INL_H_
#undef HEADROOM_ALGORITHM_FLAT_TABLE_INL_H_
#else
#define HEADROOM_ALGORITHM_FLAT_TABLE_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

constexpr size_t kKeysInStep = 256;  // of which the homes are computed and fetched together

// Bit 2 i is set if slot i of the bucket holds `key`. Four keys in one to four comparisons, of the
// values too: to mask them out costs less than to sort them out.
HWY_INLINE uint32_t Matches(const FlatTable::Bucket& bucket, uint64_t key) {
  const hn::CappedTag<uint64_t, 2 * FlatTable::kSlots> d;
  const uint64_t* HWY_RESTRICT line = &bucket.slots[0].key;
  const auto wanted = hn::Set(d, key);
  uint32_t matches = 0;
  for (size_t i = 0; i < 2 * FlatTable::kSlots; i += hn::Lanes(d)) {
    const auto same = hn::Eq(hn::LoadU(d, line + i), wanted);
    matches |= static_cast<uint32_t>(MaskBits(d, same)) << i;
  }
  return matches & 0x55;
}
HWY_INLINE size_t First(uint32_t matches) {
  return hwy::Num0BitsBelowLS1Bit_Nonzero32(matches) / 2;
}
// The first of the free slots from `own` on, around the end: no branch on whether its own is free.
HWY_INLINE size_t FirstFrom(uint32_t free, size_t own) {
  own %= FlatTable::kSlots;
  return (First((free | free << 8) >> (2 * own)) + own) % FlatTable::kSlots;
}
HWY_INLINE uint64_t FirstValue(const FlatTable::Bucket& bucket, uint32_t matches) {
  // Bit 2 i of `matches` stands for slot i, whose value is number 2 i + 1 of the line.
  return reinterpret_cast<const uint64_t*>(
      &bucket)[hwy::Num0BitsBelowLS1Bit_Nonzero32(matches) + 1];
}

// The value of `key`, whose home is `b`; 0 if it isn't in the table. The only branches that depend
// on data are whether the key lies in this bucket, and, of keys that don't, whether any was pushed
// past it; and nearly always they are predicted.
HWY_INLINE uint64_t Find(const FlatTable::View& table, uint64_t key, size_t b) {
  if (HWY_UNLIKELY(key == FlatTable::kEmpty)) return table.value_of_empty;
  for (;; b = table.after(b)) {
    const FlatTable::Bucket& bucket = table.buckets[b];
    const uint32_t matches = Matches(bucket, key);
    if (HWY_LIKELY(matches != 0)) return FirstValue(bucket, matches);
    if (!table.was_passed(b)) return 0;
  }
}

// Calls f with the hash's mixing as a constant, for loops that are compiled for each.
template <class F>
HWY_INLINE void WithMixing(const FlatTable::Hash& hash, F f) {
  using Mixing = FlatTable::Mixing;
  if (hash.mixing == Mixing::kNone)
    f(std::integral_constant<Mixing, Mixing::kNone>());
  else if (hash.mixing == Mixing::kOnce)
    f(std::integral_constant<Mixing, Mixing::kOnce>());
  else
    f(std::integral_constant<Mixing, Mixing::kTwice>());
}

// The value of each key, or 0, one find after the other.
template <FlatTable::Mixing kMixing>
HWY_INLINE void FindEachWith(const FlatTable::View& table, const uint64_t* HWY_RESTRICT keys,
                             size_t count, uint64_t* HWY_RESTRICT out) {
  for (size_t i = 0; i < count; ++i)
    out[i] = Find(table, keys[i], table.hash.home(table.hash.template of<kMixing>(keys[i])));
}
inline void FindEach(const FlatTable::View& view, const uint64_t* HWY_RESTRICT keys, size_t count,
                     uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  WithMixing(table.hash,
             [&](auto mixing) HWY_ATTR { FindEachWith<mixing.value>(table, keys, count, out); });
}

// The hashes of some keys, from bit `shift` on, in a loop that the compiler vectorizes.
HWY_INLINE void UpperBits(const FlatTable::Hash& hash, int shift, const uint64_t* HWY_RESTRICT keys,
                          size_t count, uint64_t* HWY_RESTRICT upper) {
  const FlatTable::Hash h = hash;
  WithMixing(h, [&](auto mixing) HWY_ATTR {
    for (size_t j = 0; j < count; ++j) upper[j] = h.of<mixing.value>(keys[j]) >> shift;
  });
}
// The home of each key. Where the table is `far`, beyond L2, they are prefetched, too: as many
// misses are under way as the core can track.
HWY_INLINE void Homes(const FlatTable::View& table, bool far, const uint64_t* HWY_RESTRICT keys,
                      size_t count, size_t* HWY_RESTRICT homes) {
  UpperBits(table.hash, table.hash.shift + 2, keys, count, homes);
  if (far)
    for (size_t j = 0; j < count; ++j) hwy::Prefetch(table.buckets + homes[j]);
}
// The same, and the slot of its own.
HWY_INLINE void OwnSlots(const FlatTable::View& table, bool far, const uint64_t* HWY_RESTRICT keys,
                         size_t count, size_t* HWY_RESTRICT own) {
  UpperBits(table.hash, table.hash.shift, keys, count, own);
  if (far)
    for (size_t j = 0; j < count; ++j) hwy::Prefetch(table.buckets + own[j] / FlatTable::kSlots);
}
static_assert(FlatTable::kSlots == 4, "a home is its slot's number, shifted by 2");

// The value of each key, or 0, where the table fits L2: hashes are computed in vectors, kKeysInStep
// at a time.
inline void FindGroupsNear(const FlatTable::View& view, const uint64_t* HWY_RESTRICT keys,
                           size_t count, uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  size_t homes[kKeysInStep];
  for (size_t i = 0; i < count; i += kKeysInStep) {
    const size_t group = HWY_MIN(kKeysInStep, count - i);
    Homes(table, false, keys + i, group, homes);
    for (size_t j = 0; j < group; ++j) out[i + j] = Find(table, keys[i + j], homes[j]);
  }
}

// The same beyond L2. All homes are prefetched first; the look into them is without a branch; and
// for whatever was not there (one in 25 when the table is half full) the next bucket is prefetched,
// too.
inline void FindGroupsFar(const FlatTable::View& view, const uint64_t* HWY_RESTRICT keys,
                          size_t count, uint64_t* HWY_RESTRICT out) {
  const FlatTable::View table = view;
  size_t homes[kKeysInStep];
  uint64_t others[kKeysInStep / 64];  // a bit for each
  for (size_t i = 0; i < count; i += kKeysInStep) {
    const size_t group = HWY_MIN(kKeysInStep, count - i);
    Homes(table, true, keys + i, group, homes);
    for (size_t first = 0; first < group; first += 64) {
      uint64_t left = 0;
      const size_t end = HWY_MIN(first + 64, group);
      for (size_t j = first; j < end; ++j) {
        const FlatTable::Bucket& bucket = table.buckets[homes[j]];
        const uint32_t matches = Matches(bucket, keys[i + j]);
        out[i + j] = FirstValue(bucket, matches | 0x40);  // 0x40: of any slot, if of none
        const bool other = (matches == 0) | (keys[i + j] == FlatTable::kEmpty);
        left |= uint64_t{other} << (j - first);
      }
      others[first / 64] = left;
      for (; left != 0; left &= left - 1) {
        const size_t j = first + hwy::Num0BitsBelowLS1Bit_Nonzero64(left);
        hwy::Prefetch(table.buckets + table.after(homes[j]));
      }
    }
    for (size_t first = 0; first < group; first += 64)
      for (uint64_t left = others[first / 64]; left != 0; left &= left - 1) {
        const size_t j = first + hwy::Num0BitsBelowLS1Bit_Nonzero64(left);
        out[i + j] = Find(table, keys[i + j], homes[j]);
      }
  }
}

inline void FindGroups(const FlatTable::View& table, bool far, const uint64_t* HWY_RESTRICT keys,
                       size_t count, uint64_t* HWY_RESTRICT out) {
  if (far)
    FindGroupsFar(table, keys, count, out);
  else
    FindGroupsNear(table, keys, count, out);
}

// Puts keys into a table and takes them out. How many there are is counted here, in registers, and
// told to the table when it has to know.
class Changer {
 public:
  HWY_INLINE explicit Changer(FlatTable& table) : table_(table) { look(); }
  HWY_INLINE ~Changer() { table_.count(more_, away_); }

  const FlatTable::View& view() const { return view_; }
  HWY_INLINE size_t own_slot(uint64_t key) const { return view_.hash.slot(view_.hash.of(key)); }
  // Makes room for so many keys more.
  HWY_INLINE void reserve(int64_t keys) {
    if (HWY_LIKELY(more_ + keys <= room_)) return;
    tell();
    table_.reserve(table_.size() + static_cast<size_t>(keys));
    look();
  }
  // Puts in `key`, whose own slot is `own`, if its home has it or a free slot; else false. Without
  // a branch on which: a key that was there is put where it is, with its value. Not for kEmpty.
  HWY_INLINE bool insert_at_home(uint64_t key, uint64_t value, size_t own) {
    FlatTable::Bucket& bucket = buckets_[own / FlatTable::kSlots];
    const uint32_t matches = Matches(bucket, key);
    const uint32_t free = Matches(bucket, FlatTable::kEmpty);
    if (HWY_UNLIKELY((matches | free) == 0)) return false;
    const size_t slot = matches != 0 ? First(matches) : FirstFrom(free | matches, own);
    const uint64_t old = bucket.slots[slot].value;
    bucket.slots[slot] = {key, matches != 0 ? old : value};
    more_ += matches == 0;
    return true;
  }
  // Puts in `key`, whose own slot is `own`; true if it was new. Probes once: where the first free
  // slot is, no later bucket can have the key. There must be room.
  HWY_INLINE bool insert(uint64_t key, uint64_t value, size_t own) {
    if (HWY_LIKELY(key != FlatTable::kEmpty)) {
      size_t b = own / FlatTable::kSlots;
      for (size_t probe = 0; probe < FlatTable::kLongestProbe; ++probe, b = view_.after(b)) {
        FlatTable::Bucket& bucket = buckets_[b];
        if (HWY_UNLIKELY(Matches(bucket, key) != 0)) return false;
        const uint32_t free = Matches(bucket, FlatTable::kEmpty);
        if (HWY_LIKELY(free != 0)) {
          bucket.slots[FirstFrom(free, own)] = {key, value};
          ++more_;
          away_ += probe != 0;
          return true;
        }
        table_.mark_passed(b);
      }
    }
    tell();  // the rare cases
    const bool inserted = table_.insert(key, value);
    look();
    return inserted;
  }
  // Takes out `key`, whose own slot is `own`; its value, or 0 if it isn't there. Past a bucket that
  // was never passed, as nearly all are, there is nobody to move back.
  HWY_INLINE uint64_t erase(uint64_t key, size_t own) {
    if (HWY_LIKELY(key != FlatTable::kEmpty)) {
      const size_t home = own / FlatTable::kSlots;
      for (size_t b = home;; b = view_.after(b)) {
        FlatTable::Bucket& bucket = buckets_[b];
        const uint32_t matches = Matches(bucket, key);
        const bool passed = view_.was_passed(b);
        if (HWY_LIKELY(matches != 0)) {
          const uint64_t value = FirstValue(bucket, matches);
          if (HWY_LIKELY(!passed)) {
            bucket.slots[First(matches)].key = FlatTable::kEmpty;
            --more_;
            away_ -= b != home;
          } else {
            tell();
            table_.erase_at(b, First(matches));
            look();
          }
          return value;
        }
        if (!passed) return 0;
      }
    }
    uint64_t value = 0;
    tell();
    table_.erase(key, &value);
    look();
    return value;
  }

 private:
  void tell() { table_.count(more_, away_); }
  void look() {
    view_ = table_.view();
    buckets_ = table_.buckets();
    room_ = static_cast<int64_t>(table_.room_left());
    more_ = away_ = 0;
  }
  FlatTable& table_;
  FlatTable::View view_;
  FlatTable::Bucket* buckets_;
  int64_t room_, more_, away_;
};

// Puts in each key with its value, one after the other.
inline void InsertEach(FlatTable& table, const uint64_t* HWY_RESTRICT keys,
                       const uint64_t* HWY_RESTRICT values, size_t count) {
  Changer to(table);
  for (size_t i = 0; i < count; ++i) {
    to.reserve(1);
    to.insert(keys[i], values[i], to.own_slot(keys[i]));
  }
}

// The same in passes over a group: own slots, prefetched where the table is larger than L2; then
// each key into its home; then those that found it full, and the key kEmpty.
inline void InsertGroups(FlatTable& table, size_t l2_bytes, const uint64_t* HWY_RESTRICT keys,
                         const uint64_t* HWY_RESTRICT values, size_t count) {
  Changer to(table);
  size_t own[kKeysInStep];
  uint16_t others[kKeysInStep];
  for (size_t i = 0; i < count; i += kKeysInStep) {
    const size_t group = HWY_MIN(kKeysInStep, count - i);
    to.reserve(static_cast<int64_t>(group));
    OwnSlots(to.view(), table.bytes() > l2_bytes, keys + i, group, own);
    size_t left = 0;
    for (size_t j = 0; j < group; ++j) {
      others[left] = static_cast<uint16_t>(j);
      if (HWY_UNLIKELY(keys[i + j] == FlatTable::kEmpty ||
                       !to.insert_at_home(keys[i + j], values[i + j], own[j])))
        ++left;
    }
    for (size_t j = 0; j < left; ++j) {
      const uint64_t key = keys[i + others[j]];
      to.insert(key, values[i + others[j]], to.own_slot(key));
    }
  }
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

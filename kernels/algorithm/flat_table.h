// A hash table from 64-bit keys to 64-bit values.
//
// Open addressing in buckets of one cache line, four slots of a key and its value each. A find that
// hits its home bucket, as nearly all do, costs one miss, and compares all four keys at once, so
// that no branch depends on which of them it is. A key lies in its own slot of the bucket if that
// was free, so that code which has to wait for each answer can predict the slot instead of
// comparing.
//
// The table doubles when half full; the home of a key is the upper bits of its hash, so that this
// reads the old table and writes the new one from front to back. A bit for each bucket (these stay
// in L2) tells whether a key was ever pushed past it: else a probe ends there, full or not. Erasing
// leaves no tombstones: keys that had been pushed on move back. From 1 MiB on its memory is on huge
// pages.
//
// The hash is as weak as the keys allow (Melis, "Adaptive Hashing", 2024): at first none, which is
// all that random keys need. Where more keys lie away from home than random ones would, the table
// takes a multiplication, which spreads numbers in a row, but clumps some strides; then a second
// one and a seed; where even then a probe gets long, another seed.
//
// What is here is portable and one key at a time; flat_table-inl.h has the same in SIMD, and for
// many keys at once.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "core/buffer.h"
#include "core/opaque.h"
#include "support/pages.h"

namespace headroom {

class FlatTable {
 public:
  static constexpr std::size_t kSlots = 4;          // of a bucket
  static constexpr std::uint64_t kEmpty = 0;        // a free slot; the key 0 lives beside the table
  static constexpr std::size_t kLongestProbe = 32;  // buckets that a find may have to look into

  struct Slot {
    std::uint64_t key;
    std::uint64_t value;
  };
  struct alignas(64) Bucket {
    Slot slots[kSlots];
  };

  // How many multiplications a hash has.
  enum class Mixing : std::uint8_t { kNone, kOnce, kTwice };

  // Where a key belongs.
  struct Hash {
    Mixing mixing = Mixing::kNone;
    std::uint64_t seed = 0;
    int shift = 64;  // a hash has as many bits above as tell the slots apart

    bool operator==(const Hash&) const = default;

    // Fibonacci hashing (Knuth), where the key itself won't do. It leaves some strides clumped
    // together, and folding a wide product would too, as its upper half is small where the key is;
    // a second multiplication after a shift does not. No step needs more than a 64-bit product: a
    // loop over keys vectorizes.
    template <Mixing kMixing>
    std::uint64_t of(std::uint64_t key) const {
      if (kMixing == Mixing::kNone) return key;
      if (kMixing == Mixing::kOnce) return key * 0x9e3779b97f4a7c15;
      const std::uint64_t once = (key ^ seed) * 0x9e3779b97f4a7c15;
      return (once ^ (once >> 32)) * 0xd1342543de82ef95;
    }
    std::uint64_t of(std::uint64_t key) const {
      if (mixing == Mixing::kNone) return of<Mixing::kNone>(key);
      return mixing == Mixing::kOnce ? of<Mixing::kOnce>(key) : of<Mixing::kTwice>(key);
    }
    // The slot of its own, counted through the table, and its bucket.
    std::size_t slot(std::uint64_t hash) const { return static_cast<std::size_t>(hash >> shift); }
    std::size_t home(std::uint64_t hash) const { return slot(hash) / kSlots; }
  };

  // What SIMD code that is compiled for several targets needs.
  struct View {
    const Bucket* buckets;
    std::size_t mask;  // buckets, less one
    Hash hash;
    std::uint64_t value_of_empty;  // the value of the key kEmpty; 0 if it isn't there
    const std::uint8_t* passed;    // a bit for each bucket

    // False: no key that has its home here, or before, lies further on. Only full buckets have been
    // passed.
    bool was_passed(std::size_t bucket) const { return passed[bucket / 8] >> (bucket % 8) & 1; }
    std::size_t home(std::uint64_t key) const { return hash.home(hash.of(key)); }
    std::size_t after(std::size_t bucket) const { return (bucket + 1) & mask; }
  };

  FlatTable() { rebuild(kFewest, {}); }

  std::size_t size() const { return size_ + has_empty_; }
  std::size_t bytes() const { return buckets_.size() * sizeof(Bucket) + passed_.size(); }
  const Hash& hash() const { return hash_; }
  View view() const {
    return {buckets_.data(), buckets_.size() - 1, hash_, value_of_empty_, passed_.data()};
  }

  // nullptr if the key isn't there.
  const std::uint64_t* find(std::uint64_t key) const {
    if (key == kEmpty) return has_empty_ ? &value_of_empty_ : nullptr;
    const View table = view();
    for (std::size_t b = table.home(key);; b = table.after(b)) {
      const Bucket& bucket = table.buckets[b];
      for (const Slot& slot : bucket.slots)
        if (slot.key == key) return &slot.value;
      if (!table.was_passed(b)) return nullptr;
    }
  }

  // False if the key was there already; its value is kept then.
  bool insert(std::uint64_t key, std::uint64_t value) {
    if (find(key) != nullptr) return false;
    if (key == kEmpty) {
      has_empty_ = true;
      value_of_empty_ = value;
      return true;
    }
    reserve(size_ + 1);
    while (!place(key, value)) rebuild(buckets_.size(), stronger(hash_));
    ++size_;
    if (crowded()) rebuild(buckets_.size(), stronger(hash_));
    return true;
  }

  // Takes the key out and puts its value into *value; false, and nothing changed, if it isn't
  // there.
  bool erase(std::uint64_t key, std::uint64_t* value) {
    const std::uint64_t* const found = find(key);
    if (found == nullptr) return false;
    *value = *found;
    if (key == kEmpty) {
      has_empty_ = false;
      value_of_empty_ = 0;
      return true;
    }
    const auto byte =
        reinterpret_cast<const char*>(found) - reinterpret_cast<const char*>(buckets_.data());
    const std::size_t slot = static_cast<std::size_t>(byte) / sizeof(Slot);
    erase_at(slot / kSlots, slot % kSlots);
    return true;
  }

  // Makes room for so many keys: homes stay what they are until they are there (unless the keys
  // turn out to need another hash).
  void reserve(std::size_t keys) {
    if (keys <= room_) return;
    std::size_t count = buckets_.size();
    while (room(count) < keys) count *= 2;
    rebuild(count, hash_);
  }

  // For code that finds keys and free slots by itself.
  std::size_t room_left() const { return room_ - size_; }
  Bucket* buckets() { return buckets_.data(); }
  void count(std::int64_t more, std::int64_t more_away) {
    size_ += static_cast<std::size_t>(more);
    away_ += static_cast<std::size_t>(more_away);
    if (crowded()) rebuild(buckets_.size(), stronger(hash_));
  }
  void mark_passed(std::size_t b) { passed_[b / 8] |= static_cast<std::uint8_t>(1 << (b % 8)); }
  void erase_at(std::size_t b, std::size_t slot) {
    Bucket& bucket = buckets_[b];
    away_ -= view().home(bucket.slots[slot].key) != b;
    --size_;
    bucket.slots[slot].key = kEmpty;
    if (view().was_passed(b)) move_back(b, slot);
  }

  // The longest way from a key's home to where it lies, in buckets, the home counted.
  std::size_t longest_probe() const {
    std::size_t longest = 0;
    for (std::size_t b = 0; b < buckets_.size(); ++b)
      for (const Slot& slot : buckets_[b].slots)
        if (slot.key != kEmpty)
          longest = std::max(longest, ((b - view().home(slot.key)) & view().mask) + 1);
    return longest;
  }

 private:
  // Not cleared. They come from malloc, which hands out again what the last table gave back: new
  // pages, as a Buffer or a Mapping has, are cleared by the operating system at first touch, and
  // while a table grows that takes as long as all else.
  class Buckets {
   public:
    Buckets() = default;
    explicit Buckets(std::size_t size) : size_(size) {
      void* memory = nullptr;
      const bool huge = bytes() >= kHugePage / 2;
      if (posix_memalign(&memory, huge ? kHugePage : alignof(Bucket), bytes()) != 0)
        throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
      if (huge) madvise(memory, bytes(), MADV_HUGEPAGE);
#endif
      data_ = static_cast<Bucket*>(memory);
    }
    Buckets(Buckets&& other) noexcept { *this = std::move(other); }
    Buckets& operator=(Buckets&& other) noexcept {
      std::swap(data_, other.data_);
      std::swap(size_, other.size_);
      return *this;
    }
    ~Buckets() { std::free(data_); }
    void clear() { std::memset(static_cast<void*>(data_), 0, bytes()); }
    std::size_t size() const { return size_; }
    Bucket* data() { return data_; }
    const Bucket* data() const { return data_; }
    Bucket& operator[](std::size_t i) { return data_[i]; }
    const Bucket& operator[](std::size_t i) const { return data_[i]; }

   private:
    std::size_t bytes() const { return size_ * sizeof(Bucket); }
    Bucket* data_ = nullptr;
    std::size_t size_ = 0;
  };

  static constexpr std::size_t kFewest = 2;  // buckets; of one the home would be a shift by 64
  static std::size_t room(std::size_t buckets) { return buckets * kSlots / 2; }
  // Half full, 1 in 25 random keys finds no slot in its home. To multiply once more than needed
  // costs little.
  bool crowded() const {
    return hash_.mixing != Mixing::kTwice &&
           away_ > size_ / 8 + (hash_.mixing == Mixing::kNone ? 4 : 32);
  }
  static Hash stronger(const Hash& hash) {
    if (hash.mixing == Mixing::kNone) return {Mixing::kOnce, 0};
    if (hash.mixing == Mixing::kOnce) return {Mixing::kTwice, 0x2d358dccaa6c78a5};
    return {Mixing::kTwice, hash.seed * 0x5851f42d4c957f2d + 0x14057b7ef767814f};
  }

  // A bit for each free slot.
  static unsigned free_slots(const Bucket& bucket) {
    unsigned free = 0;
    for (std::size_t i = 0; i < kSlots; ++i)
      free |= static_cast<unsigned>(bucket.slots[i].key == kEmpty) << i;
    return free;
  }

  // The first free slot from the key's own on, around the end: no branch on whether its own is
  // free.
  static std::size_t first_from(unsigned free, std::size_t own) {
    const unsigned from_own = (free | free << kSlots) >> (own % kSlots);
    return (own + static_cast<std::size_t>(std::countr_zero(from_own))) % kSlots;
  }

  // False if the probe would get too long.
  bool place(std::uint64_t key, std::uint64_t value) {
    const std::size_t own = hash_.slot(hash_.of(key));
    const std::size_t mask = buckets_.size() - 1;
    for (std::size_t probe = 0; probe < kLongestProbe; ++probe) {
      Bucket& bucket = buckets_[(own / kSlots + probe) & mask];
      const unsigned free = free_slots(bucket);
      if (free == 0) {
        mark_passed((own / kSlots + probe) & mask);
        continue;
      }
      bucket.slots[first_from(free, own)] = {key, value};
      away_ += probe != 0;
      return true;
    }
    return false;
  }

  // A bucket that was passed has room in `slot`: a key that was pushed past it has to come back.
  // That leaves room where it was. If there is none, nobody is past it any more.
  void move_back(std::size_t hole, std::size_t slot) {
    const View table = view();
    for (bool moved = true; moved && table.was_passed(hole);) {
      moved = false;
      std::size_t b = hole;
      do {
        b = table.after(b);
        for (std::size_t i = 0; i < kSlots && !moved; ++i) {
          const Slot& other = buckets_[b].slots[i];
          if (other.key == kEmpty || b == hole) continue;
          const std::size_t home = table.home(other.key);
          if (((b - home) & table.mask) < ((b - hole) & table.mask)) continue;
          buckets_[hole].slots[slot] = other;
          buckets_[b].slots[i].key = kEmpty;
          away_ -= home == hole;
          hole = b;
          slot = i;
          moved = true;
        }
      } while (!moved && b != hole && table.was_passed(b));
      if (!moved) passed_[hole / 8] &= static_cast<std::uint8_t>(~(1 << (hole % 8)));
    }
  }

  // Moves all keys into `count` buckets. Grows where seed after seed leaves a probe too long.
  void rebuild(std::size_t count, Hash hash) {
    const Buckets old = std::move(buckets_);
    bool doubles = count == 2 * old.size() && hash == hash_;
    for (int tries = 1;; ++tries, hash = stronger(hash), doubles = false) {
      if (tries % 8 == 0) count *= 2;
      buckets_ = Buckets(count);
      passed_ = Buffer<std::uint8_t>((count + 7) / 8);
      hash_ = hash;
      hash_.shift = 64 - std::countr_zero(count * kSlots);
      room_ = room(count);
      away_ = 0;
      const bool placed = !doubles ? place_all(old) : place_all_doubled(old);
      if (placed && !crowded()) return;
    }
  }
  // False if a probe would get too long.
  bool place_all(const Buckets& from) {
    buckets_.clear();
    for (std::size_t b = 0; b < from.size(); ++b)
      for (const Slot& slot : from[b].slots)
        if (slot.key != kEmpty && !place(slot.key, slot.value)) return false;
    return true;
  }
  // The same with the same hash in twice as many slots. A key in its own slot i, as six of seven
  // are, has 2 i or 2 i + 1 for its own now, and no other key that was in its own has: those are
  // moved without a look at what is there, or a branch on which slots are taken. Then the others.
  bool place_all_doubled(const Buckets& from) {
    if (hash_.mixing == Mixing::kNone) return place_all_doubled<Mixing::kNone>(from);
    if (hash_.mixing == Mixing::kOnce) return place_all_doubled<Mixing::kOnce>(from);
    return place_all_doubled<Mixing::kTwice>(from);
  }
  template <Mixing kMixing>
  bool place_all_doubled(const Buckets& from) {
    const Hash hash = hash_;
    const Slot* const slots = from.data()->slots;
    Slot* const to = buckets_.data()->slots;
    const auto others = std::make_unique_for_overwrite<std::size_t[]>(size_ + 1);
    std::size_t count = 0;
    for (std::size_t i = 0; i < from.size() * kSlots; ++i) {
      const Slot slot = slots[i];
      const std::size_t own = hash.slot(hash.of<kMixing>(slot.key));
      const std::uint64_t key = slot.key & opaque(0 - std::uint64_t{own / 2 == i});
      const std::uint64_t odd = key & (0 - std::uint64_t{own % 2});
      to[2 * i] = {key ^ odd, slot.value};
      to[2 * i + 1] = {odd, slot.value};
      others[count] = i;
      count += key != slot.key;
    }
    for (std::size_t i = 0; i < count; ++i)
      if (!place(slots[others[i]].key, slots[others[i]].value)) return false;
    return true;
  }

  Buckets buckets_;  // a power of two
  Buffer<std::uint8_t> passed_;
  Hash hash_;
  std::size_t size_ = 0;  // without the key kEmpty
  std::size_t room_ = 0;  // the size_ at which it grows
  std::size_t away_ = 0;  // keys that don't lie in their home
  bool has_empty_ = false;
  std::uint64_t value_of_empty_ = 0;
};

}  // namespace headroom

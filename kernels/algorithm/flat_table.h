// A hash table from 64-bit keys to 64-bit values, made for finding.
//
// Open addressing in buckets of one cache line, four keys and their four values: a find that hits
// its home bucket, as nearly all do, costs one miss, and compares all four keys at once instead of
// leaving the branch predictor to guess at which of them the probe stops. The memory is a Buffer,
// so on huge pages from 1 MiB on. Keys that are sequential, strided or alike in their low or high
// bits spread as random ones do (the hash multiplies twice), and no probe gets long: an insert that
// would make it so gives the table another seed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/buffer.h"

namespace headroom {

class FlatTable {
 public:
  static constexpr std::size_t kSlots = 4;          // of a bucket
  static constexpr std::uint64_t kEmpty = 0;        // a free slot; the key 0 lives beside the table
  static constexpr std::size_t kLongestProbe = 32;  // buckets that a find may have to look into

  // Slots fill from the front: a bucket whose last key is kEmpty has room, and there a probe ends.
  struct alignas(64) Bucket {
    std::uint64_t keys[kSlots];
    std::uint64_t values[kSlots];
  };

  // What a find needs, for SIMD code that is compiled for several targets.
  struct View {
    const Bucket* buckets;
    std::size_t count;
    std::uint64_t seed;
    std::uint64_t value_of_empty;  // the value of the key kEmpty; 0 if it isn't there

    std::size_t home(std::uint64_t key) const { return home_of(key, seed, count); }
    std::size_t after(std::size_t bucket) const { return bucket + 1 == count ? 0 : bucket + 1; }
  };

  explicit FlatTable(std::size_t expected = 0) { rebuild(buckets_for(expected), kFirstSeed); }

  std::size_t size() const { return size_ + has_empty_; }
  std::size_t bytes() const { return buckets_.size() * sizeof(Bucket); }
  std::uint64_t seed() const { return seed_; }
  View view() const { return {buckets_.data(), buckets_.size(), seed_, value_of_empty_}; }

  // nullptr if the key isn't there.
  const std::uint64_t* find(std::uint64_t key) const {
    if (key == kEmpty) return has_empty_ ? &value_of_empty_ : nullptr;
    const View table = view();
    for (std::size_t b = table.home(key);; b = table.after(b)) {
      const Bucket& bucket = table.buckets[b];
      for (std::size_t i = 0; i < kSlots; ++i)
        if (bucket.keys[i] == key) return &bucket.values[i];
      if (bucket.keys[kSlots - 1] == kEmpty) return nullptr;
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
    if (size_ == room_) rebuild(2 * buckets_.size(), seed_);
    while (!place(key, value)) rebuild(buckets_.size(), next_seed(seed_));
    ++size_;
    return true;
  }

  // The longest way from a key's home to where it lies, in buckets, the home counted.
  std::size_t longest_probe() const {
    std::size_t longest = 0;
    for (std::size_t b = 0; b < buckets_.size(); ++b) {
      for (std::uint64_t key : buckets_[b].keys) {
        if (key == kEmpty) continue;
        const std::size_t home = view().home(key);
        longest = std::max(longest, (b >= home ? b - home : b + buckets_.size() - home) + 1);
      }
    }
    return longest;
  }

 private:
  static constexpr std::uint64_t kFirstSeed = 0x2d358dccaa6c78a5;
  // At most 3/8 of the slots are taken: of 1.5 keys a bucket on average, one in 60 finds its home
  // full.
  static constexpr std::size_t kFull = 3, kOf = 8;

  // One multiplication (Fibonacci hashing) leaves some strides clumped together, and folding a wide
  // product does too, as its upper half is small where the key is; a second one after a shift does
  // not. No step needs more than a 64-bit product, so that a loop over keys vectorizes. Then
  // Lemire's multiply-and-shift into [0, count), for any count below 2^32.
  static std::size_t home_of(std::uint64_t key, std::uint64_t seed, std::size_t count) {
    std::uint64_t hash = (key ^ seed) * 0x9e3779b97f4a7c15;
    hash = (hash ^ (hash >> 32)) * 0xd1342543de82ef95;
    return static_cast<std::size_t>(((hash >> 32) * count) >> 32);
  }
  static std::uint64_t next_seed(std::uint64_t seed) {
    return seed * 0x5851f42d4c957f2d + 0x14057b7ef767814f;
  }
  static std::size_t buckets_for(std::size_t keys) {
    return std::max<std::size_t>(1, (keys * kOf + kFull * kSlots - 1) / (kFull * kSlots));
  }

  // False, and nothing changed, if the probe would get too long.
  bool place(std::uint64_t key, std::uint64_t value) {
    std::size_t b = view().home(key);
    for (std::size_t probe = 0; probe < kLongestProbe; ++probe, b = view().after(b)) {
      Bucket& bucket = buckets_[b];
      for (std::size_t i = 0; i < kSlots; ++i) {
        if (bucket.keys[i] != kEmpty) continue;
        bucket.keys[i] = key;
        bucket.values[i] = value;
        return true;
      }
    }
    return false;
  }

  // Moves all keys into `count` buckets. Grows where seed after seed leaves a probe too long.
  void rebuild(std::size_t count, std::uint64_t seed) {
    const Buffer<Bucket> old = std::move(buckets_);
    for (int tries = 1;; ++tries, seed = next_seed(seed)) {
      if (tries % 4 == 0) count *= 2;
      buckets_ = Buffer<Bucket>(count);
      seed_ = seed;
      room_ = count * kSlots * kFull / kOf;
      if (place_all(old)) return;
    }
  }
  bool place_all(const Buffer<Bucket>& from) {
    for (const Bucket& bucket : from)
      for (std::size_t i = 0; i < kSlots; ++i)
        if (bucket.keys[i] != kEmpty && !place(bucket.keys[i], bucket.values[i])) return false;
    return true;
  }

  Buffer<Bucket> buckets_;
  std::uint64_t seed_ = kFirstSeed;
  std::size_t size_ = 0;  // without the key kEmpty
  std::size_t room_ = 0;  // the size_ at which it grows
  bool has_empty_ = false;
  std::uint64_t value_of_empty_ = 0;
};

}  // namespace headroom

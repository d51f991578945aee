// A hash table from keys to sums that any number of threads read and add to, without a lock.
//
// Its places are fixed, its keys stay: those two restrictions are what makes it so simple. A key is
// set once, by a compare-and-swap on an empty place, and never changes; so a thread that sees its
// key in a place may use that place for ever. (With removal a place could get another key between
// the look and the use, and come back: ABA.) Linear probing; after Click, "A lock-free hash table"
// (2007), without its growth.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

namespace headroom {

// Fibonacci hashing: the upper bits of the product depend on all bits of the key. Knuth, "The Art
// of Computer Programming", volume 3, 6.4.
inline std::uint64_t spread(std::uint64_t key) { return key * 0x9e3779b97f4a7c15; }

class CountingTable {
 public:
  static constexpr std::uint64_t kNoKey = 0;  // no key may be that

  // Room for `keys` of them at a load of at most a half.
  explicit CountingTable(std::size_t keys)
      : places_(std::bit_ceil(2 * keys + 2)), shift_(65 - std::bit_width(places_.size())) {}

  // False where the key isn't there.
  bool find(std::uint64_t key, std::uint64_t& sum) const {
    for (std::size_t at = home(key);; at = next(at)) {
      // Relaxed, like all orders here. A key guards no other data: the sum beside it is atomic, and
      // starts at 0 before any thread sees the table. An addition that happened before the find is
      // seen by the rules of one variable alone (coherence).
      const std::uint64_t there = places_[at].key.load(std::memory_order_relaxed);
      if (there == key) {
        sum = places_[at].sum.load(std::memory_order_relaxed);
        return true;
      }
      if (there == kNoKey) return false;
    }
  }
  // Puts the key in where it is missing. Throws std::length_error where there is no place left.
  void add(std::uint64_t key, std::uint64_t delta) {
    std::size_t at = home(key);
    for (std::size_t tries = 0; tries < places_.size(); ++tries, at = next(at)) {
      std::uint64_t there = places_[at].key.load(std::memory_order_relaxed);
      if (there == kNoKey &&
          places_[at].key.compare_exchange_strong(there, key, std::memory_order_relaxed))
        there = key;
      // Where the exchange failed, `there` is what another thread has put in: perhaps this key.
      if (there == key) {
        places_[at].sum.fetch_add(delta, std::memory_order_relaxed);
        return;
      }
    }
    throw std::length_error("CountingTable: no place left");
  }

 private:
  // Key and sum on one line: a look-up fetches one.
  struct alignas(16) Place {
    std::atomic<std::uint64_t> key{kNoKey};
    std::atomic<std::uint64_t> sum{0};
  };
  std::size_t home(std::uint64_t key) const {
    return static_cast<std::size_t>(spread(key) >> shift_);
  }
  std::size_t next(std::size_t at) const { return (at + 1) & (places_.size() - 1); }

  std::vector<Place> places_;
  int shift_;
};

}  // namespace headroom

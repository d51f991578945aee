// Caches of a fixed number of entries, which differ in what goes when another entry comes.
//
// get(key, compute, hit) gives the value of a key; where it isn't there, compute(key) makes it and
// it is kept. A cache made for `room` never holds more than `room` values (at least one). None
// allocates after it was made. Keys and values are 64-bit numbers.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "caching/flat_index.h"

namespace headroom {

struct CacheEntry {
  std::uint64_t key = 0;
  std::uint64_t value = 0;
};

// The entries by key, at places that don't move: what all policies below have in common.
class CacheEntries {
 public:
  explicit CacheEntries(std::size_t room) : index_(room), entries_(room) {}
  std::size_t room() const { return entries_.size(); }
  std::size_t size() const { return size_; }
  bool full() const { return size_ == entries_.size(); }
  std::uint64_t key(std::uint32_t place) const { return entries_[place].key; }
  std::uint64_t value(std::uint32_t place) const { return entries_[place].value; }
  std::uint32_t find(std::uint64_t key) const {
    return index_.find(FlatIndex::hash(key),
                       [&](std::uint32_t place) { return entries_[place].key == key; });
  }
  // At the next place that was never used; the cache must not be full.
  std::uint32_t add(std::uint64_t key, std::uint64_t value) {
    const auto place = static_cast<std::uint32_t>(size_++);
    put(place, key, value);
    return place;
  }
  void replace(std::uint32_t place, std::uint64_t key, std::uint64_t value) {
    index_.erase(FlatIndex::hash(entries_[place].key), place);
    put(place, key, value);
  }

 private:
  void put(std::uint32_t place, std::uint64_t key, std::uint64_t value) {
    entries_[place] = {key, value};
    index_.insert(FlatIndex::hash(key), place);
  }
  FlatIndex index_;
  std::vector<CacheEntry> entries_;
  std::size_t size_ = 0;
};

// A cache that a policy keeps in order. A policy has, in the order in which they are called,
//
//   void ask(std::uint64_t key);                 // optional: at every request
//   void use(std::uint32_t place);               // the entry there was asked for
//   void miss(std::uint64_t key);                // optional: this key isn't there
//   std::uint32_t evict(const CacheEntries&);    // of a full cache: the place that is given up
//   void add(std::uint32_t place);               // what was missed is there now
//
// and is made for a room.
template <class Policy>
class PolicyCache {
 public:
  explicit PolicyCache(std::size_t room) : entries_(std::max<std::size_t>(room, 1)) {}
  template <class Compute>
  std::uint64_t get(std::uint64_t key, const Compute& compute, bool& hit) {
    if constexpr (requires { policy_.ask(key); }) policy_.ask(key);
    const std::uint32_t found = entries_.find(key);
    hit = found != FlatIndex::kNone;
    if (hit) {
      policy_.use(found);
      return entries_.value(found);
    }
    const std::uint64_t value = compute(key);
    if constexpr (requires { policy_.miss(key); }) policy_.miss(key);
    std::uint32_t place;
    if (entries_.full()) {
      place = policy_.evict(entries_);
      entries_.replace(place, key, value);
    } else {
      place = entries_.add(key, value);
    }
    policy_.add(place);
    return value;
  }
  std::size_t size() const { return entries_.size(); }

 private:
  CacheEntries entries_;
  Policy policy_{entries_.room()};
};

// Least recently used. The order is in arrays of numbers: a hit writes six of them, a miss takes
// over the place of what goes, and nothing is allocated.
class LruOrder {
 public:
  explicit LruOrder(std::size_t room) : order_(room, 1) {}
  void use(std::uint32_t place) {
    if (order_.front(0) == place) return;
    order_.remove(place);
    order_.push_front(0, place);
  }
  std::uint32_t evict(const CacheEntries&) {
    const std::uint32_t oldest = order_.back(0);
    order_.remove(oldest);
    return oldest;
  }
  void add(std::uint32_t place) { order_.push_front(0, place); }

 private:
  Links order_;
};
using FlatLru = PolicyCache<LruOrder>;

// CLOCK: the hand goes round over the places, spares those that were used since it came last, and
// stops at the first that wasn't. A hit sets one byte. Corbato, "A Paging Experiment with the
// Multics System" (1968).
class ClockHand {
 public:
  explicit ClockHand(std::size_t room) : used_(room) {}
  void use(std::uint32_t place) { used_[place] = 1; }
  std::uint32_t evict(const CacheEntries&) {
    for (; used_[hand_] != 0; advance()) used_[hand_] = 0;
    const std::uint32_t place = hand_;
    advance();
    return place;
  }
  void add(std::uint32_t) {}  // it stands behind the hand

 private:
  void advance() { hand_ = hand_ + 1 == used_.size() ? 0 : hand_ + 1; }
  std::vector<std::uint8_t> used_;
  std::uint32_t hand_ = 0;
};
using FlatClock = PolicyCache<ClockHand>;

// SIEVE: entries stand in the order in which they came, and the hand goes from the oldest to the
// newest. What it spares keeps its place, so that new entries that nobody asks for again go soon:
// the hand finds them between old ones that are asked for. Zhang, Yang, Yue, Vigfusson and
// Rashmi, "SIEVE is Simpler than LRU" (NSDI 2024).
class SieveHand {
 public:
  explicit SieveHand(std::size_t room) : used_(room), order_(room, 1) {}
  void use(std::uint32_t place) { used_[place] = 1; }
  std::uint32_t evict(const CacheEntries&) {
    std::uint32_t place = hand_ == order_.end(0) ? order_.back(0) : hand_;
    while (used_[place] != 0) {
      used_[place] = 0;
      place = order_.before(place);
      if (place == order_.end(0)) place = order_.back(0);
    }
    hand_ = order_.before(place);
    order_.remove(place);
    return place;
  }
  void add(std::uint32_t place) { order_.push_front(0, place); }

 private:
  std::vector<std::uint8_t> used_;
  Links order_;
  std::uint32_t hand_ = order_.end(0);
};
using FlatSieve = PolicyCache<SieveHand>;

// A queue of at most `room` numbers in one array.
class Ring {
 public:
  explicit Ring(std::size_t room) : places_(room) {}
  std::size_t size() const { return size_; }
  void push(std::uint32_t value) {
    places_[wrapped(first_ + size_)] = value;
    ++size_;
  }
  std::uint32_t pop() {
    const std::uint32_t value = places_[first_];
    first_ = wrapped(first_ + 1);
    --size_;
    return value;
  }

 private:
  std::size_t wrapped(std::size_t at) const {
    return at >= places_.size() ? at - places_.size() : at;
  }
  std::vector<std::uint32_t> places_;
  std::size_t first_ = 0, size_ = 0;
};

// Keys that went a short time ago, without their values: the last `room` of them.
class Ghosts {
 public:
  explicit Ghosts(std::size_t room) : keys_(room), index_(room) {}
  void remember(std::uint64_t key) {
    Slot& slot = keys_[next_];
    if (slot.taken) index_.erase(FlatIndex::hash(slot.key), next_);
    slot = {key, true};
    index_.insert(FlatIndex::hash(key), next_);
    next_ = next_ + 1 == keys_.size() ? 0 : next_ + 1;
  }
  // Whether it is remembered; no longer from then on.
  bool recall(std::uint64_t key) {
    const std::uint64_t hash = FlatIndex::hash(key);
    const std::uint32_t at =
        index_.find(hash, [&](std::uint32_t i) { return keys_[i].key == key; });
    if (at == FlatIndex::kNone) return false;
    index_.erase(hash, at);
    keys_[at].taken = false;
    return true;
  }

 private:
  struct Slot {
    std::uint64_t key = 0;
    bool taken = false;
  };
  std::vector<Slot> keys_;
  FlatIndex index_;
  std::uint32_t next_ = 0;
};

// S3-FIFO: a small queue, a tenth of the room, which all new entries pass: only those that were
// asked for twice there get into the main queue, the others leave their key among the ghosts, and a
// ghost that is asked for again goes to the main queue at once. Both are first in, first out; in
// the main one what was asked for goes round again. Yang, Zhang, Qiu, Yue and Rashmi, "FIFO Queues
// Are All You Need for Cache Eviction" (SOSP 2023).
class S3FifoQueues {
 public:
  explicit S3FifoQueues(std::size_t room)
      : asked_(room),
        room_of_small_(std::max<std::size_t>(room / 10, 1)),
        small_(room),
        main_(room),
        ghosts_(std::max<std::size_t>(room - room_of_small_, 1)) {}
  void use(std::uint32_t place) {
    asked_[place] = static_cast<std::uint8_t>(std::min(asked_[place] + 1, kMostAsked));
  }
  void miss(std::uint64_t key) { known_ = ghosts_.recall(key); }
  std::uint32_t evict(const CacheEntries& entries) {
    for (;;) {
      if (small_.size() >= room_of_small_ || main_.size() == 0) {
        const std::uint32_t place = small_.pop();
        if (asked_[place] < kAskedForMain) {
          ghosts_.remember(entries.key(place));
          return place;
        }
        asked_[place] = 0;
        main_.push(place);
      } else {
        const std::uint32_t place = main_.pop();
        if (asked_[place] == 0) return place;
        --asked_[place];
        main_.push(place);
      }
    }
  }
  void add(std::uint32_t place) {
    asked_[place] = 0;
    (known_ ? main_ : small_).push(place);
  }

 private:
  static constexpr int kMostAsked = 3;
  static constexpr int kAskedForMain = 2;

  std::vector<std::uint8_t> asked_;
  std::size_t room_of_small_;
  Ring small_, main_;
  Ghosts ghosts_;
  bool known_ = false;  // what was missed last, among the ghosts
};
using S3Fifo = PolicyCache<S3FifoQueues>;

}  // namespace headroom

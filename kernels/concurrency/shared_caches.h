// Caches with a bound, that several threads ask: what a hit costs, and who waits for whom.
//
// get(key, compute) gives the value of the key, and computes it where it isn't there, without a
// lock; where two threads compute the same one, the first to put it in wins. A cache holds at most
// `room` values; which one goes when another comes is its policy. Keys are 64-bit numbers.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "support/team.h"

namespace headroom {

// Least recently used goes: what one writes first. A hit moves its node to the front of the list,
// so that even reading changes three others' pointers.
template <class T>
class LruCache {
 public:
  explicit LruCache(std::size_t room) : room_(std::max<std::size_t>(room, 1)) {}
  std::optional<T> find(std::uint64_t key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return std::nullopt;
    order_.splice(order_.begin(), order_, at->second);
    return at->second->value;
  }
  // The value that is there from now on: another thread's, where that was quicker.
  T insert(std::uint64_t key, const T& value) {
    if (std::optional<T> there = find(key)) return *std::move(there);
    if (index_.size() == room_) {
      index_.erase(order_.back().key);
      order_.pop_back();
    }
    order_.push_front({key, value});
    index_.emplace(key, order_.begin());
    return value;
  }
  std::size_t size() const { return index_.size(); }

 private:
  struct Node {
    std::uint64_t key;
    T value;
  };
  std::size_t room_;
  std::list<Node> order_;
  std::unordered_map<std::uint64_t, typename std::list<Node>::iterator> index_;
};

// The hand of a clock goes round over the places, spares those that were used since it came last,
// and stops at the first that wasn't. A hit sets one bit, and nothing is allocated. Corbato, "A
// paging experiment with the Multics system" (1968).
template <class T>
class ClockCache {
 public:
  explicit ClockCache(std::size_t room) : room_(std::max<std::size_t>(room, 1)) {
    places_.reserve(room_);
    index_.reserve(room_);
  }
  std::optional<T> find(std::uint64_t key) {
    const auto at = index_.find(key);
    if (at == index_.end()) return std::nullopt;
    Place& place = places_[at->second];
    place.used = true;
    return place.value;
  }
  T insert(std::uint64_t key, const T& value) {
    if (std::optional<T> there = find(key)) return *std::move(there);
    if (places_.size() < room_) {
      index_.emplace(key, static_cast<std::uint32_t>(places_.size()));
      places_.push_back({key, value, false});
      return value;
    }
    for (; places_[hand_].used; hand_ = (hand_ + 1) % room_) places_[hand_].used = false;
    index_.erase(places_[hand_].key);
    index_.emplace(key, static_cast<std::uint32_t>(hand_));
    places_[hand_] = {key, value, false};
    hand_ = (hand_ + 1) % room_;
    return value;
  }
  std::size_t size() const { return index_.size(); }

 private:
  struct Place {
    std::uint64_t key;
    T value;
    bool used;
  };
  std::size_t room_;
  std::size_t hand_ = 0;
  std::vector<Place> places_;
  absl::flat_hash_map<std::uint64_t, std::uint32_t> index_;
};

// `shards` caches (a power of two), each with its part of the room and a lock of its own; a key
// belongs to one of them. One shard is a cache with one lock. What goes is chosen in the shard, so
// that many small ones evict a little worse than one large cache does.
template <class Cache>
class ShardedCache {
 public:
  ShardedCache(std::size_t room, std::size_t shards) {
    for (std::size_t i = 0; i < shards; ++i)
      shards_.push_back(std::make_unique<Shard>(room / shards + (i < room % shards ? 1 : 0)));
  }
  // `hit` says whether it was there.
  template <class Compute>
  auto get(std::uint64_t key, const Compute& compute, bool& hit) {
    Shard& shard = of(key);
    {
      const std::lock_guard lock(shard.mutex);
      if (auto value = shard.cache.find(key)) {
        hit = true;
        return *std::move(value);
      }
    }
    hit = false;
    const auto value = compute(key);
    const std::lock_guard lock(shard.mutex);
    return shard.cache.insert(key, value);
  }
  std::size_t size() const {
    std::size_t all = 0;
    for (const auto& shard : shards_) {
      const std::lock_guard lock(shard->mutex);
      all += shard->cache.size();
    }
    return all;
  }

 private:
  struct alignas(kApart) Shard {
    explicit Shard(std::size_t room) : cache(room) {}
    mutable std::mutex mutex;
    Cache cache;
  };
  // Not the bits that the caches' own tables go by.
  Shard& of(std::uint64_t key) const {
    return *shards_[key * 0x9e3779b97f4a7c15 >> 40 & (shards_.size() - 1)];
  }
  std::vector<std::unique_ptr<Shard>> shards_;
};

}  // namespace headroom

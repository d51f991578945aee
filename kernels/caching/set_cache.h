// A cache in sets of 16 entries, as processors have them: no index and no list, so that a request
// touches one set and nothing else.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "caching/flat_index.h"

namespace headroom {

// Which set a key belongs to follows from its hash; a full set gives up an entry of its own,
// although others elsewhere may be less worth keeping (with 16 ways that costs little). Within a
// set CLOCK chooses, without a loop: what was used and where the hand stands are bits of a word.
struct SetCache {
  static constexpr std::uint32_t kWays = 16;
  struct alignas(64) Set {
    std::uint8_t tags[kWays] = {};  // a byte of each key's hash: 16 compared at once
    std::uint32_t taken = 0;        // a bit per way
    std::uint32_t used = 0;         // since the hand came by
    std::uint32_t hand = 0;
    std::uint64_t keys[kWays] = {};
    std::uint64_t values[kWays] = {};
  };

  explicit SetCache(std::size_t room)
      : ways(static_cast<std::uint32_t>(std::clamp<std::size_t>(room, 1, kWays))),
        sets(std::max<std::size_t>(room / kWays, 1)) {}
  Set& set_of(std::uint64_t hash) {
    return sets[static_cast<std::size_t>((hash >> 32) * sets.size() >> 32)];
  }
  static std::uint8_t tag_of(std::uint64_t hash) { return static_cast<std::uint8_t>(hash); }
  // In place of the first way from the hand on that wasn't used, around the end; of the hand's own
  // where all were. Without a branch: which way it is nobody could predict. (Ways that were never
  // taken are not used either, and the hand meets them in turn.)
  void insert(Set& set, std::uint64_t hash, std::uint64_t key, std::uint64_t value) const {
    const std::uint32_t all = (1u << ways) - 1, hand = set.hand;
    const std::uint32_t unused = ~set.used & all;
    const std::uint32_t from_hand = (unused >> hand | unused << (ways - hand)) & all;
    const auto passed = static_cast<std::uint32_t>(__builtin_ctz(from_hand | 1u << ways));
    const std::uint32_t spared = (1u << passed) - 1;
    set.used &= ~(spared << hand | spared >> (ways - hand));
    const std::uint32_t way = hand + passed - (hand + passed >= ways ? ways : 0);
    set.hand = way + 1 == ways ? 0 : way + 1;
    set.taken |= 1u << way;
    set.tags[way] = tag_of(hash);
    set.keys[way] = key;
    set.values[way] = value;
  }
  std::size_t size() const {
    std::size_t all = 0;
    for (const Set& set : sets) all += static_cast<std::size_t>(__builtin_popcount(set.taken));
    return all;
  }

  std::uint32_t ways;
  std::vector<Set> sets;
};

}  // namespace headroom

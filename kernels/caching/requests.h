// What caches are asked for, and how often the best possible one would have had it.
//
// A cache has room for `room` entries. Inputs:
//   zipf     20 x room keys, the k-th asked for in proportion to 1 / k^0.99: what popularity
//            looks like (Breslau et al., "Web Caching and Zipf-like Distributions", 1999)
//   uniform  2 x room keys, all alike: no policy can be better than another
//   scan     zipf, and after each 4 x room requests a scan of room keys that nobody asked for
//            before or will again
//   loop     1.25 x room keys in turn, again and again: the worst for least recently used
#pragma once

#include <cstddef>
#include <cstdint>
#include <queue>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/buffer.h"
#include "core/random.h"
#include "core/setting.h"

namespace headroom {

inline constexpr auto kRequestInputs = inputs("zipf", "uniform", "scan", "loop");

// Stands for a look-up in a database: cheap, so that the cache's own time is what is measured.
inline std::uint64_t value_of(std::uint64_t key) { return (key ^ key >> 29) * 0xbf58476d1ce4e5b9; }

// Keys that are no small numbers in a row.
inline std::uint64_t key_of(std::uint64_t number) { return number * 0xd1342543de82ef95 + 1; }

inline void fill_requests(InputName input, std::size_t room, std::uint64_t seed,
                          std::span<std::uint64_t> asked) {
  FastRng fast(seed);
  if (input == kRequestInputs["uniform"]) {
    for (std::uint64_t& key : asked) key = key_of(bounded(fast, 2 * room));
  } else if (input == kRequestInputs["loop"]) {
    const std::size_t keys = room + room / 4 + 1;
    for (std::size_t i = 0; i < asked.size(); ++i) asked[i] = key_of(i % keys);
  } else {
    const std::size_t keys = 20 * room;
    const Zipf popular(keys, 0.99);
    const bool scans = input == kRequestInputs["scan"];
    for (std::size_t i = 0; i < asked.size(); ++i)
      asked[i] = key_of(scans && i % (5 * room) >= 4 * room ? keys + i : popular(fast));
  }
}

// How many of these requests the best possible cache would have had, which knows what will be
// asked for: what goes is what is asked for last of all (Belady, "A Study of Replacement
// Algorithms for a Virtual-Storage Computer", 1966). O(n log n) time.
inline std::size_t belady_hits(std::span<const std::uint64_t> asked, std::size_t room) {
  const std::size_t never = asked.size();
  std::vector<std::size_t> next(asked.size(), never);
  std::unordered_map<std::uint64_t, std::size_t> seen;
  seen.reserve(asked.size());
  for (std::size_t i = asked.size(); i-- > 0;) {
    const auto [at, fresh] = seen.try_emplace(asked[i], i);
    if (!fresh) next[i] = std::exchange(at->second, i);
  }
  // By when it is asked for next; an entry that has been asked for meanwhile is there twice, and
  // only the later one counts.
  std::priority_queue<std::pair<std::size_t, std::uint64_t>> by_next;
  std::unordered_map<std::uint64_t, std::size_t> held;
  std::size_t hits = 0;
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto at = held.find(asked[i]);
    if (at != held.end()) {
      ++hits;
      at->second = next[i];
    } else {
      if (held.size() == room) {
        while (true) {
          const auto [when, key] = by_next.top();
          by_next.pop();
          const auto there = held.find(key);
          if (there != held.end() && there->second == when) {
            held.erase(there);
            break;
          }
        }
      }
      held.emplace(asked[i], next[i]);
    }
    by_next.emplace(next[i], asked[i]);
  }
  return hits;
}

}  // namespace headroom

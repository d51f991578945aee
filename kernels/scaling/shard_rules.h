// Which of n shards a key is on: the rules, written plainly.
//
// The kernels' variants are held against these, and tests/shard_rules_test.cpp holds these against
// what their papers say. A rule is judged by three things: how many keys change their shard when a
// shard is added (at best 1 / (n + 1) of all, those that the new one gets), how evenly it deals
// them out, and how long a decision takes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace headroom::shards {

// Shards are numbered from 0, with 16 bits; the last number stands for none.
using Shard = std::uint16_t;
inline constexpr Shard kNone = 0xffff;

inline constexpr std::uint64_t kFirstFactor = 0xff51afd7ed558ccd;
inline constexpr std::uint64_t kSecondFactor = 0xc4ceb9fe1a85ec53;

// MurmurHash3's finalizer, a bijection. Keys may be numbers in a row, so each rule begins with it.
inline std::uint64_t hash_of(std::uint64_t key) {
  key = (key ^ key >> 33) * kFirstFactor;
  key = (key ^ key >> 33) * kSecondFactor;
  return key ^ key >> 33;
}
// Where a key lies on a circle of 2^32 places.
inline std::uint32_t place_of(std::uint64_t key) {
  return static_cast<std::uint32_t>(hash_of(key) >> 32);
}
// Of a shard's own numbers: those of keys must not be the same.
inline std::uint64_t shard_hash(std::uint32_t shard, std::uint32_t number) {
  return hash_of((std::uint64_t{shard} << 32 | number) ^ 0x9e3779b97f4a7c15);
}

enum class Rule : std::uint8_t { kNone, kRemainder, kRing, kJump, kRendezvous, kMaglev, kBounded };

// --- remainder: no table, as even as chance; another n changes nearly every key's shard.

inline Shard by_remainder(std::uint64_t key, std::uint32_t shards) {
  return static_cast<Shard>(place_of(key) % shards);
}

// --- ring: each shard has points on the circle, and a key is on the shard of the first point that
// comes at its place or after it. A new shard takes keys from others, none of which exchange any.
// Karger et al., "Consistent Hashing and Random Trees" (1997). With one point each, shards get arcs
// of very different lengths; with v points the differences shrink as 1 / sqrt(v).

inline constexpr std::uint32_t kPoints = 128;  // of a shard

struct Point {
  std::uint32_t at;
  Shard shard;
  friend auto operator<=>(const Point&, const Point&) = default;
};

inline Point point_of(std::uint32_t shard, std::uint32_t number) {
  return {static_cast<std::uint32_t>(shard_hash(shard, number) >> 32), static_cast<Shard>(shard)};
}

class Ring {
 public:
  explicit Ring(std::uint32_t shards, std::uint32_t points = kPoints) {
    points_.reserve(std::size_t{shards} * points);
    for (std::uint32_t shard = 0; shard < shards; ++shard)
      for (std::uint32_t i = 0; i < points; ++i) points_.push_back(point_of(shard, i));
    std::sort(points_.begin(), points_.end());
  }
  // In ascending order; of two at the same place the first counts.
  std::span<const Point> points() const { return points_; }
  // The number of the point that a place belongs to.
  std::size_t find(std::uint32_t place) const {
    const auto at = std::lower_bound(points_.begin(), points_.end(), Point{place, 0});
    return at == points_.end() ? 0 : static_cast<std::size_t>(at - points_.begin());
  }
  Shard operator()(std::uint64_t key) const { return points_[find(place_of(key))].shard; }
  std::size_t bytes() const { return points_.size() * sizeof(Point); }

 private:
  std::vector<Point> points_;
};

// --- jump hash: as n grows, a key jumps to shard n with probability 1 / (n + 1); the function goes
// from jump to jump, ln n of them. No table, as even as chance, but only the last shard can be
// taken away. Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm" (2014).

inline constexpr std::uint64_t kJumpFactor = 2862933555777941757;

inline Shard by_jump(std::uint64_t key, std::uint32_t shards) {
  std::uint64_t state = hash_of(key);
  double shard = 0;
  while (true) {
    state = state * kJumpFactor + 1;
    const double next = (shard + 1) * (0x1p31 / static_cast<double>((state >> 33) + 1));
    if (!(next < shards)) return static_cast<Shard>(shard);
    shard = static_cast<double>(static_cast<std::int64_t>(next));
  }
}

// --- rendezvous, or highest random weight: every shard draws a number for the key, and the largest
// wins. Any shard can go, as even as chance; n numbers to draw for each decision. Thaler and
// Ravishankar, "Using Name-Based Mappings to Increase Hit Rates" (1998).
//
// The number is a product of two halves of the key's hash, one with the shard's own number in it.
// One multiplication by an odd number that differs from key to key deals out as evenly as chance
// (tests/shard_rules_test.cpp).

inline std::uint32_t shard_seed(std::uint32_t shard) {
  return static_cast<std::uint32_t>(shard_hash(shard, 0) >> 32);
}
inline std::uint32_t weight_of(std::uint64_t hash, std::uint32_t seed) {
  return (static_cast<std::uint32_t>(hash >> 32) ^ seed) * (static_cast<std::uint32_t>(hash) | 1);
}
// Of each shard.
inline std::vector<std::uint32_t> seeds(std::uint32_t shards) {
  std::vector<std::uint32_t> all(shards);
  for (std::uint32_t shard = 0; shard < shards; ++shard) all[shard] = shard_seed(shard);
  return all;
}
inline Shard by_rendezvous(std::uint64_t key, std::span<const std::uint32_t> seeds) {
  const std::uint64_t hash = hash_of(key);
  std::uint32_t most = 0;
  Shard winner = 0;
  for (std::size_t shard = 0; shard < seeds.size(); ++shard) {
    const std::uint32_t weight = weight_of(hash, seeds[shard]);
    if (weight > most) {
      most = weight;
      winner = static_cast<Shard>(shard);
    }
  }
  return winner;
}

// --- Maglev: a table of slots, to which the shards lay claim in turn, each in an order of its own;
// a decision is one look-up. As even as can be: no shard has two slots more than another. When a
// shard comes, a few slots also change between old ones. Eisenbud et al., "Maglev: A Fast and
// Reliable Software Network Load Balancer" (2016).

// The table keeps its size while shards come and go, or all of it would change: there are 100 slots
// at least for each of as many shards as the next power of two. A prime, so that each order reaches
// all slots.
inline std::uint32_t slots_for(std::uint32_t shards) {
  for (std::uint32_t slots = 100 * std::bit_ceil(shards) + 1;; ++slots) {
    bool prime = true;
    for (std::uint32_t d = 2; d * d <= slots && prime; ++d) prime = slots % d != 0;
    if (prime) return slots;
  }
}

class Maglev {
 public:
  explicit Maglev(std::uint32_t shards) : slots_(slots_for(shards)), table_(slots_, kNone) {
    std::vector<std::uint32_t> next(shards), skip(shards);
    for (std::uint32_t shard = 0; shard < shards; ++shard) {
      next[shard] = static_cast<std::uint32_t>(shard_hash(shard, 0) % slots_);
      skip[shard] = static_cast<std::uint32_t>(shard_hash(shard, 1) % (slots_ - 1)) + 1;
    }
    for (std::uint32_t taken = 0; taken < slots_;) {
      for (std::uint32_t shard = 0; shard < shards && taken < slots_; ++shard, ++taken) {
        while (table_[next[shard]] != kNone) next[shard] = (next[shard] + skip[shard]) % slots_;
        table_[next[shard]] = static_cast<Shard>(shard);
      }
    }
  }
  std::uint32_t slots() const { return slots_; }
  std::span<const Shard> table() const { return table_; }
  // A product instead of a remainder: Lemire, "Fast random integer generation in an interval"
  // (2019).
  std::uint32_t slot_of(std::uint32_t place) const {
    return static_cast<std::uint32_t>(std::uint64_t{place} * slots_ >> 32);
  }
  Shard operator()(std::uint64_t key) const { return table_[slot_of(place_of(key))]; }
  std::size_t bytes() const { return table_.size() * sizeof(Shard); }

 private:
  std::uint32_t slots_;
  std::vector<Shard> table_;
};

// --- bounded loads: the ring, but no shard takes more than 1.25 times its part of the keys; who
// comes to one that is full goes on to the next point. So the fullest is 1.25 times the mean at
// most, also where some keys are asked for again and again. Where a key goes depends on those
// before it, so loads must be known, and more keys move. Mirrokni, Thorup and Zadimoghaddam,
// "Consistent Hashing with Bounded Loads" (2018).

inline std::size_t most_for(std::size_t keys, std::uint32_t shards) {
  return (5 * keys + 4 * std::size_t{shards} - 1) / (4 * std::size_t{shards});
}

// On from point `at` to the first one whose shard has room, whose load then is one more.
inline Shard first_with_room(std::span<const Point> points, std::size_t at, std::size_t most,
                             std::span<std::uint32_t> loads) {
  while (loads[points[at].shard] >= most) at = at + 1 == points.size() ? 0 : at + 1;
  ++loads[points[at].shard];
  return points[at].shard;
}

// All keys in their order, beginning with no load.
inline void by_bounded_ring(const Ring& ring, std::uint32_t shards,
                            std::span<const std::uint64_t> keys, std::span<Shard> out) {
  std::vector<std::uint32_t> loads(shards);
  const std::size_t most = most_for(keys.size(), shards);
  for (std::size_t i = 0; i < keys.size(); ++i)
    out[i] = first_with_room(ring.points(), ring.find(place_of(keys[i])), most, loads);
}

// --- all of them

// The rules for n shards, ready to be asked.
class Rules {
 public:
  explicit Rules(std::uint32_t shards)
      : shards_(shards), ring_(shards), seeds_(shards::seeds(shards)), maglev_(shards) {}
  std::uint32_t count() const { return shards_; }
  const Ring& ring() const { return ring_; }
  const Maglev& maglev() const { return maglev_; }
  std::span<const std::uint32_t> seeds() const { return seeds_; }

  // The shard of each key by a rule; false where it is none.
  bool decide(Rule rule, std::span<const std::uint64_t> keys, std::span<Shard> out) const {
    const auto each = [&](auto&& one) {
      for (std::size_t i = 0; i < keys.size(); ++i) out[i] = one(keys[i]);
      return true;
    };
    switch (rule) {
      case Rule::kRemainder:
        return each([&](std::uint64_t key) { return by_remainder(key, shards_); });
      case Rule::kRing:
        return each(ring_);
      case Rule::kJump:
        return each([&](std::uint64_t key) { return by_jump(key, shards_); });
      case Rule::kRendezvous:
        return each([&](std::uint64_t key) { return by_rendezvous(key, seeds_); });
      case Rule::kMaglev:
        return each(maglev_);
      case Rule::kBounded:
        by_bounded_ring(ring_, shards_, keys, out);
        return true;
      case Rule::kNone:
        break;
    }
    return false;
  }

 private:
  std::uint32_t shards_;
  Ring ring_;
  std::vector<std::uint32_t> seeds_;
  Maglev maglev_;
};

}  // namespace headroom::shards

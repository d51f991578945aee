// Filters: small sets that say "perhaps" for every key that was put in, and "no" for nearly all
// others. What says "no" need not be looked for.
//
// Each is made once from distinct 64-bit keys, about ten bits a key, and is right about every one
// of them; its comment has the share of other keys for which it says "perhaps" all the same.
// tests/filters_test.cpp holds each against that formula.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <vector>

#include "core/buffer.h"

namespace headroom::filters {

// MurmurHash3's finalizer: every bit of the key changes every bit of the hash in half of all cases.
// It is a bijection, so that distinct keys have distinct hashes.
inline std::uint64_t mix(std::uint64_t key) {
  key = (key ^ key >> 33) * 0xff51afd7ed558ccd;
  key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53;
  return key ^ key >> 33;
}

// A number in [0, count) from the upper 32 bits of a hash (Lemire, "Fast random integer generation
// in an interval", 2019).
inline std::size_t scaled(std::uint64_t hash, std::size_t count) {
  return static_cast<std::size_t>((hash >> 32) * count >> 32);
}

inline constexpr double kBloomBits = 10;  // a key
inline constexpr int kProbes = 7;         // bits of a key that are set: 0.69 of the above is best

// How many units of `bits` hold kBloomBits for each of n keys; at least one.
inline std::size_t units(std::size_t n, std::size_t bits) {
  const double needed = kBloomBits * static_cast<double>(n) / static_cast<double>(bits);
  return std::max<std::size_t>(static_cast<std::size_t>(std::ceil(needed)), 1);
}

// Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors" (1970): k bits for each key,
// anywhere among m. False positives: (1 - e^(-k n / m))^k. The k places come from two hashes
// (Kirsch and Mitzenmacher, "Less Hashing, Same Performance", 2006).
class Bloom {
 public:
  explicit Bloom(std::span<const std::uint64_t> keys) : words_(units(keys.size(), 64)) {
    for (const std::uint64_t key : keys) {
      std::uint64_t hash = mix(key);
      const std::uint64_t step = step_of(hash);
      for (int i = 0; i < kProbes; ++i, hash += step) {
        const std::size_t bit = scaled(hash, bits());
        words_[bit / 64] |= std::uint64_t{1} << bit % 64;
      }
    }
  }
  bool may_contain(std::uint64_t key) const {
    std::uint64_t hash = mix(key);
    const std::uint64_t step = step_of(hash);
    for (int i = 0; i < kProbes; ++i, hash += step) {
      const std::size_t bit = scaled(hash, bits());
      if ((words_[bit / 64] >> bit % 64 & 1) == 0) return false;
    }
    return true;
  }
  std::size_t bits() const { return 64 * words_.size(); }

 private:
  static std::uint64_t step_of(std::uint64_t hash) { return hash << 32 | hash >> 32 | 1; }
  Buffer<std::uint64_t> words_;
};

// The same within one block of a cache line's 512 bits, which the key's hash chooses: one miss for
// each question, and the line is there for all bits, so that all are looked at without a branch.
// Some blocks get more keys than others, which costs some false positives: the average over loads,
// by Poisson's law, of a Bloom filter of 512 bits. Putze, Sanders and Singler, "Cache-, Hash- and
// Space-Efficient Bloom Filters" (2007).
class BlockedBloom {
 public:
  static constexpr std::size_t kBlockBits = 512;
  explicit BlockedBloom(std::span<const std::uint64_t> keys)
      : blocks_(units(keys.size(), kBlockBits)) {
    for (const std::uint64_t key : keys) {
      const std::uint64_t hash = mix(key);
      Block& block = blocks_[scaled(hash, blocks_.size())];
      std::uint64_t places = places_of(hash);
      for (int i = 0; i < kProbes; ++i, places >>= 9)
        block[places >> 6 & 7] |= std::uint64_t{1} << (places & 63);
    }
  }
  bool may_contain(std::uint64_t key) const {
    const std::uint64_t hash = mix(key);
    const Block& block = blocks_[scaled(hash, blocks_.size())];
    std::uint64_t places = places_of(hash), all = 1;
    for (int i = 0; i < kProbes; ++i, places >>= 9) all &= block[places >> 6 & 7] >> (places & 63);
    return all != 0;
  }
  std::size_t bits() const { return kBlockBits * blocks_.size(); }

 private:
  using Block = std::array<std::uint64_t, kBlockBits / 64>;
  // Seven times nine bits, which the choice of the block does not depend on.
  static std::uint64_t places_of(std::uint64_t hash) {
    const std::uint64_t low = hash * 0x9e3779b97f4a7c15;
    return (low ^ low >> 32) * 0x9fb21c651e98df25 >> 1;
  }
  Buffer<Block> blocks_;  // starts at a line
};

// Eight words of 32 bits, and one bit of each for a key: what SIMD does in a few instructions.
// False positives: the average over loads i of a block of (1 - (31/32)^i)^8. As in Apache Parquet's
// format, with its constants.
class SplitBlock {
 public:
  static constexpr std::size_t kLanes = 8;
  static constexpr std::array<std::uint32_t, kLanes> kSalts = {0x47b6137b, 0x44974d91, 0x8824ad5b,
                                                               0xa2b7289d, 0x705495c7, 0x2df1424b,
                                                               0x9efc4947, 0x5c6bfb31};
  struct alignas(32) Block {
    std::array<std::uint32_t, kLanes> words = {};
  };

  explicit SplitBlock(std::span<const std::uint64_t> keys) : blocks_(units(keys.size(), 256)) {
    for (const std::uint64_t key : keys) {
      const std::uint64_t hash = mix(key);
      Block& block = blocks_[scaled(hash, blocks_.size())];
      for (std::size_t i = 0; i < kLanes; ++i) block.words[i] |= bit_of(hash, i);
    }
  }
  bool may_contain(std::uint64_t key) const {
    const std::uint64_t hash = mix(key);
    const Block& block = blocks_[scaled(hash, blocks_.size())];
    bool all = true;
    for (std::size_t i = 0; i < kLanes; ++i) all &= (block.words[i] & bit_of(hash, i)) != 0;
    return all;
  }
  static std::uint32_t bit_of(std::uint64_t hash, std::size_t lane) {
    return std::uint32_t{1} << (static_cast<std::uint32_t>(hash) * kSalts[lane] >> 27);
  }
  std::size_t bits() const { return 256 * blocks_.size(); }
  std::span<const Block> blocks() const { return {blocks_.data(), blocks_.size()}; }

 private:
  Buffer<Block> blocks_;
};

// Three places of a key in thirds of an array of 1.23 n: Graf and Lemire, "Xor Filters: Faster and
// Smaller Than Bloom and Cuckoo Filters" (2020).
class XorPlaces {
 public:
  explicit XorPlaces(std::size_t n)
      : third_((static_cast<std::size_t>(1.23 * static_cast<double>(n)) + 32) / 3) {}
  std::size_t size() const { return 3 * third_; }
  std::array<std::size_t, 3> of(std::uint64_t hash) const {
    const auto rotated = [&](int by) { return hash << by | hash >> (64 - by); };
    return {scaled(hash, third_), third_ + scaled(rotated(21), third_),
            2 * third_ + scaled(rotated(42), third_)};
  }

 private:
  std::size_t third_;
};

// Three places in three neighbours of many short segments: an array of 1.125 n is enough, and the
// places are near each other. Graf and Lemire, "Binary Fuse Filters: Fast and Smaller Than Xor
// Filters" (2022), whose choice of lengths this is.
class FusePlaces {
 public:
  explicit FusePlaces(std::size_t n) {
    const double keys = std::max(static_cast<double>(n), 2.0);
    const int log = static_cast<int>(std::floor(std::log(keys) / std::log(3.33) + 2.25));
    segment_ = std::size_t{1} << std::min(log, 18);
    const double factor = std::max(1.125, 0.875 + 0.25 * std::log(1e6) / std::log(keys));
    const auto needed = static_cast<std::size_t>(std::ceil(factor * static_cast<double>(n)));
    const std::size_t segments = (needed + segment_ - 1) / segment_;
    firsts_ = (std::max<std::size_t>(segments, 3) - 2) * segment_;
  }
  std::size_t size() const { return firsts_ + 2 * segment_; }
  std::array<std::size_t, 3> of(std::uint64_t hash) const {
    const std::size_t first = scaled(hash, firsts_);
    return {first, (first + segment_) ^ (hash >> 18 & (segment_ - 1)),
            (first + 2 * segment_) ^ (hash & (segment_ - 1))};
  }
  std::size_t segment() const { return segment_; }
  std::size_t firsts() const { return firsts_; }

 private:
  std::size_t segment_ = 1;
  std::size_t firsts_ = 1;  // places that the first of three may be
};

// A byte for each place, such that the three of a key xor to a byte of the key's hash. False
// positives: 1/256, whatever the keys.
//
// It is made by peeling: a place that only one key has decides nothing else, so that key can be
// given its due last of all; taken away, it leaves others alone. With too many keys for the array
// nothing is left alone, and other hashes are tried. Equal keys never are left alone:
// std::invalid_argument.
template <class Places>
class Fingerprints {
 public:
  // A gather reads four bytes where one is meant.
  static constexpr std::size_t kPadding = 3;

  explicit Fingerprints(std::span<const std::uint64_t> keys)
      : places_(keys.size()), bytes_(places_.size() + kPadding) {
    constexpr int kAttempts = 100;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      seed_ = mix(static_cast<std::uint64_t>(attempt) + 1);
      if (fill(keys)) return;
    }
    throw std::invalid_argument("a filter's keys are not distinct");
  }
  bool may_contain(std::uint64_t key) const {
    const std::uint64_t hash = mix(key + seed_);
    const auto [a, b, c] = places_.of(hash);
    return (byte_of(hash) ^ bytes_[a] ^ bytes_[b] ^ bytes_[c]) == 0;
  }
  std::size_t bits() const { return 8 * places_.size(); }
  static std::uint8_t byte_of(std::uint64_t hash) {
    return static_cast<std::uint8_t>(hash ^ hash >> 32);
  }
  const Places& places() const { return places_; }
  const std::uint8_t* bytes() const { return bytes_.data(); }
  std::uint64_t seed() const { return seed_; }

 private:
  // What the keys of a place come to: how many there are, and their hashes combined, which is the
  // hash of the last one that is left.
  struct Cell {
    std::uint64_t hashes = 0;
    std::uint32_t keys = 0;
  };
  struct Peeled {
    std::uint64_t hash;
    std::size_t place;
  };

  bool fill(std::span<const std::uint64_t> keys) {
    std::vector<Cell> cells(places_.size());
    for (const std::uint64_t key : keys) {
      const std::uint64_t hash = mix(key + seed_);
      for (const std::size_t place : places_.of(hash)) {
        cells[place].hashes ^= hash;
        ++cells[place].keys;
      }
    }
    std::vector<std::size_t> alone;
    for (std::size_t i = 0; i < cells.size(); ++i)
      if (cells[i].keys == 1) alone.push_back(i);
    std::vector<Peeled> order;
    order.reserve(keys.size());
    while (!alone.empty()) {
      const std::size_t last = alone.back();
      alone.pop_back();
      if (cells[last].keys != 1) continue;  // it went with another of its places
      const std::uint64_t hash = cells[last].hashes;
      order.push_back({hash, last});
      for (const std::size_t place : places_.of(hash)) {
        cells[place].hashes ^= hash;
        if (--cells[place].keys == 1) alone.push_back(place);
      }
    }
    if (order.size() != keys.size()) return false;
    for (std::size_t i = order.size(); i-- > 0;) {
      const auto [a, b, c] = places_.of(order[i].hash);
      bytes_[order[i].place] =
          static_cast<std::uint8_t>(byte_of(order[i].hash) ^ bytes_[a] ^ bytes_[b] ^ bytes_[c]);
    }
    return true;
  }

  Places places_;
  Buffer<std::uint8_t> bytes_;
  std::uint64_t seed_ = 0;
};

using Xor8 = Fingerprints<XorPlaces>;
using BinaryFuse8 = Fingerprints<FusePlaces>;

}  // namespace headroom::filters

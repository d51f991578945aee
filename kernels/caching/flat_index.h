// What caches of a fixed size are made of: places in arrays, found by key without an allocation,
// and put in order without a pointer.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace headroom {

// From a key's hash to the place of its entry, for at most `room` entries. Linear probing in a
// table that is at most half full, of 8 bytes per entry: the upper half of the hash and the place.
// An entry's home follows from the hash's upper bits, so that an erased one can be closed up
// (Knuth, "The Art of Computer Programming" 3, section 6.4, algorithm R) without looking at the
// keys of its neighbours.
class FlatIndex {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  explicit FlatIndex(std::size_t room)
      : bits_(std::max(1, static_cast<int>(std::bit_width(2 * room - 1)))),
        mask_((std::size_t{1} << bits_) - 1),
        table_(mask_ + 1) {}

  static std::uint64_t hash(std::uint64_t key) {
    key *= 0x9e3779b97f4a7c15;
    key ^= key >> 32;
    return key * 0x9e3779b97f4a7c15;
  }
  // The place for which is_key(place) is true, of those with this hash; kNone if there is none.
  template <class IsKey>
  std::uint32_t find(std::uint64_t hash, const IsKey& is_key) const {
    for (std::size_t i = home(hash);; i = (i + 1) & mask_) {
      const std::uint64_t entry = table_[i];
      if ((entry ^ hash) >> 32 == 0 && entry << 32 != 0) {
        const std::uint32_t place = static_cast<std::uint32_t>(entry) - 1;
        if (is_key(place)) return place;
      }
      if (entry << 32 == 0) return kNone;
    }
  }
  void insert(std::uint64_t hash, std::uint32_t place) {
    std::size_t i = home(hash);
    while (table_[i] << 32 != 0) i = (i + 1) & mask_;
    table_[i] = entry_of(hash, place);
  }
  // It must be there.
  void erase(std::uint64_t hash, std::uint32_t place) {
    std::size_t hole = home(hash);
    while (table_[hole] != entry_of(hash, place)) hole = (hole + 1) & mask_;
    for (std::size_t i = (hole + 1) & mask_; table_[i] << 32 != 0; i = (i + 1) & mask_) {
      if (((i - home(table_[i])) & mask_) < ((i - hole) & mask_)) continue;
      table_[hole] = table_[i];
      hole = i;
    }
    table_[hole] = 0;
  }

 private:
  static std::uint64_t entry_of(std::uint64_t hash, std::uint32_t place) {
    return (hash >> 32 << 32) | (place + 1);
  }
  std::size_t home(std::uint64_t hash) const {
    return static_cast<std::size_t>(hash >> (64 - bits_));
  }
  int bits_;
  std::size_t mask_;
  std::vector<std::uint64_t> table_;  // the lower half is 0 where nothing is, else the place + 1
};

// Lists over places 0 .. room - 1, each of which is in at most one of `lists`. Front and back are
// neighbours of an end of the list's own, so that no link is a special case.
class Links {
 public:
  Links(std::size_t room, std::size_t lists) : links_(room + lists), room_(room) {
    for (std::size_t i = room; i < links_.size(); ++i) {
      const auto end = static_cast<std::uint32_t>(i);
      links_[i] = {end, end};
    }
  }
  std::uint32_t end(std::size_t list) const { return static_cast<std::uint32_t>(room_ + list); }
  std::uint32_t front(std::size_t list) const { return links_[end(list)].next; }
  std::uint32_t back(std::size_t list) const { return links_[end(list)].previous; }
  // Towards the front; end(list) where it is the first.
  std::uint32_t before(std::uint32_t place) const { return links_[place].previous; }
  void push_front(std::size_t list, std::uint32_t place) {
    const std::uint32_t edge = end(list), first = links_[edge].next;
    links_[place] = {edge, first};
    links_[edge].next = place;
    links_[first].previous = place;
  }
  void remove(std::uint32_t place) {
    const auto [previous, next] = links_[place];
    links_[previous].next = next;
    links_[next].previous = previous;
  }

 private:
  struct Link {
    std::uint32_t previous = 0, next = 0;
  };
  std::vector<Link> links_;
  std::size_t room_;
};

}  // namespace headroom

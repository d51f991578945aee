// W-TinyLFU, and the sketch of how often keys were asked for that it goes by.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "caching/policies.h"

namespace headroom {

// How often a key was asked for lately, up to 15: a count-min sketch (Cormode and Muthukrishnan,
// 2005) of 4-bit counters, four for each key, all in one cache line. It never tells too little.
// After every `sample` requests all counts are halved, so that what was popular once can go
// (Einziger, Friedman and Manes, "TinyLFU: A Highly Efficient Cache Admission Policy", 2017).
class FrequencySketch {
 public:
  // Sixteen counters, 8 bytes, per entry of the cache.
  explicit FrequencySketch(std::size_t room)
      : lines_(std::bit_ceil(std::max<std::size_t>(room / 8, 1))), sample_(10 * room) {}
  void count(std::uint64_t hash) {
    Line& line = lines_[line_of(hash)];
    for (int i = 0; i < kCounters; ++i) {
      std::uint64_t& word = line.words[word_of(hash, i)];
      const int shift = shift_of(hash, i);
      if ((word >> shift & 15) != 15) word += std::uint64_t{1} << shift;
    }
    if (++counted_ >= sample_) halve();
  }
  int estimate(std::uint64_t hash) const {
    const Line& line = lines_[line_of(hash)];
    int least = 15;
    for (int i = 0; i < kCounters; ++i)
      least =
          std::min(least, static_cast<int>(line.words[word_of(hash, i)] >> shift_of(hash, i) & 15));
    return least;
  }

 private:
  static constexpr int kCounters = 4;
  struct alignas(64) Line {
    std::uint64_t words[8] = {};
  };
  // Two words of the line for each counter to choose from: no two counters of a key are one.
  static std::size_t word_of(std::uint64_t hash, int i) {
    return static_cast<std::size_t>(2 * i) + (hash >> (5 * i + 4) & 1);
  }
  static int shift_of(std::uint64_t hash, int i) {
    return static_cast<int>(hash >> (5 * i) & 15) * 4;
  }
  std::size_t line_of(std::uint64_t hash) const { return hash >> 32 & (lines_.size() - 1); }
  void halve() {
    for (Line& line : lines_)
      for (std::uint64_t& word : line.words) word = word >> 1 & 0x7777777777777777;
    counted_ /= 2;
  }
  std::vector<Line> lines_;
  std::size_t sample_;
  std::size_t counted_ = 0;
};

// A window of a hundredth of the room takes every new entry, least recently used first out. What
// leaves it gets into the main part only if it was asked for more often than what would have to go
// there. The main part is two lists: an entry that is asked for again gets from the first, from
// which entries go, to the second, which has four fifths of the room. Einziger, Eytan, Friedman
// and Manes, "Adaptive Software Cache Management" (Middleware 2018); Caffeine is its best-known
// implementation.
class WindowAndMain {
 public:
  explicit WindowAndMain(std::size_t room)
      : sketch_(room),
        list_of_(room),
        order_(room, kLists),
        room_of_window_(std::max<std::size_t>(room / 100, 1)),
        room_of_protected_((room - room_of_window_) * 4 / 5) {}
  void ask(std::uint64_t key) { sketch_.count(FlatIndex::hash(key)); }
  void use(std::uint32_t place) {
    const auto list = static_cast<List>(list_of_[place]);
    if (order_.front(list) == place && list != kProbation) return;
    move(place, list == kWindow ? kWindow : kProtected);
    if (protected_size_ > room_of_protected_) move(order_.back(kProtected), kProbation);
  }
  std::uint32_t evict(const CacheEntries& entries) {
    const auto asked = [&](std::uint32_t place) {
      return sketch_.estimate(FlatIndex::hash(entries.key(place)));
    };
    const std::uint32_t candidate = order_.back(kWindow);
    std::uint32_t victim = order_.back(kProbation);
    if (victim == order_.end(kProbation)) victim = order_.back(kProtected);
    if (victim == order_.end(kProtected) || asked(candidate) <= asked(victim)) {
      take(candidate);
      return candidate;
    }
    take(victim);
    return victim;
  }
  // What the window has no room for goes to the main part, which has a place free then.
  void add(std::uint32_t place) {
    if (window_size_ == room_of_window_) move(order_.back(kWindow), kProbation);
    put(place, kWindow);
  }

 private:
  enum List : std::uint8_t { kWindow, kProbation, kProtected, kLists };

  void put(std::uint32_t place, List list) {
    list_of_[place] = list;
    order_.push_front(list, place);
    window_size_ += list == kWindow ? 1 : 0;
    protected_size_ += list == kProtected ? 1 : 0;
  }
  void take(std::uint32_t place) {
    order_.remove(place);
    window_size_ -= list_of_[place] == kWindow ? 1 : 0;
    protected_size_ -= list_of_[place] == kProtected ? 1 : 0;
  }
  void move(std::uint32_t place, List list) {
    take(place);
    put(place, list);
  }
  FrequencySketch sketch_;
  std::vector<std::uint8_t> list_of_;
  Links order_;
  std::size_t room_of_window_, room_of_protected_;
  std::size_t window_size_ = 0, protected_size_ = 0;
};
using WindowTinyLfu = PolicyCache<WindowAndMain>;

}  // namespace headroom

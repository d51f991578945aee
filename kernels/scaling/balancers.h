// How a load balancer chooses the backend of the next request: one class for each rule.
//
// A rule keeps its state in arrays made once and never allocates afterwards. It has
//
//   Rule(std::size_t backends, std::uint64_t seed);
//   std::uint32_t choose(probe);       // probe(backend): what this backend says it has right now
//   void more(backend), less(backend); // one request more or less is known to be there
//   void answered(backend, latency, now);     // optional: it answered, this long after it was sent
//
// and learns of loads only through these: in a stale view more() and less() come late. Only a rule
// that pays for probes may ask a backend itself. Whole numbers throughout, so that a rule chooses
// the same on every machine.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "support/simulator.h"

namespace headroom {

// What rules without a state have in common.
struct KnowsNothing {
  void more(std::uint32_t) {}
  void less(std::uint32_t) {}
};

class RandomRule : public KnowsNothing {
 public:
  RandomRule(std::size_t backends, std::uint64_t seed)
      : random_(seed), backends_(static_cast<std::uint32_t>(backends)) {}
  template <class Probe>
  std::uint32_t choose(const Probe&) {
    return random_.below(backends_);
  }

 private:
  SimRandom random_;
  std::uint32_t backends_;
};

class RoundRobinRule : public KnowsNothing {
 public:
  RoundRobinRule(std::size_t backends, std::uint64_t)
      : backends_(static_cast<std::uint32_t>(backends)) {}
  template <class Probe>
  std::uint32_t choose(const Probe&) {
    const std::uint32_t chosen = next_;
    next_ = next_ + 1 == backends_ ? 0 : next_ + 1;
    return chosen;
  }

 private:
  std::uint32_t backends_, next_ = 0;
};

// The backend with the fewest requests; of equals the next one after the last choice, in turn. As
// it is written first: an object for each backend, and a walk over all of them.
class ScanRule {
 public:
  ScanRule(std::size_t backends, std::uint64_t) : backends_(backends) {}
  template <class Probe>
  std::uint32_t choose(const Probe&) {
    std::size_t best = next_;
    for (std::size_t i = 0, at = next_; i < backends_.size(); ++i) {
      if (backends_[at].load < backends_[best].load) best = at;
      at = at + 1 == backends_.size() ? 0 : at + 1;
    }
    next_ = best + 1 == backends_.size() ? 0 : best + 1;
    return static_cast<std::uint32_t>(best);
  }
  void more(std::uint32_t backend) { ++backends_[backend].load; }
  void less(std::uint32_t backend) { --backends_[backend].load; }

 private:
  // What a proxy keeps of a backend, at least: address, weight, health.
  struct Backend {
    std::uint32_t load = 0;
    std::array<std::uint8_t, 28> address = {};
    std::uint32_t weight = 1, failures = 0;
    std::uint64_t checked = 0, sent = 0, answered = 0;
  };
  std::vector<Backend> backends_;
  std::size_t next_ = 0;
};

// The same choice from a packed array of loads: eight loads a cache line are now thirty-two, and
// the least of them is found without a branch per backend, by vectors.
class PackedScanRule {
 public:
  PackedScanRule(std::size_t backends, std::uint64_t) : loads_(backends, 0) {}
  template <class Probe>
  std::uint32_t choose(const Probe&) {
    std::uint16_t least = 0xffff;
    for (const std::uint16_t load : loads_) least = std::min(least, load);
    // The first of the least from next_ on, else from the start.
    const auto from = loads_.begin() + static_cast<std::ptrdiff_t>(next_);
    auto found = std::find(from, loads_.end(), least);
    if (found == loads_.end()) found = std::find(loads_.begin(), from, least);
    const auto best = static_cast<std::size_t>(found - loads_.begin());
    next_ = best + 1 == loads_.size() ? 0 : best + 1;
    return static_cast<std::uint32_t>(best);
  }
  void more(std::uint32_t backend) { ++loads_[backend]; }
  void less(std::uint32_t backend) { --loads_[backend]; }

 private:
  std::vector<std::uint16_t> loads_;
  std::size_t next_ = 0;
};

// The same choice without a walk: for each load a bitmap of the backends that have it, and a word
// that says which loads occur. A request moves one bit. The work doesn't depend on the number of
// backends until one bitmap has several words, and even then looks at a word for 64 of them.
class LeastLoadedRule {
 public:
  LeastLoadedRule(std::size_t backends, std::uint64_t)
      : words_((backends + 63) / 64), loads_(backends, 0), bits_(kLevels * words_, 0) {
    for (std::size_t i = 0; i < backends; ++i) bits_[i / 64] |= std::uint64_t{1} << i % 64;
    count_[0] = static_cast<std::uint32_t>(backends);
  }
  template <class Probe>
  std::uint32_t choose(const Probe&) {
    const auto level = static_cast<std::size_t>(std::countr_zero(occur_));
    const std::size_t best = level + 1 < kLevels ? first_of(level) : least_of_many();
    next_ = best + 1 == loads_.size() ? 0 : best + 1;
    return static_cast<std::uint32_t>(best);
  }
  void more(std::uint32_t backend) { move(backend, loads_[backend] + 1); }
  void less(std::uint32_t backend) { move(backend, loads_[backend] - 1); }

 private:
  static constexpr std::size_t kLevels = 64;  // the last one: as many or more

  void move(std::uint32_t backend, std::uint32_t load) {
    const std::size_t from = std::min<std::size_t>(loads_[backend], kLevels - 1);
    const std::size_t to = std::min<std::size_t>(load, kLevels - 1);
    loads_[backend] = load;
    if (from == to) return;
    const std::uint64_t bit = std::uint64_t{1} << backend % 64;
    bits_[from * words_ + backend / 64] ^= bit;
    bits_[to * words_ + backend / 64] ^= bit;
    occur_ &= ~(static_cast<std::uint64_t>(--count_[from] == 0) << from);
    ++count_[to];
    occur_ |= std::uint64_t{1} << to;
  }
  // From next_ on, in turn; the level isn't empty.
  std::size_t first_of(std::size_t level) const {
    const std::uint64_t* const bits = &bits_[level * words_];
    std::size_t word = next_ / 64;
    std::uint64_t left = bits[word] & (~std::uint64_t{0} << next_ % 64);
    while (left == 0) {
      word = word + 1 == words_ ? 0 : word + 1;
      left = bits[word];
    }
    return word * 64 + static_cast<std::size_t>(std::countr_zero(left));
  }
  // All have more than the bitmaps tell apart.
  std::size_t least_of_many() const {
    std::size_t best = next_;
    for (std::size_t i = 0, at = next_; i < loads_.size(); ++i) {
      if (loads_[at] < loads_[best]) best = at;
      at = at + 1 == loads_.size() ? 0 : at + 1;
    }
    return best;
  }

  std::size_t words_, next_ = 0;
  std::vector<std::uint32_t> loads_;
  std::vector<std::uint64_t> bits_;  // by level, and of each a bit per backend
  std::array<std::uint32_t, kLevels> count_ = {};
  std::uint64_t occur_ = 1;  // a bit for each level that has any
};

// Of two backends drawn at random the one with fewer requests. Mitzenmacher, The power of two
// choices in randomized load balancing (1996): almost all that the full list buys, and with old
// news it doesn't send everybody to the same place.
class TwoChoicesRule {
 public:
  TwoChoicesRule(std::size_t backends, std::uint64_t seed) : random_(seed), loads_(backends, 0) {}
  template <class Probe>
  std::uint32_t choose(const Probe&) {
    // One draw for both: 32 bits each.
    const std::uint64_t draw = random_.generator()();
    const std::uint32_t a = below(static_cast<std::uint32_t>(draw));
    const std::uint32_t b = below(static_cast<std::uint32_t>(draw >> 32));
    return loads_[b] < loads_[a] ? b : a;
  }
  void more(std::uint32_t backend) { ++loads_[backend]; }
  void less(std::uint32_t backend) { --loads_[backend]; }

 private:
  // Off by less than one in 2^32 / backends: nothing next to what is drawn.
  std::uint32_t below(std::uint32_t bits) const {
    return static_cast<std::uint32_t>(std::uint64_t{bits} * loads_.size() >> 32);
  }
  SimRandom random_;
  std::vector<std::uint32_t> loads_;
};

// Two choices by what a request would take there: the requests that wait times a moving average of
// latency that jumps to a peak at once and forgets it within kMemory (Finagle's and Linkerd's "Peak
// EWMA"). It sees a backend that is slow, not only one that has much to do.
class PeakEwmaRule {
 public:
  PeakEwmaRule(std::size_t backends, std::uint64_t seed) : random_(seed), backends_(backends) {}
  template <class Probe>
  std::uint32_t choose(const Probe&) {
    const std::uint64_t draw = random_.generator()();
    const std::uint32_t a = below(static_cast<std::uint32_t>(draw));
    const std::uint32_t b = below(static_cast<std::uint32_t>(draw >> 32));
    return cost(backends_[b]) < cost(backends_[a]) ? b : a;
  }
  void more(std::uint32_t backend) { ++backends_[backend].load; }
  void less(std::uint32_t backend) { --backends_[backend].load; }
  void answered(std::uint32_t backend, SimTime latency, SimTime now) {
    Backend& b = backends_[backend];
    const auto own = static_cast<std::int64_t>(latency), gap = own - b.average;
    // The weight of the new value, in 1/1024: the time since the last one over kMemory. A straight
    // line instead of an exponential, which would differ in its last bit between machines.
    const std::uint64_t weight = std::min<std::uint64_t>((now - b.at) >> (kMemoryBits - 10), 1024);
    b.average = gap > 0 ? own : b.average + gap * static_cast<std::int64_t>(weight) / 1024;
    b.at = now;
  }

 private:
  static constexpr int kMemoryBits = 24;  // 17 ms
  struct Backend {
    std::int64_t average = 0;
    SimTime at = 0;
    std::int64_t load = 0;
  };
  static std::int64_t cost(const Backend& b) { return (b.average + 1) * (b.load + 1); }
  std::uint32_t below(std::uint32_t bits) const {
    return static_cast<std::uint32_t>(std::uint64_t{bits} * backends_.size() >> 32);
  }
  SimRandom random_;
  std::vector<Backend> backends_;
};

// Prequal's rules (Wydrowski and others, Load is not what you should balance, NSDI 2024), short of
// its removal of the worst: each request sends kProbes probes to backends at random. A probe brings
// how many requests the backend has (RIF) and what so many take it. The answers lie in a pool of
// 16, a newer one in the place of the oldest, and each is used once. Those whose RIF is among the
// highest of late are hot: of the others the one of the least latency serves; where all are hot,
// the one with the fewest requests. One pass over 16 keys, without a branch, finds either.
class PrequalRule {
 public:
  static constexpr std::size_t kProbes = 2;
  PrequalRule(std::size_t backends, std::uint64_t seed)
      : random_(seed), took_(backends, SimTime{1}) {}
  template <class Probe>
  std::uint32_t choose(const Probe& probe) {
    std::uint64_t least = ~std::uint64_t{0};
    std::size_t best = 0;
    for (std::size_t i = 0; i < kPool; ++i) {
      const std::uint64_t key = key_of(pool_[i]);
      best = key < least ? i : best;
      least = key < least ? key : least;
    }
    const std::uint64_t draw = random_.generator()();
    const std::uint32_t chosen =
        least == ~std::uint64_t{0} ? below(static_cast<std::uint32_t>(draw)) : pool_[best].backend;
    pool_[best].load = kNobody;
    const std::uint64_t more = random_.generator()();
    for (std::size_t i = 0; i < kProbes; ++i) {
      const std::uint32_t backend = below(static_cast<std::uint32_t>(more >> 32 * i));
      const std::uint32_t load = probe(backend);
      // A quantile by steps: up by 4 parts where a value lies above it, else down by 1, so that
      // four in five lie below.
      hot_above_ += load * kScale > hot_above_ ? 4 : -(hot_above_ != 0);
      pool_[next_++ % kPool] = {backend, load, took_[backend] * (load + 1)};
    }
    return chosen;
  }
  void more(std::uint32_t) {}
  void less(std::uint32_t) {}
  // What a request takes a backend per request that it has: an average of late.
  void answered(std::uint32_t backend, SimTime latency, SimTime) {
    took_[backend] = took_[backend] - took_[backend] / 8 + latency / 8;
  }

 private:
  static constexpr std::size_t kPool = 16;
  static constexpr std::int64_t kScale = 64;
  struct Known {
    std::uint32_t backend = 0, load = kNobody;  // kNobody: used, or never there
    SimTime latency = 0;
  };
  std::uint32_t below(std::uint32_t bits) const {
    return static_cast<std::uint32_t>(std::uint64_t{bits} * took_.size() >> 32);
  }
  // The cold first, by latency; then the hot, by load; then what isn't there.
  std::uint64_t key_of(const Known& k) const {
    const std::uint64_t hot =
        k.load * kScale > hot_above_ ? std::uint64_t{1} << 63 | k.load : k.latency;
    return k.load == kNobody ? ~std::uint64_t{0} : hot;
  }

  SimRandom random_;
  std::vector<SimTime> took_;
  std::array<Known, kPool> pool_ = {};
  std::size_t next_ = 0;
  std::int64_t hot_above_ = 0;
};

}  // namespace headroom

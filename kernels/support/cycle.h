// A random cycle through memory, cache line by cache line: what the kernels walk that are about the
// latency of memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/buffer.h"
#include "core/random.h"
#include "support/pages.h"

namespace headroom {

// A random cycle through all cache lines of a piece of memory: each line begins with the address of
// the next. No prefetcher foresees it.
class Cycle {
 public:
  struct Line {
    const Line* next = nullptr;
    std::uint64_t unused[7] = {};
  };
  static_assert(sizeof(Line) == kLine);

  Cycle() = default;
  Cycle(std::size_t bytes, PageSize page_size, std::uint64_t seed)
      : memory_(bytes, page_size), order_(std::max<std::size_t>(1, bytes / kLine)) {
    Line* const lines = reinterpret_cast<Line*>(memory_.data());
    const std::size_t count = order_.size();
    // A shuffled order of visits, taken as a ring, is a random cycle.
    for (std::size_t i = 0; i < count; ++i) order_[i] = static_cast<std::uint32_t>(i);
    FastRng rng(seed);
    shuffle(std::span<std::uint32_t>(order_.data(), count), rng);
    for (std::size_t i = 0; i < count; ++i)
      lines[order_[i]] = {&lines[order_[i + 1 == count ? 0 : i + 1]]};
    huge_share_ = memory_.huge_share();
  }

  std::size_t lines() const { return order_.size(); }
  const Line* begin() const { return reinterpret_cast<const Line*>(memory_.data()); }
  // The line that is visited `visit` steps after the first.
  const Line* line(std::size_t visit) const { return begin() + number(visit); }
  // Its place in memory.
  std::uint64_t number(std::size_t visit) const { return order_[visit % order_.size()]; }
  double huge_share() const { return huge_share_; }

 private:
  Mapping memory_;
  Buffer<std::uint32_t> order_;
  double huge_share_ = -1;
};

}  // namespace headroom

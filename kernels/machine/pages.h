// Memory in pages of a chosen size, for the probes that are about pages, and the cycles of cache
// lines that the latency probes walk. (Buffer always asks for huge pages.)
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <new>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "core/buffer.h"
#include "core/random.h"

namespace headroom::machine {

inline constexpr std::size_t kSmallPage =
    4096;  // what first_touch counts in, whatever the host has
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

enum class Pages { kHuge, kSmall };
inline Pages pages(InputName input) {
  return input.text() == "small_pages" ? Pages::kSmall : Pages::kHuge;
}

// Anonymous memory at a 2 MiB boundary, with huge pages advised or forbidden; untouched, so zero.
class Mapping {
 public:
  Mapping() = default;
  Mapping(std::size_t bytes, Pages pages) : size_((bytes + kHugePage - 1) / kHugePage * kHugePage) {
    mapped_ = size_ + kHugePage;
    base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) {
      base_ = nullptr;
      throw std::bad_alloc();
    }
    const auto start = reinterpret_cast<std::uintptr_t>(base_);
    data_ = static_cast<char*>(base_) + (kHugePage - start % kHugePage) % kHugePage;
#ifdef MADV_HUGEPAGE
    madvise(base_, mapped_, pages == Pages::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)pages;
#endif
  }
  Mapping(Mapping&& other) noexcept { swap(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Mapping() {
    if (base_ != nullptr) munmap(base_, mapped_);
  }

  char* data() const { return data_; }
  std::size_t size() const { return size_; }
  // Gives the pages back: the next touch of each is a first touch again.
  void discard() { madvise(data_, size_, MADV_DONTNEED); }

  // The share of the memory touched so far that lies in huge pages, from 0 to 1; negative where the
  // host does not tell. An advice is not a promise.
  double huge_share() const {
    std::ifstream smaps("/proc/self/smaps");
    const auto at = reinterpret_cast<std::uintptr_t>(data_);
    double resident = 0, huge = 0;
    bool inside = false, told = false;
    for (std::string line; std::getline(smaps, line);) {
      std::uintptr_t from, to;
      char dash;
      std::istringstream range(line);
      if (range >> std::hex >> from >> dash >> to && dash == '-') {
        inside = from < at + size_ && at < to;
      } else if (inside) {
        std::istringstream entry(line);
        std::string key;
        double kib = 0;
        entry >> key >> kib;
        if (key == "Rss:") resident += kib;
        if (key == "AnonHugePages:") {
          huge += kib;
          told = true;
        }
      }
    }
    return told && resident > 0 ? huge / resident : -1;
  }

 private:
  void swap(Mapping& other) {
    std::swap(base_, other.base_);
    std::swap(mapped_, other.mapped_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  void* base_ = nullptr;
  std::size_t mapped_ = 0;
  char* data_ = nullptr;
  std::size_t size_ = 0;
};

inline constexpr std::size_t kLine = 64;

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
  Cycle(std::size_t bytes, Pages pages, std::uint64_t seed)
      : memory_(bytes, pages), order_(std::max<std::size_t>(1, bytes / kLine)) {
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

}  // namespace headroom::machine

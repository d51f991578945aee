// Memory in pages of a chosen size, for kernels where it matters. (Buffer always asks for huge
// pages.)
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <new>
#include <sstream>
#include <string>
#include <utility>

#include "core/setting.h"

namespace headroom {

inline constexpr std::size_t kLine = 64;  // of a cache
// What counts as a small page, whatever the host has.
inline constexpr std::size_t kSmallPage = 4096;
inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

enum class PageSize { kHuge, kSmall };
// Of the inputs "huge_pages" and "small_pages".
inline PageSize page_size(InputName input) {
  return input.text() == "small_pages" ? PageSize::kSmall : PageSize::kHuge;
}

// Anonymous memory at a 2 MiB boundary, with huge pages advised or forbidden; untouched, so zero.
class Mapping {
 public:
  Mapping() = default;
  Mapping(std::size_t bytes, PageSize page_size)
      : size_((bytes + kHugePage - 1) / kHugePage * kHugePage) {
    mapped_ = size_ + kHugePage;
    base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) {
      base_ = nullptr;
      throw std::bad_alloc();
    }
    const auto start = reinterpret_cast<std::uintptr_t>(base_);
    data_ = static_cast<char*>(base_) + (kHugePage - start % kHugePage) % kHugePage;
#ifdef MADV_HUGEPAGE
    madvise(base_, mapped_, page_size == PageSize::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
    (void)page_size;
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

}  // namespace headroom

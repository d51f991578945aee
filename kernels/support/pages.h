// Memory in pages of a chosen size, for kernels to which the size matters. (A Buffer asks for huge
// pages, and only from 64 KiB on.)
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "core/pages.h"
#include "core/setting.h"

namespace headroom {

inline constexpr std::size_t kLine = 64;  // of a cache
// What counts as a small page, whatever the host has.
inline constexpr std::size_t kSmallPage = 4096;

// Of the inputs "huge_pages" and "small_pages".
inline PageSize page_size(InputName input) {
  return input.text() == "small_pages" ? PageSize::kSmall : PageSize::kHuge;
}

// Memory at a 2 MiB boundary, with huge pages advised or refused; zero, and untouched.
class Mapping {
 public:
  Mapping() = default;
  Mapping(std::size_t bytes, PageSize page_size)
      : data_(static_cast<unsigned char*>(map_pages(bytes, page_size))), size_(bytes) {}
  Mapping(Mapping&& other) noexcept { swap(other); }
  Mapping& operator=(Mapping&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Mapping() {
    if (data_ != nullptr) unmap_pages(data_, size_);
  }

  unsigned char* data() const { return data_; }
  std::uint64_t* words() const { return reinterpret_cast<std::uint64_t*>(data_); }
  std::size_t size() const { return size_; }
  // Gives the pages back: the next touch of each is a first touch again.
  void discard() { madvise(data_, mapped_bytes(size_), MADV_DONTNEED); }

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
        inside = from < at + mapped_bytes(size_) && at < to;
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
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

// The same with every page there, so that no timed call pays for the first touch. O_DIRECT takes
// such memory: a huge page is one piece for the device where small ones are a piece for each 4 KiB,
// which can triple what it delivers.
inline Mapping touched_pages(std::size_t bytes, PageSize page_size = PageSize::kHuge) {
  Mapping memory(bytes, page_size);
  std::memset(memory.data(), 0, bytes);
  return memory;
}

}  // namespace headroom

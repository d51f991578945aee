#include "core/buffer.h"

#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <new>

namespace headroom {
namespace {

std::atomic<std::size_t> held{0};
thread_local std::size_t misalignment = 0;

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kHugeFrom = std::size_t{1} << 20;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool kAddressSanitizer = true;
#else
constexpr bool kAddressSanitizer = false;
#endif
#else
constexpr bool kAddressSanitizer = false;
#endif

bool uses_pages(std::size_t bytes) { return bytes >= kHugeFrom && !kAddressSanitizer; }
std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Maps whole 2 MiB pages at a 2 MiB boundary. malloc would put its own header in front, and reuse
// of a heap block would make the page size depend on what ran before.
void* map_huge(std::size_t bytes) {
  const std::size_t size = round_up(bytes, kHugePage);
  void* raw =
      mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<std::uintptr_t>(raw);
  const std::uintptr_t aligned = round_up(start, kHugePage);
  if (aligned != start) munmap(raw, aligned - start);
  const std::uintptr_t tail = start + kHugePage - aligned;
  if (tail != 0) munmap(reinterpret_cast<void*>(aligned + size), tail);
  void* memory = reinterpret_cast<void*>(aligned);
#ifdef MADV_HUGEPAGE
  madvise(memory, size, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace

std::size_t buffer_bytes_held() { return held.load(std::memory_order_relaxed); }

ScopedMisalignment::ScopedMisalignment(std::size_t elements) { misalignment = elements; }
ScopedMisalignment::~ScopedMisalignment() { misalignment = 0; }

namespace internal {

std::size_t misaligned_elements() { return misalignment; }

void* allocate(std::size_t bytes) {
  void* memory = nullptr;
  if (uses_pages(bytes)) {
    memory = map_huge(bytes);
  } else if (posix_memalign(&memory, kCacheLine, bytes) != 0) {
    throw std::bad_alloc();
  }
  std::memset(memory, 0, bytes);
  held.fetch_add(bytes, std::memory_order_relaxed);
  return memory;
}

void release(void* memory, std::size_t bytes) {
  held.fetch_sub(bytes, std::memory_order_relaxed);
  if (uses_pages(bytes)) {
    munmap(memory, round_up(bytes, kHugePage));
  } else {
    std::free(memory);
  }
}

}  // namespace internal
}  // namespace headroom

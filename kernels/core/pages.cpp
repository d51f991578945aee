#include "core/pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <new>

namespace headroom {

void* map_pages(std::size_t bytes, PageSize page_size) {
  const std::size_t size = mapped_bytes(bytes);
  void* const raw =
      mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) throw std::bad_alloc();
  const auto start = reinterpret_cast<std::uintptr_t>(raw);
  const std::uintptr_t aligned = (start + kHugePage - 1) / kHugePage * kHugePage;
  if (aligned != start) munmap(raw, aligned - start);
  const std::uintptr_t tail = start + kHugePage - aligned;
  if (tail != 0) munmap(reinterpret_cast<void*>(aligned + size), tail);
  void* const memory = reinterpret_cast<void*>(aligned);
#ifdef MADV_HUGEPAGE
  madvise(memory, size, page_size == PageSize::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
#else
  (void)page_size;
#endif
  return memory;
}

void unmap_pages(void* memory, std::size_t bytes) { munmap(memory, mapped_bytes(bytes)); }

}  // namespace headroom

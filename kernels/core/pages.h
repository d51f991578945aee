// Memory straight from the system, in pages of a chosen size: what Buffer is made of from 64 KiB
// on.
#pragma once

#include <cstddef>

namespace headroom {

inline constexpr std::size_t kHugePage = std::size_t{2} << 20;

enum class PageSize { kHuge, kSmall };

// Maps `bytes`, rounded up to whole pages of 2 MiB, at a boundary of 2 MiB. Huge pages are advised,
// or refused, before the first touch. The memory is zero, and untouched: no page is there yet.
// Throws std::bad_alloc.
void* map_pages(std::size_t bytes, PageSize page_size);
// Gives back what map_pages(bytes, ...) returned.
void unmap_pages(void* memory, std::size_t bytes);
// What map_pages rounds `bytes` up to.
constexpr std::size_t mapped_bytes(std::size_t bytes) {
  return bytes == 0 ? kHugePage : (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

}  // namespace headroom

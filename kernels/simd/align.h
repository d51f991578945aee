// Streaming stores need aligned vectors.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace headroom::simd {

// How many of the n items at p come before the first that lies at a multiple of `bytes` bytes.
template <class T>
inline std::size_t items_to_alignment(const T* p, std::size_t n, std::size_t bytes) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(p) % bytes;
  return std::min(n, past == 0 ? 0 : (bytes - past) / sizeof(T));
}

}  // namespace headroom::simd

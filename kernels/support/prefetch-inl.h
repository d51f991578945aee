// What kernels need that store past the caches: aligned vectors, and lines asked for in time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace headroom {

// How many of the n items at p come before the first that lies at a multiple of `bytes` bytes.
template <class T>
inline std::size_t items_to_alignment(const T* p, std::size_t n, std::size_t bytes) {
  const std::size_t past = reinterpret_cast<std::uintptr_t>(p) % bytes;
  return std::min(n, past == 0 ? 0 : (bytes - past) / sizeof(T));
}

// Asks for the lines of `bytes` bytes, `ahead` bytes behind p (before it, where negative). Hardware
// prefetchers start over at each page's end, and beside a stream of stores they keep too few lines
// under way: far ahead, as the probe machine/copy has it, found best.
inline constexpr std::ptrdiff_t kStreamAhead = 16384;
// How near the lines come. On Zen 4, lines asked for to L1 take the buffers that its own prefetcher
// needs: where a kernel only reads, that can cost more than it gains.
enum Into : int { kIntoL2 = 2, kIntoL1 = 3 };
// Always inlined: GCC 12 takes a function that does nothing but prefetch for one without effect,
// and drops calls of it.
template <Into kInto = kIntoL1>
__attribute__((always_inline)) inline void prefetch_lines(const void* p, std::ptrdiff_t ahead,
                                                          std::size_t bytes) {
  // Harmless past the end, but no pointer may point there: computed as an integer.
  const std::uintptr_t at =
      reinterpret_cast<std::uintptr_t>(p) + static_cast<std::uintptr_t>(ahead);
  for (std::size_t line = 0; line < bytes; line += 64)
    __builtin_prefetch(reinterpret_cast<const char*>(at + line), 0, kInto);
}

// What is made at a width that isn't a line's is collected in L1, so much of it, and goes past the
// caches from there: a multiple of 64 bytes for outputs of 3 * 16 * 2^k bytes a step, or of 2^k.
inline constexpr std::size_t kStage = 3072;

}  // namespace headroom

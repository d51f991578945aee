// What the SIMD code of the matmul kernels (matmul-inl.h) is told, and the memory that it needs.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "core/buffer.h"
#include "core/cpu.h"

namespace headroom {

inline constexpr std::size_t kDepth = 256;           // k at a time: of A, 8 rows of that stay in L1
inline constexpr std::size_t kPanel = 4;             // rows of A that are packed together
inline constexpr std::size_t kWidestTile = 3 * 256;  // bytes: three vectors of SVE's longest

// `rows` rows of C: so many rows of A, and the whole of B, n by n, stored row by row.
template <class T>
struct Job {
  const T* a;
  const T* b;
  T* c;
  std::size_t rows;
  std::size_t n;
  T* packed_a;        // packed_a_items(rows, n)
  T* packed_b;        // packed_b_items(n)
  std::size_t strip;  // columns of B at a time
};

// Several threads, each with a Job of other rows and the same packed_b.
struct Crew {
  int member, members;
  std::size_t room;  // packed_b has so many items twice
  void (*meet)();    // returns when all members have called it
};

// kDepth rows of a strip of B fill half of L2.
template <class T>
std::size_t strip_columns() {
  return l2_bytes() / 2 / (kDepth * sizeof(T));
}
template <class T>
std::size_t packed_a_items(std::size_t rows, std::size_t n) {
  return (rows + 7) / 8 * 8 * std::min(n, kDepth);
}
// Of a strip, or, where nothing else is packed, of the last columns.
template <class T>
std::size_t packed_b_items(std::size_t n) {
  return std::max((std::min(n, strip_columns<T>()) + kWidestTile / sizeof(T)) * std::min(n, kDepth),
                  4 * n);
}

// The largest n at which A, B and C fit L2 with a quarter of it to spare.
template <class T>
std::size_t most_in_l2() {
  return static_cast<std::size_t>(std::sqrt(l2_bytes() / 4 / sizeof(T)));
}

}  // namespace headroom

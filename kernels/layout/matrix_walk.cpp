// layout/matrix_walk: the sum of each column of a square matrix of floats, stored row by row.
//
// n is the side. Out: n sums. Every variant adds a column's numbers from top to bottom, one at a
// time, so the sums are equal to the last bit: what differs is only the order in which memory is
// walked. Column by column, each float costs a cache line (and, in a large matrix, a page); row by
// row, one line serves sixteen floats and the hardware prefetches the next.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/matrix_walk.cpp"
#include "support/simd.h"

#if HWY_ONCE
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

struct MatrixWalk {
  struct Input {
    std::size_t n = 0;
    Buffer<float> a;  // a[i * n + j]: row i, column j
  };
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{setting.n, Buffer<float>(setting.n * setting.n)};
    FastRng fast(rng());
    for (float& x : in.a) x = static_cast<float>(fast() >> 40) * 0x1p-24f - 0.5f;
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Column by column.
void naive(const MatrixWalk::Input& in, Buffer<float>& out) {
  for (std::size_t j = 0; j < in.n; ++j) {
    float sum = 0;
    for (std::size_t i = 0; i < in.n; ++i) sum += in.a[i * in.n + j];
    out[j] = sum;
  }
}

// The two loops change places. The sums, now n at a time, stay in the first-level cache, the matrix
// streams past, and neighbours in a row are independent, so the compiler vectorizes.
void row_order(const MatrixWalk::Input& in, Buffer<float>& out) {
  const std::size_t n = in.n;
  float* const sums = out.data();
  std::fill(out.begin(), out.end(), 0.0f);
  for (std::size_t i = 0; i < n; ++i) {
    const float* const row = in.a.data() + i * n;
    for (std::size_t j = 0; j < n; ++j) sums[j] += row[j];
  }
}

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {

// Adds `kRows` rows of length n, one below the other, to the sums. Four vectors side by side: each
// is a chain of adds, which must keep its order.
template <size_t kRows>
void AddRows(const float* HWY_RESTRICT rows, size_t n, float* HWY_RESTRICT sums) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  size_t j = 0;
  for (; j + 4 * lanes <= n; j += 4 * lanes) {
    auto s0 = hn::LoadU(d, sums + j);
    auto s1 = hn::LoadU(d, sums + j + lanes);
    auto s2 = hn::LoadU(d, sums + j + 2 * lanes);
    auto s3 = hn::LoadU(d, sums + j + 3 * lanes);
    for (size_t r = 0; r < kRows; ++r) {
      const float* const x = rows + r * n + j;
      s0 = hn::Add(s0, hn::LoadU(d, x));
      s1 = hn::Add(s1, hn::LoadU(d, x + lanes));
      s2 = hn::Add(s2, hn::LoadU(d, x + 2 * lanes));
      s3 = hn::Add(s3, hn::LoadU(d, x + 3 * lanes));
    }
    hn::StoreU(s0, d, sums + j);
    hn::StoreU(s1, d, sums + j + lanes);
    hn::StoreU(s2, d, sums + j + 2 * lanes);
    hn::StoreU(s3, d, sums + j + 3 * lanes);
  }
  for (; j < n; ++j)
    for (size_t r = 0; r < kRows; ++r) sums[j] += rows[r * n + j];
}

// The sums of the columns of n rows, added to `sums`.
void SumColumns(const float* HWY_RESTRICT a, size_t n, float* HWY_RESTRICT sums) {
  size_t i = 0;
  for (; i + 4 <= n; i += 4) AddRows<4>(a + i * n, n, sums);
  for (; i < n; ++i) AddRows<1>(a + i * n, n, sums);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace headroom {
namespace {

HWY_EXPORT(SumColumns);

// Four rows at a time: the sums are loaded and stored once for four vectors of the matrix, where
// row order does so for each one; and four streams, so that the prefetcher has work across pages.
// More rows would gain little: rows a power of two apart compete for the same sets of the cache.
void simd_rows(const MatrixWalk::Input& in, Buffer<float>& out) {
  std::fill(out.begin(), out.end(), 0.0f);
  HWY_DYNAMIC_DISPATCH(SumColumns)(in.a.data(), in.n, out.data());
}

constexpr Variant<MatrixWalk> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "column by column: each float costs a cache line of its own"},
    {.name = "row_order",
     .run = run<row_order>,
     .what = "loops swapped: lines are used whole and prefetched, the inner loop vectorizes"},
    {.name = "simd_rows",
     .run = run<simd_rows>,
     .what = "four rows at a time, widest SIMD: the sums are loaded and stored once for four rows"},
};

const Registrar kRegistrar({.name = "layout/matrix_walk",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "walk memory in the order in which it lies",
                            .sizes = {64, 256, 1024, 4096, 8192},
                            .headline = {1024, 4096},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double cells =
                                      static_cast<double>(s.n) * static_cast<double>(s.n);
                                  return Demand{.items = cells,
                                                .bytes = 4 * (cells + static_cast<double>(s.n)),
                                                .flops = cells,
                                                .working_set = 4 * s.n * (s.n + 1),
                                                .memory = 4 * s.n * (s.n + 3)};
                                },
                            .test_sizes = {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 65, 127,
                                           130, 257}},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

// layout/transpose: the transpose of a square matrix of floats, stored row by row.
//
// n is the side. Out: the transposed matrix, whole; agreement is exact. One of the two matrices has
// to be walked down its columns: each float then costs a line, and where n is a power of two the
// lines of a column compete for the same few sets of each cache, so that they are evicted before
// their other fifteen floats are used.
//
// Blocks: Lam, Rothberg and Wolf, "The Cache Performance and Optimizations of Blocked Algorithms"
// (1991). Registers: 4 x 4 by two rounds of interleaving (Eklundh, "A Fast Computer Method for
// Matrix Transposing", 1972), with 128-bit pieces put into place by the loads, as in Intel's
// optimization manual ("8x8 transpose").
//
// Links: openblas
#include <algorithm>

#include "core/cpu.h"
#include "core/kernel.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

struct Transpose {
  struct Input {
    std::size_t n = 0;
    Buffer<float> a;  // a[i * n + j]: row i, column j
  };
  using Output = Buffer<float>;

  // Every number is another one, up to n = 4096.
  static Input make(const Setting& setting, Rng& rng) {
    Input in{setting.n, Buffer<float>(setting.n * setting.n)};
    const auto first = static_cast<std::uint32_t>(rng());
    for (std::size_t i = 0; i < in.a.size(); ++i)
      in.a[i] =
          static_cast<float>((first + static_cast<std::uint32_t>(i)) * 0x9e3779b1u & 0xffffff);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n * in.n); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Row by row, as the formula says: each float written goes to another line.
void naive(const Transpose::Input& in, Buffer<float>& out) {
  const std::size_t n = in.n;
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < n; ++j) out[j * n + i] = in.a[i * n + j];
}

// Blocks of 16 by 16: 16 lines of either matrix, all floats of which are used while the lines are
// in L1.
void blocked(const Transpose::Input& in, Buffer<float>& out) {
  constexpr std::size_t kBlock = 16;
  const std::size_t n = in.n;
  for (std::size_t j0 = 0; j0 < n; j0 += kBlock) {
    const std::size_t j1 = std::min(n, j0 + kBlock);
    for (std::size_t i0 = 0; i0 < n; i0 += kBlock) {
      const std::size_t i1 = std::min(n, i0 + kBlock);
      for (std::size_t j = j0; j < j1; ++j)
        for (std::size_t i = i0; i < i1; ++i) out[j * n + i] = in.a[i * n + j];
    }
  }
}

#if HEADROOM_HAVE_OPENBLAS
void openblas(const Transpose::Input& in, Buffer<float>& out) {
  openblas_set_num_threads(1);
  const auto n = static_cast<blasint>(in.n);
  if (n != 0) cblas_somatcopy(CblasRowMajor, CblasTrans, n, n, 1, in.a.data(), n, out.data(), n);
}
constexpr auto kOpenBlasRun = run<openblas>;
#else
constexpr auto kOpenBlasRun = kNotBuilt;
#endif

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/transpose-inl.h"
#include "layout/transpose-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(TransposeCached);
HWY_EXPORT(TransposeNonTemporal);
HWY_EXPORT(TransposeStreamed);

// Blocks in registers, so that lines are read and written whole vectors at a time.
void simd(const Transpose::Input& in, Buffer<float>& out) {
  HWY_DYNAMIC_DISPATCH(TransposeCached)(in.a.data(), in.n, out.data());
}

// Whole lines, written past the caches: none is read before it is overwritten. (Half a line written
// so costs as much as a whole one: where n is no multiple of 64, lines are written as in `simd`.)
void non_temporal(const Transpose::Input& in, Buffer<float>& out) {
  HWY_DYNAMIC_DISPATCH(TransposeNonTemporal)(in.a.data(), in.n, out.data(), l2_bytes());
}

// The same, with the lines of the next tile asked for while this one is turned: down the columns of
// a matrix the hardware's prefetchers see no stream.
void streamed(const Transpose::Input& in, Buffer<float>& out) {
  HWY_DYNAMIC_DISPATCH(TransposeStreamed)(in.a.data(), in.n, out.data(), l2_bytes());
}

constexpr Need kNeedsOpenBlas[] = {kOpenBlas};

constexpr Variant<Transpose> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "double loop: a cache line for each float that is written"},
    {.name = "blocked",
     .run = run<blocked>,
     .what = "16 x 16 blocks: each line is used whole while it is in L1"},
    {.name = "simd",
     .run = run<simd>,
     .what = "blocks transposed in registers: lines are read and written by vectors"},
    {.name = "non_temporal",
     .run = run<non_temporal>,
     .what = "whole lines written past the caches, tile by tile: none is read first; a loss in "
             "caches"},
    {.name = "streamed",
     .run = run<streamed>,
     .what = "non_temporal, with the next tile down the columns prefetched"},
    {.name = "openblas",
     .run = kOpenBlasRun,
     .what = "cblas_somatcopy, one thread",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

const Registrar kRegistrar({.name = "layout/transpose",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "blocks: use a whole line while it is in a cache",
                            .sizes = {64, 256, 1024, 2048, 4096},
                            .headline = {1024, 2048},
                            .ceiling = {"machine/copy"},
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t cells = s.n * s.n;
                                  return Demand{.items = static_cast<double>(cells),
                                                .bytes = 8 * static_cast<double>(cells),
                                                .working_set = 8 * cells,
                                                .memory = 4 * cells * (1 + std::size(kVariants))};
                                },
                            .test_sizes = {0,  1,  2,  3,  7,  8,  9,   15,  16,  17,  31,  32,
                                           33, 48, 63, 64, 65, 80, 127, 128, 130, 144, 192, 257}},
                           kVariants);

}  // namespace
}  // namespace headroom

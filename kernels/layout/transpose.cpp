// layout/transpose: the transpose of a square matrix of floats, stored row by row.
//
// n is the side. Out: the transposed matrix, whole; agreement is exact. One of the two matrices has
// to be walked down its columns: each float then costs a line, and where n is a power of two the
// lines of a column compete for the same few sets of each cache, so that they are gone before their
// other fifteen floats are wanted.
//
// Blocks: Lam, Rothberg and Wolf, "The Cache Performance and Optimizations of Blocked Algorithms"
// (1991). Registers: 4 x 4 by two rounds of interleaving (Eklundh, "A Fast Computer Method for
// Matrix Transposing", 1972), with 128-bit pieces put into place by the loads, as in Intel's
// optimization manual ("8x8 transpose").
//
// Links: openblas
#include <cstddef>
#include <utility>
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/transpose.cpp"
#include "hwy/cache_control.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// Vectors of up to 16 lanes, their number known when compiling (of scalable vectors, 128 bits).
#if HWY_TARGET == HWY_SCALAR
constexpr size_t kLanes = 1;
#elif HWY_HAVE_SCALABLE
constexpr size_t kLanes = 4;
#else
constexpr size_t kLanes = HWY_MIN(hn::MaxLanes(hn::ScalableTag<float>()), size_t{16});
#endif
using Tag = hn::CappedTag<float, kLanes>;
using V = hn::Vec<Tag>;

constexpr size_t kBlock = 16;  // floats of a line

#if HWY_TARGET != HWY_SCALAR
// Four floats of each of D's lanes / 4 rows that lie four rows apart, one behind the other.
template <class D>
HWY_INLINE hn::Vec<D> LoadPieces(D d, const float* from, [[maybe_unused]] size_t stride) {
#if HWY_HAVE_SCALABLE
  return hn::LoadU(d, from);
#else
  if constexpr (hn::MaxLanes(d) <= 4) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, LoadPieces(half, from + hn::MaxLanes(d) / 2 * stride, stride),
                       LoadPieces(half, from, stride));
  }
#endif
}

template <bool kStream>
HWY_INLINE void Put(V v, float* to) {
  if constexpr (kStream) {
    hn::Stream(v, Tag(), to);
  } else {
    hn::StoreU(v, Tag(), to);
  }
}

// Four columns of kLanes rows become four rows of kLanes floats: a 4 x 4 transposition in each
// 128-bit piece, eight shuffles for them all.
template <bool kStream>
HWY_INLINE void TransposeFour(const float* from, size_t from_stride, float* to, size_t to_stride) {
  const Tag d;
  const hn::Repartition<uint64_t, Tag> d64;
  const V r0 = LoadPieces(d, from, from_stride),
          r1 = LoadPieces(d, from + from_stride, from_stride);
  const V r2 = LoadPieces(d, from + 2 * from_stride, from_stride),
          r3 = LoadPieces(d, from + 3 * from_stride, from_stride);
  const auto a0 = hn::BitCast(d64, hn::InterleaveLower(d, r0, r1));
  const auto a1 = hn::BitCast(d64, hn::InterleaveUpper(d, r0, r1));
  const auto b0 = hn::BitCast(d64, hn::InterleaveLower(d, r2, r3));
  const auto b1 = hn::BitCast(d64, hn::InterleaveUpper(d, r2, r3));
  Put<kStream>(hn::BitCast(d, hn::InterleaveLower(d64, a0, b0)), to);
  Put<kStream>(hn::BitCast(d, hn::InterleaveUpper(d64, a0, b0)), to + to_stride);
  Put<kStream>(hn::BitCast(d, hn::InterleaveLower(d64, a1, b1)), to + 2 * to_stride);
  Put<kStream>(hn::BitCast(d, hn::InterleaveUpper(d64, a1, b1)), to + 3 * to_stride);
}

#if !HWY_HAVE_SCALABLE
// One step of the transposition of a block whose rows fill a line: even lanes of a pair of rows
// into one, odd lanes into the other. The lowest bit of the lane's number becomes bit kBit of the
// row's, which becomes the highest of the lane's.
template <size_t kBit, size_t... kRow>
HWY_INLINE void Deal(V (&rows)[kBlock], std::index_sequence<kRow...>) {
  const Tag d;
  (
      [&]() HWY_ATTR __attribute__((always_inline)) {
        if constexpr ((kRow >> kBit & 1) == 0) {
          V& a = rows[kRow];
          V& b = rows[kRow + (size_t{1} << kBit)];
          const V even = hn::ConcatEven(d, b, a);
          b = hn::ConcatOdd(d, b, a);
          a = even;
        }
      }(),
      ...);
}

// 16 x 16 in sixteen registers: each line is read once. (Sixteen lines that lie a power of two
// apart don't fit the eight or twelve ways of L1.) A call of its own: inside the loops over blocks
// GCC keeps, and spills, a pointer for each of the 32 rows.
template <bool kStream, size_t... kRow>
HWY_NOINLINE void TransposeSixteen(const float* from, size_t from_stride, float* to,
                                   size_t to_stride, std::index_sequence<kRow...> all) {
  V rows[kBlock] = {hn::LoadU(Tag(), from + kRow * from_stride)...};
  Deal<0>(rows, all);
  Deal<1>(rows, all);
  Deal<2>(rows, all);
  Deal<3>(rows, all);
  (Put<kStream>(rows[kRow], to + kRow * to_stride), ...);
}
#endif

// 16 x 16 floats, a line wide and a line high, past the caches if kStream. Vectors shorter than a
// line are collected in L1 first: half a line written past the caches costs as much as a whole one.
template <bool kStream>
HWY_INLINE void TransposeBlock(const float* HWY_RESTRICT from, float* HWY_RESTRICT to, size_t n) {
  if constexpr (kLanes == kBlock) {
#if !HWY_HAVE_SCALABLE
    TransposeSixteen<kStream>(from, n, to, n, std::make_index_sequence<kBlock>());
#endif
  } else if constexpr (!kStream) {
    for (size_t i = 0; i < kBlock; i += kLanes)
      for (size_t j = 0; j < kBlock; j += 4)
        TransposeFour<kStream>(from + i * n + j, n, to + j * n + i, n);
  } else {
    HWY_ALIGN float lines[kBlock * kBlock];
    for (size_t i = 0; i < kBlock; i += kLanes)
      for (size_t j = 0; j < kBlock; j += 4)
        TransposeFour<false>(from + i * n + j, n, lines + j * kBlock + i, kBlock);
    for (size_t j = 0; j < kBlock; ++j)
      for (size_t i = 0; i < kBlock; i += kLanes)
        Put<true>(hn::Load(Tag(), lines + j * kBlock + i), to + j * n + i);
  }
}
#else
template <bool kStream>
HWY_INLINE void TransposeBlock(const float* HWY_RESTRICT from, float* HWY_RESTRICT to, size_t n) {
  for (size_t i = 0; i < kBlock; ++i)
    for (size_t j = 0; j < kBlock; ++j) to[j * n + i] = from[i * n + j];
}
#endif

// Asks for the line of a[i] into L2. Harmless past the end: a prefetch never faults. Computed as an
// integer, for no pointer may point there.
HWY_INLINE void PrefetchAt(const float* a, size_t i) {
  __builtin_prefetch(
      reinterpret_cast<const void*>(reinterpret_cast<uintptr_t>(a) + i * sizeof(float)), 0, 2);
}

// What does not fill a block: right of it and below.
void TransposeEdges(const float* HWY_RESTRICT a, size_t n, float* HWY_RESTRICT to) {
  const size_t whole = n / kBlock * kBlock;
  for (size_t i = 0; i < n; ++i)
    for (size_t j = i < whole ? whole : 0; j < n; ++j) to[j * n + i] = a[i * n + j];
}

}  // namespace

void TransposeCached(const float* HWY_RESTRICT a, size_t n, float* HWY_RESTRICT to) {
  constexpr size_t kTile = 64;
  const size_t whole = n / kBlock * kBlock;
  for (size_t j0 = 0; j0 < whole; j0 += kTile)
    for (size_t i0 = 0; i0 < whole; i0 += kTile)
      for (size_t j = j0; j < HWY_MIN(j0 + kTile, whole); j += kBlock)
        for (size_t i = i0; i < HWY_MIN(i0 + kTile, whole); i += kBlock)
          TransposeBlock<false>(a + i * n + j, to + j * n + i, n);
  TransposeEdges(a, n, to);
}

// The rows of a tile: 64, or what leaves a column of it and of the tile below in L2 together. Where
// 4 n is a multiple of a large power of two, few of a way's places are left for the lines of a
// column: of an L2 with 16 ways of 64 KiB, four at n = 4096.
size_t TileHeight(size_t n) {
  constexpr size_t kWayBytes = 64 << 10, kWays = 16;
  const size_t row_bytes = n * sizeof(float);
  const size_t apart = HWY_MIN(row_bytes & -row_bytes, kWayBytes);  // largest power of two in it
  return HWY_MAX(kBlock, HWY_MIN(kWays / 2 * (kWayBytes / apart), size_t{64}));
}

// Tile after tile down 128 columns: the 128 output rows are continued four lines at a time, from
// end to end, which memory likes better than ever new rows. While a block is turned, sixteen lines
// of the next tile are asked for, along its rows; and into L2, for in L1 lines that lie in the same
// few sets would push each other out.
void TransposeStreamed(const float* HWY_RESTRICT a, size_t n, float* HWY_RESTRICT to) {
  constexpr size_t kWidth = 128, kTallest = 64;
  if (n == 0 || n % kTallest != 0 ||
      reinterpret_cast<uintptr_t>(to) % (kBlock * sizeof(float)) != 0)
    return TransposeCached(a, n, to);
  const size_t height = TileHeight(n);
  for (size_t j0 = 0; j0 < n; j0 += kWidth) {
    for (size_t i0 = 0; i0 < n; i0 += height) {
      const bool last = i0 + height == n;
      size_t next = last ? j0 + kWidth : (i0 + height) * n + j0;  // of the next tile: its next row
      for (size_t j = j0; j < HWY_MIN(j0 + kWidth, n); j += kBlock) {
        for (size_t i = i0; i < i0 + height; i += kBlock) {
          for (size_t row = 0; row < kBlock * kBlock / kWidth; ++row, next += n)
            for (size_t k = 0; k < kWidth; k += kBlock) PrefetchAt(a, next + k);
          TransposeBlock<true>(a + i * n + j, to + j * n + i, n);
        }
      }
    }
  }
  hwy::FlushStream();
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>

#include "core/kernel.h"
#if HEADROOM_HAVE_OPENBLAS
#include <cblas.h>
#endif

namespace headroom {
namespace {

HWY_EXPORT(TransposeCached);
HWY_EXPORT(TransposeStreamed);

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

// Blocks in registers, so that lines are read and written whole vectors at a time.
void simd(const Transpose::Input& in, Buffer<float>& out) {
  HWY_DYNAMIC_DISPATCH(TransposeCached)(in.a.data(), in.n, out.data());
}

// Whole lines, written past the caches: none is read before it is overwritten. (Half a line written
// so costs as much as a whole one: other sides than multiples of 64 go the other way.)
void streamed(const Transpose::Input& in, Buffer<float>& out) {
  HWY_DYNAMIC_DISPATCH(TransposeStreamed)(in.a.data(), in.n, out.data());
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

constexpr Need kNeedsOpenBlas[] = {kOpenBlas};

constexpr Variant<Transpose> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "double loop: a line of cache for each float that is written"},
    {.name = "blocked",
     .run = run<blocked>,
     .what = "16 x 16 blocks: each line is used whole while it is in L1"},
    {.name = "simd",
     .run = run<simd>,
     .what = "blocks turned in registers: lines are read and written by vectors"},
    {.name = "streamed",
     .run = run<streamed>,
     .what =
         "tiles down the columns, the next one prefetched; lines written whole past the caches"},
    {.name = "openblas",
     .run = kOpenBlasRun,
     .what = "cblas_somatcopy, one thread",
     .role = Role::kPeer,
     .needs = kNeedsOpenBlas},
};

const Registrar kRegistrar({.name = "layout/transpose",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "blocks: use a line whole while it is near",
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
#endif  // HWY_ONCE

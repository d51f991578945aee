// The SIMD code of layout/transpose: blocks of 16 x 16 floats turned in registers. Included by
// transpose.cpp once for each target.
//
// No include guard: it must be read again for every target.
#include <bit>
#include <cstddef>
#include <utility>

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
  StoreOrStream<kStream>(Tag(), hn::BitCast(d, hn::InterleaveLower(d64, a0, b0)), to);
  StoreOrStream<kStream>(Tag(), hn::BitCast(d, hn::InterleaveUpper(d64, a0, b0)), to + to_stride);
  StoreOrStream<kStream>(Tag(), hn::BitCast(d, hn::InterleaveLower(d64, a1, b1)),
                         to + 2 * to_stride);
  StoreOrStream<kStream>(Tag(), hn::BitCast(d, hn::InterleaveUpper(d64, a1, b1)),
                         to + 3 * to_stride);
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
  (StoreOrStream<kStream>(Tag(), rows[kRow], to + kRow * to_stride), ...);
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
        StoreOrStream<true>(Tag(), hn::Load(Tag(), lines + j * kBlock + i), to + j * n + i);
  }
}
#else
template <bool kStream>
HWY_INLINE void TransposeBlock(const float* HWY_RESTRICT from, float* HWY_RESTRICT to, size_t n) {
  for (size_t i = 0; i < kBlock; ++i)
    for (size_t j = 0; j < kBlock; ++j) to[j * n + i] = from[i * n + j];
}
#endif

// Asks for the line of a[i] into L2, not into L1 as support's prefetch_lines(). Harmless past the
// end: a prefetch never faults. Computed as an integer, for no pointer may point there.
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

// Block after block, each written to the caches; n may be any number.
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

constexpr size_t kTallest = 64;

// The rows of a tile: kTallest, or as many as leave a column of the tile and of the one below it in
// L2 together. Where rows lie a power of two apart, only one line of L2 in so many bytes can hold a
// line of the column: of 1 MiB 64 lines where they lie 16 KiB apart (n = 4096), for two tiles
// of 32. (A way of L2, 64 KiB or more, has at least one of them.) A power of two from kBlock on.
size_t TileHeight(size_t n, size_t l2_bytes) {
  constexpr size_t kWayBytes = 64 << 10;
  const size_t row_bytes = n * sizeof(float);
  const size_t apart = HWY_MIN(row_bytes & -row_bytes, kWayBytes);  // largest power of two in it
  return HWY_MAX(kBlock, HWY_MIN(std::bit_floor(l2_bytes / 2 / apart), kTallest));
}

// Tile after tile down 128 columns: the 128 output rows are continued a tile's height at a time,
// from end to end, which memory likes better than ever new rows. If kPrefetch, sixteen lines of the
// next tile are asked for while a block is turned, along its rows; and into L2, for in L1 lines
// that lie in the same few sets would push each other out. Where n is no multiple of kTallest, or
// the output does not start a line, there are no whole lines to write: as TransposeCached().
template <bool kPrefetch>
void TransposeTiles(const float* HWY_RESTRICT a, size_t n, float* HWY_RESTRICT to,
                    size_t l2_bytes) {
  constexpr size_t kWidth = 128;
  if (n == 0 || n % kTallest != 0 ||
      reinterpret_cast<uintptr_t>(to) % (kBlock * sizeof(float)) != 0)
    return TransposeCached(a, n, to);
  const size_t height = TileHeight(n, l2_bytes);
  for (size_t j0 = 0; j0 < n; j0 += kWidth) {
    for (size_t i0 = 0; i0 < n; i0 += height) {
      const bool last = i0 + height == n;
      [[maybe_unused]] size_t next =
          last ? j0 + kWidth : (i0 + height) * n + j0;  // of the next tile: its next row
      for (size_t j = j0; j < HWY_MIN(j0 + kWidth, n); j += kBlock) {
        for (size_t i = i0; i < i0 + height; i += kBlock) {
          if constexpr (kPrefetch) {
            for (size_t row = 0; row < kBlock * kBlock / kWidth; ++row, next += n)
              for (size_t k = 0; k < kWidth; k += kBlock) PrefetchAt(a, next + k);
          }
          TransposeBlock<true>(a + i * n + j, to + j * n + i, n);
        }
      }
    }
  }
  hwy::FlushStream();
}

void TransposeNonTemporal(const float* a, size_t n, float* to, size_t l2_bytes) {
  TransposeTiles<false>(a, n, to, l2_bytes);
}
void TransposeStreamed(const float* a, size_t n, float* to, size_t l2_bytes) {
  TransposeTiles<true>(a, n, to, l2_bytes);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

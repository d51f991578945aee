// The SIMD code of the matmul kernels: the microkernel, the packing, and the loops around them.
// Included once for each target.
//
// No plain include guard: it must be read again for every target.
#include <cstddef>

#include "support/matmul.h"
#include "support/simd.h"

#if defined(HEADROOM_SUPPORT_MATMUL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEADROOM_SUPPORT_MATMUL_INL_H_
#undef HEADROOM_SUPPORT_MATMUL_INL_H_
#else
#define HEADROOM_SUPPORT_MATMUL_INL_H_
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// Rows of a tile of C that fit the registers, three vectors wide: 24 accumulators of 32 registers,
// or 12 of 16. Each number of A that is loaded serves three multiplications, each vector of B as
// many as there are rows.
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3) || HWY_ARCH_ARM_A64
constexpr size_t kRows = 8;
#else
constexpr size_t kRows = 4;
#endif

// One row of a tile, c0 to c2, takes in one k: the number of A at `a` times a row of B.
template <size_t kVectors, class D, class V>
HWY_INLINE void Row(D d, const hn::TFromD<D>* a, V b0, V b1, V b2, V& c0, V& c1, V& c2) {
  const V x = hn::Set(d, *a);
  c0 = hn::MulAdd(x, b0, c0);
  if constexpr (kVectors > 1) c1 = hn::MulAdd(x, b1, c1);
  if constexpr (kVectors > 2) c2 = hn::MulAdd(x, b2, c2);
}

// Stores a row of a tile at c, or adds it to what is there.
template <size_t kVectors, class D, class V>
HWY_INLINE void StoreTileRow(D d, bool add, hn::TFromD<D>* c, V c0, V c1, V c2) {
  const size_t lanes = hn::Lanes(d);
  if (add) {
    c0 = hn::Add(c0, hn::LoadU(d, c));
    if constexpr (kVectors > 1) c1 = hn::Add(c1, hn::LoadU(d, c + lanes));
    if constexpr (kVectors > 2) c2 = hn::Add(c2, hn::LoadU(d, c + 2 * lanes));
  }
  hn::StoreU(c0, d, c);
  if constexpr (kVectors > 1) hn::StoreU(c1, d, c + lanes);
  if constexpr (kVectors > 2) hn::StoreU(c2, d, c + 2 * lanes);
}

// Where a tile's numbers lie: packed, or in the matrices themselves.
template <class T>
struct Operands {
  const T* a;
  size_t a_row, a_lower, a_step;  // to the next row, to the fifth one, to the next k
  const T* b;
  size_t b_step;  // to the next k
};

// The microkernel: a tile of C, kTall (4 or 8) rows by kVectors vectors, plus or equal to the
// product of rows of A and columns of B, `depth` deep. C is touched once, at the end; in the loop
// there are only loads and multiply-adds, enough of them independent to fill the pipes.
template <size_t kTall, size_t kVectors, class T>
HWY_NOINLINE void Tile(size_t depth, const Operands<T>& from, bool add, T* HWY_RESTRICT c,
                       size_t stride) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  for (size_t r = 0; r < kTall; ++r)
    for (size_t v = 0; v < kVectors; ++v) __builtin_prefetch(c + r * stride + v * lanes, 1);
  const auto zero = hn::Zero(d);
  auto c00 = zero, c01 = zero, c02 = zero, c10 = zero, c11 = zero, c12 = zero;
  auto c20 = zero, c21 = zero, c22 = zero, c30 = zero, c31 = zero, c32 = zero;
  [[maybe_unused]] auto c40 = zero, c41 = zero, c42 = zero, c50 = zero, c51 = zero, c52 = zero;
  [[maybe_unused]] auto c60 = zero, c61 = zero, c62 = zero, c70 = zero, c71 = zero, c72 = zero;
  const T* HWY_RESTRICT a = from.a;
  const T* HWY_RESTRICT b = from.b;
  [[maybe_unused]] const T* HWY_RESTRICT lower = a + from.a_lower;
  const size_t row = from.a_row, step = from.a_step, b_step = from.b_step;
  for (size_t k = 0; k < depth; ++k, a += step, b += b_step) {
    const auto b0 = hn::LoadU(d, b);
    const auto b1 = kVectors > 1 ? hn::LoadU(d, b + lanes) : b0;
    const auto b2 = kVectors > 2 ? hn::LoadU(d, b + 2 * lanes) : b0;
    Row<kVectors>(d, a, b0, b1, b2, c00, c01, c02);
    Row<kVectors>(d, a + row, b0, b1, b2, c10, c11, c12);
    Row<kVectors>(d, a + 2 * row, b0, b1, b2, c20, c21, c22);
    Row<kVectors>(d, a + 3 * row, b0, b1, b2, c30, c31, c32);
    if constexpr (kTall == 8) {
      Row<kVectors>(d, lower, b0, b1, b2, c40, c41, c42);
      Row<kVectors>(d, lower + row, b0, b1, b2, c50, c51, c52);
      Row<kVectors>(d, lower + 2 * row, b0, b1, b2, c60, c61, c62);
      Row<kVectors>(d, lower + 3 * row, b0, b1, b2, c70, c71, c72);
      lower += step;
    }
  }
  StoreTileRow<kVectors>(d, add, c, c00, c01, c02);
  StoreTileRow<kVectors>(d, add, c + stride, c10, c11, c12);
  StoreTileRow<kVectors>(d, add, c + 2 * stride, c20, c21, c22);
  StoreTileRow<kVectors>(d, add, c + 3 * stride, c30, c31, c32);
  if constexpr (kTall == 8) {
    StoreTileRow<kVectors>(d, add, c + 4 * stride, c40, c41, c42);
    StoreTileRow<kVectors>(d, add, c + 5 * stride, c50, c51, c52);
    StoreTileRow<kVectors>(d, add, c + 6 * stride, c60, c61, c62);
    StoreTileRow<kVectors>(d, add, c + 7 * stride, c70, c71, c72);
  }
}

// A tile of which `rows` by `columns` lie in C.
template <size_t kVectors, class T>
HWY_INLINE void WholeOrEdge(size_t depth, const Operands<T>& from, bool add, T* c, size_t stride,
                            size_t rows, size_t columns) {
  const hn::ScalableTag<T> d;
  const size_t width = kVectors * hn::Lanes(d);
  if (HWY_LIKELY(rows == kRows && columns == width)) {
    Tile<kRows, kVectors>(depth, from, add, c, stride);
    return;
  }
  // At the edges: into a tile of its own, of which what lies in C is copied.
  HWY_ALIGN T tile[kRows * kVectors * hn::MaxLanes(d)];
  Tile<kRows, kVectors>(depth, from, false, tile, width);
  for (size_t r = 0; r < rows; ++r)
    for (size_t j = 0; j < columns; ++j)
      c[r * stride + j] = tile[r * width + j] + (add ? c[r * stride + j] : T{0});
}

// The same, `vectors` (1 to 3) wide.
template <class T>
HWY_INLINE void AnyTile(size_t vectors, size_t depth, const Operands<T>& from, bool add, T* c,
                        size_t stride, size_t rows, size_t columns) {
  if (vectors == 3) return WholeOrEdge<3>(depth, from, add, c, stride, rows, columns);
  if (vectors == 2) return WholeOrEdge<2>(depth, from, add, c, stride, rows, columns);
  return WholeOrEdge<1>(depth, from, add, c, stride, rows, columns);
}

// How many vectors wide the next panel is: three, but two and two rather than three and one, for
// one vector by kRows is too little to fill the pipes.
HWY_INLINE size_t PanelVectors(size_t columns, size_t lanes) {
  const size_t vectors = (columns + lanes - 1) / lanes;
  return vectors == 4 ? 2 : HWY_MIN(vectors, size_t{3});
}

// Panels of kPanel rows, one behind the other: for each k its kPanel numbers, side by side. Rows
// that don't exist are zero.
template <class T>
HWY_INLINE void PackA(const T* HWY_RESTRICT a, size_t stride, size_t rows, size_t depth,
                      T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const size_t padded = (rows + kRows - 1) / kRows * kRows;
  for (size_t i = 0; i < padded; i += kPanel, to += kPanel * depth) {
    size_t k = 0;
    if (i + kPanel <= rows) {
      const T* const row = a + i * stride;
      for (; k + lanes <= depth; k += lanes)
        hn::StoreInterleaved4(hn::LoadU(d, row + k), hn::LoadU(d, row + stride + k),
                              hn::LoadU(d, row + 2 * stride + k),
                              hn::LoadU(d, row + 3 * stride + k), d, to + kPanel * k);
    }
    for (; k < depth; ++k)
      for (size_t r = 0; r < kPanel; ++r)
        to[kPanel * k + r] = i + r < rows ? a[(i + r) * stride + k] : T{0};
  }
}

// Panels as wide as a tile: for each k one row of it. Columns that don't exist are zero.
template <class T>
HWY_INLINE void PackB(const T* HWY_RESTRICT b, size_t stride, size_t columns, size_t depth,
                      T* HWY_RESTRICT to) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  for (size_t j = 0; j < columns;) {
    const size_t padded = PanelVectors(columns - j, lanes) * lanes;
    const size_t width = HWY_MIN(padded, columns - j);
    for (size_t k = 0; k < depth; ++k, to += padded) {
      const T* const row = b + k * stride + j;
      size_t i = 0;
      for (; i + lanes <= width; i += lanes) hn::StoreU(hn::LoadU(d, row + i), d, to + i);
      for (; i < padded; ++i) to[i] = i < width ? row[i] : T{0};
    }
    j += padded;
  }
}

#if HWY_HAVE_SCALABLE || HWY_TARGET == HWY_SCALAR
constexpr bool kHasNarrow = false;
template <class T>
HWY_INLINE void NarrowColumns(const Job<T>&) {}
template <class T>
constexpr size_t kNarrow = 0;
#else
constexpr bool kHasNarrow = true;
// As many columns as a vector has blocks of 128 bits.
template <class T>
constexpr size_t kNarrow = hn::MaxLanes(hn::ScalableTag<T>()) * sizeof(T) / 16;

// The lanes of each group of kNarrow, added up.
template <class T, class D>
HWY_INLINE void StoreFolded(D d, hn::Vec<D> v, T* to) {
  if constexpr (hn::MaxLanes(d) == kNarrow<T>) {
    hn::StoreU(v, d, to);
  } else {
    const hn::Half<D> half;
    StoreFolded<T>(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), to);
  }
}

// The last kNarrow columns of C. A vector of them alone would be mostly empty; so it takes in as
// many k at once as a block holds, each of which has kNarrow lanes, and in the end these are added
// up. A block of A is repeated through the vector, and a shuffle within blocks brings each lane its
// k.
template <class T>
HWY_NOINLINE void NarrowColumns(const Job<T>& job) {
  const hn::ScalableTag<T> d;
  const hn::Repartition<uint8_t, decltype(d)> d8;
  using Vector = hn::Vec<decltype(d)>;
  constexpr size_t kLanes = hn::MaxLanes(d), kSteps = 16 / sizeof(T);
  const size_t n = job.n, whole = n / kSteps * kSteps, column = n - kNarrow<T>;
  for (size_t k = 0; k < whole; ++k)
    for (size_t j = 0; j < kNarrow<T>; ++j)
      job.packed_b[k * kNarrow<T> + j] = job.b[k * n + column + j];
  HWY_ALIGN uint8_t bytes[kLanes * sizeof(T)];
  for (size_t lane = 0; lane < kLanes; ++lane)
    for (size_t byte = 0; byte < sizeof(T); ++byte)
      bytes[lane * sizeof(T) + byte] = static_cast<uint8_t>(lane / kNarrow<T> * sizeof(T) + byte);
  const auto spread = hn::Load(d8, bytes);
  const auto take = [&](Vector& sum, const T* a, Vector b) HWY_ATTR {
    const auto x = hn::TableLookupBytes(hn::BitCast(d8, hn::LoadDup128(d, a)), spread);
    sum = hn::MulAdd(hn::BitCast(d, x), b, sum);
  };
  const auto finish = [&](Vector sum, size_t row) HWY_ATTR {
    T* const c = job.c + row * n + column;
    StoreFolded<T>(d, sum, c);
    for (size_t k = whole; k < n; ++k)
      for (size_t j = 0; j < kNarrow<T>; ++j)
        c[j] += job.a[row * n + k] * job.b[k * n + column + j];
  };
  for (size_t i = 0; i < job.rows; i += 8) {
    const size_t row = HWY_MIN(i, job.rows - 8);
    const T* const a = job.a + row * n;
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (size_t k = 0; k < whole; k += kSteps) {
      const auto b = hn::LoadU(d, job.packed_b + k * kNarrow<T>);
      take(s0, a + k, b);
      take(s1, a + n + k, b);
      take(s2, a + 2 * n + k, b);
      take(s3, a + 3 * n + k, b);
      take(s4, a + 4 * n + k, b);
      take(s5, a + 5 * n + k, b);
      take(s6, a + 6 * n + k, b);
      take(s7, a + 7 * n + k, b);
    }
    finish(s0, row);
    finish(s1, row + 1);
    finish(s2, row + 2);
    finish(s3, row + 3);
    finish(s4, row + 4);
    finish(s5, row + 5);
    finish(s6, row + 6);
    finish(s7, row + 7);
  }
}
#endif

// Matrices as they lie, of at least one tile of C. The columns of B that are a tile wide stay in
// L1, if it can hold them, while A goes past. At the edges the last tile moves back until it fits,
// and makes a few numbers of C once more; but where four rows are left or less it has only four,
// and where few columns are left they are made another way.
template <class T>
HWY_INLINE void MultiplyUnpacked(const Job<T>& job) {
  const size_t n = job.n, rows = job.rows, lanes = hn::Lanes(hn::ScalableTag<T>());
  const bool narrow = kHasNarrow && rows >= 8 && n % lanes != 0 && n % lanes <= kNarrow<T>;
  const size_t columns = narrow ? n / lanes * lanes : n;
  for (size_t j = 0; j < columns;) {
    const size_t vectors = PanelVectors(columns - j, lanes);
    const size_t column = HWY_MIN(j, n - vectors * lanes);
    for (size_t i = 0; i < rows; i += kRows) {
      const size_t tall = rows - i <= 4 ? 4 : kRows;
      const size_t row = HWY_MIN(i, rows - tall);
      const Operands<T> from{job.a + row * n, n, kPanel * n, 1, job.b + column, n};
      T* const c = job.c + row * n + column;
      if (tall == kRows)
        AnyTile(vectors, n, from, false, c, n, kRows, vectors * lanes);
      else if (vectors == 3)
        Tile<4, 3>(n, from, false, c, n);
      else if (vectors == 2)
        Tile<4, 2>(n, from, false, c, n);
      else
        Tile<4, 1>(n, from, false, c, n);
    }
    j += vectors * lanes;
  }
  if (narrow) NarrowColumns(job);
}

// A block of A, packed, times a strip of B, packed, into C (or added to it): of the strip, which
// stays in L2, panel after panel streams past eight rows of A that stay in L1.
template <class T>
HWY_INLINE void MultiplyStrip(const T* packed_a, size_t rows, size_t depth, const T* packed_b,
                              size_t columns, bool add, T* c, size_t stride) {
  const size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  for (size_t i = 0; i < rows; i += kRows) {
    for (size_t at = 0; at < columns;) {
      const size_t vectors = PanelVectors(columns - at, lanes);
      const Operands<T> from{packed_a + i * depth, 1, kPanel * depth, kPanel, packed_b + at * depth,
                             vectors * lanes};
      AnyTile(vectors, depth, from, add, c + i * stride + at, stride, HWY_MIN(kRows, rows - i),
              HWY_MIN(columns - at, vectors * lanes));
      at += vectors * lanes;
    }
  }
}

// Whole panels of B at a time.
template <class T>
HWY_INLINE size_t WholePanels(size_t columns) {
  const size_t panel = 3 * hn::Lanes(hn::ScalableTag<T>());
  return HWY_MAX(columns / panel, size_t{1}) * panel;
}

// In how many pieces `columns` can be packed one by one, and give the same panels as in one go: one
// vector too many belongs to the last (PanelVectors()).
template <class T>
HWY_INLINE size_t WidePanels(size_t columns) {
  const size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  return HWY_MAX(((columns + lanes - 1) / lanes + 1) / 3, size_t{1});
}

// Five loops around the microkernel.
template <class T>
HWY_INLINE void MultiplyPacked(const Job<T>& job) {
  const size_t n = job.n, strip = WholePanels<T>(job.strip);
  for (size_t k = 0; k < n; k += kDepth) {
    const size_t depth = HWY_MIN(kDepth, n - k);
    PackA(job.a + k, n, job.rows, depth, job.packed_a);
    for (size_t j = 0; j < n; j += strip) {
      const size_t columns = HWY_MIN(strip, n - j);
      PackB(job.b + k * n + j, n, columns, depth, job.packed_b);
      MultiplyStrip(job.packed_a, job.rows, depth, job.packed_b, columns, k != 0, job.c + j, n);
    }
  }
}

// The same by member `crew.member` of several threads that call this at once, each with rows of its
// own, and its own block of A. A strip of B is packed by all of them together: packed by each for
// itself, it would be packed as often as there are threads. While a slow member still multiplies
// by one strip, the others pack the next beside it (`room` numbers further on), so that they meet
// once for each strip. (After Smith and others, "Anatomy of high-performance many-threaded matrix
// multiplication", 2014.)
template <class T>
HWY_INLINE void MultiplyTogether(const Job<T>& job, const Crew& crew) {
  const size_t n = job.n, strip = WholePanels<T>(job.strip);
  const size_t panel = WholePanels<T>(1);
  const auto member = static_cast<size_t>(crew.member), members = static_cast<size_t>(crew.members);
  T* here = job.packed_b;
  T* beside = job.packed_b + crew.room;
  for (size_t k = 0; k < n; k += kDepth) {
    const size_t depth = HWY_MIN(kDepth, n - k);
    PackA(job.a + k, n, job.rows, depth, job.packed_a);
    for (size_t j = 0; j < n; j += strip) {
      const size_t columns = HWY_MIN(strip, n - j), panels = WidePanels<T>(columns);
      const size_t first = panels * member / members * panel;
      const size_t end = member + 1 == members ? columns : panels * (member + 1) / members * panel;
      if (first < end)
        PackB(job.b + k * n + j + first, n, end - first, depth, here + first * depth);
      crew.meet();
      MultiplyStrip(job.packed_a, job.rows, depth, here, columns, k != 0, job.c + j, n);
      T* const last = here;
      here = beside;
      beside = last;
    }
  }
}

// Packed, or as they lie: where n is up to `unpacked`, and not smaller than a tile.
template <class T>
HWY_INLINE void Multiply(const Job<T>& job, size_t unpacked) {
  const size_t lanes = hn::Lanes(hn::ScalableTag<T>());
  if (job.n <= unpacked && job.rows >= kRows && job.n >= 3 * lanes) return MultiplyUnpacked(job);
  MultiplyPacked(job);
}

}  // namespace
}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif

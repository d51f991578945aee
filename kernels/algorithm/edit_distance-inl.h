// Edit distances in SIMD: included by edit_distance.cpp once for each target, after Pair, Scratch,
// sum_of_rows() and blocked_distances().
//
// No include guard: it must be read again for every target.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

#include "support/mask_bits-inl.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// A bit for each of the 8 * sizeof(T) bytes at `pattern` that equals `byte`. Compared on the spot:
// a table of all 256 bytes, as myers() has it, would have to be cleared and filled first.
template <class T>
HWY_INLINE T Matches(const uint8_t* pattern, uint8_t byte) {
  constexpr size_t kRows = 8 * sizeof(T);
#if HWY_TARGET == HWY_SCALAR
  T matches = 0;
  for (size_t i = 0; i < kRows; ++i) matches |= static_cast<T>(pattern[i] == byte) << i;
  return matches;
#else
  const hn::CappedTag<uint8_t, kRows> d;
  const auto wanted = hn::Set(d, byte);
  uint64_t matches = 0;
  for (size_t i = 0; i < kRows; i += hn::Lanes(d)) {
    matches |= MaskBits(d, hn::Eq(hn::LoadU(d, pattern + i), wanted)) << i;
  }
  return static_cast<T>(matches);
#endif
}

// v << 1; what comes in is the highest bit of `above`.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V ShiftedIn([[maybe_unused]] D d, V v, V above) {
  using T = hn::TFromD<D>;
#if HWY_ARCH_X86 && \
    HWY_TARGET <= HWY_AVX3_DL  // one instruction, on the chain from column to column
  if constexpr (sizeof(T) == 8)
    return V{_mm512_shldi_epi64(v.raw, above.raw, 1)};
  else
    return V{_mm512_shldi_epi32(v.raw, above.raw, 1)};
#else
  return hn::Or(hn::ShiftLeft<1>(v), hn::ShiftRight<8 * sizeof(T) - 1>(above));
#endif
}

// a | ~(b | c)
template <class D, class V = hn::Vec<D>>
HWY_INLINE V OrNeither([[maybe_unused]] D d, V a, V b, V c) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // GCC 12 fuses only two of the three
  return V{_mm512_ternarylogic_epi64(a.raw, b.raw, c.raw, 0xf1)};
#else
  return hn::Or(a, hn::AndNot(hn::Or(b, c), hn::Set(d, static_cast<hn::TFromD<D>>(-1))));
#endif
}

// One column of a block of rows in each lane: one step of myers(). `plus` and `minus` are the
// vertical differences, a bit per row. Of `top_plus` and `top_minus` the highest bit is the
// horizontal difference above the block; of `right_plus` and `right_minus`, which are set, that of
// its last row.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void Column(D d, V matches, V top_plus, V top_minus, V& plus, V& minus, V& right_plus,
                       V& right_minus) {
  const V vertical = hn::Or(matches, minus);
  const V eq = hn::Or(matches, hn::ShiftRight<8 * sizeof(hn::TFromD<D>) - 1>(top_minus));
  const V diagonal = hn::Or(hn::Xor(hn::Add(hn::And(eq, plus), plus), plus), eq);
  right_plus = OrNeither(d, minus, diagonal, plus);
  right_minus = hn::And(plus, diagonal);
  const V shifted_plus = ShiftedIn(d, right_plus, top_plus);
  plus = OrNeither(d, ShiftedIn(d, right_minus, top_minus), vertical, shifted_plus);
  minus = hn::And(shifted_plus, vertical);
}

// Columns for the first row of a table, where the horizontal difference is always 1.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void TopColumn(D d, V matches, V top_plus, V& plus, V& minus) {
  V right_plus, right_minus;
  Column(d, matches, top_plus, hn::Zero(d), plus, minus, right_plus, right_minus);
}

// ------------------------------------------------------------------------------------------------
// Strings of up to 64 bytes: a pair in each lane, four vectors of pairs side by side, so that the
// chain from column to column of one vector is hidden behind the work on the others.

// The distances of `count` pairs whose `a` has at most as many rows as T has bits; 1 <= count <= 4
// * lanes. Strings end together: a shorter `b` starts later, and until then its column stays as it
// is, since nothing matches and nothing comes from above. All matches are written to `matches`
// (4 * lanes per column) before the first is read: a vector that is loaded right after its parts
// were stored would wait for them.
template <class T>
HWY_INLINE void ShortPairs(const uint8_t* text, const Pair* pairs, size_t count,
                           T* HWY_RESTRICT matches, uint32_t* HWY_RESTRICT out) {
  const hn::ScalableTag<T> d;
  const size_t lanes = hn::Lanes(d);
  const size_t stride = 4 * lanes;
  size_t columns = 0, shortest = ~size_t{0};
  for (size_t k = 0; k < count; ++k) {
    columns = HWY_MAX(columns, size_t{pairs[k].b_size});
    shortest = HWY_MIN(shortest, size_t{pairs[k].b_size});
  }
  const size_t ragged = columns - (count == stride ? shortest : 0);
  HWY_ALIGN T start[4 * hn::MaxLanes(d)];
  for (size_t k = 0; k < stride; ++k) {
    const size_t begin = k < count ? columns - pairs[k].b_size : columns;
    start[k] = static_cast<T>(begin);
    for (size_t j = 0; j < begin; ++j) matches[j * stride + k] = 0;
    for (size_t j = begin; j < columns; ++j)
      matches[j * stride + k] = Matches<T>(text + pairs[k].a, text[pairs[k].b + (j - begin)]);
  }
  const auto ones = hn::Set(d, static_cast<T>(-1));
  const auto one = hn::Set(d, T{1} << (8 * sizeof(T) - 1));
  auto p0 = ones, p1 = ones, p2 = ones, p3 = ones;
  auto m0 = hn::Zero(d), m1 = m0, m2 = m0, m3 = m0;
  const auto s0 = hn::Load(d, start), s1 = hn::Load(d, start + lanes),
             s2 = hn::Load(d, start + 2 * lanes), s3 = hn::Load(d, start + 3 * lanes);
  size_t j = 0;
  for (; j < ragged; ++j) {
    const T* at = matches + j * stride;
    const auto now = hn::Set(d, static_cast<T>(j));
    const auto top = [&](auto s) HWY_ATTR __attribute__((always_inline)) {
      return hn::IfThenElseZero(hn::Not(hn::Gt(s, now)), one);
    };
    TopColumn(d, hn::LoadU(d, at), top(s0), p0, m0);
    TopColumn(d, hn::LoadU(d, at + lanes), top(s1), p1, m1);
    TopColumn(d, hn::LoadU(d, at + 2 * lanes), top(s2), p2, m2);
    TopColumn(d, hn::LoadU(d, at + 3 * lanes), top(s3), p3, m3);
  }
  for (; j < columns; ++j) {
    const T* at = matches + j * stride;
    TopColumn(d, hn::LoadU(d, at), one, p0, m0);
    TopColumn(d, hn::LoadU(d, at + lanes), one, p1, m1);
    TopColumn(d, hn::LoadU(d, at + 2 * lanes), one, p2, m2);
    TopColumn(d, hn::LoadU(d, at + 3 * lanes), one, p3, m3);
  }
  HWY_ALIGN T plus[4 * hn::MaxLanes(d)], minus[4 * hn::MaxLanes(d)];
  hn::Store(p0, d, plus), hn::Store(p1, d, plus + lanes);
  hn::Store(p2, d, plus + 2 * lanes), hn::Store(p3, d, plus + 3 * lanes);
  hn::Store(m0, d, minus), hn::Store(m1, d, minus + lanes);
  hn::Store(m2, d, minus + 2 * lanes), hn::Store(m3, d, minus + 3 * lanes);
  for (size_t k = 0; k < count; ++k)
    out[k] =
        static_cast<uint32_t>(pairs[k].b_size + sum_of_rows(plus[k], minus[k], pairs[k].a_size));
}

template <class T>
void AllShortPairs(const uint8_t* text, std::span<const Pair> pairs, size_t longest,
                   Scratch& scratch, uint32_t* HWY_RESTRICT out) {
  const size_t together = 4 * hn::Lanes(hn::ScalableTag<T>());
  if (scratch.size() < longest * together) scratch.resize(longest * together);
  for (size_t k = 0; k < pairs.size(); k += together)
    ShortPairs<T>(text, pairs.data() + k, HWY_MIN(together, pairs.size() - k),
                  reinterpret_cast<T*>(scratch.data()), out + k);
}

// ------------------------------------------------------------------------------------------------
// Longer strings: a block of rows of the same table in each lane (a strip of blocks in all). Not
// for scalable vectors, which lanes can't move up in one constant step: there blocked_distances()
// does it.

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
using Words = hn::ScalableTag<uint64_t>;
constexpr size_t kLanes = hn::MaxLanes(Words());
constexpr size_t kBlocks = 2 * kLanes;             // of a strip
constexpr size_t kSkew = 2;                        // columns that a block is behind the one above
constexpr size_t kBehind = kSkew * (kBlocks - 1);  // columns that the last is behind the first
constexpr size_t kAhead = 32;     // steps between writing a column's matches and reading them
constexpr size_t kSegment = 192;  // steps after which `steps` is moved back to its start
constexpr size_t kMargin = 4 * kBlocks;  // columns beyond both ends, of values that nobody uses

// Lane i of `v` moves to lane i + 1; lane 0 gets the highest lane of `below`.
HWY_INLINE hn::Vec<Words> LanesUp(hn::Vec<Words> v, hn::Vec<Words> below) {
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3
  return hn::Vec<Words>{_mm512_alignr_epi64(v.raw, below.raw, 7)};
#else
  const Words d;
#if HWY_TARGET == HWY_AVX2
  below = hn::ConcatLowerUpper(d, v, below);
#endif
  return hn::CombineShiftRightBytes<8>(d, v, below);
#endif
}

// What a strip of kBlocks blocks needs beside the strings.
struct StripScratch {
  uint64_t* table;  // for each byte its matches in each block, if it has been seen
  uint64_t* steps;  // the matches of each block for the next steps, kBlocks per step
  // Horizontal differences above the strip, of column 0; those of later columns lie before them.
  uint64_t* top_plus;
  uint64_t* top_minus;

  static size_t columns(size_t longest) { return longest + 2 * kMargin; }
  StripScratch(Scratch& scratch, size_t longest) {
    constexpr size_t kTable = 256 * kBlocks, kSteps = (kSegment + kAhead + kBehind) * kBlocks;
    const size_t needed = kTable + kSteps + 2 * columns(longest) + kLanes;
    if (scratch.size() < needed) scratch.resize(needed);
    // No vector of matches lies across two cache lines.
    const uintptr_t misaligned = reinterpret_cast<uintptr_t>(scratch.data()) / 8 % kLanes;
    table = scratch.data() + (misaligned == 0 ? 0 : kLanes - misaligned);
    steps = table + kTable;
    top_plus = steps + kSteps + columns(longest) - kMargin;
    top_minus = top_plus + columns(longest);
  }
};

// A strip of kBlocks blocks through all columns of b; n is their number. Returns the sum of the
// vertical differences of its rows in the last column.
//
// In step t block l works on column t - kSkew * l: all blocks go down a diagonal together, so that
// what comes out below a block is there when the next one needs it. Two vectors, one below the
// other, are two chains side by side; with a skew of 2, moving lanes up has a step's time. Before
// its first column a block has no matches, and nothing comes from above: it stays as it is.
//
// A byte's matches are computed once, when it first comes, and written for each block to the step
// that needs them, kAhead steps before: a vector that is loaded right after its parts were stored
// would wait for them.
//
// The horizontal differences above column j are the highest lanes' highest bits of the vectors that
// are loaded from top_plus - j and top_minus - j; those below it overwrite them for the next strip.
// Columns descend in memory so that a whole vector can be stored of which only the highest lane
// counts: the others fall on columns that have been read, or will be written. kTop: the first
// strip, above which the difference is always 1. kBottom: the last one.
template <bool kTop, bool kBottom>
HWY_NOINLINE int64_t Strip(const uint8_t* a, size_t rows, const uint8_t* b, size_t n,
                           const StripScratch& scratch) {
  const Words d;
  const size_t blocks = HWY_MIN(kBlocks, (rows + 63) / 64);
  HWY_ALIGN uint8_t pattern[64 * kBlocks] = {};
  std::memcpy(pattern, a, HWY_MIN(rows, sizeof pattern));
  bool seen[256] = {};
  uint64_t* const steps = scratch.steps;
  // Not HWY_RESTRICT: loads that all come before the stores would take more registers than there
  // are.
  const auto write_matches = [&](uint8_t byte, uint64_t* to) HWY_ATTR {
    uint64_t* const row = scratch.table + byte * kBlocks;
    if (HWY_UNLIKELY(!seen[byte])) {
      seen[byte] = true;
      for (size_t l = 0; l < kBlocks; ++l) row[l] = Matches<uint64_t>(pattern + 64 * l, byte);
    }
    for (size_t l = 0; l < kBlocks; ++l) to[kSkew * l * kBlocks + l] = row[l];
  };
  std::fill(steps, steps + kBehind * kBlocks, uint64_t{0});
  for (size_t j = 0; j < kAhead; ++j) write_matches(b[j], steps + j * kBlocks);

  const auto zero = hn::Zero(d), top = hn::Set(d, uint64_t{1} << 63);
  auto p0 = hn::Set(d, ~uint64_t{0}), p1 = p0, m0 = zero, m1 = zero;  // vertical
  // Horizontal, below each block: of the last step, and of the one before it.
  auto hp0 = zero, hp1 = zero, hm0 = zero, hm1 = zero;
  auto gp0 = zero, gp1 = zero, gm0 = zero, gm1 = zero;
  const auto step = [&](size_t t, const uint64_t* at) HWY_ATTR __attribute__((always_inline)) {
    const auto tp1 = LanesUp(gp1, gp0), tm1 = LanesUp(gm1, gm0);
    const auto tp0 = LanesUp(gp0, kTop ? top : hn::LoadU(d, scratch.top_plus - t));
    const auto tm0 = LanesUp(gm0, kTop ? zero : hn::LoadU(d, scratch.top_minus - t));
    gp0 = hp0, gp1 = hp1, gm0 = hm0, gm1 = hm1;
    Column(d, hn::LoadU(d, at), tp0, tm0, p0, m0, hp0, hm0);
    Column(d, hn::LoadU(d, at + kLanes), tp1, tm1, p1, m1, hp1, hm1);
    if constexpr (!kBottom) {
      hn::StoreU(hp1, d, scratch.top_plus - t + kBehind);
      hn::StoreU(hm1, d, scratch.top_minus - t + kBehind);
    }
  };
  const size_t last = n + kBehind;
  for (size_t from = 0; from < last; from += kSegment) {
    const size_t to = HWY_MIN(from + kSegment, last);
    const uint64_t* at = steps;
    size_t t = from;
    // Bytes after the last column are of no matter, and may be read (kSlack).
    for (; t < HWY_MIN(to, n); ++t, at += kBlocks) {
      write_matches(b[t + kAhead], steps + (t - from + kAhead) * kBlocks);
      step(t, at);
    }
    for (; t < to; ++t, at += kBlocks) {  // blocks that are through keep their last column
      const auto now = hn::Set(d, static_cast<uint64_t>(t - n) / kSkew);
      const auto done0 = hn::Not(hn::Gt(hn::Iota(d, 0), now));
      const auto done1 = hn::Not(hn::Gt(hn::Iota(d, kLanes), now));
      const auto q0 = p0, q1 = p1, r0 = m0, r1 = m1;
      step(t, at);
      p0 = hn::IfThenElse(done0, q0, p0), m0 = hn::IfThenElse(done0, r0, m0);
      p1 = hn::IfThenElse(done1, q1, p1), m1 = hn::IfThenElse(done1, r1, m1);
    }
    std::copy(steps + kSegment * kBlocks, steps + (kSegment + kAhead + kBehind) * kBlocks, steps);
  }
  HWY_ALIGN uint64_t plus[kBlocks], minus[kBlocks];
  hn::Store(p0, d, plus), hn::Store(p1, d, plus + kLanes);
  hn::Store(m0, d, minus), hn::Store(m1, d, minus + kLanes);
  int64_t sum = 0;
  for (size_t l = 0; l < blocks; ++l) sum += sum_of_rows(plus[l], minus[l], rows - 64 * l);
  return sum;
}

void LongPairs(const uint8_t* text, std::span<const Pair> pairs, size_t longest, Scratch& memory,
               uint32_t* HWY_RESTRICT out) {
  const StripScratch scratch(memory, longest);
  constexpr size_t kRows = 64 * kBlocks;
  for (size_t k = 0; k < pairs.size(); ++k) {
    const Pair& pair = pairs[k];
    int64_t sum = pair.b_size;
    for (size_t row = 0; row < pair.a_size; row += kRows) {
      const bool bottom = pair.a_size - row <= kRows;
      const auto strip = row == 0 ? (bottom ? Strip<true, true> : Strip<true, false>)
                                  : (bottom ? Strip<false, true> : Strip<false, false>);
      sum += strip(text + pair.a + row, pair.a_size - row, text + pair.b, pair.b_size, scratch);
    }
    out[k] = static_cast<uint32_t>(sum);
  }
}
#endif

}  // namespace

void Distances(const uint8_t* text, std::span<const Pair> pairs, Scratch& scratch,
               uint32_t* HWY_RESTRICT out) {
  size_t rows = 0, columns = 0;
  for (const Pair& pair : pairs) {
    rows = HWY_MAX(rows, size_t{pair.a_size});
    columns = HWY_MAX(columns, size_t{pair.b_size});
  }
  if (rows <= 32 && columns <= 0xffff) {
    AllShortPairs<uint32_t>(text, pairs, columns, scratch, out);
  } else if (rows <= 64) {
    AllShortPairs<uint64_t>(text, pairs, columns, scratch, out);
  } else {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
    LongPairs(text, pairs, columns, scratch, out);
#else
    blocked_distances(text, pairs, scratch, out);
#endif
  }
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

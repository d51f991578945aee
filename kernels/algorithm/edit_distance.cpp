// algorithm/edit_distance: the Levenshtein distance of pairs of strings.
//
// In: pairs(n) pairs a call, each a string of n bytes and another one; calls rotate. Out: the
// distance of each pair: the least number of bytes to insert, delete or replace. Exact.
//
// Inputs: similar has text of four letters, and the same with about a tenth of it edited (the
// lengths differ a little); random has unrelated strings of 26 letters.
//
// The table of Wagner and Fischer (1974) has a cell for each pair of bytes, and each cell waits for
// its neighbours. Those differ by at most one: Myers ("A fast bit-vector algorithm for approximate
// string matching based on dynamic programming", 1999; here in the form of Hyyro, "A bit-vector
// algorithm for computing Levenshtein and Damerau edit distances", 2003) keeps the differences as
// bits, and computes 64 cells of a column in about 17 operations. Longer strings take several words
// a column, one below the other (blocks).
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/edit_distance.cpp"
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "support/mask_bits-inl.h"

#ifndef HEADROOM_ALGORITHM_EDIT_DISTANCE_ONCE_
#define HEADROOM_ALGORITHM_EDIT_DISTANCE_ONCE_
namespace headroom {
namespace {

// Two strings, of which `a` is not the longer one: where they start in the text, and their sizes.
// 64 bytes can be read from any of their bytes on.
struct Pair {
  std::uint32_t a;
  std::uint32_t b;
  std::uint32_t a_size;
  std::uint32_t b_size;
};
constexpr std::size_t kSlack = 64;

// Where variants put what they need for a call; grows to what the longest strings need, and stays.
using Scratch = std::vector<std::uint64_t>;

// A column starts with the row's number in each cell: the last cell is the column's number (b_size)
// plus the vertical differences of the rows that there are.
inline std::int64_t sum_of_rows(std::uint64_t plus, std::uint64_t minus, std::size_t rows) {
  const std::uint64_t mask = rows >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << rows) - 1;
  return std::popcount(plus & mask) - std::popcount(minus & mask);
}

// Myers for strings of any length, see below.
inline void blocked_distances(const std::uint8_t* text, std::span<const Pair> pairs,
                              Scratch& scratch, std::uint32_t* out) {
  for (std::size_t k = 0; k < pairs.size(); ++k) {
    const Pair& pair = pairs[k];
    const std::uint8_t* const b = text + pair.b;
    if (scratch.size() < pair.b_size) scratch.resize(pair.b_size);
    // For each column the difference above the block, as 1 and -1 are in bits 0 and 1.
    std::uint8_t* const tops = reinterpret_cast<std::uint8_t*>(scratch.data());
    std::fill(tops, tops + pair.b_size, std::uint8_t{1});
    std::int64_t distance = pair.b_size;
    for (std::size_t row = 0; row < pair.a_size; row += 64) {
      std::uint64_t matches[256] = {};
      const std::size_t rows = std::min<std::size_t>(64, pair.a_size - row);
      for (std::size_t i = 0; i < rows; ++i)
        matches[text[pair.a + row + i]] |= std::uint64_t{1} << i;
      std::uint64_t plus = ~std::uint64_t{0}, minus = 0;
      for (std::size_t j = 0; j < pair.b_size; ++j) {
        const std::uint64_t top_plus = tops[j] & 1, top_minus = tops[j] >> 1;
        std::uint64_t eq = matches[b[j]];
        const std::uint64_t vertical = eq | minus;
        eq |= top_minus;
        const std::uint64_t diagonal = (((eq & plus) + plus) ^ plus) | eq;
        const std::uint64_t right_plus = minus | ~(diagonal | plus), right_minus = plus & diagonal;
        tops[j] = static_cast<std::uint8_t>(right_plus >> 63 | (right_minus >> 63) << 1);
        const std::uint64_t shifted_plus = right_plus << 1 | top_plus;
        plus = (right_minus << 1 | top_minus) | ~(vertical | shifted_plus);
        minus = shifted_plus & vertical;
      }
      distance += sum_of_rows(plus, minus, rows);
    }
    out[k] = static_cast<std::uint32_t>(distance);
  }
}

}  // namespace
}  // namespace headroom
#endif

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

// A bit for each of the 8 * sizeof(T) bytes at `pattern` that equals `byte`. Compared on the spot:
// a table of all bytes, as one word searches have it, would have to be cleared and filled first.
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
    HWY_TARGET <= HWY_AVX3_DL  // in one instruction, on the chain from column to column
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
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3  // GCC 12 finds but two of the three operations
  return V{_mm512_ternarylogic_epi64(a.raw, b.raw, c.raw, 0xf1)};
#else
  return hn::Or(a, hn::AndNot(hn::Or(b, c), hn::Set(d, static_cast<hn::TFromD<D>>(-1))));
#endif
}

// One column of a block of rows in each lane. `plus` and `minus` are the vertical differences, a
// row a bit. Of `top_plus` and `top_minus` the highest bit is the horizontal difference above the
// block; of `right_plus` and `right_minus`, which are set, that of its last row.
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
// Short strings: a pair in each lane, four vectors of pairs side by side.

// The distances of `count` pairs whose `a` has no more rows than T has bits; 1 <= count <= 4 *
// lanes. Strings end together: a shorter `b` starts later, and until then its column stays as it
// is, since nothing matches and nothing comes from above. First all matches are written down, a
// vector of pairs side by side, and then read as vectors; a store and a load of another size right
// after one another would wait.
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
// Long strings: a block of rows of the same table in each lane.

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
using Words = hn::ScalableTag<uint64_t>;
constexpr size_t kLanes = hn::MaxLanes(Words());
constexpr size_t kBlocks = 2 * kLanes;             // of a strip
constexpr size_t kSkew = 2;                        // columns that each block is behind
constexpr size_t kBehind = kSkew * (kBlocks - 1);  // and the last one
constexpr size_t kAhead = 32;                      // steps from when matches are written till read
constexpr size_t kSegment = 192;                   // steps
constexpr size_t kMargin = 4 * kBlocks;            // where only garbage falls

// Lanes move up by one; the lowest gets the highest of `below`.
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
  uint64_t* steps;  // the matches of each block for the next steps
  // Horizontal differences above and below, see Strip().
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

// A strip of kBlocks blocks through all columns of b. Block l works on the column kSkew * l before
// that of block 0, so that what comes out below a block is there when the next one needs it: all go
// down a diagonal together. Two vectors, one below the other, are two chains side by side; a skew
// of 2 gives lanes a step's time to move up. Columns before the first one leave a block as it is.
//
// A byte's matches are computed once, when it first comes, and written for each block to the step
// that needs them, long enough before that the store is through when a whole vector is loaded.
//
// The horizontal differences above the strip's column j are in the highest bits of
// tops[-j + kLanes - 1], and are overwritten with those below it. Columns descend in memory so that
// a whole vector can be stored of which only the highest lane counts: the others fall on columns
// that have been read, or will be written. kTop: the first strip, above which the difference is
// always 1. kBottom: the last one.
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

#if HWY_ONCE
#include "core/kernel.h"
#include "core/opaque.h"

namespace headroom {
namespace {

HWY_EXPORT(Distances);

// How many pairs a call has. Odd lengths, which only tests have, don't fill the last vectors.
std::size_t pair_count(std::size_t n) {
  return n <= 64 ? (n % 2 == 0 ? 128 : 101) : n < 1000 ? 5 : n < 10'000 ? 4 : 1;
}

struct EditDistance {
  static constexpr auto kInputs = inputs("similar", "random");
  struct Call {
    const std::uint8_t* text;
    std::span<const Pair> pairs;
  };
  struct Input {
    Buffer<std::uint8_t> text;
    std::vector<Pair> pairs;  // `slices` calls of them
    std::size_t slices = 1;
    Call at(std::size_t turn) const {
      const std::size_t count = pairs.size() / slices;
      return {text.data(), {pairs.data() + turn % slices * count, count}};
    }
  };
  struct Output {
    Buffer<std::uint32_t> distances;
    Scratch scratch;
    std::vector<std::uint32_t> table;
    void poison() { headroom::poison(distances); }
    bool spoil(Spoil how) { return headroom::spoil(distances, how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n, count = pair_count(n);
    Input in;
    in.slices = std::clamp<std::size_t>((std::size_t{1} << 17) / (count * (n + 1)), 2, 64);
    FastRng fast(rng());
    const bool similar = setting.input == kInputs["similar"];
    std::vector<std::uint8_t> text;
    const auto letter = [&] {
      return static_cast<std::uint8_t>(similar ? "ACGT"[fast() >> 62] : 'a' + bounded(fast, 26));
    };
    for (std::size_t k = 0; k < in.slices * count; ++k) {
      const std::size_t a = text.size();
      for (std::size_t i = 0; i < n; ++i) text.push_back(letter());
      const std::size_t b = text.size();
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t edit = similar ? bounded(fast, 30) : 0;
        if (!similar || edit == 0) text.push_back(letter());   // replaced
        if (similar && edit > 1) text.push_back(text[a + i]);  // 1: deleted
        if (similar && edit == 2) text.push_back(letter());    // inserted after it
      }
      in.pairs.push_back(ordered(a, b - a, b, text.size() - b));
    }
    fill(in, text);
    return in;
  }
  // How many bytes the first string takes, then both, twice, in either order.
  static Input from(std::span<const std::uint8_t> bytes) {
    const std::size_t n = bytes.empty() ? 0 : bytes.size() - 1;
    const std::size_t cut = n == 0 ? 0 : std::min<std::size_t>(n, n * bytes[0] / 255);
    Input in;
    in.pairs = {ordered(0, cut, cut, n - cut), ordered(0, n, cut, n - cut), ordered(0, n, 0, n)};
    fill(in, bytes.subspan(bytes.size() - n));
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.distances = Buffer<std::uint32_t>(in.pairs.size() / in.slices);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.distances, got.distances);
  }

 private:
  static Pair ordered(std::size_t a, std::size_t a_size, std::size_t b, std::size_t b_size) {
    Pair pair{static_cast<std::uint32_t>(a), static_cast<std::uint32_t>(b),
              static_cast<std::uint32_t>(a_size), static_cast<std::uint32_t>(b_size)};
    if (a_size > b_size) std::swap(pair.a, pair.b), std::swap(pair.a_size, pair.b_size);
    return pair;
  }
  static void fill(Input& in, std::span<const std::uint8_t> text) {
    in.text = Buffer<std::uint8_t>(text.size() + kSlack);
    std::copy(text.begin(), text.end(), in.text.begin());
  }
};
using Call = EditDistance::Call;
using Output = EditDistance::Output;

// cell[i * row + j]: the distance of the first i bytes of a and the first j of b.
void naive(const Call& in, Output& out) {
  for (std::size_t k = 0; k < in.pairs.size(); ++k) {
    const std::size_t rows = in.pairs[k].a_size, columns = in.pairs[k].b_size;
    const std::uint8_t* const a = in.text + in.pairs[k].a;
    const std::uint8_t* const b = in.text + in.pairs[k].b;
    const std::size_t row = columns + 1;
    if (out.table.size() < (rows + 1) * row) out.table.resize((rows + 1) * row);
    std::uint32_t* const cell = out.table.data();
    for (std::size_t j = 0; j <= columns; ++j) cell[j] = static_cast<std::uint32_t>(j);
    for (std::size_t i = 1; i <= rows; ++i) {
      cell[i * row] = static_cast<std::uint32_t>(i);
      for (std::size_t j = 1; j <= columns; ++j)
        cell[i * row + j] = std::min({cell[(i - 1) * row + j] + 1, cell[i * row + j - 1] + 1,
                                      cell[(i - 1) * row + j - 1] + (a[i - 1] != b[j - 1])});
    }
    out.distances[k] = cell[rows * row + columns];
  }
}

// A row needs only the one before it, so both stay in L1; in place, the one before it needs a
// single cell more. What is left is the chain from cell to cell along the row, as short as it can
// be.
void one_row(const Call& in, Output& out) {
  for (std::size_t k = 0; k < in.pairs.size(); ++k) {
    const std::size_t rows = in.pairs[k].a_size, columns = in.pairs[k].b_size;
    const std::uint8_t* const a = in.text + in.pairs[k].a;
    const std::uint8_t* const b = in.text + in.pairs[k].b;
    if (out.scratch.size() <= columns) out.scratch.resize(columns + 1);
    std::uint32_t* const row = reinterpret_cast<std::uint32_t*>(out.scratch.data());
    for (std::size_t j = 0; j < columns; ++j) row[j] = static_cast<std::uint32_t>(j + 1);
    std::uint32_t last = static_cast<std::uint32_t>(columns);
    for (std::size_t i = 0; i < rows; ++i) {
      std::uint32_t diagonal = static_cast<std::uint32_t>(i), left = diagonal + 1;
      for (std::size_t j = 0; j < columns; ++j) {
        const std::uint32_t up = row[j];
        // What doesn't wait for the cell before comes first; where it isn't opaque GCC 12 puts it
        // last, and the chain is twice as long.
        const std::uint32_t others =
            opaque(std::min(up + 1, diagonal + static_cast<std::uint32_t>(a[i] != b[j])));
        left = std::min(others, left + 1);
        diagonal = up;
        row[j] = left;
      }
      last = left;
    }
    out.distances[k] = columns == 0 ? static_cast<std::uint32_t>(rows) : last;
  }
}

// 64 rows a word: see the top of the file.
void myers(const Call& in, Output& out) {
  for (std::size_t k = 0; k < in.pairs.size(); ++k) {
    const Pair& pair = in.pairs[k];
    std::uint64_t matches[256] = {};
    for (std::size_t i = 0; i < pair.a_size; ++i)
      matches[in.text[pair.a + i]] |= std::uint64_t{1} << i;
    std::uint64_t plus = ~std::uint64_t{0}, minus = 0;
    for (std::size_t j = 0; j < pair.b_size; ++j) {
      const std::uint64_t eq = matches[in.text[pair.b + j]];
      const std::uint64_t diagonal = (((eq & plus) + plus) ^ plus) | eq;
      const std::uint64_t right_plus = (minus | ~(diagonal | plus)) << 1 | 1;
      const std::uint64_t right_minus = (plus & diagonal) << 1;
      const std::uint64_t vertical = eq | minus;
      plus = right_minus | ~(vertical | right_plus);
      minus = right_plus & vertical;
    }
    out.distances[k] =
        static_cast<std::uint32_t>(pair.b_size + sum_of_rows(plus, minus, pair.a_size));
  }
}

// A row of blocks after the other, so that a block's words stay in registers and a table of matches
// in L1; the horizontal differences below it wait for the next one.
void myers_blocked(const Call& in, Output& out) {
  blocked_distances(in.text, in.pairs, out.scratch, out.distances.data());
}

// Short strings: 8 or 16 pairs a vector, four vectors. Long ones: 8 blocks of the same table a
// vector, each a column behind the one above it.
void highway(const Call& in, Output& out) {
  HWY_DYNAMIC_DISPATCH(Distances)(in.text, in.pairs, out.scratch, out.distances.data());
}

constexpr Variant<EditDistance> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "the whole table, row by row: each cell waits for the one before it"},
    {.name = "one_row",
     .run = run<one_row>,
     .what = "one row, in place: little memory, and no faster, as the chain from cell to cell is "
             "the same"},
    {.name = "myers",
     .run = run<myers>,
     .what = "Myers: a column of 64 cells in 17 operations on words",
     .max_n = 64},
    {.name = "myers_blocked",
     .run = run<myers_blocked>,
     .what = "Myers for any length: 64 rows at a time; differences between them wait in memory"},
    {.name = "highway",
     .run = run<highway>,
     .what = "Myers in vectors: a pair a lane, or where strings are long a block of rows a lane"},
};

const Registrar kRegistrar(
    {.name = "algorithm/edit_distance",
     .axis = Axis::kScalar,
     .technique = "differences as bits: 64 cells of a table in a few operations",
     .sizes = {30, 64, 1000, 10000},
     .headline = {64, 1000},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n), pairs = static_cast<double>(pair_count(s.n));
           return Demand{.items = n * n * pairs + 1,
                         .working_set = 2 * s.n * pair_count(s.n),
                         .memory = 4 * s.n * s.n + (std::size_t{4} << 20)};
         },
     .test_sizes = {0,  1,  2,  3,  7,  8,  9,   15,  16,  17,  30, 31,
                    32, 33, 63, 64, 65, 66, 127, 128, 129, 255, 257}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

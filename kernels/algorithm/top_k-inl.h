// The k largest by a sampled threshold, in SIMD. Included by top_k.cpp once for each target, after
// TopKScratch and its constants.
//
// No include guard: it must be read again for every target.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "support/prefetch-inl.h"
#include "support/simd.h"

HWY_BEFORE_NAMESPACE();
namespace headroom::HWY_NAMESPACE {
namespace {

using Tag = hn::CappedTag<uint32_t, 16>;

// Appends the lanes in `mask`. Writes more than is meant, but what follows overwrites it.
HWY_INLINE size_t Append(hn::Vec<Tag> v, hn::Mask<Tag> mask, uint32_t* HWY_RESTRICT to) {
  const Tag d;
  hn::StoreU(hn::Compress(v, mask), d, to);
  return hn::CountTrue(d, mask);
}

// Moves the k largest of s.candidates[0, n) to s.top, in no order, 1 <= k <= n, and returns the
// least of them. Quickselect (Hoare, "Algorithm 65: Find", 1961) whose partition has no branch on
// data: it packs what is greater than the pivot into one array and what is less to the front of the
// same one.
HWY_INLINE uint32_t Select(TopKScratch& s, size_t n, size_t k) {
  const Tag d;
  const size_t lanes = hn::Lanes(d);
  uint32_t* active = s.candidates;
  uint32_t* spare = s.greater;
  size_t found = 0;
  for (;;) {
    const uint32_t a = active[0], b = active[n / 2], c = active[n - 1];
    const uint32_t pivot = HWY_MAX(HWY_MIN(a, b), HWY_MIN(HWY_MAX(a, b), c));
    const auto splitter = hn::Set(d, pivot);
    size_t greater = 0, less = 0, i = 0;
    for (; i + lanes <= n; i += lanes) {
      const auto v = hn::LoadU(d, active + i);
      greater += Append(v, hn::Gt(v, splitter), spare + greater);
      less += Append(v, hn::Lt(v, splitter), active + less);
    }
    if (i < n) {
      const auto v = hn::LoadU(d, active + i);
      const auto valid = hn::FirstN(d, n - i);
      greater += Append(v, hn::And(valid, hn::Gt(v, splitter)), spare + greater);
      less += Append(v, hn::And(valid, hn::Lt(v, splitter)), active + less);
    }
    if (greater > k - found) {
      std::swap(active, spare);
      n = greater;
      continue;
    }
    std::copy(spare, spare + greater, s.top + found);
    found += greater;
    const size_t equal = HWY_MIN(n - greater - less, k - found);
    std::fill(s.top + found, s.top + found + equal, pivot);
    found += equal;
    if (found == k) return equal != 0 ? pivot : *std::min_element(s.top, s.top + k);
    n = less;
  }
}

// Writes the candidates, the numbers greater than `least`, to s.candidates and returns how many
// there are. When there are too many, the k largest of them are kept, and the least of those is
// what the next ones have to beat.
size_t Collect(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t least, TopKScratch& s) {
  constexpr ptrdiff_t kAhead = 4096;  // bytes; hardware prefetchers stop at the page's end
  const Tag d;
  const size_t lanes = hn::Lanes(d);
  const size_t step = 8 * lanes;
  size_t count = 0, i = 0;
  auto bound = hn::Set(d, least);
  for (; i + step <= n; i += step) {
    prefetch_lines(x + i, kAhead, 4 * step);
    const auto v0 = hn::LoadU(d, x + i), v1 = hn::LoadU(d, x + i + lanes),
               v2 = hn::LoadU(d, x + i + 2 * lanes), v3 = hn::LoadU(d, x + i + 3 * lanes),
               v4 = hn::LoadU(d, x + i + 4 * lanes), v5 = hn::LoadU(d, x + i + 5 * lanes),
               v6 = hn::LoadU(d, x + i + 6 * lanes), v7 = hn::LoadU(d, x + i + 7 * lanes);
    const auto greatest = hn::Max(hn::Max(hn::Max(v0, v1), hn::Max(v2, v3)),
                                  hn::Max(hn::Max(v4, v5), hn::Max(v6, v7)));
    if (HWY_LIKELY(hn::AllFalse(d, hn::Gt(greatest, bound)))) continue;
    for (size_t j = 0; j < step; j += lanes) {
      const auto v = hn::LoadU(d, x + i + j);
      count += Append(v, hn::Gt(v, bound), s.candidates + count);
    }
    if (count > kCandidates) {
      bound = hn::Set(d, Select(s, count, kTop));
      std::copy(s.top, s.top + kTop, s.candidates);
      count = kTop;
    }
  }
  const uint32_t last = hn::GetLane(bound);
  for (; i < n; ++i) {
    s.candidates[count] = x[i];
    count += x[i] > last;
  }
  return count;
}

// Sorts s.top[0, n) into `out`, descending, by counting, for each number, those that are greater:
// that is its place, and equal ones fill the places up to the next. All comparisons are
// independent, and none is a branch.
void Rank(TopKScratch& s, size_t n, uint32_t* HWY_RESTRICT out) {
  const Tag d;
  const size_t lanes = hn::Lanes(d);
  bool taken[kTop] = {};
  for (size_t i = 0; i < n; i += lanes) {
    const auto mine = hn::LoadU(d, s.top + i);
    auto r0 = hn::Zero(d), r1 = r0;  // minus how many are greater
    size_t j = 0;
    for (; j + 2 <= n; j += 2) {
      r0 = hn::Add(r0, hn::VecFromMask(d, hn::Gt(hn::Set(d, s.top[j]), mine)));
      r1 = hn::Add(r1, hn::VecFromMask(d, hn::Gt(hn::Set(d, s.top[j + 1]), mine)));
    }
    if (j < n) r0 = hn::Add(r0, hn::VecFromMask(d, hn::Gt(hn::Set(d, s.top[j]), mine)));
    HWY_ALIGN uint32_t rank[16];
    hn::Store(hn::Sub(hn::Zero(d), hn::Add(r0, r1)), d, rank);
    for (size_t l = 0; l < HWY_MIN(lanes, n - i); ++l) {
      out[rank[l]] = s.top[i + l];
      taken[rank[l]] = true;
    }
  }
  for (size_t i = 1; i < n; ++i)
    if (!taken[i]) out[i] = out[i - 1];
}

}  // namespace

// n > kCandidates: `out` has the k largest.
void TopK(const uint32_t* HWY_RESTRICT x, size_t n, TopKScratch& s, uint32_t* HWY_RESTRICT out) {
  // The threshold, from numbers spread over all of them, such that about half as many again as
  // wanted are greater, and a few more. Where the sample misleads, all are collected again.
  for (size_t i = 0; i < kSamples; ++i) s.candidates[i] = x[i * (n / kSamples)];
  const uint32_t threshold = Select(s, kSamples, kTop * kSamples * 3 / 2 / n + 8);
  size_t count = threshold == 0 ? 0 : Collect(x, n, threshold - 1, s);
  if (count < kTop) count = Collect(x, n, 0, s);
  // What was never a candidate is zero.
  for (; count < kTop; ++count) s.candidates[count] = 0;
  Select(s, count, kTop);
  Rank(s, kTop, out);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

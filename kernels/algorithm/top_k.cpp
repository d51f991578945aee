// algorithm/top_k: the k = 100 largest of n numbers.
//
// Out: the k largest, descending, equal ones as often as they occur (all n where n < k). Exact. The
// numbers must not be changed; variants that need a copy make it, timed, in memory made untimed.
//
// Inputs: random; ascending, where each number is larger than all before it, so that a variant
// which keeps the largest so far takes every one; few_distinct has 16 different numbers.
//
// A sort puts n numbers in order to use k of them. Nearly all of them are smaller than k numbers
// that have been seen: one comparison each is enough, of as many at a time as a vector holds.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/top_k.cpp"
#include <algorithm>
#include <cstdint>
#include <functional>

#include "support/simd.h"

#ifndef HEADROOM_ALGORITHM_TOP_K_ONCE_
#define HEADROOM_ALGORITHM_TOP_K_ONCE_
namespace headroom {
namespace {

constexpr std::size_t kTop = 100;
// Candidates are cut down to the k largest of them when there are this many: seldom, but still in
// L1. A step may add kMargin to them.
constexpr std::size_t kCandidates = 2048;
constexpr std::size_t kMargin = 512;
constexpr std::size_t kSamples = 512;

// What the SIMD variant writes to beside the answer; each is followed by room for a vector.
struct TopKScratch {
  std::uint32_t candidates[kCandidates + kMargin];
  std::uint32_t greater[kCandidates + kMargin];
  std::uint32_t top[kTop + kMargin];
};

}  // namespace
}  // namespace headroom
#endif

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
// least of them. Quickselect (Hoare, 1961) whose partition has no branch on data: it packs what is
// greater than the pivot into one array and what is less to the front of the same one.
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

// Candidates are the numbers greater than `least`; when there are too many, the k largest of them
// are kept, and the least of those is what the next ones have to beat. Returns how many there are.
size_t Collect(const uint32_t* HWY_RESTRICT x, size_t n, uint32_t least, TopKScratch& s) {
  constexpr size_t kAhead = 4096;  // bytes; across the page boundary
  const Tag d;
  const size_t lanes = hn::Lanes(d);
  const size_t step = 8 * lanes;
  size_t count = 0, i = 0;
  auto bound = hn::Set(d, least);
  for (; i + step <= n; i += step) {
    const uintptr_t ahead = reinterpret_cast<uintptr_t>(x + i) + kAhead;  // may be past the end
    for (size_t line = 0; line < 4 * step; line += 64)
      __builtin_prefetch(reinterpret_cast<const char*>(ahead + line));
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

// Sorts s.top[0, n) by counting, for each number, those that are greater: that is its place, and
// equal ones fill the places up to the next. All comparisons are independent, and none is a branch.
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
  // A guess, from numbers spread over all of them: about half as many again as wanted are greater,
  // and some more for luck.
  for (size_t i = 0; i < kSamples; ++i) s.candidates[i] = x[i * (n / kSamples)];
  const uint32_t guess = Select(s, kSamples, kTop * kSamples * 3 / 2 / n + 8);
  size_t count = guess == 0 ? 0 : Collect(x, n, guess - 1, s);
  if (count < kTop) count = Collect(x, n, 0, s);
  // What was never a candidate is zero.
  for (; count < kTop; ++count) s.candidates[count] = 0;
  Select(s, count, kTop);
  Rank(s, kTop, out);
}

}  // namespace headroom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <queue>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

HWY_EXPORT(TopK);

constexpr std::size_t kPool = std::size_t{1} << 17;  // numbers before any comes again, at least

struct TopKProblem {
  static constexpr auto kInputs = inputs("random", "ascending", "few_distinct").for_tests("zeros");
  using Call = std::span<const std::uint32_t>;
  struct Input {
    Buffer<std::uint32_t> numbers;  // `slices` arrays of n
    std::size_t n = 0;
    std::size_t slices = 1;
    Call at(std::size_t turn) const { return {numbers.data() + turn % slices * n, n}; }
  };
  struct Output {
    Buffer<std::uint32_t> top;
    Buffer<std::uint32_t> copy;
    TopKScratch scratch;
    void poison() { headroom::poison(top); }
    bool spoil(Spoil how) { return headroom::spoil(top, how); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.n = setting.n;
    while (in.slices * in.n < kPool && in.slices < 64) in.slices *= 2;
    in.numbers = Buffer<std::uint32_t>(in.n * in.slices);
    FastRng fast(rng());
    std::uint32_t few[16];
    for (std::uint32_t& x : few) x = static_cast<std::uint32_t>(fast() >> 32);
    few[0] = 0;
    const std::uint64_t gap = in.n == 0 ? 0 : (std::uint64_t{1} << 32) / in.n;
    for (std::size_t k = 0; k < in.slices; ++k) {
      std::uint64_t last = 0;
      for (std::size_t i = 0; i < in.n; ++i) {
        const std::uint64_t random = fast();
        last += setting.input == kInputs["ascending"] ? bounded(fast, gap) : 0;
        in.numbers[k * in.n + i] = static_cast<std::uint32_t>(
            setting.input == kInputs["ascending"]      ? last
            : setting.input == kInputs["few_distinct"] ? few[random >> 60]
            : setting.input == kInputs["zeros"] ? (random >> 54 == 0 ? random & 3 : 0)  // for tests
                                                : random >> 32);
      }
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.top = Buffer<std::uint32_t>(std::min(in.n, kTop));
    out.copy = Buffer<std::uint32_t>(in.n);
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.top, got.top);
  }
};
using Call = TopKProblem::Call;
using Output = TopKProblem::Output;

void naive(const Call& in, Output& out) {
  std::copy(in.begin(), in.end(), out.copy.begin());
  std::sort(out.copy.begin(), out.copy.end(), std::greater<>());
  std::copy(out.copy.begin(), out.copy.begin() + out.top.size(), out.top.begin());
}

// A heap of the k largest so far at the front of the copy; the rest is only compared with its top.
void partial_sort(const Call& in, Output& out) {
  std::copy(in.begin(), in.end(), out.copy.begin());
  std::partial_sort(out.copy.begin(), out.copy.begin() + out.top.size(), out.copy.end(),
                    std::greater<>());
  std::copy(out.copy.begin(), out.copy.begin() + out.top.size(), out.top.begin());
}

// Quickselect throws half of what is left away at each step: about three comparisons a number, but
// half of them are guessed wrongly.
void nth_element(const Call& in, Output& out) {
  std::copy(in.begin(), in.end(), out.copy.begin());
  const auto top = out.copy.begin() + out.top.size();
  if (top != out.copy.end())
    std::nth_element(out.copy.begin(), top, out.copy.end(), std::greater<>());
  std::sort(out.copy.begin(), top, std::greater<>());
  std::copy(out.copy.begin(), top, out.top.begin());
}

// No copy: a heap of k stays in L1, and a number that isn't greater than its least is done with
// after one comparison, which is guessed rightly.
void heap(const Call& in, Output& out) {
  const std::size_t k = out.top.size();
  std::uint32_t* const top = out.top.begin();
  std::copy(in.begin(), in.begin() + k, top);
  std::make_heap(top, top + k, std::greater<>());
  for (std::size_t i = k; i < in.size(); ++i) {
    if (in[i] <= top[0]) continue;
    std::pop_heap(top, top + k, std::greater<>());
    top[k - 1] = in[i];
    std::push_heap(top, top + k, std::greater<>());
  }
  std::sort_heap(top, top + k, std::greater<>());
}

// A threshold guessed from a sample drops nearly all numbers, 128 a branch with AVX-512; what is
// left is selected and ranked without a branch on data.
void threshold_scan(const Call& in, Output& out) {
  if (in.size() <= kCandidates) return heap(in, out);
  HWY_DYNAMIC_DISPATCH(TopK)(in.data(), in.size(), out.scratch, out.top.data());
}

constexpr Variant<TopKProblem> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "std::sort of a copy: orders n numbers to use k"},
    {.name = "partial_sort",
     .run = run<partial_sort>,
     .what = "std::partial_sort of a copy: a heap of k, the rest compared with its top"},
    {.name = "nth_element",
     .run = run<nth_element>,
     .what = "std::nth_element of a copy, then a sort of k: linear, with wrong guesses"},
    {.name = "heap",
     .run = run<heap>,
     .what = "a heap of k beside the input: nothing copied, one well-guessed branch a number"},
    {.name = "threshold_scan",
     .run = run<threshold_scan>,
     .what = "SIMD compare with a sampled threshold; few pass, they are selected without branches"},
};

const Registrar kRegistrar(
    {.name = "algorithm/top_k",
     .axis = Axis::kSimd,
     .technique = "do not order what is not asked for; drop most by one comparison",
     .sizes = {4096, 65536, 1 << 20, 16 << 20, 64 << 20},
     .headline = {65536, 1 << 20},
     .ceiling = {"machine/read"},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = n,
                         .bytes = 4 * n,
                         .working_set = 4 * std::max(s.n, kPool),
                         .memory = 4 * (std::max(s.n, kPool) + 5 * s.n)};
         },
     .test_sizes = {0,   1,   2,   3,   7,    16,   33,   64,   99,   100,  101,
                    102, 127, 129, 257, 1000, 2047, 2048, 2049, 2177, 4097, 9001}},
    kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

// algorithm/top_k: the k = 100 largest of n numbers.
//
// Out: the k largest, descending, equal ones as often as they occur (all n where n < k). Exact. The
// numbers must not be changed; variants that need a copy make it, timed, in memory made untimed.
//
// Inputs: random; ascending, where each number is larger than all before it, so that a variant
// which keeps the largest so far takes every one; few_distinct has 16 different numbers.
//
// To be learned: a sort puts n numbers in order to use k of them. Nearly all are smaller than k
// numbers that have been seen: one comparison is enough for each, or one for as many as a few
// vectors hold, and its branch is predicted.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "core/kernel.h"
#include "support/bytes.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kTop = 100;
constexpr std::size_t kPool = std::size_t{1} << 17;  // numbers before any comes again, at least

// Candidates are cut down to the k largest of them when there are this many: seldom, but still in
// L1. A step may add kMargin to them.
constexpr std::size_t kCandidates = 2048;
constexpr std::size_t kMargin = 512;
constexpr std::size_t kSamples = 512;

// What threshold_scan writes to beside the answer; each is followed by room for a vector.
struct TopKScratch {
  std::uint32_t candidates[kCandidates + kMargin];
  std::uint32_t greater[kCandidates + kMargin];
  std::uint32_t top[kTop + kMargin];
};

struct TopKProblem {
  static constexpr auto kInputs = inputs("random", "ascending", "few_distinct").for_tests("zeros");
  using Call = std::span<const std::uint32_t>;
  struct Input {
    Slices slices;  // of n numbers
    Buffer<std::uint32_t> numbers;
    Call at(std::size_t turn) const { return slices.of(numbers, turn); }
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
    const std::size_t n = setting.n;
    in.slices = Slices::covering(kPool, n, 64);
    in.numbers = Buffer<std::uint32_t>(in.slices.items());
    FastRng fast(rng());
    std::uint32_t few[16];
    for (std::uint32_t& x : few) x = static_cast<std::uint32_t>(fast() >> 32);
    few[0] = 0;
    const std::uint64_t gap = n == 0 ? 0 : (std::uint64_t{1} << 32) / n;
    for (std::size_t k = 0; k < in.slices.count(); ++k) {
      std::uint64_t last = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const std::uint64_t random = fast();
        last += setting.input == kInputs["ascending"] ? bounded(fast, gap) : 0;
        in.numbers[k * n + i] = static_cast<std::uint32_t>(
            setting.input == kInputs["ascending"]      ? last
            : setting.input == kInputs["few_distinct"] ? few[random >> 60]
            : setting.input == kInputs["zeros"] ? (random >> 54 == 0 ? random & 3 : 0)  // for tests
                                                : random >> 32);
      }
    }
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in{.numbers = elements_of<std::uint32_t>(bytes)};
    in.slices = Slices::within(in.numbers.size(), in.numbers.size());
    return in;
  }
  static void size(const Input& in, Output& out) {
    out.top = Buffer<std::uint32_t>(std::min(in.slices.size(), kTop));
    out.copy = Buffer<std::uint32_t>(in.slices.size());
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

// Quickselect throws half of what is left away at each step: about three comparisons per number,
// but half of them are mispredicted.
void nth_element(const Call& in, Output& out) {
  std::copy(in.begin(), in.end(), out.copy.begin());
  const auto top = out.copy.begin() + out.top.size();
  if (top != out.copy.end())
    std::nth_element(out.copy.begin(), top, out.copy.end(), std::greater<>());
  std::sort(out.copy.begin(), top, std::greater<>());
  std::copy(out.copy.begin(), top, out.top.begin());
}

// No copy: a heap of k stays in L1, and a number that isn't greater than its least is done with
// after one comparison, whose branch is predicted.
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

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/top_k-inl.h"
#include "algorithm/top_k-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(TopK);

// A threshold from a sample drops nearly all numbers, 128 per branch with AVX-512; what is left is
// selected and ranked without a branch on data. Not for arrays too small to have a sample.
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
     .what = "std::nth_element of a copy, then a sort of k: linear, but half mispredicted"},
    {.name = "heap",
     .run = run<heap>,
     .what = "a heap of k beside the input: nothing copied, one well predicted branch per number"},
    {.name = "threshold_scan",
     .run = run<threshold_scan>,
     .what = "eight vectors per comparison with a threshold from a sample; few numbers pass it"},
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

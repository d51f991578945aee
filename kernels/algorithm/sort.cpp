// algorithm/sort and algorithm/sort_u64: sort an array of unsigned integers, in place.
//
// Out: the array, ascending; agreement with std::sort is exact, index by index. Each call gets a
// fresh copy of other data (untimed): 2^17 keys (10^6 comparisons) or more before they repeat,
// since branch prediction learns a sort of a few thousand keys that comes again and again. Variants
// that need a second array of n keys share one, made untimed.
//
// Inputs: random; sorted; few_distinct has 16 different keys; organ_pipe ascends, then descends, as
// two sorted parts do that were joined; almost_sorted has every 64th key in the place of another;
// prefixes has the first letters of words as numbers, as databases sort texts by (words as in
// support/words.h): few different high bits, and many equal keys. The tests use more (see fill()).
//
// To be learned: of random keys every other comparison is mispredicted, and that is what a sort by
// comparisons costs. A radix sort compares nothing; SIMD compares without a branch. The simd_ rungs
// add one mechanism each, and need a second array, as radix does; vqsort works in place.
//
// Links: vqsort
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <utility>

#include "core/kernel.h"
#include "support/slices.h"
#include "support/words.h"
#if HEADROOM_HAVE_VQSORT
#include "hwy/contrib/sort/vqsort.h"
#endif

namespace headroom {
namespace {

constexpr auto kOrders =
    inputs("random", "sorted", "few_distinct", "organ_pipe", "almost_sorted", "prefixes")
        .for_tests("all_equal", "descending", "extremes", "distinct_32", "distinct_33",
                   "few_then_random", "few_then_one", "skewed", "exponential");

// Fills one array of keys as `input` says, with keys of `few` where it has few different ones.
template <class T>
void fill(std::span<T> keys, InputName input, std::span<const T, 16> few, FastRng& rng);

template <class T>
struct Sort {
  static constexpr auto kInputs = kOrders;
  using Call = std::span<const T>;
  struct Input {
    Slices slices;  // of n keys
    Buffer<T> keys;
    mutable Buffer<T> spare;  // n keys that variants may write to
    Call at(std::size_t turn) const { return slices.of(keys, turn); }
  };
  using Output = Buffer<T>;

  // One copy of the data, sorted where it lies.
  struct Work {
    explicit Work(const Input& in) : keys(in.slices.size()), spare(in.spare.data()) {}
    void refill(const Call& call) { std::copy(call.begin(), call.end(), keys.begin()); }
    void answer(Output& out) const { std::copy(keys.begin(), keys.end(), out.begin()); }
    Buffer<T> keys;
    T* spare;
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const std::size_t n = setting.n;
    in.slices = Slices::covering(kPool, n, kPool);
    in.keys = Buffer<T>(in.slices.items());
    in.spare = Buffer<T>(n);
    FastRng fast(rng());
    T few[16];
    for (T& k : few) k = static_cast<T>(fast());
    for (std::size_t i = 0; i < in.slices.count(); ++i)
      fill<T>({in.keys.data() + i * n, n}, setting.input, few, fast);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size()); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
  static constexpr std::size_t kPool = std::size_t{1} << 17;
};

template <class T>
using Work = typename Sort<T>::Work;

template <class T>
void naive(Work<T>& work, Buffer<T>&) {
  std::sort(work.keys.begin(), work.keys.end());
}

// No comparison, so no branch to mispredict: a counting sort by each digit, lowest first, that
// keeps the order of equal digits (Seward, 1954; Knuth, "The Art of Computer Programming", volume
// 3, 5.2.5). All histograms are made in one pass, and a digit that is the same in all keys is
// skipped. Digits of 11 bits take three passes for 32 bits where bytes take four; 64 bits take six,
// but 2048 places to write to at once are more than L1 and the TLB hold, and with keys this long
// that costs more than two passes.
template <class T>
constexpr unsigned kDigitBits = sizeof(T) == 4 ? 11 : 8;

template <class T>
void radix(Work<T>& work, Buffer<T>&) {
  constexpr unsigned kDigits = (8 * sizeof(T) + kDigitBits<T> - 1) / kDigitBits<T>;
  constexpr std::size_t kBuckets = std::size_t{1} << kDigitBits<T>;
  const auto bucket = [](T key, unsigned digit) {
    return static_cast<std::size_t>(key >> (digit * kDigitBits<T>)) & (kBuckets - 1);
  };
  const std::size_t n = work.keys.size();
  std::size_t counts[kDigits][kBuckets] = {};
  for (const T key : work.keys)
    for (unsigned digit = 0; digit < kDigits; ++digit) ++counts[digit][bucket(key, digit)];
  T* from = work.keys.data();
  T* to = work.spare;
  for (unsigned digit = 0; digit < kDigits && n != 0; ++digit) {
    std::size_t* const next = counts[digit];
    if (next[bucket(from[0], digit)] == n) continue;
    std::size_t start = 0;
    for (std::size_t b = 0; b < kBuckets; ++b) start += std::exchange(next[b], start);
    for (std::size_t i = 0; i < n; ++i) to[next[bucket(from[i], digit)]++] = from[i];
    std::swap(from, to);
  }
  if (from != work.keys.data()) std::copy(from, from + n, work.keys.data());
}

// What the simd_ rungs are made of, each of the one before it and one more. support/quicksort-inl.h
// has them.
enum class SimdSteps { kPartition, kNetworks, kDistribute, kAll };

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/sort-inl.h"
#include "algorithm/sort-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(SortU32);
HWY_EXPORT(SortU64);

template <class T, SimdSteps kSteps>
void simd_sort(Work<T>& work, Buffer<T>&) {
  if constexpr (sizeof(T) == 4)
    HWY_DYNAMIC_DISPATCH(SortU32)(kSteps, work.keys.data(), work.spare, work.keys.size());
  else
    HWY_DYNAMIC_DISPATCH(SortU64)(kSteps, work.keys.data(), work.spare, work.keys.size());
}

#if HEADROOM_HAVE_VQSORT
template <class T>
void vqsort(Work<T>& work, Buffer<T>&) {
  static const hwy::Sorter sorter;
  sorter(work.keys.data(), work.keys.size(), hwy::SortAscending());
}
template <class T>
constexpr auto kVqsortRun = run<vqsort<T>>;
#else
template <class T>
constexpr auto kVqsortRun = kNotBuilt;
#endif

constexpr Need kNeedsVqsort[] = {kVqsort};

template <class T>
constexpr Variant<Sort<T>> kVariants[] = {
    {.name = "naive",
     .run = run<naive<T>>,
     .what = "std::sort: introsort, every other comparison mispredicted"},
    {.name = "radix",
     .run = run<radix<T>>,
     .what = "radix sort, lowest digit first: a few passes that compare nothing"},
    {.name = "simd_partition",
     .run = run<simd_sort<T, SimdSteps::kPartition>>,
     .what = "quicksort that partitions with compress instructions; std::sort below 16 vectors"},
    {.name = "simd_network",
     .run = run<simd_sort<T, SimdSteps::kNetworks>>,
     .what = "the same with sorting networks below 16 vectors: no branch on a key is left"},
    {.name = "simd_distribute",
     .run = run<simd_sort<T, SimdSteps::kDistribute>>,
     .what = "the same, but from 128 KiB on to 256 or 1024 buckets by leading bits first: one pass "
             "for eight"},
    {.name = "simd_quicksort",
     .run = run<simd_sort<T, SimdSteps::kAll>>,
     .what =
         "the same, but sorted arrays are left as they are, and few distinct keys only counted"},
    {.name = "vqsort",
     .run = kVqsortRun<T>,
     .what = "Highway's vectorized quicksort, in place",
     .role = Role::kPeer,
     .needs = kNeedsVqsort},
};

template <class T>
Metadata metadata(std::string name, std::size_t largest) {
  return {.name = std::move(name),
          .axis = Axis::kScalar,
          .technique = "sort without a mispredicted comparison",
          .sizes = {4096, 65536, 1000000, largest},
          .headline = {4096, 1000000},
          .ceiling = {"machine/copy"},
          .demand = [](const Setting& s) {
            const double n = static_cast<double>(s.n);
            // An epoch of up to 200 us works on that many copies; each variant has its own.
            const std::size_t copies = 7 * (s.n + std::min<std::size_t>(s.n, 1 << 18) + (1 << 18));
            return Demand{
                .items = n,
                .bytes = 2 * sizeof(T) * n,
                .working_set = 2 * sizeof(T) * s.n,
                .memory = sizeof(T) * (std::max(s.n, 2 * Sort<T>::kPool) + 8 * s.n + copies)};
          }};
}

// Names that the compiler checks; here, because clang 14 can't do it in a template.
constexpr InputName kRandom = kOrders["random"];
constexpr InputName kFewDistinct = kOrders["few_distinct"];
constexpr InputName kSorted = kOrders["sorted"];
constexpr InputName kAllEqual = kOrders["all_equal"];
constexpr InputName kDescending = kOrders["descending"];
constexpr InputName kOrganPipe = kOrders["organ_pipe"];
constexpr InputName kExtremes = kOrders["extremes"];
constexpr InputName kDistinct32 = kOrders["distinct_32"];
constexpr InputName kDistinct33 = kOrders["distinct_33"];
constexpr InputName kFewThenRandom = kOrders["few_then_random"];
constexpr InputName kFewThenOne = kOrders["few_then_one"];
constexpr InputName kSkewed = kOrders["skewed"];
constexpr InputName kExponential = kOrders["exponential"];
constexpr InputName kPrefixes = kOrders["prefixes"];

template <class T>
void fill(std::span<T> keys, InputName input, std::span<const T, 16> few, FastRng& rng) {
  const std::size_t n = keys.size();
  const T step = n == 0 ? 0 : std::numeric_limits<T>::max() / n;
  const auto random = [&] { return static_cast<T>(rng() >> (64 - 8 * sizeof(T))); };
  const auto each = [&](auto key) {
    for (std::size_t i = 0; i < n; ++i) keys[i] = static_cast<T>(key(i));
  };
  if (input == kRandom) return each([&](std::size_t) { return random(); });
  if (input == kFewDistinct) return each([&](std::size_t) { return few[rng() >> 60]; });
  if (input == kSorted) {
    T last = 0;
    return each([&](std::size_t) { return last += static_cast<T>(bounded(rng, step)); });
  }
  if (input == kOrganPipe) return each([&](std::size_t i) { return step * std::min(i, n - i); });
  if (input == kPrefixes)
    return each([&](std::size_t) {
      const std::size_t letters = std::min(word_length(rng), sizeof(T));
      std::uint64_t key = 0;
      for (std::size_t k = 0; k < letters; ++k)
        key = key << 8 | static_cast<unsigned char>(word_letter(rng));
      return key << 8 * (sizeof(T) - letters);
    });
  // For the tests only.
  if (input == kAllEqual) return each([&](std::size_t) { return few[0]; });
  if (input == kDescending) return each([&](std::size_t i) { return step * (n - i); });
  if (input == kExtremes) return each([&](std::size_t) { return (rng() & 3) - 2; });
  if (input == kDistinct32)  // as many as are counted
    return each([&](std::size_t) { return few[0] + bounded(rng, 32); });
  if (input == kDistinct33)  // one more
    return each([&](std::size_t) { return few[0] + bounded(rng, 33); });
  if (input == kFewThenRandom)  // too many different keys, which is noticed late
    return each([&](std::size_t i) { return i < n - n / 8 ? few[rng() >> 60] : random(); });
  if (input == kFewThenOne) return each([&](std::size_t i) { return few[i + 1 < n ? i % 8 : 9]; });
  if (input == kSkewed)  // half of them equal, the others close
    return each([&](std::size_t) { return rng() % 2 == 0 ? few[0] : few[0] ^ (rng() >> 56); });
  if (input == kExponential)
    return each([&](std::size_t) { return random() >> (rng() % (8 * sizeof(T))); });
  // Almost sorted.
  each([&](std::size_t i) { return step * i; });
  for (std::size_t i = 0; i < n; i += 64) std::swap(keys[i], keys[bounded(rng, n)]);
}

const Registrar kRegistrar32(metadata<std::uint32_t>("algorithm/sort", 16 << 20),
                             kVariants<std::uint32_t>);
const Registrar kRegistrar64(metadata<std::uint64_t>("algorithm/sort_u64", 8 << 20),
                             kVariants<std::uint64_t>);

}  // namespace
}  // namespace headroom

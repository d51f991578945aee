// algorithm/deduplicate: the distinct numbers among n, ascending.
//
// Out: each 32-bit number that occurs, once, ascending. Exact. The input must not be changed.
//
// Inputs: few has a thousand different numbers, in random order; tenfold has each number about ten
// times; unique has hardly a number twice.
//
// To be learned: looking through what has been kept for each number is quadratic; it is the first
// idea, and nobody ships it for more than a handful. What one ships, the standard, is std::sort and
// std::unique, which brings equal ones together; but where most numbers are repeats, it pays not to
// sort those at all.
//
// Links: vqsort
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <unordered_set>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "core/kernel.h"
#include "support/bytes.h"
#include "support/slices.h"
#if HEADROOM_HAVE_VQSORT
#include "hwy/contrib/sort/vqsort.h"
#endif

namespace headroom {
namespace {

constexpr std::size_t kPool = std::size_t{1} << 17;  // numbers before any comes again, at least
constexpr std::size_t kRoom = 16;                    // what stores of whole vectors may add

struct Deduplicate {
  static constexpr auto kInputs = inputs("few", "tenfold", "unique");
  using Call = std::span<const std::uint32_t>;
  struct Input {
    Slices slices;  // of n numbers
    Buffer<std::uint32_t> numbers;
    Call at(std::size_t turn) const { return slices.of(numbers, turn); }
  };
  struct Output {
    Buffer<std::uint32_t> distinct;
    std::size_t count = 0;
    Buffer<std::uint32_t> keys, spare;  // what variants work in
    Buffer<std::uint32_t> seen;
    absl::flat_hash_set<std::uint32_t> set;
    void poison() { headroom::poison(distinct), count = ~std::size_t{0}; }
    bool spoil(Spoil how) { return spoil_counted(how, distinct.data(), count); }
    std::span<const std::uint32_t> answer() const {
      return {distinct.data(), std::min(count, distinct.size())};
    }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    const std::size_t n = setting.n;
    in.slices = Slices::covering(kPool, n, 64);
    in.numbers = Buffer<std::uint32_t>(in.slices.items());
    FastRng fast(rng());
    const std::uint64_t values = setting.input == kInputs["tenfold"] ? n / 10 + 1
                                 : setting.input == kInputs["few"]   ? std::uint64_t{1000}
                                                                     : std::uint64_t{1} << 32;
    // An odd factor keeps distinct numbers distinct, and spreads them over all 32 bits.
    for (std::uint32_t& x : in.numbers)
      x = static_cast<std::uint32_t>(bounded(fast, values)) * 0x9e3779b1u;
    return in;
  }
  static Input from(std::span<const std::uint8_t> bytes) {
    Input in{.numbers = elements_of<std::uint32_t>(bytes, 5000)};  // naive is quadratic
    in.slices = Slices::within(in.numbers.size(), in.numbers.size());
    return in;
  }
  static void size(const Input& in, Output& out) {
    const std::size_t n = in.slices.size();
    out.distinct = Buffer<std::uint32_t>(n + kRoom);
    out.keys = Buffer<std::uint32_t>(n);
    out.spare = Buffer<std::uint32_t>(n);
    out.seen = Buffer<std::uint32_t>(std::bit_ceil(std::clamp<std::size_t>(n, 16, 1 << 16)));
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want.answer(), got.answer());
  }
};
using Call = Deduplicate::Call;
using Output = Deduplicate::Output;

void naive(const Call& in, Output& out) {
  std::uint32_t* const first = out.distinct.data();
  std::uint32_t* last = first;
  for (const std::uint32_t x : in)
    if (std::find(first, last, x) == last) *last++ = x;
  std::sort(first, last);
  out.count = static_cast<std::size_t>(last - first);
}

// Equal numbers come to lie side by side: n log n comparisons, half of them mispredicted.
void sort_unique(const Call& in, Output& out) {
  std::uint32_t* const first = out.distinct.data();
  std::uint32_t* const last = std::copy(in.begin(), in.end(), first);
  std::sort(first, last);
  out.count = static_cast<std::size_t>(std::unique(first, last) - first);
}

// A probe per number, and a sort of those that are left only.
template <class Set>
void by_set(const Call& in, Set& set, Output& out) {
  set.clear();
  for (const std::uint32_t x : in) set.insert(x);
  out.count = static_cast<std::size_t>(std::copy(set.begin(), set.end(), out.distinct.data()) -
                                       out.distinct.data());
  std::sort(out.distinct.data(), out.distinct.data() + out.count);
}

void unordered_set(const Call& in, Output& out) {
  std::unordered_set<std::uint32_t> set;
  by_set(in, set, out);
}

void flat_hash_set(const Call& in, Output& out) { by_set(in, out.set, out); }

// Sorts keys[0, n) by eleven bits at a time, lowest first (see algorithm/sort); returns where they
// are, `keys` or `spare`.
const std::uint32_t* radix_sort(std::uint32_t* keys, std::uint32_t* spare, std::size_t n) {
  constexpr unsigned kBits = 11, kDigits = 3;
  std::uint32_t places[kDigits][1 << kBits] = {};
  for (std::size_t i = 0; i < n; ++i)
    for (unsigned d = 0; d < kDigits; ++d) ++places[d][keys[i] >> d * kBits & ((1 << kBits) - 1)];
  for (unsigned d = 0; d < kDigits; ++d) {
    std::uint32_t start = 0;
    for (std::uint32_t& place : places[d]) start += std::exchange(place, start);
    for (std::size_t i = 0; i < n; ++i)
      spare[places[d][keys[i] >> d * kBits & ((1 << kBits) - 1)]++] = keys[i];
    std::swap(keys, spare);
  }
  return keys;
}

// Numbers seen lately, one per slot: a slot that is taken by another number forgets it, so a repeat
// may be taken for new, but never is a new number taken for a repeat. No probing and no branch.
class SeenLately {
 public:
  // `slots`: a power of two, at least 16.
  SeenLately(std::uint32_t* table, std::size_t slots)
      : table_(table), shift_(32 - std::countr_zero(slots)) {
    std::memset(table, 0, slots * sizeof *table);
    table[0] = 1;  // whose slot is another one, so that neither it nor 0 counts as seen
  }
  bool is_new(std::uint32_t x) {
    std::uint32_t& slot = table_[x * 0x85ebca6bu >> shift_];
    const bool is_new = slot != x;
    slot = x;
    return is_new;
  }

 private:
  std::uint32_t* table_;
  int shift_;
};

// Whether numbers come twice or more on average, by a sample of whole lines. Of 2 sqrt(n) numbers,
// if there are d distinct ones, about 2 n / d are repeats, however large n is (the birthday
// problem).
bool repeats_often(const Call& in, Output& out) {
  constexpr std::size_t kLine = 16;
  const std::size_t lines = static_cast<std::size_t>(std::sqrt(in.size())) * 2 / kLine;
  if (lines == 0) return false;
  const std::size_t slots = std::bit_ceil(8 * kLine * lines);
  SeenLately seen(out.seen.data(), std::min(out.seen.size(), slots));
  std::size_t repeats = 0;
  for (std::size_t line = 0; line < lines; ++line)
    for (const std::uint32_t x : in.subspan(line * (in.size() / lines), kLine))
      repeats += !seen.is_new(x);
  return repeats >= 4;
}

// Most repeats need not be sorted: those seen lately are dropped. Where numbers hardly repeat, or
// are so many that the table forgets them too soon, that only costs, and is given up. Returns how
// many keys there are in out.keys.
std::size_t filter_repeats(const Call& in, Output& out) {
  constexpr std::size_t kTrial = 1 << 10;
  std::uint32_t* const keys = out.keys.data();
  const std::size_t n = in.size();
  std::size_t count = 0, i = 0;
  if (repeats_often(in, out)) {
    SeenLately seen(out.seen.data(), out.seen.size());
    while (i < n) {
      const std::size_t end = std::min(n, i + kTrial);
      const std::size_t before = count;
      for (; i < end; ++i) {
        keys[count] = in[i];
        count += seen.is_new(in[i]);
      }
      // Seven of eight were new, and it isn't the start, where all are.
      if (i >= 2 * kTrial && i >= n / 8 && (count - before) * 8 > kTrial * 7) break;
    }
  }
  return static_cast<std::size_t>(std::copy(in.data() + i, in.data() + n, keys + count) - keys);
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/deduplicate-inl.h"
#include "algorithm/deduplicate-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(UniqueSorted);
HWY_EXPORT(SortKeys);

std::size_t unique(const std::uint32_t* keys, std::size_t n, Output& out) {
  return HWY_DYNAMIC_DISPATCH(UniqueSorted)(keys, n, out.distinct.data());
}

// A few passes that compare nothing; then repeats are dropped a vector at a time.
void radix(const Call& in, Output& out) {
  std::copy(in.begin(), in.end(), out.keys.begin());
  out.count = unique(radix_sort(out.keys.data(), out.spare.data(), in.size()), in.size(), out);
}

void filter_radix(const Call& in, Output& out) {
  const std::size_t count = filter_repeats(in, out);
  out.count = unique(radix_sort(out.keys.data(), out.spare.data(), count), count, out);
}

// The quicksort of algorithm/sort has the second array that it needs anyway.
void filter_quicksort(const Call& in, Output& out) {
  const std::size_t count = filter_repeats(in, out);
  HWY_DYNAMIC_DISPATCH(SortKeys)(out.keys.data(), out.spare.data(), count);
  out.count = unique(out.keys.data(), count, out);
}

#if HEADROOM_HAVE_VQSORT
void vqsort_keys(std::uint32_t* keys, std::size_t n) {
  static const hwy::Sorter sorter;
  sorter(keys, n, hwy::SortAscending());
}

void vqsort_unique(const Call& in, Output& out) {
  std::copy(in.begin(), in.end(), out.keys.begin());
  vqsort_keys(out.keys.data(), in.size());
  out.count = unique(out.keys.data(), in.size(), out);
}

void filter_vqsort(const Call& in, Output& out) {
  const std::size_t count = filter_repeats(in, out);
  vqsort_keys(out.keys.data(), count);
  out.count = unique(out.keys.data(), count, out);
}
constexpr auto kVqsortUnique = run<vqsort_unique>;
constexpr auto kFilterVqsort = run<filter_vqsort>;
#else
constexpr auto kVqsortUnique = kNotBuilt, kFilterVqsort = kNotBuilt;
#endif

constexpr Need kNeedsVqsort[] = {kVqsort};

constexpr Variant<Deduplicate> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "looks through all numbers kept so far for each one: quadratic, nobody ships it",
     .max_n = 100'000},
    {.name = "sort_unique",
     .run = run<sort_unique>,
     .what = "std::sort, std::unique: repeats lie side by side",
     .role = Role::kStandard},
    {.name = "unordered_set",
     .run = run<unordered_set>,
     .what = "std::unordered_set, then a sort of what is distinct: an allocation per number"},
    {.name = "flat_hash_set",
     .run = run<flat_hash_set>,
     .what = "absl::flat_hash_set, then a sort of what is distinct",
     .role = Role::kPeer},
    {.name = "radix",
     .run = run<radix>,
     .what = "radix sort of everything, repeats dropped a vector at a time: no comparison"},
    {.name = "filter_radix",
     .run = run<filter_radix>,
     .what = "a table of numbers seen lately drops most repeats without a branch; radix sort of "
             "the rest"},
    {.name = "filter_quicksort",
     .run = run<filter_quicksort>,
     .what = "the same filter, then algorithm/sort's simd_quicksort"},
    {.name = "filter_vqsort",
     .run = kFilterVqsort,
     .what = "the same filter, then Highway's vectorized quicksort",
     .needs = kNeedsVqsort},
    {.name = "vqsort_unique",
     .run = kVqsortUnique,
     .what = "Highway's vectorized quicksort of everything",
     .role = Role::kPeer,
     .needs = kNeedsVqsort},
};

const Registrar kRegistrar(
    {.name = "algorithm/deduplicate",
     .axis = Axis::kScalar,
     .technique = "bring equal things together, and drop most before sorting",
     .sizes = {1000, 10'000, 100'000, 1'000'000, 10'000'000},
     .headline = {10'000, 100'000},
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{
               .items = n,
               .bytes = 4 * n,
               .working_set = 8 * s.n,
               .memory = 4 * std::max(s.n, kPool) + 8 * (12 * s.n + (1 << 18)) + 60 * s.n};
         }},
    kVariants);

}  // namespace
}  // namespace headroom

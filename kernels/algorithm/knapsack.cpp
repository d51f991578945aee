// algorithm/knapsack: fill a knapsack as full as its capacity allows, each of n items at most once.
//
// An item is worth what it weighs (the subset-sum form: money, cargo, memory), which is what bits
// can answer. In: n weights and a capacity of half of them all; 64 of them rotate. Out: the most
// that fits, and which items make it up. Several sets may: item i is taken only if the items before
// it can't fill as much alone, decided from the last one down. Exact.
//
// Inputs: even has even weights up to 510 and an odd capacity, so that it can't be filled wholly
// and nobody is done early; random has weights up to 256.
//
// To be learned: taking or leaving each item makes 2^n ways, most of which leave the same room for
// the same items; it is where a textbook begins, and nobody ships it. Remembering those makes it
// n * capacity questions, and asking them in order is the textbook's answer, the standard; and what
// fits or not is one bit, so that a word answers 64 of them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kInstances = 64;
constexpr std::size_t kHeaviest = 510;
constexpr std::size_t kSlack = kHeaviest / 64 + 2;  // zero words before that of sums 0 to 63

struct Knapsack {
  static constexpr auto kInputs = inputs("even", "random");
  struct Call {
    std::span<const std::uint32_t> weights;
    std::size_t capacity;
  };
  struct Input {
    std::vector<std::uint32_t> weights;  // kInstances times n
    std::size_t n = 0;
    std::vector<std::size_t> capacities;
    Call at(std::size_t turn) const {
      const std::size_t k = turn % kInstances;
      return {{weights.data() + k * n, n}, capacities[k]};
    }
    std::size_t most() const { return *std::max_element(capacities.begin(), capacities.end()); }
  };
  struct Output {
    std::size_t best = 0;
    Buffer<std::uint8_t> taken;
    std::vector<std::uint32_t> table;
    std::vector<std::uint64_t> bits;
    std::vector<std::uint16_t> first;
    void poison() { best = ~std::size_t{0}, headroom::poison(taken); }
    bool spoil(Spoil how) { return spoil_parts(how, best, taken); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.n = setting.n;
    const bool even = setting.input == kInputs["even"];
    for (std::size_t k = 0; k < kInstances; ++k) {
      std::size_t sum = 0;
      for (std::size_t i = 0; i < in.n; ++i) {
        in.weights.push_back(
            static_cast<std::uint32_t>((1 + bounded(rng, even ? kHeaviest / 2 : 256)) << even));
        sum += in.weights.back();
      }
      in.capacities.push_back(even ? sum / 2 | 1 : sum / 2);
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out.taken = Buffer<std::uint8_t>(in.n); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    const absl::Status best = exact(want.best, got.best);
    return best.ok() ? exact(want.taken, got.taken) : best;
  }
};
using Call = Knapsack::Call;
using Output = Knapsack::Output;

// The most that the first i items can fill of `capacity`; bit i - 1 of `taken` where item i - 1 is
// in it.
std::size_t fill(std::span<const std::uint32_t> weights, std::size_t i, std::size_t capacity,
                 std::uint64_t& taken) {
  taken = 0;
  if (i == 0) return 0;
  const std::size_t without = fill(weights, i - 1, capacity, taken);
  if (weights[i - 1] > capacity) return without;
  std::uint64_t taken_with;
  const std::size_t with =
      weights[i - 1] + fill(weights, i - 1, capacity - weights[i - 1], taken_with);
  if (with <= without) return without;
  taken = taken_with | std::uint64_t{1} << (i - 1);
  return with;
}

void naive(const Call& in, Output& out) {
  std::uint64_t taken;
  out.best = fill(in.weights, in.weights.size(), in.capacity, taken);
  for (std::size_t i = 0; i < in.weights.size(); ++i) out.taken[i] = taken >> i & 1;
}

// Which items are taken, from the most that the first i items can fill of each capacity.
template <class Most>
void take(const Call& in, Output& out, Most most) {
  std::size_t left = in.capacity;
  for (std::size_t i = in.weights.size(); i > 0; --i) {
    out.taken[i - 1] = most(i, left) > most(i - 1, left);
    if (out.taken[i - 1] != 0) left -= in.weights[i - 1];
  }
}

constexpr std::uint32_t kUnknown = ~0u;

std::uint32_t remembered(std::span<const std::uint32_t> weights, std::size_t i,
                         std::size_t capacity, std::uint32_t* table, std::size_t row) {
  if (i == 0) return 0;
  std::uint32_t& known = table[i * row + capacity];
  if (known != kUnknown) return known;
  std::uint32_t most = remembered(weights, i - 1, capacity, table, row);
  const std::uint32_t w = weights[i - 1];
  if (w <= capacity)
    most = std::max(most, w + remembered(weights, i - 1, capacity - w, table, row));
  return known = most;
}

// The same recursion, which looks up what it has answered before: at most n * capacity questions.
void memo(const Call& in, Output& out) {
  const std::size_t row = in.capacity + 1, n = in.weights.size();
  out.table.assign((n + 1) * row, kUnknown);
  const auto most = [&](std::size_t i, std::size_t capacity) {
    return remembered(in.weights, i, capacity, out.table.data(), row);
  };
  out.best = most(n, in.capacity);
  take(in, out, most);
}

// All questions, in the order in which answers are needed: no call, no lookup that misses, and a
// row is computed from the last one by vectors.
void table(const Call& in, Output& out) {
  const std::size_t row = in.capacity + 1, n = in.weights.size();
  if (out.table.size() < (n + 1) * row) out.table.resize((n + 1) * row);
  std::fill(out.table.begin(), out.table.begin() + row, 0);
  for (std::size_t i = 1; i <= n; ++i) {
    const std::uint32_t w = in.weights[i - 1];
    const std::uint32_t* __restrict last = out.table.data() + (i - 1) * row;
    std::uint32_t* __restrict next = out.table.data() + i * row;
    const std::size_t lighter = std::min<std::size_t>(w, row);
    std::copy(last, last + lighter, next);
    for (std::size_t c = lighter; c < row; ++c) next[c] = std::max(last[c], w + last[c - w]);
  }
  const auto most = [&](std::size_t i, std::size_t c) { return out.table[i * row + c]; };
  out.best = most(n, in.capacity);
  take(in, out, most);
}

// A bit for each sum and number of items: one shift and one OR for 64 sums (Pisinger, "Dynamic
// programming on the word RAM", 2003). The most that fits is the highest one bit, and an item is
// taken where its sum has no bit without it.
void bitset(const Call& in, Output& out) {
  const std::size_t words = in.capacity / 64 + 1, n = in.weights.size(), row = words + kSlack;
  if (out.bits.size() < (n + 1) * row) out.bits.resize((n + 1) * row);
  std::fill(out.bits.begin(), out.bits.begin() + row, 0);
  out.bits[kSlack] = 1;
  for (std::size_t i = 1; i <= n; ++i) {
    const std::uint64_t* __restrict last = out.bits.data() + (i - 1) * row;
    std::uint64_t* __restrict next = out.bits.data() + i * row;
    const std::size_t whole = in.weights[i - 1] / 64;
    const unsigned shift = in.weights[i - 1] % 64;
    std::fill(next, next + kSlack, 0);
    for (std::size_t k = kSlack; k < row; ++k)
      next[k] = last[k] | last[k - whole] << shift | last[k - whole - 1] >> 1 >> (63 - shift);
  }
  const auto can = [&](std::size_t i, std::size_t sum) {
    return (out.bits[i * row + kSlack + sum / 64] >> sum % 64 & 1) != 0;
  };
  std::size_t sum = in.capacity;
  while (!can(n, sum)) --sum;
  out.best = sum;
  for (std::size_t i = n; i > 0; --i) {
    out.taken[i - 1] = !can(i - 1, sum);
    if (out.taken[i - 1] != 0) sum -= in.weights[i - 1];
  }
}

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithm/knapsack-inl.h"
#include "algorithm/knapsack-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(AddItem);

// One row, which stays in L1, and for each sum the item that it first came with: that item is
// taken, and the rest of the sum came before it. Only sums up to the weight of all items so far can
// be new; and once the capacity itself is one, no item more can help.
void one_bitset(const Call& in, Output& out) {
  const std::size_t words = in.capacity / 64 + 1, n = in.weights.size();
  out.bits.assign(words + kSlack, 0);
  if (out.first.size() < 64 * words) out.first.resize(64 * words);
  std::uint64_t* const sums = out.bits.data() + kSlack;
  const auto can = [&](std::size_t sum) { return (sums[sum / 64] >> sum % 64 & 1) != 0; };
  sums[0] = 1;
  std::size_t total = 0;
  for (std::size_t i = 0; i < n && !can(in.capacity); ++i) {
    total += in.weights[i];
    HWY_DYNAMIC_DISPATCH(AddItem)
    (sums, std::min(words, total / 64 + 1), in.weights[i], static_cast<std::uint16_t>(i),
     out.first.data());
  }
  std::size_t sum = in.capacity;
  while (!can(sum)) --sum;
  out.best = sum;
  std::fill(out.taken.begin(), out.taken.end(), std::uint8_t{0});
  for (; sum != 0; sum -= in.weights[out.first[sum]]) out.taken[out.first[sum]] = 1;
}

constexpr Variant<Knapsack> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "with and without each item: exponential, nobody ships it",
     .max_n = 20},
    {.name = "memo",
     .run = run<memo>,
     .what = "the same recursion, with a table of what it has answered before",
     .max_n = 512},
    {.name = "table",
     .run = run<table>,
     .what = "dynamic programming: the table row by row, vectorized by the compiler",
     .role = Role::kStandard,
     .max_n = 512},
    {.name = "bitset",
     .run = run<bitset>,
     .what = "a bit for each sum that can be made: one shift and one OR for 64 sums",
     .max_n = 4096},
    {.name = "one_bitset",
     .run = run<one_bitset>,
     .what =
         "the same bits in one row, which stays in L1, and the item that each sum first came with"},
};

const Registrar kRegistrar({.name = "algorithm/knapsack",
                            .axis = Axis::kScalar,
                            .technique = "answer each question once, then 64 or 512 in a word",
                            .sizes = {18, 128, 512, 4096},
                            .headline = {18, 128},
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t capacity = 128 * s.n + 64;
                                  const std::size_t table = s.n <= 512 ? s.n * capacity : 0;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 2 * capacity + capacity / 8,
                                                .memory = 8 * table + s.n * capacity / 8 +
                                                          4 * capacity + kInstances * 4 * s.n};
                                },
                            .test_sizes = {0, 1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 17, 33, 64, 100}},
                           kVariants);

}  // namespace
}  // namespace headroom

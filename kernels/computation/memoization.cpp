// computation/memoization: evaluate an expensive function for arguments that come again.
//
// In: n arguments. Out: for each, how many steps the rule of Collatz (halve an even number, else
// triple it and add one) takes to reach 1. Exact. What is remembered is forgotten after each call:
// filling the memo is timed.
//
// Inputs: repeats draws from the numbers 1 to n / 16, so that 15 of 16 calls have been answered
// before; distinct is a permutation of 1 to n, where no call has. Arguments are fresh in each call,
// over 2^20 of them. Memo functions: Michie, "Memo functions and machine learning" (1968).
#include <unordered_map>

#include "absl/container/flat_hash_map.h"
#include "computation/decisions.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kSmallest = 1024;

struct Memoization {
  static constexpr auto kInputs = inputs("repeats", "distinct");
  struct Call {
    std::span<const std::uint32_t> arguments;  // 1 to largest
    std::uint32_t largest;
  };
  struct Input {
    std::size_t n = 0;
    Slices slices;  // of arguments
    std::uint32_t largest = 1;
    Buffer<std::uint32_t> arguments;
    Call at(std::size_t turn) const { return {slices.of(arguments, turn), largest}; }
  };
  using Output = Buffer<std::uint16_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    in.n = setting.n;
    in.slices = slices_for(in.n, kSmallest);
    const bool distinct = setting.input == kInputs["distinct"];
    in.largest = static_cast<std::uint32_t>(std::max<std::size_t>(distinct ? in.n : in.n / 16, 1));
    in.arguments = Buffer<std::uint32_t>(in.slices.items());
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.arguments.size(); ++i)
      in.arguments[i] =
          1 + static_cast<std::uint32_t>(distinct ? i % in.n : bounded(fast, in.largest));
    for (std::size_t first = 0; distinct && first < in.arguments.size(); first += in.n)
      shuffle(std::span(in.arguments.data() + first, in.n), fast);
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.n); }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
using Call = Memoization::Call;
using Output = Memoization::Output;

// Below 2^24 no path leaves 64 bits or takes 2^16 steps.
std::uint16_t steps(std::uint64_t x) {
  std::uint16_t count = 0;
  for (; x != 1; ++count) x = x % 2 == 0 ? x / 2 : 3 * x + 1;
  return count;
}

void naive(const Call& in, Output& out) {
  for (std::size_t i = 0; i < in.arguments.size(); ++i) out[i] = steps(in.arguments[i]);
}

template <class Map>
void with_memo(const Call& in, Output& out) {
  Map memo;
  for (std::size_t i = 0; i < in.arguments.size(); ++i) {
    const auto [entry, is_new] = memo.try_emplace(in.arguments[i]);
    if (is_new) entry->second = steps(in.arguments[i]);
    out[i] = entry->second;
  }
}

// A lookup instead of a hundred steps; each new argument is an allocation.
void unordered_map_memo(const Call& in, Output& out) {
  with_memo<std::unordered_map<std::uint32_t, std::uint16_t>>(in, out);
}

// The same in one array: no allocation for each argument.
void flat_hash_map_memo(const Call& in, Output& out) {
  with_memo<absl::flat_hash_map<std::uint32_t, std::uint16_t>>(in, out);
}

constexpr std::uint16_t kUnknown = 0xffff;

// Arguments are small integers, so they are places in an array: one load, nothing hashed.
void flat_table(const Call& in, Output& out) {
  std::vector<std::uint16_t> memo(in.largest + 1, kUnknown);
  for (std::size_t i = 0; i < in.arguments.size(); ++i) {
    std::uint16_t& entry = memo[in.arguments[i]];
    if (entry == kUnknown) entry = steps(in.arguments[i]);
    out[i] = entry;
  }
}

// All arguments at once, in ascending order: each path is followed only until it falls below where
// it began, after a few steps on average, and the rest is in the table. No argument is asked about
// twice, and the lookups don't branch.
void bottom_up(const Call& in, Output& out) {
  std::vector<std::uint16_t> table(in.largest + 1);
  for (std::uint32_t first = 2; first <= in.largest; ++first) {
    std::uint64_t x = first;
    std::uint16_t count = 0;
    for (; x >= first; ++count) x = x % 2 == 0 ? x / 2 : 3 * x + 1;
    table[first] = static_cast<std::uint16_t>(count + table[x]);
  }
  for (std::size_t i = 0; i < in.arguments.size(); ++i) out[i] = table[in.arguments[i]];
}

constexpr Variant<Memoization> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "computes every answer anew, some hundred steps"},
    {.name = "unordered_map_memo",
     .run = run<unordered_map_memo>,
     .what = "std::unordered_map of answers: a look-up instead of steps, a node for each new one"},
    {.name = "flat_hash_map_memo",
     .run = run<flat_hash_map_memo>,
     .what = "absl::flat_hash_map of answers: one array, no node",
     .role = Role::kPeer},
    {.name = "flat_table",
     .run = run<flat_table>,
     .what = "small arguments index an array: a load, no hash"},
    {.name = "bottom_up",
     .run = run<bottom_up>,
     .what = "the whole table in order, each path cut where it meets a smaller number"},
};

const Registrar kRegistrar({.name = "computation/memoization",
                            .axis = Axis::kScalar,
                            .technique = "remember answers; let an integer argument be an index",
                            .sizes = {1024, 16384, 131072, 1 << 20},
                            .headline = {1024, 131072},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 7 * s.n,
                                                .memory = 4 * std::max(2 * kDecisions, s.n) +
                                                          10 * s.n + 64 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

// layout/list_vector: add up a sequence of numbers, held in a list or in an array.
//
// n numbers of 32 bits, so small that a total of them fits too. A call adds up the next 65536 of
// them (all, if there are fewer). Out: the total of each block of 256 numbers, in the order of the
// sequence. Integers, so that every compiler may vectorize where the container lets it.
//
// The address of a list's next number is known only when the node before it has arrived: each
// number costs the whole latency of the level where its node lies. In an array the processor knows
// all addresses at once, sixteen numbers share a line, and vectors add them. (Stroustrup compared
// lists and vectors so in "Software Development for Infrastructure", 2012.) Nobody ships a list to
// add it up: std::vector is the standard, and naive what a list costs where a program has one.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "layout/list_vector.cpp"
#include "layout/block_totals-inl.h"

#if HWY_ONCE
#include <algorithm>
#include <deque>
#include <list>
#include <vector>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kBlock = 256;
constexpr std::size_t kMost = 65536;  // numbers a call

struct ListVector {
  struct Call {
    std::size_t segment;
    std::size_t count;
    const std::uint32_t* numbers;  // the segment in one array
  };
  struct Input {
    Buffer<std::uint32_t> numbers;
    Buffer<std::uint32_t> order;  // in which the nodes of the shuffled list lie in memory
    std::size_t segments() const { return (numbers.size() + kMost - 1) / kMost; }
    Call at(std::size_t turn) const {
      if (numbers.empty()) return {0, 0, nullptr};
      const std::size_t segment = turn % segments();
      return {segment, std::min(kMost, numbers.size() - segment * kMost),
              numbers.data() + segment * kMost};
    }
  };
  using Output = Buffer<std::uint32_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{Buffer<std::uint32_t>(n), Buffer<std::uint32_t>(n)};
    FastRng fast(rng());
    for (std::uint32_t& x : in.numbers)
      x = static_cast<std::uint32_t>(fast() >> 42);  // 256 of them fit 31 bits
    for (std::size_t i = 0; i < n; ++i) in.order[i] = static_cast<std::uint32_t>(i);
    shuffle(std::span<std::uint32_t>(in.order.data(), n), fast);
    return in;
  }
  static void size(const Input& in, Output& out) {
    out = Output((std::min(kMost, in.numbers.size()) + kBlock - 1) / kBlock);
  }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    const std::size_t blocks = (call.count + kBlock - 1) / kBlock;  // the last segment is shorter
    return exact(std::span(want.data(), blocks), std::span(got.data(), blocks));
  }
};
using Call = ListVector::Call;
using Output = ListVector::Output;

// A container with the place where each segment begins.
template <class Container>
struct Segmented {
  Container numbers;
  std::vector<typename Container::const_iterator> begins;
  void find_segments() {
    auto at = numbers.cbegin();
    for (std::size_t i = 0; i < numbers.size(); ++i, ++at)
      if (i % kMost == 0) begins.push_back(at);
  }
};

template <class Container>
void add_up(const Segmented<Container>& state, const Call& call, Output& out) {
  if (call.count == 0) return;
  auto at = state.begins[call.segment];
  for (std::size_t i = 0; i < call.count; i += kBlock) {
    std::uint32_t total = 0;
    for (std::size_t left = std::min(kBlock, call.count - i); left != 0; --left, ++at) total += *at;
    out[i / kBlock] = total;
  }
}

using List = std::list<std::uint32_t>;

// A list after a life of insertions and removals: neighbours lie anywhere.
struct Shuffled : Segmented<List> {
  static constexpr std::size_t kAhead = 16;
  explicit Shuffled(const ListVector::Input& in) {
    const std::size_t n = in.numbers.size();
    List fresh(n);
    std::vector<List::iterator> nodes(n);
    std::size_t i = 0;
    for (auto node = fresh.begin(); node != fresh.end(); ++node) nodes[in.order[i++]] = node;
    for (i = 0; i < n; ++i) {
      if (i + kAhead < n) __builtin_prefetch(&*nodes[i + kAhead], 1);
      *nodes[i] = in.numbers[i];
      numbers.splice(numbers.end(), fresh, nodes[i]);
      if (i % kMost == 0) begins.push_back(nodes[i]);  // to walk there takes a miss a number
    }
  }
};

// Each number from a node of its own, found through the node before.
void naive(const Shuffled& state, const Call& call, Output& out) { add_up(state, call, out); }

// A container filled from the first number to the last.
template <class Container>
struct Filled : Segmented<Container> {
  explicit Filled(const ListVector::Input& in) {
    this->numbers.assign(in.numbers.begin(), in.numbers.end());
    this->find_segments();
  }
};

// A list just built: the allocator lays the nodes one behind the other, so two share a line and the
// prefetcher foresees the rest. A node is still known only from the one before it.
void list_sequential(const Filled<List>& state, const Call& call, Output& out) {
  add_up(state, call, out);
}

// Pieces of 512 bytes, and a table of them: at the end of each, one more jump; and a test for the
// end at every number, so the compiler does not vectorize.
void deque(const Filled<std::deque<std::uint32_t>>& state, const Call& call, Output& out) {
  add_up(state, call, out);
}

// All addresses are known at once, and the compiler vectorizes for the base ISA. (A block's total
// is one chain of additions: GCC 12 makes one vector of sums, so each waits for the one before.)
void vector(const Call& call, Output& out) {
  for (std::size_t i = 0; i < call.count; i += kBlock) {
    const std::size_t end = std::min(i + kBlock, call.count);
    std::uint32_t total = 0;
    for (std::size_t k = i; k < end; ++k) total += call.numbers[k];
    out[i / kBlock] = total;
  }
}

HWY_EXPORT(BlockTotals);

// Four vectors of sums, the widest of the host: adds that don't wait.
void vector_simd(const Call& call, Output& out) {
  HWY_DYNAMIC_DISPATCH(BlockTotals)(call.numbers, call.count, kBlock, out.data());
}

constexpr Variant<ListVector> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "std::list, nodes in random places, as after a life of changes: each number waits for "
             "a miss"},
    {.name = "list_sequential",
     .run = run<list_sequential>,
     .what = "std::list just built: nodes side by side, so the next line is prefetched"},
    {.name = "deque",
     .run = run<deque>,
     .what = "std::deque: arrays of 512 bytes; few addresses wait for a load, but no vectors"},
    {.name = "vector",
     .run = run<vector>,
     .what = "one array, as std::vector keeps it: the compiler vectorizes for the base ISA, one "
             "chain of additions",
     .role = Role::kStandard},
    {.name = "vector_simd",
     .run = run<vector_simd>,
     .what =
         "one array, four vectors in flight, widest SIMD; over a list the gain is a miss over 4 "
         "bytes of bandwidth, so slow memory makes it larger"},
};

const Registrar kRegistrar({.name = "layout/list_vector",
                            .axis = Axis::kMemoryLatency,
                            .technique = "arrays: addresses that wait for no load",
                            .sizes = {1000, 20'000, 100'000, 1'000'000},
                            .headline = {20'000, 1'000'000},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(std::min(s.n, kMost));
                                  return Demand{.items = n,
                                                .bytes = 4 * n,
                                                .working_set = 4 * s.n,
                                                .memory = 120 * s.n};
                                },
                            .test_sizes = {0, 1, 2, 255, 256, 257, 1000, 65'535, 65'537, 131'400}},
                           kVariants);

}  // namespace
}  // namespace headroom
#endif  // HWY_ONCE

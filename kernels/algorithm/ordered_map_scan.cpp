// algorithm/ordered_map_scan: visit all entries of an ordered map in order.
//
// In: a map of n random 64-bit keys with their 64-bit values, filled in random order. Out: the sum
// of all values, and the sum of those sums (which tells their order), and the same of the keys,
// modulo 2^64. Exact.
//
// The next node of a tree lies somewhere, and only this one knows where: a miss for each entry, and
// no two at once. An array is read from front to back, at the pace of memory. The ceiling: its
// bytes, read once.
#include "algorithm/ordered_maps.h"
#include "core/kernel.h"

namespace headroom {
namespace {

// A checksum that depends on the order, of additions only (after Fletcher 1982).
struct Sums {
  std::uint64_t keys = 0, keys_twice = 0;
  std::uint64_t values = 0, values_twice = 0;
  void add(std::uint64_t key, std::uint64_t value) {
    keys_twice += keys += key;
    values_twice += values += value;
  }
  bool operator==(const Sums&) const = default;
};

struct OrderedMapScan {
  struct Input {
    OrderedEntries entries;
  };
  using Output = Sums;
  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    return {OrderedEntries(setting.n, fast)};
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return want == got ? absl::OkStatus() : absl::FailedPreconditionError("other sums");
  }
};
using Input = OrderedMapScan::Input;

struct StdState : FilledStdOrdered {
  explicit StdState(const Input& in) : FilledStdOrdered(in.entries) {}
};
struct BtreeState : FilledBtree {
  explicit BtreeState(const Input& in) : FilledBtree(in.entries) {}
};

template <class State>
void scan(const State& state, const Input&, Sums& out) {
  Sums sums;
  for (const auto& [key, value] : state.map) sums.add(key, value);
  out = sums;
}

// Nothing to follow: the next line is on its way before it is asked for.
void sorted_vector(const Input& in, Sums& out) {
  Sums sums;
  for (std::size_t i = 0; i < in.entries.size(); ++i)
    sums.add(in.entries.keys[i], in.entries.values[i]);
  out = sums;
}

// Eight lanes, each with the sums of every eighth number: chains of additions side by side, which
// the compiler puts into vectors. Of N numbers in lanes of R, number 8 r + j counts N - 8 r - j =
// 8 (R - r) - j times in the sum of sums, and R - r times in that of its lane.
struct LaneSums {
  static constexpr std::size_t kLanes = 8;
  std::uint64_t once[kLanes] = {}, twice[kLanes] = {};
  void add(const std::uint64_t* x) {
    for (std::size_t j = 0; j < kLanes; ++j) once[j] += x[j];
    for (std::size_t j = 0; j < kLanes; ++j) twice[j] += once[j];
  }
  void join(std::uint64_t& sum, std::uint64_t& sum_of_sums) const {
    for (std::size_t j = 0; j < kLanes; ++j) {
      sum += once[j];
      sum_of_sums += kLanes * twice[j] - j * once[j];
    }
  }
};

void sorted_vector_lanes(const Input& in, Sums& out) {
  Sums sums;
  LaneSums key_lanes, value_lanes;
  const std::size_t n = in.entries.size();
  const std::uint64_t* const keys = in.entries.keys.data();
  const std::uint64_t* const values = in.entries.values.data();
  std::size_t i = 0;
  for (; i + LaneSums::kLanes <= n; i += LaneSums::kLanes) {
    key_lanes.add(keys + i);
    value_lanes.add(values + i);
  }
  key_lanes.join(sums.keys, sums.keys_twice);
  value_lanes.join(sums.values, sums.values_twice);
  for (; i < n; ++i) sums.add(keys[i], values[i]);
  out = sums;
}

constexpr Variant<OrderedMapScan> kVariants[] = {
    {.name = "naive",
     .run = run<scan<StdState>>,
     .what = "std::map: each node says where the next one lies, a miss each"},
    {.name = "absl_btree_map",
     .run = run<scan<BtreeState>>,
     .what = "absl::btree_map: some ten neighbours in order lie in one node",
     .role = Role::kPeer},
    {.name = "sorted_vector",
     .run = run<sorted_vector>,
     .what = "a sorted array: no pointer to follow, the next line is fetched ahead"},
    {.name = "sorted_vector_lanes",
     .run = run<sorted_vector_lanes>,
     .what = "eight lanes of running sums: no chain of additions to wait for, and vectors"},
};

const Registrar kRegistrar({.name = "algorithm/ordered_map_scan",
                            .axis = Axis::kMemoryLatency,
                            .technique = "what is next in order is next in memory",
                            .sizes = {1'000, 10'000, 100'000, 1'000'000, 4'000'000},
                            .headline = {10'000, 1'000'000},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 16 * static_cast<double>(s.n),
                                                .working_set = 16 * s.n,
                                                .memory = 200 * s.n + (1 << 20)};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

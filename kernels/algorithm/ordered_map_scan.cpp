// algorithm/ordered_map_scan: visit entries of an ordered map in order.
//
// In: a map of n random 64-bit keys with their 64-bit values, filled in random order. A call visits
// 50,000 entries, from where the one before it ended, or all where there are fewer; so calls go
// through the whole map. Out: the sum of the values visited, and the sum of those sums (which tells
// their order), and the same of the keys, modulo 2^64. Exact.
//
// To be learned: the next node of a tree lies somewhere, and only this one knows where: a miss for
// each entry, and no two at once. An array is read from front to back, at the pace of memory. The
// ceiling: its bytes, read once.
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

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

// How many entries a call visits, about, and in how many calls a map is gone through.
constexpr std::size_t kStretch = 50'000;
constexpr std::size_t stretches(std::size_t n) { return std::max<std::size_t>(1, n / kStretch); }

struct OrderedMapScan {
  struct Call {
    std::size_t stretch;
    std::span<const std::uint64_t> keys, values;
  };
  struct Input {
    OrderedEntries entries;
    std::size_t start(std::size_t stretch) const {
      return stretch * entries.size() / stretches(entries.size());
    }
    Call at(std::size_t turn) const {
      const std::size_t stretch = turn % stretches(entries.size());
      const std::size_t first = start(stretch), count = start(stretch + 1) - first;
      return {
          stretch, {entries.keys.data() + first, count}, {entries.values.data() + first, count}};
    }
  };
  using Output = Sums;
  static Input make(const Setting& setting, Rng& rng) {
    FastRng fast(rng());
    return {OrderedEntries(setting.n, fast)};
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return want == got ? absl::OkStatus() : absl::FailedPreconditionError("other sums");
  }
};
using Call = OrderedMapScan::Call;
using Input = OrderedMapScan::Input;

// A map, and where each stretch of it starts; the last one is its end.
template <class Filled>
struct Stretches : Filled {
  std::vector<decltype(Filled::map.cbegin())> starts;
  explicit Stretches(const Input& in) : Filled(in.entries) {
    for (std::size_t i = 0; i < stretches(in.entries.size()); ++i)
      starts.push_back(in.entries.size() == 0
                           ? this->map.cbegin()
                           : std::as_const(this->map).find(in.entries.keys[in.start(i)]));
    starts.push_back(this->map.cend());
  }
};

template <class Filled>
void scan(const Stretches<Filled>& state, const Call& in, Sums& out) {
  Sums sums;
  const auto end = state.starts[in.stretch + 1];
  for (auto entry = state.starts[in.stretch]; entry != end; ++entry)
    sums.add(entry->first, entry->second);
  out = sums;
}

// Nothing to follow: the next line is on its way before it is asked for.
void sorted_vector(const Call& in, Sums& out) {
  Sums sums;
  for (std::size_t i = 0; i < in.keys.size(); ++i) sums.add(in.keys[i], in.values[i]);
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

void sorted_vector_lanes(const Call& in, Sums& out) {
  Sums sums;
  LaneSums key_lanes, value_lanes;
  const std::size_t n = in.keys.size();
  const std::uint64_t* const keys = in.keys.data();
  const std::uint64_t* const values = in.values.data();
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
     .run = run<scan<FilledStdOrdered>>,
     .what = "std::map: each node says where the next one lies: a miss for each"},
    {.name = "absl_btree_map",
     .run = run<scan<FilledBtree>>,
     .what = "absl::btree_map: about ten neighbours lie in one node, in order",
     .role = Role::kPeer},
    {.name = "sorted_vector",
     .run = run<sorted_vector>,
     .what = "a sorted array: no pointer to follow, the next line is fetched ahead",
     .promise_note = "built once, not changed"},
    {.name = "sorted_vector_lanes",
     .run = run<sorted_vector_lanes>,
     .what = "eight lanes of running sums: no chain of additions to wait for, and vectors",
     .promise_note = "built once, not changed"},
};

const Registrar kRegistrar({.name = "algorithm/ordered_map_scan",
                            .axis = Axis::kMemoryLatency,
                            .technique = "what is next in order is next in memory",
                            .sizes = {1'000, 10'000, 100'000, 1'000'000, 4'000'000},
                            .headline = {10'000, 1'000'000},
                            .ceiling = {"machine/read"},
                            .demand =
                                [](const Setting& s) {
                                  const double visited = static_cast<double>(s.n) /
                                                         static_cast<double>(stretches(s.n));
                                  return Demand{.items = visited,
                                                .bytes = 16 * visited,
                                                .working_set = 16 * s.n,
                                                .memory = 200 * s.n + (1 << 20)};
                                },
                            // The last one is gone through in several calls.
                            .test_sizes = {0,   1,   2,   3,   7,   8,    9,    15,
                                           16,  17,  31,  32,  33,  63,   64,   65,
                                           127, 128, 129, 255, 257, 1000, 4097, 100'001}},
                           kVariants);

}  // namespace
}  // namespace headroom

// algorithm/ordered_map_insert: fill an ordered map in random order.
//
// In: n random 64-bit keys, a 16th of them repeats of an earlier one, with a 64-bit value each. The
// key's first value is the one that is kept. The keys rotate through 2^20 or more. A call starts
// with an empty map; its destruction is not timed. Out: keys and values in order, as the map has
// them (asked for untimed). Exact.
//
// To be learned: a node for each key is an allocation, a walk down the tree to find its place, and
// a rotation now and then. A sorted array moves half of its entries for each that comes; but where
// nobody asks before all are there, sorting once is all the order that is needed.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "algorithm/ordered_maps.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kKeys = std::size_t{1} << 20;

struct Entry {
  std::uint64_t key;
  std::uint64_t value;
};

struct OrderedMapInsert {
  using Call = std::span<const Entry>;
  struct Input {
    Slices slices;  // of n entries
    Buffer<Entry> entries;
    Call at(std::size_t turn) const { return slices.of(entries, turn); }
  };
  // Up to n entries in order; 0 and 0 after the last.
  struct Output {
    Buffer<std::uint64_t> keys, values;
    void poison() {
      headroom::poison(keys);
      headroom::poison(values);
    }
    bool spoil(Spoil how) { return spoil_parts(how, keys, values); }
  };

  static Input make(const Setting& setting, Rng& rng) {
    const std::size_t n = setting.n;
    Input in{.slices = Slices::covering(n < 1000 ? 4096 : kKeys, n)};
    in.entries = Buffer<Entry>(in.slices.items());
    FastRng fast(rng());
    for (std::size_t i = 0; i < in.entries.size(); ++i) {
      const bool repeat = i % n != 0 && fast() >> 60 == 0;
      in.entries[i] = {repeat ? in.entries[i - 1 - bounded(fast, i % n)].key : fast(), fast() | 1};
    }
    return in;
  }
  static void size(const Input& in, Output& out) {
    const std::size_t n = in.slices.size();
    out = {Buffer<std::uint64_t>(n + 1), Buffer<std::uint64_t>(n + 1)};
  }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    if (absl::Status status = exact(want.keys, got.keys); !status.ok()) return status;
    return exact(want.values, got.values);
  }

  template <class Map>
  struct Work {
    Map map;
    Call in;
    explicit Work(const Input&) {}
    void refill(const Call& call) {
      map = Map();
      in = call;
    }
    void answer(Output& out) const {
      std::size_t i = 0;
      for (const auto& [key, value] : map) {
        out.keys[i] = key;
        out.values[i++] = value;
      }
      for (; i < out.keys.size(); ++i) out.keys[i] = out.values[i] = 0;
    }
  };
};
using Output = OrderedMapInsert::Output;
template <class Map>
using Work = OrderedMapInsert::Work<Map>;

template <class Map>
void insert_each(Work<Map>& work, Output&) {
  for (const Entry& entry : work.in) work.map.emplace(entry.key, entry.value);
}

bool by_key(const Entry& a, const Entry& b) { return a.key < b.key; }

// A memmove of half of the array, on average, for each entry: quadratic, but at the pace of a copy.
void sorted_vector(Work<std::vector<Entry>>& work, Output&) {
  for (const Entry& entry : work.in) {
    const auto at = std::lower_bound(work.map.begin(), work.map.end(), entry, by_key);
    if (at == work.map.end() || at->key != entry.key) work.map.insert(at, entry);
  }
}

// Equal keys must stay in the order in which they came, and of those only the first stays.
void sort_once(Work<std::vector<Entry>>& work, Output&) {
  work.map.assign(work.in.begin(), work.in.end());
  std::stable_sort(work.map.begin(), work.map.end(), by_key);
  work.map.erase(std::unique(work.map.begin(), work.map.end(),
                             [](const Entry& a, const Entry& b) { return a.key == b.key; }),
                 work.map.end());
}

// Random keys spread evenly, so their upper bits say about where each belongs: one pass puts the
// entries into buckets of 32 in order of arrival, as many as n asks for, and each is sorted by
// insertion, in L1. A bucket that many keys came to is sorted by std::stable_sort.
void bucket_sort(Work<std::vector<Entry>>& work, Output&) {
  const std::span<const Entry> in = work.in;
  const std::size_t n = in.size();
  if (n == 0) return;
  const int bits = static_cast<int>(std::bit_width(n / 32));
  const int shift = 64 - bits;
  const auto bucket_of = [&](std::uint64_t key) {
    return bits == 0 ? 0 : static_cast<std::size_t>(key >> shift);
  };
  std::vector<std::uint32_t> ends((std::size_t{1} << bits) + 1);
  for (const Entry& entry : in) ++ends[bucket_of(entry.key) + 1];
  for (std::size_t b = 1; b < ends.size(); ++b) ends[b] += ends[b - 1];
  std::vector<Entry>& out = work.map;
  out.resize(n);
  for (const Entry& entry : in) out[ends[bucket_of(entry.key)]++] = entry;
  std::size_t kept = 0, from = 0;
  for (std::size_t b = 0; b + 1 < ends.size(); ++b) {
    const std::size_t to = ends[b];
    if (to - from > 256) {
      std::stable_sort(out.begin() + static_cast<std::ptrdiff_t>(from),
                       out.begin() + static_cast<std::ptrdiff_t>(to), by_key);
    } else {
      for (std::size_t i = from + 1; i < to; ++i) {
        const Entry entry = out[i];
        std::size_t at = i;
        for (; at > from && out[at - 1].key > entry.key; --at) out[at] = out[at - 1];
        out[at] = entry;
      }
    }
    for (; from < to; ++from) {
      out[kept] = out[from];
      kept += kept == 0 || out[kept - 1].key != out[kept].key;
    }
  }
  out.resize(kept);
}

constexpr Variant<OrderedMapInsert> kVariants[] = {
    {.name = "naive",
     .run = run<insert_each<StdOrderedMap>>,
     .what = "std::map: an allocation per key, and a walk through scattered nodes"},
    {.name = "absl_btree_map",
     .run = run<insert_each<AbslBtree>>,
     .what = "absl::btree_map: many keys per node, so fewer misses and allocations",
     .role = Role::kPeer},
    {.name = "sorted_vector",
     .run = run<sorted_vector>,
     .what = "a sorted array moves half of its entries for each new one: quadratic",
     .max_n = 10'000},
    {.name = "sort_once",
     .run = run<sort_once>,
     .what = "all appended, then sorted once: order is made when it is needed, not kept",
     .promise_note = "no find before all keys are in"},
    {.name = "bucket_sort",
     .run = run<bucket_sort>,
     .what = "keys distributed to buckets of 32 by their upper bits, which is nearly a sort",
     .promise_note = "no find before all keys are in"},
};

const Registrar kRegistrar({.name = "algorithm/ordered_map_insert",
                            .axis = Axis::kMemoryLatency,
                            .technique = "no node per key; order made once instead of kept",
                            .sizes = {1'000, 10'000, 100'000, 1'000'000},
                            .headline = {10'000, 100'000},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .working_set = 16 * s.n,
                                                .memory = 400 * s.n + 16 * kKeys + (64 << 20)};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

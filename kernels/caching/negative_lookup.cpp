// caching/negative_lookup: look up keys of which nearly all are not there.
//
// The store is a file of n entries of 16 bytes, sorted by key, as a log-structured merge tree has
// many; of every block of 4 KiB its first key is kept in memory. It lies in the page cache: from a
// disk each look-up takes some hundred times as long, and a filter saves that much more. A call is
// 1,024 queries, of which one in 256 is for a key that is there (input half: one in two, where a
// filter can save no more than half); they rotate through 2^20. Out: the value of each, or 0.
//
// A filter of some ten bits a key answers "not there" from memory, so that only keys that are there
// and a filter's false positives, which `false_positives` reports, are looked for in the store.
// Every answer is exact: a filter is never wrong about a key that is there. What they differ in is
// cache misses per query, bits per key (`bits_per_key`), and false positives; where the store is
// slow the last is what counts. The ceiling: each query has to fetch one line at least, and none
// waits for another.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "caching/filters-inl.h"

#include <memory>

#include "caching/filters.h"
#include "caching/sorted_file.h"
#include "core/kernel.h"
#include "support/slices.h"

namespace headroom {
namespace {

constexpr std::size_t kBatch = 1024;
constexpr std::size_t kQueries = 1 << 20;
constexpr std::uint64_t kRare = 256;

struct NegativeLookup {
  static constexpr auto kInputs = inputs("rare").for_tests("half");
  struct Call {
    std::span<const std::uint64_t> keys;
    std::span<const std::uint64_t> values;
  };
  struct Input {
    Buffer<std::uint64_t> keys;  // of the store
    std::shared_ptr<const SortedFile> store;
    Buffer<std::uint64_t> queries, values;
    Slices slices;
    Call at(std::size_t turn) const { return {slices.of(queries, turn), slices.of(values, turn)}; }
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in;
    FastRng fast(rng());
    // A bijection of distinct numbers: even ones are in the store, odd ones are not.
    const std::uint64_t seed = fast();
    const auto key_at = [&](std::uint64_t number) { return filters::mix(seed + number); };
    const auto value_at = [](std::uint64_t key) { return key * 0x9e3779b97f4a7c15 | 1; };
    in.keys = Buffer<std::uint64_t>(setting.n);
    std::vector<SortedFile::Entry> entries(setting.n);
    for (std::size_t i = 0; i < setting.n; ++i) {
      in.keys[i] = key_at(2 * i);
      entries[i] = {in.keys[i], value_at(in.keys[i])};
    }
    in.store = std::make_shared<const SortedFile>(std::move(entries));
    in.slices = Slices::covering(kQueries, kBatch);
    in.queries = in.values = Buffer<std::uint64_t>(in.slices.items());
    const std::uint64_t one_in = setting.input == kInputs["half"] ? 2 : kRare;
    for (std::size_t i = 0; i < in.queries.size(); ++i) {
      const bool there = setting.n != 0 && bounded(fast, one_in) == 0;
      in.queries[i] =
          there ? key_at(2 * bounded(fast, setting.n)) : key_at(2 * bounded(fast, 1ull << 40) + 1);
      in.values[i] = there ? value_at(in.queries[i]) : 0;
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.slices.size()); }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    const std::span want_all(want.data(), want.size()), got_all(got.data(), got.size());
    const absl::Status right = exact(call.values, std::span<const std::uint64_t>(want_all));
    return right.ok() ? exact(want_all, got_all) : right;
  }
};
using Input = NegativeLookup::Input;
using Call = NegativeLookup::Call;
using Output = NegativeLookup::Output;

// A block is read for each query, out of the page cache.
struct Reading {
  explicit Reading(const Input& in) : store(in.store) {}
  std::shared_ptr<const SortedFile> store;
  SortedFile::Block block;
};
void naive(Reading& state, const Call& call, Output& out) {
  for (std::size_t i = 0; i < call.keys.size(); ++i)
    out[i] = state.store->find(call.keys[i], state.block);
}

// The file is memory: no system call, no copy of a block; but a search in it misses the caches.
struct Mapped {
  explicit Mapped(const Input& in) : store(in.store), map(in.store->map()) {}
  std::shared_ptr<const SortedFile> store;
  files::Map map;
};
void mapped(const Mapped& state, const Call& call, Output& out) {
  state.map.read([&] {
    for (std::size_t i = 0; i < call.keys.size(); ++i)
      out[i] = state.store->find(call.keys[i], state.map);
  });
}

// A filter before the store, and what it let through.
template <class Filter>
struct Filtered : Reading {
  explicit Filtered(const Input& in)
      : Reading(in),
        filter({in.keys.data(), in.keys.size()}),
        bits_per_key(static_cast<double>(filter.bits()) /
                     static_cast<double>(std::max<std::size_t>(in.keys.size(), 1))) {}
  Quantities quantities() const {
    const auto absent = static_cast<double>(asked - found);
    return {{"false_positives",
             {absent == 0 ? 0 : static_cast<double>(passed - found) / absent, "ratio"}},
            {"bits_per_key", {bits_per_key, "bits"}}};
  }
  Filter filter;
  double bits_per_key;
  std::uint32_t places[kBatch] = {};  // of the call, what may be there
  std::uint64_t asked = 0, passed = 0, found = 0;
};

// What the filter says of all keys before the store is asked: no answer is waited for, and none is
// a branch.
template <class Filter>
std::size_t ask(const Filter& filter, std::span<const std::uint64_t> keys, std::uint32_t* places) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    places[count] = static_cast<std::uint32_t>(i);
    count += filter.may_contain(keys[i]) ? 1 : 0;
  }
  return count;
}

template <class Filter, auto kAsk = ask<Filter>>
void filtered(Filtered<Filter>& state, const Call& call, Output& out) {
  const std::size_t count = kAsk(state.filter, call.keys, state.places);
  std::fill(out.begin(), out.end(), std::uint64_t{0});
  for (const std::uint32_t i : std::span(state.places, count)) {
    out[i] = state.store->find(call.keys[i], state.block);
    state.found += out[i] != 0 ? 1 : 0;
  }
  state.asked += call.keys.size();
  state.passed += count;
}

}  // namespace
}  // namespace headroom

#include "caching/filters-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(AskSplitBlock);
std::size_t ask_split_block(const filters::SplitBlock& filter, std::span<const std::uint64_t> keys,
                            std::uint32_t* places) {
  return HWY_DYNAMIC_DISPATCH(AskSplitBlock)(filter, keys.data(), keys.size(), places);
}

constexpr Variant<NegativeLookup> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "a search among the blocks' first keys, one block read by pread, a search in it"},
    {.name = "mapped",
     .run = run<mapped>,
     .what = "the file mapped: no system call, but a search that misses the caches for each key"},
    {.name = "bloom",
     .run = run<filtered<filters::Bloom>>,
     .what = "7 bits anywhere among 10 n; the first that is not set, mostly the second, says no"},
    {.name = "blocked_bloom",
     .run = run<filtered<filters::BlockedBloom>>,
     .what = "7 bits of one cache line: one miss, no branch; more false positives at 10 n bits"},
    {.name = "split_block",
     .run = run<filtered<filters::SplitBlock, ask_split_block>>,
     .what = "a bit of each of 8 words of half a line, tested at once (Parquet's filter)"},
    {.name = "xor8",
     .run = run<filtered<filters::Xor8>>,
     .what = "three bytes that xor to one of the hash: 9.84 bits a key, 1/256 false positives"},
    {.name = "binary_fuse8",
     .run = run<filtered<filters::BinaryFuse8>>,
     .what = "the same with the bytes near each other: about 9 bits a key, quicker to build"},
};

const Registrar kRegistrar(
    {.name = "caching/negative_lookup",
     .axis = Axis::kMemoryLatency,
     .technique = "ask a small filter before a slow store: it knows what is not there",
     .sizes = {1 << 16, 1 << 18, 1 << 20, 1 << 23},
     .headline = {1 << 16, 1 << 18},
     .ceiling = {"machine/miss_throughput"},
     .clock = Clock::kWall,
     .demand =
         [](const Setting& s) {
           return Demand{.items = kBatch,
                         .accesses = kBatch,
                         .working_set = s.n + s.n / 4 + 24 * kBatch,
                         .memory = 256 * s.n + 16 * kQueries,
                         .scratch = 16 * s.n + (1 << 20)};
         },
     .test_sizes = {0, 1, 2, 3, 7, 255, 256, 257, 1000, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom

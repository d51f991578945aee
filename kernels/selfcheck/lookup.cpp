// selfcheck/lookup: independent look-ups in a table that fits level 2, against themselves and
// against themselves with a little more to do.
//
// In: n indices into a table of 256 KiB. Out: a sum of the entries, each times its place, which
// depends on their order. As selfcheck/chain, but bound by how many loads go through at once.
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kTable = std::size_t{64} << 10;  // 256 KiB

struct Lookup {
  struct Input {
    Buffer<std::uint32_t> indices;
    Buffer<std::uint32_t> table;
  };
  struct Output {
    std::uint64_t answer;
    std::uint64_t extra;  // as in selfcheck/chain
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint32_t>(setting.n), Buffer<std::uint32_t>(kTable)};
    FastRng fast(rng());
    for (std::uint32_t& index : in.indices)
      index = static_cast<std::uint32_t>(bounded(fast, kTable));
    for (std::uint32_t& entry : in.table) entry = static_cast<std::uint32_t>(fast());
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want.answer, got.answer);
  }
};

struct Own {
  explicit Own(const Lookup::Input& in) : data(in) {}
  Lookup::Input data;
};

// Not inlined, so that all variants run the same machine code.
[[gnu::noinline]] std::uint64_t sum_of(const Lookup::Input& in, std::size_t count) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < count; ++i) sum += i * in.table[in.indices[i]];
  return sum;
}

template <std::size_t kPerMille>
void sum(const Own& own, const Lookup::Input&, Lookup::Output& out) {
  const std::size_t n = own.data.indices.size();
  out.answer = sum_of(own.data, n);
  out.extra = sum_of(own.data, n * kPerMille / 1000);
}

constexpr Variant<Lookup> kVariants[] = {
    {.name = "naive", .run = run<sum<0>>, .what = "n look-ups"},
    {.name = "copy", .run = run<sum<0>>, .what = "the same function: what differs is noise"},
    {.name = "plus_0.5", .run = run<sum<5>>, .what = "0.5% more look-ups"},
    {.name = "plus_1", .run = run<sum<10>>, .what = "1% more look-ups"},
    {.name = "plus_2", .run = run<sum<20>>, .what = "2% more look-ups"},
    {.name = "plus_5", .run = run<sum<50>>, .what = "5% more look-ups"},
};

const Registrar kRegistrar(
    {.name = "selfcheck/lookup",
     .axis = Axis::kCache,
     .technique = "what the statistics see of a known difference: throughput from level 2",
     .sizes = {20'000},
     .headline = {20'000},
     .demand =
         [](const Setting& s) {
           const std::size_t bytes = 4 * s.n + 4 * kTable;
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = 8.0 * static_cast<double>(s.n),
                         .working_set = bytes,
                         .memory = 7 * bytes};
         },
     .test_sizes = {0, 1, 2, 3, 199, 200, 1000, 4097}},
    kVariants);

}  // namespace
}  // namespace headroom

// selfcheck/chain: a chain of multiplications and look-ups in the first-level cache, against itself
// and against itself with a little more to do.
//
// In: n words. Out: a hash that depends on each of them and on their order. `copy` is the same
// function with a copy of its own of all data; `plus_*` go on for so many per cent of further steps
// after the answer is known. What the statistics make of a difference of known size is what
// `headroom selfcheck` is about.
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kTable = 1024;  // 8 KiB

struct Chain {
  struct Input {
    Buffer<std::uint32_t> words;
    Buffer<std::uint64_t> table;
  };
  struct Output {
    std::uint64_t answer;
    std::uint64_t extra;  // what the further steps came to: nobody's answer, but not dead code
  };

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint32_t>(setting.n), Buffer<std::uint64_t>(kTable)};
    FastRng fast(rng());
    for (std::uint32_t& word : in.words) word = static_cast<std::uint32_t>(fast());
    for (std::uint64_t& entry : in.table) entry = fast();
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want.answer, got.answer);
  }
};

// Buffers of each arm's own, as the states of other kernels are: where they lie is part of the
// noise.
struct Own {
  explicit Own(const Chain::Input& in) : data(in) {}
  Chain::Input data;
};

// Not inlined, so that all variants run the same machine code.
[[gnu::noinline]] std::uint64_t steps(const Chain::Input& in, std::size_t count, std::uint64_t h) {
  for (std::size_t i = 0; i < count; ++i) {
    h = (h ^ in.words[i]) * 0x9e3779b97f4a7c15;
    h ^= in.table[h >> 54];
  }
  return h;
}

template <std::size_t kPerMille>
void hash(const Own& own, const Chain::Input&, Chain::Output& out) {
  const std::size_t n = own.data.words.size();
  out.answer = steps(own.data, n, n);
  out.extra = steps(own.data, n * kPerMille / 1000, out.answer);
}

constexpr Variant<Chain> kVariants[] = {
    {.name = "naive", .run = run<hash<0>>, .what = "n steps"},
    {.name = "copy", .run = run<hash<0>>, .what = "the same function: what differs is noise"},
    {.name = "plus_0.5", .run = run<hash<5>>, .what = "0.5% more steps"},
    {.name = "plus_1", .run = run<hash<10>>, .what = "1% more steps"},
    {.name = "plus_2", .run = run<hash<20>>, .what = "2% more steps"},
    {.name = "plus_5", .run = run<hash<50>>, .what = "5% more steps"},
};

const Registrar kRegistrar({.name = "selfcheck/chain",
                            .axis = Axis::kScalar,
                            .technique = "what the statistics see of a known difference: latency",
                            .sizes = {4000},
                            .headline = {4000},
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = 4 * s.n + 8 * kTable;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 4.0 * static_cast<double>(s.n),
                                                .working_set = bytes,
                                                .memory = 7 * bytes};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

// machine/placebo_cpu: a computation in the first-level cache against its own copy.
//
// The two variants are one function on one input, each with its own output. Whatever ratio they
// show is noise: no claim about one-thread kernels is made below it. The work is a chain of integer
// operations and table look-ups, each dependent on the last, as in hashing and parsing.
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kTable = 1024;  // 8 KiB

struct PlaceboCpu {
  struct Input {
    Buffer<std::uint32_t> words;
    Buffer<std::uint64_t> table;
  };
  using Output = std::uint64_t;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{Buffer<std::uint32_t>(setting.n), Buffer<std::uint64_t>(kTable)};
    FastRng fast(rng());
    for (std::uint32_t& word : in.words) word = static_cast<std::uint32_t>(fast());
    for (std::uint64_t& entry : in.table) entry = fast();
    return in;
  }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Depends on every word and on their order.
void hash(const PlaceboCpu::Input& in, std::uint64_t& out) {
  std::uint64_t h = in.words.size();
  for (std::uint32_t word : in.words) {
    h = (h ^ word) * 0x9e3779b97f4a7c15;
    h ^= in.table[h >> 54];
  }
  out = h;
}

constexpr Variant<PlaceboCpu> kVariants[] = {
    {.name = "naive", .run = run<hash>, .what = "a chain of multiplications and table look-ups"},
    {.name = "copy", .run = run<hash>, .what = "the same function: what differs is noise"},
};

const Registrar kRegistrar({.name = "machine/placebo_cpu",
                            .axis = Axis::kScalar,
                            .technique = "the noise floor of one-thread computation",
                            .sizes = {4096},
                            .headline = {4096},
                            .placebo = "cpu",
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t bytes = 4 * s.n + 8 * kTable;
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 4.0 * static_cast<double>(s.n),
                                                .working_set = bytes,
                                                .memory = bytes};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

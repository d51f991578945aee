// machine/placebo_dram: a stream from memory against its own copy.
//
// The two variants are one function on one input, each with its own output. Whatever ratio they
// show is noise: no claim about kernels that memory bounds is made below it.
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kBlock = 4096;  // items of one sum

struct PlaceboDram {
  using Input = Buffer<std::uint64_t>;
  using Output = Buffer<std::uint64_t>;  // the sum of each block

  static Input make(const Setting& setting, Rng& rng) {
    Input x(setting.n);
    FastRng fast(rng());
    for (std::uint64_t& item : x) item = fast();
    return x;
  }
  static void size(const Input& x, Output& out) { out = Output((x.size() + kBlock - 1) / kBlock); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

void sums(const PlaceboDram::Input& x, PlaceboDram::Output& out) {
  for (std::size_t block = 0; block < out.size(); ++block) {
    const std::size_t end = std::min(x.size(), (block + 1) * kBlock);
    std::uint64_t sum = 0;
    for (std::size_t i = block * kBlock; i < end; ++i) sum += x[i];
    out[block] = sum;
  }
}

constexpr Variant<PlaceboDram> kVariants[] = {
    {.name = "naive", .run = run<sums>, .what = "adds up 64-bit integers, block by block"},
    {.name = "copy", .run = run<sums>, .what = "the same function: what differs is noise"},
};

const Registrar kRegistrar({.name = "machine/placebo_dram",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "the noise floor of streaming from memory",
                            .sizes = {8 << 20},
                            .headline = {8 << 20},
                            .placebo = "dram",
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 8 * s.n};
                                },
                            .test_sizes = {0, 1, 2, 3, 17, 1000, 4095, 4096, 4097, 20000}},
                           kVariants);

}  // namespace
}  // namespace headroom

// selfcheck/stream: sums of memory, block by block, against themselves with a copy of the data.
//
// In: n words. Out: the sum of each block. What two arms that differ in nothing but where their
// data lie make of a machine's memory and of its pages.
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kBlock = 4096;  // words of one sum

struct Stream {
  using Input = Buffer<std::uint64_t>;
  using Output = Buffer<std::uint64_t>;

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

struct Own {
  explicit Own(const Stream::Input& in) : words(in) {}
  Stream::Input words;
};

void sums(const Own& own, const Stream::Input&, Stream::Output& out) {
  const Buffer<std::uint64_t>& x = own.words;
  for (std::size_t block = 0; block < out.size(); ++block) {
    const std::size_t end = std::min(x.size(), (block + 1) * kBlock);
    std::uint64_t sum = 0;
    for (std::size_t i = block * kBlock; i < end; ++i) sum += x[i];
    out[block] = sum;
  }
}

constexpr Variant<Stream> kVariants[] = {
    {.name = "naive", .run = run<sums>, .what = "adds up 64-bit integers, block by block"},
    {.name = "copy", .run = run<sums>, .what = "the same function: what differs is noise"},
};

const Registrar kRegistrar({.name = "selfcheck/stream",
                            .axis = Axis::kMemoryBandwidth,
                            .technique = "what the statistics make of memory: no difference at all",
                            .sizes = {4 << 20},
                            .headline = {4 << 20},
                            .demand =
                                [](const Setting& s) {
                                  return Demand{.items = static_cast<double>(s.n),
                                                .bytes = 8.0 * static_cast<double>(s.n),
                                                .working_set = 8 * s.n,
                                                .memory = 3 * 8 * s.n};
                                },
                            .test_sizes = {0, 1, 2, 3, 17, 1000, 4095, 4096, 4097, 20000}},
                           kVariants);

}  // namespace
}  // namespace headroom

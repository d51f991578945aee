// machine/placebo_threads: an OpenMP region against its own copy.
//
// The two variants are one function on one input, each with its own output. Whatever ratio they
// show is noise: no claim about kernels of several threads is made below it. A region is short, so
// that waking and joining the threads, where such kernels vary most, weighs as it does in them.
//
// Links: openmp
#include <algorithm>

#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

constexpr std::size_t kBlock = 256;  // items of one hash

struct PlaceboThreads {
  using Input = Buffer<std::uint64_t>;
  using Output = Buffer<std::uint64_t>;  // the hash of each block

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

#if HEADROOM_HAVE_OPENMP
void hashes(const Setting& setting, const PlaceboThreads::Input& x, PlaceboThreads::Output& out) {
  const auto blocks = static_cast<std::ptrdiff_t>(out.size());
#pragma omp parallel for num_threads(setting.threads) schedule(static)
  for (std::ptrdiff_t block = 0; block < blocks; ++block) {
    const std::size_t begin = static_cast<std::size_t>(block) * kBlock;
    const std::size_t end = std::min(x.size(), begin + kBlock);
    std::uint64_t hash = 0;
    for (std::size_t i = begin; i < end; ++i) hash = (hash ^ x[i]) * 0x9e3779b97f4a7c15;
    out[begin / kBlock] = hash;
  }
}
constexpr auto kHashes = run<hashes>;
#else
constexpr auto kHashes = kNotBuilt;
#endif

constexpr Need kNeedsOpenMp[] = {kOpenMp};

constexpr Variant<PlaceboThreads> kVariants[] = {
    {.name = "naive",
     .run = kHashes,
     .what = "hashes blocks of integers in one short parallel region",
     .needs = kNeedsOpenMp},
    {.name = "copy",
     .run = kHashes,
     .what = "the same function: what differs is noise",
     .needs = kNeedsOpenMp},
};

const Registrar kRegistrar({.name = "machine/placebo_threads",
                            .axis = Axis::kCores,
                            .technique = "the noise floor of several threads",
                            .sizes = {16384},
                            .headline = {16384},
                            .sweeps_threads = true,
                            .placebo = "threads",
                            .demand =
                                [](const Setting& s) {
                                  const double n = static_cast<double>(s.n);
                                  return Demand{.items = n,
                                                .bytes = 8 * n,
                                                .working_set = 8 * s.n,
                                                .memory = 8 * s.n};
                                }},
                           kVariants);

}  // namespace
}  // namespace headroom

// machine/placebo_ranks: a step that the ranks of an MPI job share, against its own copy.
//
// The two variants are one function on one input, each with its own output. Whatever ratio they
// show is noise: no claim about kernels of several ranks is made below it. A step is short, so that
// beginning it, its message and waiting for the last rank, where such kernels vary most, weigh as
// they do in them.
//
// Out: on each rank the sum of all blocks' hashes, modulo 2^64.
//
// Links: mpi
#include <algorithm>

#include "core/kernel.h"
#include "support/ranks.h"

#if HEADROOM_HAVE_MPI
#include "support/mpi/session.h"
#endif

namespace headroom {
namespace {

constexpr std::size_t kBlock = 256;  // items of one hash

struct PlaceboRanks {
  using Input = Buffer<std::uint64_t>;   // this rank's part of the n items, in whole blocks
  using Output = Buffer<std::uint64_t>;  // one number

  static Input make(const Setting& setting, Rng& rng) {
    const std::uint64_t seed = rng();
    const std::size_t blocks = (setting.n + kBlock - 1) / kBlock;
    const Share own = cluster::place(setting).share_of(blocks);
    const std::size_t end = std::min(setting.n, own.end * kBlock);
    Input x(end - std::min(end, own.begin * kBlock));
    for (std::size_t i = 0; i < x.size(); ++i)
      x[i] = cluster::bits_at(seed, own.begin * kBlock + i);
    return x;
  }
  static void size(const Input&, Output& out) { out = Output(1); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_MPI
void sum_of_hashes(const Setting& setting, const PlaceboRanks::Input& x,
                   PlaceboRanks::Output& out) {
  std::uint64_t sum = 0;
  for (std::size_t begin = 0; begin < x.size(); begin += kBlock) {
    const std::size_t end = std::min(x.size(), begin + kBlock);
    std::uint64_t hash = 0;
    for (std::size_t i = begin; i < end; ++i) hash = (hash ^ x[i]) * 0x9e3779b97f4a7c15;
    sum += hash;
  }
  MPI_Allreduce(&sum, out.data(), 1, MPI_UINT64_T, MPI_SUM, cluster::comm_of(setting));
}
constexpr auto kSum = run<sum_of_hashes>;
#else
constexpr auto kSum = kNotBuilt;
#endif

constexpr Variant<PlaceboRanks> kVariants[] = {
    {.name = "naive",
     .run = kSum,
     .what = "hashes blocks of integers on all ranks, and adds up by one MPI_Allreduce",
     .needs = cluster::kNeedsRanks},
    {.name = "copy",
     .run = kSum,
     .what = "the same function: what differs is noise",
     .needs = cluster::kNeedsRanks},
};

const Registrar kRegistrar({.name = "machine/placebo_ranks",
                            .axis = Axis::kNetwork,
                            .technique = "the noise floor of several ranks",
                            .sizes = {16384},
                            .headline = {16384},
                            .params = {{cluster::kRanks, cluster::rank_counts(1)}},
                            .one_group = true,
                            .placebo = "ranks",
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

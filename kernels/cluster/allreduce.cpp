// cluster/allreduce: each rank computes n numbers, and all ranks need their sums over the ranks, as
// in a step of data-parallel training, where they are gradients.
//
// Out: the n sums, whole, on every rank. Numbers are 64-bit integers and sums are modulo 2^64, so
// that they are exact in any order; a number is mixed kMixes times from the rank's own data, some
// 30 operations: what there is to compute while numbers travel. n is per rank: with more ranks
// there is more work in all, and the question is what each further one costs all others (weak
// scaling).
//
// Each rank has to send and to receive 2 (p - 1) / p numbers for each sum at least (Patarasuk and
// Yuan, 2009), whatever p is; through one root, that one has 2 (p - 1).
//
// Links: mpi
#include "core/kernel.h"
#include "support/ranks.h"

#if HEADROOM_HAVE_MPI
#include <algorithm>
#include <vector>

#include "support/mpi/session.h"
#endif

namespace headroom {
namespace {

struct Allreduce {
  struct Input {
    cluster::Place place;
    Buffer<std::uint64_t> own;
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    Input in{cluster::place(setting), Buffer<std::uint64_t>(setting.n)};
    FastRng fast(cluster::bits_at(rng(), static_cast<std::uint64_t>(in.place.rank)));
    for (std::uint64_t& number : in.own) number = fast();
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.own.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_MPI
constexpr int kMixes = 10;

// The numbers [begin, end) of this rank.
void compute(const Allreduce::Input& in, std::size_t begin, std::size_t end,
             Buffer<std::uint64_t>& out) {
  for (std::size_t i = begin; i < end; ++i) {
    std::uint64_t x = in.own[i];
    for (int mix = 0; mix < kMixes; ++mix) x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15ULL;
    out[i] = x;
  }
}

// The first rank gathers, adds, and hands out, one rank after the other. Nobody else adds, and its
// link carries everything twice for each of the others.
void naive(const Setting& setting, const Allreduce::Input& in, Buffer<std::uint64_t>& out) {
  MPI_Comm comm = cluster::comm_of(setting);
  const int n = static_cast<int>(out.size());
  compute(in, 0, out.size(), out);
  if (in.place.rank != 0) {
    MPI_Send(out.data(), n, MPI_UINT64_T, 0, 0, comm);
    MPI_Recv(out.data(), n, MPI_UINT64_T, 0, 0, comm, MPI_STATUS_IGNORE);
    return;
  }
  std::vector<std::uint64_t> came(out.size());
  for (int rank = 1; rank < in.place.ranks; ++rank) {
    MPI_Recv(came.data(), n, MPI_UINT64_T, rank, 0, comm, MPI_STATUS_IGNORE);
    for (std::size_t i = 0; i < came.size(); ++i) out[i] += came[i];
  }
  for (int rank = 1; rank < in.place.ranks; ++rank)
    MPI_Send(out.data(), n, MPI_UINT64_T, rank, 0, comm);
}

// The library's: it knows several algorithms, and chooses by length and number of ranks. Short ones
// go in log2(p) steps (Rabenseifner, "Optimization of Collective Reduction Operations", 2004).
void mpi_allreduce(const Setting& setting, const Allreduce::Input& in, Buffer<std::uint64_t>& out) {
  compute(in, 0, out.size(), out);
  MPI_Allreduce(MPI_IN_PLACE, out.data(), static_cast<int>(out.size()), MPI_UINT64_T, MPI_SUM,
                cluster::comm_of(setting));
}

// In a ring, a p-th of the numbers at a time: after p - 1 steps each rank has one part's whole sum,
// after p - 1 more all have all. As few bytes as can be, over all links at once; but 2 (p - 1)
// latencies, so for long vectors only.
struct Ring {
  Ring(const Allreduce::Input& in, const Setting& setting)
      : comm(cluster::comm_of(setting)), came(in.place.share_of(in.own.size()).size() + 1) {}
  MPI_Comm comm;
  std::vector<std::uint64_t> came;
};
void ring(Ring& state, const Allreduce::Input& in, Buffer<std::uint64_t>& out) {
  compute(in, 0, out.size(), out);
  const int ranks = in.place.ranks, rank = in.place.rank;
  const int next = (rank + 1) % ranks, before = (rank + ranks - 1) % ranks;
  const auto part = [&](int i) { return share(out.size(), 1, (i % ranks + ranks) % ranks, ranks); };
  for (int step = 0; step < ranks - 1; ++step) {
    const Share gives = part(rank - step), takes = part(rank - step - 1);
    MPI_Sendrecv(out.data() + gives.begin, static_cast<int>(gives.size()), MPI_UINT64_T, next, 0,
                 state.came.data(), static_cast<int>(takes.size()), MPI_UINT64_T, before, 0,
                 state.comm, MPI_STATUS_IGNORE);
    for (std::size_t i = 0; i < takes.size(); ++i) out[takes.begin + i] += state.came[i];
  }
  for (int step = 0; step < ranks - 1; ++step) {
    const Share gives = part(rank + 1 - step), takes = part(rank - step);
    MPI_Sendrecv(out.data() + gives.begin, static_cast<int>(gives.size()), MPI_UINT64_T, next, 0,
                 out.data() + takes.begin, static_cast<int>(takes.size()), MPI_UINT64_T, before, 0,
                 state.comm, MPI_STATUS_IGNORE);
  }
}

// In eight pieces: what is computed already is summed while the next piece is computed (as
// PyTorch's DistributedDataParallel does with gradients: Li and others, 2020). MPI moves data only
// within its calls, where no thread of its own does: so it is asked between pieces.
void overlapped(const Setting& setting, const Allreduce::Input& in, Buffer<std::uint64_t>& out) {
  constexpr int kPieces = 8;
  MPI_Comm comm = cluster::comm_of(setting);
  MPI_Request requests[kPieces];
  std::fill_n(requests, kPieces, MPI_REQUEST_NULL);
  for (int piece = 0; piece < kPieces; ++piece) {
    const Share own = share(out.size(), 1, piece, kPieces);
    compute(in, own.begin, own.end, out);
    MPI_Iallreduce(MPI_IN_PLACE, out.data() + own.begin, static_cast<int>(own.size()), MPI_UINT64_T,
                   MPI_SUM, comm, &requests[piece]);
    int done = 0;
    MPI_Testall(piece + 1, requests, &done, MPI_STATUSES_IGNORE);
  }
  MPI_Waitall(kPieces, requests, MPI_STATUSES_IGNORE);
}
constexpr auto kNaive = run<naive>;
constexpr auto kAllreduce = run<mpi_allreduce>;
constexpr auto kRing = run<ring>;
constexpr auto kOverlapped = run<overlapped>;
#else
constexpr auto kNaive = kNotBuilt, kAllreduce = kNotBuilt, kRing = kNotBuilt,
               kOverlapped = kNotBuilt;
#endif

constexpr Variant<Allreduce> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "the first rank receives from each, adds, and sends the sums to each",
     .needs = cluster::kNeedsRanks},
    {.name = "mpi_allreduce",
     .run = kAllreduce,
     .what = "MPI_Allreduce: all ranks add at once, in as many steps as suit length and ranks",
     .role = Role::kStandard,
     .needs = cluster::kNeedsRanks},
    {.name = "ring",
     .run = kRing,
     .what = "parts of the vector go round a ring: as few bytes as can be, over all links at once",
     .needs = cluster::kNeedsRanks},
    {.name = "overlapped",
     .run = kOverlapped,
     .what = "MPI_Iallreduce of eight pieces, each while the next one is computed",
     .needs = cluster::kNeedsRanks},
};

const Registrar kRegistrar(
    {.name = "cluster/allreduce",
     .axis = Axis::kNetwork,
     .technique = "all ranks share the work of a sum, and compute while it travels",
     .sizes = {16, 1 << 12, 1 << 16, 1 << 20},
     .headline = {1 << 12, 1 << 20},
     .params = {{cluster::kRanks, cluster::rank_counts(1)}},
     .one_group = true,
     .demand =
         [](const Setting& s) {
           const double ranks = static_cast<double>(s.params[cluster::kRanks]);
           const double n = static_cast<double>(s.n);
           return Demand{.items = ranks * n,
                         .bytes = 16 * (ranks - 1) * n,
                         .working_set = 16 * s.n,
                         .memory = 8 * s.n * (1 + 2 * std::size(kVariants))};
         },
     .test_sizes = {0, 1, 2, 3, 5, 7, 8, 9, 1000, 4097, 30000}},
    kVariants);

}  // namespace
}  // namespace headroom

// The MPI job that this process is a rank of: how many ranks, on how many hosts, which one this is.
// Without MPI's own headers, for whoever only has to know.
//
// Only headroom-bench-cluster, started by mpirun, is in a job (support/mpi/session.h sets it). In
// every other program the variants that need ranks are missing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/kernel.h"
#include "core/need.h"
#include "support/team.h"

namespace headroom::cluster {

struct Job {
  int rank = 0;
  std::vector<int> host_of;  // for each rank the number of its host, from 0
  std::string library;       // "Open MPI 4.1.4"
  bool yields = false;       // a rank that waits gives its CPU to others, and is woken up late

  int ranks() const { return static_cast<int>(host_of.size()); }
  // On how many hosts the first `count` ranks are.
  int hosts(int count) const;
};

// nullptr outside of a job.
const Job* job();
void set_job(Job job);
bool in_job();

// The name of the param that says how many of a job's ranks take part, the first ones.
inline constexpr const char* kRanks = "ranks";

// Whether a kernel's variants run on ranks.
bool uses_ranks(const Metadata& meta);

// The values of param `ranks` in this process: 1, 2, 4 ... and as many as the job has, from `least`
// on; as thread counts, they are the machine's. Outside of a job `least` alone, which no variant
// can run.
std::vector<std::int64_t> rank_counts(std::int64_t least);

// Where this process is among the ranks of a setting.
struct Place {
  int rank = 0;
  int ranks = 1;
  // The part of [0, count) that is this rank's: as even as can be, in the order of the ranks.
  Share share_of(std::size_t count) const { return share(count, 1, rank, ranks); }
};
Place place(const Setting& setting);

// Any of the bits that a seed and an index give, so that each rank can make any part of an input,
// and an input is the same for any number of ranks. splitmix64 (Steele, Lea, Flood, 2014), of a
// stream for each seed.
inline std::uint64_t bits_at(std::uint64_t seed, std::uint64_t index) {
  std::uint64_t x = seed + (index + 1) * 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// What a variant that runs on ranks needs.
inline constexpr Need kMpi{"mpi", internal::built_with_mpi, "make deps CLUSTER=1"};
inline constexpr Need kJob{"MPI ranks", in_job, "make bench-cluster NP=4 [HOSTS=hostfile]"};
inline constexpr Need kNeedsRanks[] = {kMpi, kJob};

}  // namespace headroom::cluster

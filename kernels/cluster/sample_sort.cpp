// cluster/sample_sort: n numbers that lie on all ranks are sorted, so that they lie on all ranks.
//
// Out: every rank has a part, sorted, and nothing in it is larger than anything on the next rank.
// How large the parts are is up to the variant; after the clock has stopped they are cut into equal
// ones, whole, for the comparison. `imbalance` tells the largest part as a multiple of the mean. n
// is the number of all: with more ranks each has fewer (strong scaling).
//
// Inputs: random; skewed, half of all numbers are one of 16; equal, all are one number. Where equal
// numbers all had to be on one rank, that rank would have them all, its memory and its time: so a
// splitter here is a number with its place in the input, and equal ones are split among ranks.
//
// Links: mpi
#include "core/kernel.h"
#include "support/ranks.h"

#if HEADROOM_HAVE_MPI
#include <algorithm>
#include <numeric>
#include <vector>

#include "support/mpi/session.h"
#endif

namespace headroom {
namespace {

struct SampleSort {
  static constexpr auto kInputs = inputs("random", "skewed", "equal").for_tests("ascending");
  struct Input {
    cluster::Place place;
    std::size_t n = 0;
    Buffer<std::uint64_t> numbers;  // this rank's equal share
  };
  using Output = Buffer<std::uint64_t>;

  static Input make(const Setting& setting, Rng& rng) {
    const std::uint64_t seed = rng();
    Input in{cluster::place(setting), setting.n, {}};
    const Share own = in.place.share_of(setting.n);
    in.numbers = Buffer<std::uint64_t>(own.size());
    for (std::size_t i = own.begin; i < own.end; ++i) {
      const std::uint64_t bits = cluster::bits_at(seed, i);
      std::uint64_t& number = in.numbers[i - own.begin];
      number = bits;
      if (setting.input == kInputs["skewed"] && bits % 2 == 0) number = (bits >> 32) % 16;
      if (setting.input == kInputs["equal"]) number = 42;
      if (setting.input == kInputs["ascending"]) number = i;
    }
    return in;
  }
  static void size(const Input& in, Output& out) { out = Output(in.numbers.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

#if HEADROOM_HAVE_MPI
using Number = std::uint64_t;

std::vector<int> starts_of(const std::vector<int>& counts) {
  std::vector<int> starts(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), starts.begin(), 0);
  return starts;
}

// What each rank of a variant has, and its part of the result.
struct Sorted {
  Sorted(const SampleSort::Input& in, const Setting& setting)
      : place(in.place), n(in.n), comm(cluster::comm_of(setting)) {}

  std::vector<int> equal_counts() const {
    std::vector<int> counts;
    for (int rank = 0; rank < place.ranks; ++rank)
      counts.push_back(static_cast<int>(share(n, 1, rank, place.ranks).size()));
    return counts;
  }

  // All parts cut anew into equal ones; on all ranks at once.
  void answer(Buffer<Number>& out) const {
    unsigned long long size = part.size(), begin = 0, largest = 0;
    MPI_Exscan(&size, &begin, 1, MPI_UNSIGNED_LONG_LONG, MPI_SUM, comm);
    if (place.rank == 0) begin = 0;  // MPI leaves it undefined
    MPI_Allreduce(&size, &largest, 1, MPI_UNSIGNED_LONG_LONG, MPI_MAX, comm);
    const double mean = static_cast<double>(n) / place.ranks;
    imbalance = mean > 0 ? static_cast<double>(largest) / mean : 1;
    std::vector<int> gives, takes(static_cast<std::size_t>(place.ranks));
    for (int rank = 0; rank < place.ranks; ++rank) {
      const Share own = share(n, 1, rank, place.ranks);
      const std::size_t from = std::max<std::size_t>(own.begin, begin);
      const std::size_t to = std::min<std::size_t>(own.end, begin + size);
      gives.push_back(from < to ? static_cast<int>(to - from) : 0);
    }
    MPI_Alltoall(gives.data(), 1, MPI_INT, takes.data(), 1, MPI_INT, comm);
    // Too many or too few would lie beyond the output, or leave poison in it, which is found.
    std::vector<Number> came(
        static_cast<std::size_t>(std::accumulate(takes.begin(), takes.end(), 0)));
    MPI_Alltoallv(part.data(), gives.data(), starts_of(gives).data(), MPI_UINT64_T, came.data(),
                  takes.data(), starts_of(takes).data(), MPI_UINT64_T, comm);
    std::copy_n(came.begin(), std::min(came.size(), out.size()), out.begin());
  }
  Quantities quantities() const { return {{"imbalance", {imbalance, "ratio"}}}; }

  cluster::Place place;
  std::size_t n;
  MPI_Comm comm;
  std::vector<Number> part;
  mutable double imbalance = 1;
};

// All to the first rank, which sorts as one does on one machine, and hands equal parts out.
struct Gathered : Sorted {
  Gathered(const SampleSort::Input& in, const Setting& setting)
      : Sorted(in, setting), counts(equal_counts()), starts(starts_of(counts)) {
    part.resize(in.numbers.size());
    if (place.rank == 0) all.resize(n);
  }
  std::vector<int> counts, starts;
  std::vector<Number> all;
};
void naive(Gathered& of, const SampleSort::Input& in, Buffer<Number>&) {
  const int own = static_cast<int>(in.numbers.size());
  MPI_Gatherv(in.numbers.data(), own, MPI_UINT64_T, of.all.data(), of.counts.data(),
              of.starts.data(), MPI_UINT64_T, 0, of.comm);
  std::sort(of.all.begin(), of.all.end());
  MPI_Scatterv(of.all.data(), of.counts.data(), of.starts.data(), MPI_UINT64_T, of.part.data(), own,
               MPI_UINT64_T, 0, of.comm);
}

// A number and its place in the input: no two are equal, and their order is one of the numbers.
struct Placed {
  Number number = 0;
  std::uint64_t place = 0;
  friend bool operator<(const Placed& a, const Placed& b) {
    return a.number != b.number ? a.number < b.number : a.place < b.place;
  }
};

// With so many samples a rank, a part is rarely more than a fifth larger than the mean.
constexpr std::size_t kSamples = 128;

// Where to split, so that each of `ranks` parts has as many of all ranks' samples.
std::vector<Placed> splitters(const std::vector<Placed>& own, int ranks, MPI_Comm comm) {
  const int bytes = static_cast<int>(own.size() * sizeof(Placed));
  std::vector<int> counts(static_cast<std::size_t>(ranks));
  MPI_Allgather(&bytes, 1, MPI_INT, counts.data(), 1, MPI_INT, comm);
  const std::vector<int> starts = starts_of(counts);
  std::vector<Placed> all(static_cast<std::size_t>(starts.back() + counts.back()) / sizeof(Placed));
  MPI_Allgatherv(own.data(), bytes, MPI_BYTE, all.data(), counts.data(), starts.data(), MPI_BYTE,
                 comm);
  std::sort(all.begin(), all.end());
  std::vector<Placed> found;
  for (int i = 1; i < ranks && !all.empty(); ++i)
    found.push_back(all[share(all.size(), 1, i, ranks).begin]);
  return found;
}

// Sends each rank its bucket: `counts` numbers each, side by side. Returns how many came from each.
std::vector<int> exchange(const Number* numbers, const std::vector<int>& counts,
                          std::vector<Number>& came, MPI_Comm comm) {
  std::vector<int> takes(counts.size());
  MPI_Alltoall(counts.data(), 1, MPI_INT, takes.data(), 1, MPI_INT, comm);
  came.resize(static_cast<std::size_t>(std::accumulate(takes.begin(), takes.end(), 0)));
  MPI_Alltoallv(numbers, counts.data(), starts_of(counts).data(), MPI_UINT64_T, came.data(),
                takes.data(), starts_of(takes).data(), MPI_UINT64_T, comm);
  return takes;
}

struct Exchanged : Sorted {
  Exchanged(const SampleSort::Input& in, const Setting& setting)
      : Sorted(in, setting), first(in.place.share_of(in.n).begin), own(in.numbers.size()) {
    part.reserve(own.size() + own.size() / 4);
  }
  std::uint64_t first;  // the place of this rank's first number
  std::vector<Number> own;
  std::vector<std::uint32_t> bucket;
};

// Frazer and McKellar, "Samplesort" (1970): splitters from a sample, each number straight to the
// rank that its bucket is of, and each bucket sorted there. A number travels once, and all ranks
// sort.
void sample_sort(Exchanged& of, const SampleSort::Input& in, Buffer<Number>&) {
  const std::size_t size = in.numbers.size();
  std::vector<Placed> sample(std::min(kSamples, size));
  for (std::size_t i = 0; i < sample.size(); ++i) {
    // Anywhere in its stretch: a pattern in the input should not meet one in the sample.
    const Share stretch = share(size, 1, static_cast<int>(i), static_cast<int>(sample.size()));
    const std::size_t at = stretch.begin + cluster::bits_at(of.first, i) % stretch.size();
    sample[i] = {in.numbers[at], of.first + at};
  }
  const std::vector<Placed> split = splitters(sample, of.place.ranks, of.comm);
  std::vector<int> counts(static_cast<std::size_t>(of.place.ranks));
  of.bucket.resize(size);
  for (std::size_t i = 0; i < size; ++i) {
    const Placed one{in.numbers[i], of.first + i};
    of.bucket[i] = static_cast<std::uint32_t>(std::upper_bound(split.begin(), split.end(), one) -
                                              split.begin());
    ++counts[of.bucket[i]];
  }
  std::vector<int> next = starts_of(counts);
  for (std::size_t i = 0; i < size; ++i)
    of.own[static_cast<std::size_t>(next[of.bucket[i]]++)] = in.numbers[i];
  exchange(of.own.data(), counts, of.part, of.comm);
  std::sort(of.part.begin(), of.part.end());
}

// Shi and Schaeffer, "Parallel Sorting by Regular Sampling" (1992): each rank sorts first, so that
// samples at regular distances say more, buckets are pieces of it, and what comes is only merged.
void regular_sampling(Exchanged& of, const SampleSort::Input& in, Buffer<Number>&) {
  const std::size_t size = in.numbers.size();
  std::copy_n(in.numbers.data(), size, of.own.data());
  std::sort(of.own.begin(), of.own.end());
  std::vector<Placed> sample(std::min(kSamples, size));
  for (std::size_t i = 0; i < sample.size(); ++i) {
    const std::size_t at =
        share(size, 1, static_cast<int>(i), static_cast<int>(sample.size())).begin;
    sample[i] = {of.own[at], of.first + at};
  }
  const std::vector<Placed> split = splitters(sample, of.place.ranks, of.comm);
  std::vector<int> counts;
  std::size_t begin = 0;
  for (const Placed& one : split) {
    // Among numbers equal to the splitter, those go left whose place comes before its own.
    const auto [low, high] = std::equal_range(of.own.begin(), of.own.end(), one.number);
    const auto at = static_cast<std::uint64_t>(low - of.own.begin());
    const auto end = static_cast<std::uint64_t>(high - of.own.begin());
    const std::uint64_t left = one.place > of.first ? one.place - of.first : 0;
    const std::size_t to = static_cast<std::size_t>(std::clamp(left, at, end));
    counts.push_back(static_cast<int>(std::max(to, begin) - begin));
    begin = std::max(to, begin);
  }
  counts.push_back(static_cast<int>(size - begin));
  counts.resize(static_cast<std::size_t>(of.place.ranks));
  const std::vector<int> came = exchange(of.own.data(), counts, of.part, of.comm);
  // Runs side by side, two at a time.
  std::vector<std::size_t> ends;
  for (const int count : came)
    ends.push_back((ends.empty() ? 0 : ends.back()) + static_cast<std::size_t>(count));
  const auto at = [&](std::size_t i) {
    return of.part.begin() +
           static_cast<std::ptrdiff_t>(i == 0 ? 0 : ends[std::min(i, ends.size()) - 1]);
  };
  for (std::size_t width = 1; width < ends.size(); width *= 2)
    for (std::size_t run = 0; run + width < ends.size(); run += 2 * width)
      std::inplace_merge(at(run), at(run + width), at(run + 2 * width));
}
constexpr auto kNaive = run<naive>;
constexpr auto kSampleSort = run<sample_sort>;
constexpr auto kRegular = run<regular_sampling>;
#else
constexpr auto kNaive = kNotBuilt, kSampleSort = kNotBuilt, kRegular = kNotBuilt;
#endif

constexpr Variant<SampleSort> kVariants[] = {
    {.name = "naive",
     .run = kNaive,
     .what = "MPI_Gatherv to the first rank, std::sort there, MPI_Scatterv",
     .needs = cluster::kNeedsRanks},
    {.name = "sample_sort",
     .run = kSampleSort,
     .what =
         "splitters from a sample, each number straight to its rank by MPI_Alltoallv, sorted there",
     .needs = cluster::kNeedsRanks},
    {.name = "regular_sampling",
     .run = kRegular,
     .what = "each rank sorts first: better splitters, and what comes is only merged",
     .needs = cluster::kNeedsRanks},
};

const Registrar kRegistrar(
    {.name = "cluster/sample_sort",
     .axis = Axis::kNetwork,
     .technique = "every number travels once, to the rank that sorts it, and none through one root",
     .sizes = {1 << 12, 1 << 16, 1 << 17, 1 << 18, 1 << 19, 1 << 20},
     .headline = {1 << 16, 1 << 18},
     .params = {{cluster::kRanks, cluster::rank_counts(1)}},
     .one_group = true,
     .demand =
         [](const Setting& s) {
           const auto ranks = static_cast<std::size_t>(s.params[cluster::kRanks]);
           return Demand{.items = static_cast<double>(s.n),
                         .bytes = 16.0 * static_cast<double>(s.n),
                         .working_set = 16 * s.n / ranks,
                         .memory = 8 * s.n * (2 + 4 * std::size(kVariants))};
         },
     .test_sizes = {0, 1, 3, 4, 5, 17, 1000, 4097, 20000}},
    kVariants);

}  // namespace
}  // namespace headroom

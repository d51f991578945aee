// parallel/sort: sort an array of uint32, in place, with one thread and with several.
//
// Out: the array, ascending; exact (keys.h has the problem: every call sorts a fresh copy of other
// data).
//
// Two ways to share a sort out. Each thread sorts a part, and the sorted parts are merged: then all
// that is won is the sorting, and the merge comes on top. Or the keys are first distributed to
// places by their leading bits, and each place is sorted where it ends up: that is what the best
// sort of one core does anyway, so nothing comes on top (algorithm/sort).
//
// Links: openmp tbb
#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "core/kernel.h"
#include "parallel/keys.h"
#include "support/openmp.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/parallel_sort.h>
#endif

namespace headroom {
namespace {

using parallel::SortKeys;
using Key = SortKeys::Key;
using Work = SortKeys::Work;

void naive(Work& work, Buffer<Key>&) { std::sort(work.keys.begin(), work.keys.end()); }

}  // namespace
}  // namespace headroom

// The SIMD part, compiled once for each target.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "parallel/sort-inl.h"
#include "parallel/sort-inl.h"

namespace headroom {
namespace {

HWY_EXPORT(SortPart);
HWY_EXPORT(SortPlace);

// One core used well: a quicksort in SIMD, without a branch on a key.
void simd(Work& work, Buffer<Key>&) {
  HWY_DYNAMIC_DISPATCH(SortPart)(work.keys.data(), work.spare, work.keys.size());
}

#if HEADROOM_HAVE_OPENMP
// How many of the first `count` keys of the merge of a and b come from a.
std::size_t from_first(std::span<const Key> a, std::span<const Key> b, std::size_t count) {
  std::size_t low = count > b.size() ? count - b.size() : 0, high = std::min(count, a.size());
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (a[middle] <= b[count - middle - 1])
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Keys [begin, end) of the merge of a and b. The choice is no branch: it would be mispredicted half
// of the time.
void merge_part(std::span<const Key> a, std::span<const Key> b, std::size_t begin, std::size_t end,
                Key* to) {
  std::size_t i = from_first(a, b, begin), j = begin - i, k = begin;
  while (k < end && i < a.size() && j < b.size()) {
    const bool second = b[j] < a[i];
    to[k++] = second ? b[j] : a[i];
    j += second;
    i += !second;
  }
  const std::size_t left = std::min(end - k, a.size() - i);
  std::copy_n(a.data() + i, left, to + k);
  std::copy_n(b.data() + j, end - k - left, to + k + left);
}

// Sorts a part a thread, then merges two neighbours to one, round by round. All threads merge in
// every round, each an equal part of what comes out: where it begins in the two parts is found by
// binary search (Odeh, Green and others, "Merge Path: Parallel Merging Made Simple", 2012).
template <class Sort>
void sort_and_merge(Work& work, const Sort& sort) {
  const std::size_t n = work.keys.size();
#pragma omp parallel num_threads(work.threads)
  {
    const int parts = omp_get_num_threads();
    const Share own = own_part(n);
    sort(work.keys.data() + own.begin, work.spare + own.begin, own.size());
    Key *from = work.keys.data(), *to = work.spare;
    for (int width = 1; width < parts; width *= 2) {
#pragma omp barrier
      for (int first = 0; first < parts; first += 2 * width) {
        const auto begin_of = [&](int part) {
          return share(n, 1, std::min(part, parts - 1), parts).begin +
                 (part < parts ? 0 : share(n, 1, parts - 1, parts).size());
        };
        const std::size_t begin = begin_of(first), middle = begin_of(first + width),
                          end = begin_of(first + 2 * width);
        if (own.end <= begin || end <= own.begin) continue;
        merge_part({from + begin, middle - begin}, {from + middle, end - middle},
                   std::max(own.begin, begin) - begin, std::min(own.end, end) - begin, to + begin);
      }
      std::swap(from, to);
    }
#pragma omp barrier
    if (from != work.keys.data())
      std::copy(from + own.begin, from + own.end, work.keys.data() + own.begin);
  }
}

void std_merge(Work& work, Buffer<Key>&) {
  sort_and_merge(work, [](Key* keys, Key*, std::size_t n) { std::sort(keys, keys + n); });
}

void simd_merge(Work& work, Buffer<Key>&) {
  const auto sort = HWY_DYNAMIC_DISPATCH(SortPart);
  sort_and_merge(work, [&](Key* keys, Key* spare, std::size_t n) { sort(keys, spare, n); });
}

constexpr unsigned kPlaceBits = 8, kShift = 32 - kPlaceBits;
using Counts = std::array<std::size_t, std::size_t{1} << kPlaceBits>;

// Where each thread's keys of each place go.
struct Distribution : Work {
  Distribution(const SortKeys::Input& in, const Setting& setting)
      : Work(in, setting), of(static_cast<std::size_t>(threads)) {}
  struct alignas(kApart) Own {
    Counts counts;
  };
  std::vector<Own> of;
};

// Each thread counts the keys of its part by place; then it knows from all counts where its own
// keys go, and moves them there without asking anybody. Then places are sorted, each by whoever is
// free, from the second array back into the first.
void distribute(Distribution& work, Buffer<Key>&) {
  const std::size_t n = work.keys.size();
  const auto sort = HWY_DYNAMIC_DISPATCH(SortPlace);
  Key* const keys = work.keys.data();
  Key* const spare = work.spare;
  Counts starts;  // of the places
#pragma omp parallel num_threads(work.threads)
  {
    const Share part = own_part(n);
    const auto me = static_cast<std::size_t>(omp_get_thread_num());
    const auto threads = static_cast<std::size_t>(omp_get_num_threads());
    std::array<std::array<std::uint32_t, 1 << kPlaceBits>, 2> tables = {};
    std::size_t i = part.begin;
    for (; i + 2 <= part.end; i += 2) {
      ++tables[0][keys[i] >> kShift];
      ++tables[1][keys[i + 1] >> kShift];
    }
    if (i < part.end) ++tables[0][keys[i] >> kShift];
    for (std::size_t place = 0; place < starts.size(); ++place)
      work.of[me].counts[place] = tables[0][place] + tables[1][place];
#pragma omp barrier
    std::array<Key*, 1 << kPlaceBits> next;
    std::size_t start = 0;
    for (std::size_t place = 0; place < starts.size(); ++place) {
      if (me == 0) starts[place] = start;
      for (std::size_t thread = 0; thread < threads; ++thread) {
        if (thread == me) next[place] = spare + start;
        start += work.of[thread].counts[place];
      }
    }
    for (std::size_t k = part.begin; k < part.end; ++k) *next[keys[k] >> kShift]++ = keys[k];
#pragma omp barrier
#pragma omp for schedule(dynamic, 4)
    for (int p = 0; p < 1 << kPlaceBits; ++p) {
      const auto place = static_cast<std::size_t>(p);
      const std::size_t end = place + 1 == starts.size() ? n : starts[place + 1];
      const auto lowest = static_cast<Key>(place << kShift);
      sort(spare + starts[place], keys + starts[place], end - starts[place], lowest,
           lowest + ((Key{1} << kShift) - 1));
    }
  }
}
constexpr auto kStdMerge = run<std_merge>;
constexpr auto kSimdMerge = run<simd_merge>;
constexpr auto kDistribute = run<distribute>;
#else
constexpr auto kStdMerge = kNotBuilt, kSimdMerge = kNotBuilt, kDistribute = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
struct TbbWork : Work {
  TbbWork(const SortKeys::Input& in, const Setting& setting)
      : Work(in, setting), arena(TbbArena::of_all_works(setting.threads)) {}
  std::shared_ptr<TbbArena> arena;
};
void tbb_sort(TbbWork& work, Buffer<Key>&) {
  work.arena->run([&] { tbb::parallel_sort(work.keys.begin(), work.keys.end()); });
}
constexpr auto kTbbSort = run<tbb_sort>;
#else
constexpr auto kTbbSort = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<SortKeys> kVariants[] = {
    {.name = "naive", .run = run<naive>, .what = "one thread: std::sort", .single_thread = true},
    {.name = "simd",
     .run = run<simd>,
     .what = "one thread: distribution by leading bits, then SIMD quicksort: the best of one core",
     .single_thread = true},
    {.name = "std_merge",
     .run = kStdMerge,
     .what = "std::sort of a part a thread, then merges, each made by all threads together",
     .needs = kNeedsOpenMp},
    {.name = "simd_merge",
     .run = kSimdMerge,
     .what = "the same with the SIMD sort: what is left is mostly the merge",
     .needs = kNeedsOpenMp},
    {.name = "distribute",
     .run = kDistribute,
     .what = "distributed by all threads to 256 places, each sorted in SIMD by whoever is free",
     .needs = kNeedsOpenMp},
    {.name = "tbb",
     .run = kTbbSort,
     .what = "tbb::parallel_sort: quicksort by comparisons with work stealing",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar(
    {.name = "parallel/sort",
     .axis = Axis::kCores,
     .technique = "distribute first, so that nothing is left to merge",
     .sizes = {4096, 1 << 17, 1'000'000, 16 << 20},
     .headline = {1 << 17, 1'000'000},
     .sweeps_threads = true,
     .ceiling = {"machine/copy"},
     .demand = [](const Setting& s) { return SortKeys::demand(s, std::size(kVariants)); },
     .test_sizes = {0, 1, 2, 3, 7, 16, 17, 63, 64, 65, 255, 257, 1000, 4097, 70'000}},
    kVariants);

}  // namespace
}  // namespace headroom

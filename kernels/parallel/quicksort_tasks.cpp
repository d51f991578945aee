// parallel/quicksort_tasks: quicksort, with a task for each part: how small may a task be?
//
// Out: the array of uint32, ascending (keys.h has the problem: every call sorts a fresh copy of
// other data).
//
// After a partition its two sides are independent: a task for one, and so on down. Near the leaves
// tasks are shorter than what it takes to make one, and most tasks are near the leaves. A cut-off
// fixes that, at a size that matters little as long as it is far from both ends. What remains
// serial is the first partition, and half of the second: n of n log2(n) steps.
//
// Links: openmp tbb
#include <algorithm>
#include <memory>
#include <utility>

#include "core/kernel.h"
#include "parallel/keys.h"
#include "support/openmp.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/parallel_invoke.h>
#endif

namespace headroom {
namespace {

using parallel::SortKeys;
using Key = SortKeys::Key;
using Work = SortKeys::Work;

constexpr std::ptrdiff_t kSmall = 24;  // keys: below, insertion sort

void insertion_sort(Key* begin, Key* end) {
  for (Key* i = begin == end ? end : begin + 1; i < end; ++i) {
    const Key key = *i;
    Key* hole = i;
    for (; hole != begin && key < hole[-1]; --hole) *hole = hole[-1];
    *hole = key;
  }
}

// Hoare's partition around the median of three: returns where the second side begins. Equal keys go
// to both sides, so that arrays of few different keys split in the middle.
Key* partition(Key* begin, Key* end) {
  Key a = begin[0], b = begin[(end - begin) / 2], c = end[-1];
  const Key pivot = std::max(std::min(a, b), std::min(std::max(a, b), c));
  Key *low = begin - 1, *high = end;
  for (;;) {
    do ++low;
    while (*low < pivot);
    do --high;
    while (pivot < *high);
    if (low >= high) return high + 1;
    std::swap(*low, *high);
  }
}

void quicksort(Key* begin, Key* end) {
  while (end - begin > kSmall) {
    Key* const middle = partition(begin, end);
    quicksort(begin, middle);
    begin = middle;
  }
  insertion_sort(begin, end);
}

void naive(Work& work, Buffer<Key>&) { quicksort(work.keys.begin(), work.keys.end()); }

// What the standard library has for one thread.
void std_sort(Work& work, Buffer<Key>&) { std::sort(work.keys.begin(), work.keys.end()); }

#if HEADROOM_HAVE_OPENMP
// A task for every part that is not sorted by insertion.
void task_each(Key* begin, Key* end) {
  while (end - begin > kSmall) {
    Key* const middle = partition(begin, end);
#pragma omp task untied firstprivate(begin, middle)
    task_each(begin, middle);
    begin = middle;
  }
  insertion_sort(begin, end);
}

// Leaves it to OpenMP: `if` and `mergeable` still make the call, only without putting it off.
void task_if(Key* begin, Key* end, std::ptrdiff_t cut_off) {
  while (end - begin > kSmall) {
    Key* const middle = partition(begin, end);
#pragma omp task firstprivate(begin, middle, cut_off) mergeable if (middle - begin > cut_off)
    task_if(begin, middle, cut_off);
    begin = middle;
  }
  insertion_sort(begin, end);
}

// Below the cut-off plain calls; above it a task.
template <void (*kLeaf)(Key*, Key*)>
void task_large(Key* begin, Key* end, std::ptrdiff_t cut_off) {
  while (end - begin > cut_off) {
    Key* const middle = partition(begin, end);
#pragma omp task firstprivate(begin, middle, cut_off)
    task_large<kLeaf>(begin, middle, cut_off);
    begin = middle;
  }
  kLeaf(begin, end);
}

// Runs `sort` in one thread of a region; the others take its tasks. The region ends when all are
// done.
template <class Sort>
void in_region(int threads, const Sort& sort) {
#pragma omp parallel num_threads(threads)
#pragma omp single nowait
  sort();
}

void tasks(Work& work, Buffer<Key>&) {
  in_region(work.threads, [&] { task_each(work.keys.begin(), work.keys.end()); });
}

constexpr std::ptrdiff_t kCutOff = 4096;  // keys: tens of microseconds

void if_clause(Work& work, Buffer<Key>&) {
  in_region(work.threads, [&] { task_if(work.keys.begin(), work.keys.end(), kCutOff); });
}
void cut_off(Work& work, Buffer<Key>&) {
  in_region(work.threads,
            [&] { task_large<quicksort>(work.keys.begin(), work.keys.end(), kCutOff); });
}

// As many tasks as give each thread some sixteen: the next one is large enough at any n.
void cut_off_by_share(Work& work, Buffer<Key>&) {
  const std::ptrdiff_t share =
      std::max<std::ptrdiff_t>(kCutOff, work.keys.end() - work.keys.begin()) / 16 / work.threads;
  in_region(work.threads, [&] {
    task_large<quicksort>(work.keys.begin(), work.keys.end(), std::max(share, kSmall));
  });
}

void sort_leaf(Key* begin, Key* end) { std::sort(begin, end); }
void cut_off_std_sort(Work& work, Buffer<Key>&) {
  in_region(work.threads,
            [&] { task_large<sort_leaf>(work.keys.begin(), work.keys.end(), kCutOff); });
}
constexpr auto kTasks = run<tasks>;
constexpr auto kIfClause = run<if_clause>;
constexpr auto kCutOffRun = run<cut_off>;
constexpr auto kByShare = run<cut_off_by_share>;
constexpr auto kStdLeaves = run<cut_off_std_sort>;
#else
constexpr auto kTasks = kNotBuilt, kIfClause = kNotBuilt, kCutOffRun = kNotBuilt,
               kByShare = kNotBuilt, kStdLeaves = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
struct TbbWork : Work {
  TbbWork(const SortKeys::Input& in, const Setting& setting)
      : Work(in, setting), arena(TbbArena::of_all_works(setting.threads)) {}
  std::shared_ptr<TbbArena> arena;
};
void tbb_quicksort(Key* begin, Key* end) {
  if (end - begin <= 4096) return quicksort(begin, end);
  Key* const middle = partition(begin, end);
  tbb::parallel_invoke([=] { tbb_quicksort(begin, middle); }, [=] { tbb_quicksort(middle, end); });
}
void tbb_tasks(TbbWork& work, Buffer<Key>&) {
  work.arena->run([&] { tbb_quicksort(work.keys.begin(), work.keys.end()); });
}
constexpr auto kTbbTasks = run<tbb_tasks>;
#else
constexpr auto kTbbTasks = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<SortKeys> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread: quicksort, median of three, insertion sort below 24 keys",
     .single_thread = true},
    {.name = "std_sort",
     .run = run<std_sort>,
     .what = "one thread: std::sort of the standard library",
     .role = Role::kStandard,
     .single_thread = true},
    {.name = "tasks",
     .run = kTasks,
     .what = "a task for each part: most are shorter than what it takes to make one",
     .needs = kNeedsOpenMp},
    {.name = "if_clause",
     .run = kIfClause,
     .what = "tasks of up to 4,096 keys not put off (if clause): less, but still a task's set-up",
     .needs = kNeedsOpenMp},
    {.name = "cut_off",
     .run = kCutOffRun,
     .what = "plain calls from 4,096 keys down: tasks of tens of microseconds",
     .needs = kNeedsOpenMp},
    {.name = "cut_off_by_share",
     .run = kByShare,
     .what = "plain calls from a sixteenth of a thread's share down: few tasks at any size",
     .needs = kNeedsOpenMp},
    {.name = "cut_off_std_sort",
     .run = kStdLeaves,
     .what = "cut_off with std::sort below it",
     .needs = kNeedsOpenMp},
    {.name = "tbb",
     .run = kTbbTasks,
     .what = "tbb::parallel_invoke down to 4,096 keys, with work stealing",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar(
    {.name = "parallel/quicksort_tasks",
     .axis = Axis::kCores,
     .technique = "tasks long enough to be worth making: a cut-off",
     .sizes = {4096, 1 << 16, 250'000, 4 << 20},
     .headline = {1 << 16, 250'000},
     .sweeps_threads = true,
     .demand = [](const Setting& s) { return SortKeys::demand(s, std::size(kVariants)); },
     .test_sizes = {0, 1, 2, 3, 23, 24, 25, 26, 100, 1000, 4095, 4096, 4097, 4098, 20'000}},
    kVariants);

}  // namespace
}  // namespace headroom

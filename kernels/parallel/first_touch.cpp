// parallel/first_touch: fill an array of fresh memory, then add it up once, with one thread and
// with several.
//
// n bytes, in whole pages, of which none exists yet: each first touch of one is a fault, in which
// the system finds a page, zeroes it and enters it in the page table. Each word is written (a hash
// of its place and the call), then all are added up. Giving the pages back is not timed. Out: the
// sum, and the first word of each 4 KiB, read back after the call. Exact.
//
// Who touches a page first decides two things: which core pays for the fault, and, on a machine
// with several memories (NUMA), in which of them the page lies for good. An array that one thread
// fills lies in one memory, however many threads use it later. A machine with one memory shows only
// the first of the two.
//
// Links: openmp tbb
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "core/kernel.h"
#include "support/openmp.h"
#include "support/pages.h"
#include "support/tbb_arena.h"
#if HEADROOM_HAVE_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#endif

namespace headroom {
namespace {

constexpr std::size_t kWordsInPage = kSmallPage / sizeof(std::uint64_t);

std::size_t page_count(std::size_t n) {
  return std::max<std::size_t>(1, (n + kSmallPage - 1) / kSmallPage);
}

struct FirstTouchByThreads {
  struct Call {
    std::size_t pages;
    std::uint64_t seed;  // of the words
  };
  struct Input {
    std::size_t pages = 0;
    std::uint64_t seed = 0;
    Call at(std::size_t turn) const { return {pages, seed + turn}; }
  };
  struct Output {
    std::uint64_t sum = 0;
    std::vector<std::uint64_t> firsts;
    void poison() {
      sum = 0xa5a5;
      headroom::poison(firsts);
    }
    bool spoil(Spoil how) {
      return how == Spoil::kFirst ? headroom::spoil(sum, how) : headroom::spoil(firsts, how);
    }
  };

  static std::uint64_t word(const Call& call, std::size_t i) {
    return (call.seed + i) * 0x9e3779b97f4a7c15;
  }
  static Input make(const Setting& setting, Rng& rng) { return {page_count(setting.n), rng()}; }
  static absl::Status same(const Call& call, const Output& want, const Output& got) {
    for (std::size_t page = 0; page < call.pages; ++page)
      if (want.firsts.at(page) != word(call, page * kWordsInPage))
        return exact(word(call, page * kWordsInPage), want.firsts[page]);
    if (absl::Status status = exact(want.firsts, got.firsts); !status.ok()) return status;
    return exact(want.sum, got.sum);
  }
};
using Call = FirstTouchByThreads::Call;
using Output = FirstTouchByThreads::Output;

// Memory whose pages are given back before each call.
template <PageSize kSize>
struct Fresh {
  Fresh(const FirstTouchByThreads::Input& in, const Setting& setting)
      : memory(in.pages * kSmallPage, kSize), threads(setting.threads) {}
  void refill(const Call& next) {
    memory.discard();
    call = next;
  }
  void answer(Output& out) const {
    out.firsts.resize(call.pages);
    for (std::size_t page = 0; page < call.pages; ++page)
      out.firsts[page] = memory.words()[page * kWordsInPage];
  }
  std::size_t words() const { return call.pages * kWordsInPage; }
  void fill(Share part) {
    std::uint64_t* const to = memory.words();
    const Call own = call;  // or the compiler loads the seed again after each store
    for (std::size_t i = part.begin; i < part.end; ++i) to[i] = FirstTouchByThreads::word(own, i);
  }
  std::uint64_t sum(Share part) const {
    const std::uint64_t* const from = memory.words();
    std::uint64_t all = 0;
    for (std::size_t i = part.begin; i < part.end; ++i) all += from[i];
    return all;
  }
  Mapping memory;
  Call call = {};
  int threads;
};

// One thread fills and adds up; a fault for each 4 KiB.
template <PageSize kSize>
void one_thread(Fresh<kSize>& fresh, Output& out) {
  fresh.fill({0, fresh.words()});
  out.sum = fresh.sum({0, fresh.words()});
}

#if HEADROOM_HAVE_OPENMP
// The usual mistake: the work is shared out, but not the filling of the array.
template <PageSize kSize>
void one_fills(Fresh<kSize>& fresh, Output& out) {
  std::uint64_t sum = 0;
  fresh.fill({0, fresh.words()});
#pragma omp parallel num_threads(fresh.threads) reduction(+ : sum)
  sum += fresh.sum(own_part(fresh.words(), kHugePage / sizeof(std::uint64_t)));
  out.sum = sum;
}

// Each thread fills the part that it will work on: faults are taken by all cores, and every page
// lies in the memory of the core that uses it. In whole huge pages, so that none has two users.
template <PageSize kSize>
void each_fills(Fresh<kSize>& fresh, Output& out) {
  std::uint64_t sum = 0;
#pragma omp parallel num_threads(fresh.threads) reduction(+ : sum)
  {
    const Share part = own_part(fresh.words(), kHugePage / sizeof(std::uint64_t));
    fresh.fill(part);
    sum += fresh.sum(part);
  }
  out.sum = sum;
}
constexpr auto kOneFills = run<one_fills<PageSize::kSmall>>;
constexpr auto kEachFills = run<each_fills<PageSize::kSmall>>;
constexpr auto kEachFillsHuge = run<each_fills<PageSize::kHuge>>;
#else
constexpr auto kOneFills = kNotBuilt, kEachFills = kNotBuilt, kEachFillsHuge = kNotBuilt;
#endif

#if HEADROOM_HAVE_TBB
struct TbbFresh : Fresh<PageSize::kHuge> {
  TbbFresh(const FirstTouchByThreads::Input& in, const Setting& setting)
      : Fresh(in, setting), arena(TbbArena::of_all_works(setting.threads)) {}
  std::shared_ptr<TbbArena> arena;
};
// The static partitioner gives the same parts to the same threads in both loops.
void tbb_fills(TbbFresh& fresh, Output& out) {
  using Range = tbb::blocked_range<std::size_t>;
  std::atomic<std::uint64_t> sum{0};
  fresh.arena->run([&] {
    const Range pages(0, fresh.call.pages);
    const auto words = [](const Range& part) {
      return Share{part.begin() * kWordsInPage, part.end() * kWordsInPage};
    };
    tbb::parallel_for(
        pages, [&](const Range& part) { fresh.fill(words(part)); }, tbb::static_partitioner());
    tbb::parallel_for(
        pages, [&](const Range& part) { sum += fresh.sum(words(part)); },
        tbb::static_partitioner());
  });
  out.sum = sum;
}
constexpr auto kTbbFills = run<tbb_fills>;
#else
constexpr auto kTbbFills = kNotBuilt;
#endif

constexpr Need kNeedsTbb[] = {kTbb};

constexpr Variant<FirstTouchByThreads> kVariants[] = {
    {.name = "naive",
     .run = run<one_thread<PageSize::kSmall>>,
     .what = "one thread fills and adds up: a fault for each 4 KiB",
     .single_thread = true},
    {.name = "huge",
     .run = run<one_thread<PageSize::kHuge>>,
     .what = "one thread, a fault for each 2 MiB: the best of one core",
     .single_thread = true},
    {.name = "one_fills",
     .run = kOneFills,
     .what = "one thread fills, all add up: all faults on one core, all pages in its memory",
     .needs = kNeedsOpenMp},
    {.name = "each_fills",
     .run = kEachFills,
     .what = "each thread fills what it will use: faults on all cores, pages in their own memories",
     .needs = kNeedsOpenMp},
    {.name = "each_fills_huge",
     .run = kEachFillsHuge,
     .what = "the same in huge pages: few faults, on all cores",
     .needs = kNeedsOpenMp},
    {.name = "tbb",
     .run = kTbbFills,
     .what = "two tbb::parallel_for with the static partitioner, huge pages",
     .role = Role::kPeer,
     .needs = kNeedsTbb},
};

const Registrar kRegistrar({.name = "parallel/first_touch",
                            .axis = Axis::kMemoryLatency,
                            .technique = "memory is first touched by the thread that will use it",
                            .sizes = {4 << 20, 16 << 20, 64 << 20, 256 << 20},
                            .headline = {4 << 20, 16 << 20},
                            .sweeps_threads = true,
                            .warm = Warm::kNone,
                            .demand =
                                [](const Setting& s) {
                                  const std::size_t pages = page_count(s.n);
                                  const auto bytes = static_cast<double>(pages * kSmallPage);
                                  return Demand{.items = bytes / 8,
                                                .bytes = 2 * bytes,
                                                .working_set = pages * kSmallPage,
                                                .memory = std::size(kVariants) *
                                                          std::max(pages * kSmallPage + kHugePage,
                                                                   std::size_t{64} << 20)};
                                },
                            .test_sizes = {0, 1, 4096, 4097, 100'000, 3 << 20, (6 << 20) + 4096}},
                           kVariants);

}  // namespace
}  // namespace headroom

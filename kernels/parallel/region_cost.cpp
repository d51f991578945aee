// parallel/region_cost: 64 small steps, each of which needs all of the step before.
//
// A step smooths a ring of n floats: each becomes the mean of its two neighbours. Out: the ring
// after kSteps steps. Every variant adds the same two numbers, and the factor is a power of two:
// exact.
//
// Opening and joining a parallel region takes on the order of a microsecond where its threads are
// awake, as machine/openmp_region measures it. A step over a thousand numbers takes a tenth of
// that: split, it is slower. One region for all steps leaves a barrier a step; parts that overlap
// leave none.
//
// Links: openmp
#include <algorithm>
#include <atomic>
#include <vector>

#include "core/kernel.h"
#include "support/openmp.h"
#include "support/team.h"

namespace headroom {
namespace {

constexpr std::size_t kSteps = 64;
static_assert(kSteps % 2 == 0);

struct RegionCost {
  using Input = Buffer<float>;
  using Output = Buffer<float>;

  static Input make(const Setting& setting, Rng& rng) {
    Input ring(setting.n);
    FastRng fast(rng());
    for (float& x : ring) x = static_cast<float>(fast() >> 40) * 0x1p-24f + 0.5f;
    return ring;
  }
  static void size(const Input& ring, Output& out) { out = Output(ring.size()); }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// Numbers [begin, end) of a ring of n after a step, in a loop that the compiler vectorizes.
void smooth(const float* from, std::size_t n, std::size_t begin, std::size_t end, float* to) {
  if (begin == end) return;
  if (begin == 0) to[0] = (from[n - 1] + from[1 % n]) * 0.5f;
  if (end == n) to[n - 1] = (from[n == 1 ? 0 : n - 2] + from[0]) * 0.5f;
  for (std::size_t i = std::max<std::size_t>(begin, 1); i < std::min(end, n - 1); ++i)
    to[i] = (from[i - 1] + from[i + 1]) * 0.5f;
}

// A second ring: steps go from one to the other and back.
struct Second {
  Second(const RegionCost::Input& in, const Setting& setting)
      : ring(in.size()), threads(setting.threads) {}
  Buffer<float> ring;
  int threads;
  const float* from(std::size_t step, const Buffer<float>& in, const Buffer<float>& out) const {
    return step == 0 ? in.data() : step % 2 == 0 ? out.data() : ring.data();
  }
  float* to(std::size_t step, Buffer<float>& out) {
    return step % 2 == 0 ? ring.data() : out.data();
  }
};

void naive(Second& second, const RegionCost::Input& in, Buffer<float>& out) {
  const std::size_t n = in.size();
  for (std::size_t step = 0; step < kSteps; ++step)
    smooth(second.from(step, in, out), n, 0, n, second.to(step, out));
}

// All steps of a block while it is in L1, block after block: the best of one core, and the code
// that threads run side by side below. A block needs kSteps more numbers at either end, which its
// neighbours make too.
constexpr std::size_t kBlock = 3072;
void smooth_block(const Buffer<float>& in, std::size_t begin, std::size_t end, float* to) {
  const std::size_t n = in.size(), count = end - begin, wide = count + 2 * kSteps;
  float one[kBlock + 2 * kSteps], other[kBlock + 2 * kSteps];
  std::size_t at = (begin + n - kSteps % n) % n;
  for (std::size_t i = 0; i < wide;) {  // the ring, from kSteps numbers before `begin` on
    const std::size_t run = std::min(n - at, wide - i);
    std::copy_n(in.data() + at, run, one + i);
    i += run;
    at = 0;
  }
  float *from = one, *next = other;
  for (std::size_t step = 0; step < kSteps; ++step) {
    for (std::size_t i = step + 1; i + step + 1 < wide; ++i)
      next[i] = (from[i - 1] + from[i + 1]) * 0.5f;
    std::swap(from, next);
  }
  std::copy_n(from + kSteps, count, to + begin);
}
void smooth_blocks(const Buffer<float>& in, Share part, float* to) {
  for (std::size_t begin = part.begin; begin < part.end; begin += kBlock)
    smooth_block(in, begin, std::min(begin + kBlock, part.end), to);
}
void blocks(const RegionCost::Input& in, Buffer<float>& out) {
  smooth_blocks(in, {0, in.size()}, out.data());
}

#if HEADROOM_HAVE_OPENMP
// A region for each step.
void regions(Second& second, const RegionCost::Input& in, Buffer<float>& out) {
  const std::size_t n = in.size();
  for (std::size_t step = 0; step < kSteps; ++step) {
    const float* const from = second.from(step, in, out);
    float* const to = second.to(step, out);
#pragma omp parallel num_threads(second.threads)
    {
      const Share part = own_part(n, 16);
      smooth(from, n, part.begin, part.end, to);
    }
  }
}

// Only where a step is long enough to be worth a region: some 16 KiB for each thread.
void if_clause(Second& second, const RegionCost::Input& in, Buffer<float>& out) {
  const std::size_t n = in.size(), worth = 4096 * static_cast<std::size_t>(second.threads);
  for (std::size_t step = 0; step < kSteps; ++step) {
    const float* const from = second.from(step, in, out);
    float* const to = second.to(step, out);
#pragma omp parallel num_threads(second.threads) if (n >= worth)
    {
      const Share part = own_part(n, 16);
      smooth(from, n, part.begin, part.end, to);
    }
  }
}

// One region: the threads meet at a barrier a step, but are opened and joined once.
void one_region(Second& second, const RegionCost::Input& in, Buffer<float>& out) {
  const std::size_t n = in.size();
#pragma omp parallel num_threads(second.threads)
  {
    const Share part = own_part(n, 16);
    for (std::size_t step = 0; step < kSteps; ++step) {
      smooth(second.from(step, in, out), n, part.begin, part.end, second.to(step, out));
#pragma omp barrier
    }
  }
}

// Parts that overlap by kSteps numbers at either end: nobody needs to wait for anybody.
void no_barrier(const Setting& setting, const RegionCost::Input& in, Buffer<float>& out) {
#pragma omp parallel num_threads(setting.threads)
  smooth_blocks(in, own_part(in.size(), 16), out.data());
}
constexpr auto kRegions = run<regions>;
constexpr auto kIfClause = run<if_clause>;
constexpr auto kOneRegion = run<one_region>;
constexpr auto kNoBarrier = run<no_barrier>;
#else
constexpr auto kRegions = kNotBuilt, kIfClause = kNotBuilt, kOneRegion = kNotBuilt,
               kNoBarrier = kNotBuilt;
#endif

// No OpenMP: each thread waits only for its two neighbours, by counters of the steps they have
// made.
struct Neighbours {
  Neighbours(const RegionCost::Input& in, const Setting& setting)
      : second(in, setting),
        team(setting.threads),
        made(static_cast<std::size_t>(setting.threads)) {}
  struct alignas(kApart) Made {
    std::atomic<std::size_t> steps{0};
  };
  // Of the threads of the team those that have some of n numbers, in units of 16.
  int busy(std::size_t n) const {
    return std::clamp(static_cast<int>(std::min<std::size_t>(n / 16, 1 << 20)), 1, team.count());
  }
  // Spins: as many threads as cores, each pinned to its own.
  void wait_for(int thread, int count, std::size_t steps) {
    const std::atomic<std::size_t>& other =
        made[static_cast<std::size_t>((thread + count) % count)].steps;
    for (int spins = 0; other.load(std::memory_order_acquire) < steps; ++spins) {
      spin_pause();
      if (spins > 2000) std::this_thread::yield();
    }
  }
  Second second;
  Team team;
  std::vector<Made> made;
};
// A thread may write a step's numbers when its neighbours have read those of two steps before,
// which they have when they have made the step in between: the same counter.
void neighbours_only(Neighbours& state, const RegionCost::Input& in, Buffer<float>& out) {
  const std::size_t n = in.size();
  for (Neighbours::Made& made : state.made) made.steps.store(0, std::memory_order_relaxed);
  const int count = state.busy(n);
  state.team.run([&](int thread) {
    if (thread >= count) return;
    const Share part = share(n, 16, thread, count);
    for (std::size_t step = 0; step < kSteps; ++step) {
      state.wait_for(thread - 1, count, step);
      state.wait_for(thread + 1, count, step);
      smooth(state.second.from(step, in, out), n, part.begin, part.end, state.second.to(step, out));
      state.made[static_cast<std::size_t>(thread)].steps.store(step + 1, std::memory_order_release);
    }
  });
}

constexpr Variant<RegionCost> kVariants[] = {
    {.name = "naive",
     .run = run<naive>,
     .what = "one thread, step by step; the compiler vectorizes",
     .single_thread = true},
    {.name = "blocks",
     .run = run<blocks>,
     .what = "one thread, all steps of a block while it is in L1: the best of one core",
     .single_thread = true},
    {.name = "regions",
     .run = kRegions,
     .what = "a parallel region a step: its threads are woken and joined 64 times",
     .needs = kNeedsOpenMp},
    {.name = "if_clause",
     .run = kIfClause,
     .what = "a region only where a step is worth one: small rings stay on one thread",
     .needs = kNeedsOpenMp},
    {.name = "one_region",
     .run = kOneRegion,
     .what = "one region for all steps, a barrier a step",
     .needs = kNeedsOpenMp},
    {.name = "neighbours_only",
     .run = run<neighbours_only>,
     .what = "threads that stand ready; each waits for its two neighbours, not for all"},
    {.name = "no_barrier",
     .run = kNoBarrier,
     .what = "one region, parts that overlap by 64 numbers: nobody waits, a little is made twice",
     .needs = kNeedsOpenMp},
};

const Registrar kRegistrar(
    {.name = "parallel/region_cost",
     .axis = Axis::kCores,
     .technique = "few regions, few barriers: what threads cost against what they do",
     .sizes = {1024, 8192, 65536, 1 << 20},
     .headline = {1024, 65536},
     .sweeps_threads = true,
     .demand =
         [](const Setting& s) {
           const double n = static_cast<double>(s.n);
           return Demand{.items = kSteps * n,
                         .flops = 2 * kSteps * n,
                         .working_set = 8 * s.n,
                         .memory = 4 * s.n * (1 + 2 * std::size(kVariants))};
         },
     .test_sizes = {0,  1,  2,  3,   4,   7,   8,   15,   16,   17,   31,   32,  33,
                    63, 64, 65, 127, 128, 129, 130, 1000, 3071, 3072, 3073, 6200}},
    kVariants);

}  // namespace
}  // namespace headroom

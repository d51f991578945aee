// machine/clock: cycles a second of the core, by a chain of adds.
//
// Every add needs the result of the one before, and an add of two registers takes one cycle on
// every core that we know, so adds a second are cycles a second. (An add of a constant will not do:
// recent cores fold those at renaming, several a cycle.) Out: the sum, which tells whether all were
// made. The quantity clock_over_tsc is cycles a tick of the time-stamp counter, which ticks at a
// fixed rate.
#include <algorithm>

#include "core/kernel.h"

namespace headroom {
namespace {

// The time-stamp counter (x86) or the generic timer (Arm); 0 where there is neither.
std::uint64_t ticks() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
  std::uint64_t count;
  asm volatile("mrs %0, cntvct_el0" : "=r"(count));
  return count;
#else
  return 0;
#endif
}

struct Clock {
  struct Input {
    std::uint64_t start = 0;
    std::uint64_t step = 0;
    std::size_t adds = 0;
  };
  struct Output {
    std::uint64_t sum = 0;
    double cycles_per_tick = 0;  // of the fastest call
    void poison() { sum = ~sum; }
    Quantities quantities() const {
      if (cycles_per_tick == 0) return {};
      return {{"clock_over_tsc", {cycles_per_tick, "ratio"}}};
    }
  };

  static Input make(const Setting& setting, Rng& rng) { return {rng(), rng(), setting.n}; }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    const std::uint64_t truth = in.start + in.adds * in.step;
    if (absl::Status status = exact(truth, want.sum); !status.ok()) return status;
    return exact(want.sum, got.sum);
  }
};

void probe(const Clock::Input& in, Clock::Output& out) {
  constexpr std::size_t kUnrolled = 64;
  std::uint64_t sum = in.start;
  const std::uint64_t step = opaque(in.step);
  const std::uint64_t begin = ticks();
  std::size_t left = in.adds;
  // Each add is opaque, or the compiler would multiply. The loop's own two instructions run beside.
  for (; left >= kUnrolled; left -= kUnrolled) {
#pragma GCC unroll 64
    for (std::size_t i = 0; i < kUnrolled; ++i) sum = opaque(sum + step);
  }
  for (; left != 0; --left) sum = opaque(sum + step);
  const std::uint64_t end = ticks();
  out.sum = sum;
  if (end > begin)
    out.cycles_per_tick = std::max(out.cycles_per_tick,
                                   static_cast<double>(in.adds) / static_cast<double>(end - begin));
}

constexpr Variant<Clock> kVariants[] = {
    {.name = "probe", .run = run<probe>, .what = "a chain of adds, each a cycle after the last"},
};

const Registrar kRegistrar(
    {.name = "machine/clock",
     .axis = Axis::kScalar,
     .technique = "the core's clock: what a dependent chain of one-cycle operations can't beat",
     .sizes = {1 << 16},
     .headline = {1 << 16},
     .unit = "Hz",
     .demand = [](const Setting& s) { return Demand{.items = static_cast<double>(s.n)}; },
     .test_sizes = {1, 2, 63, 64, 65, 1000}},
    kVariants);

}  // namespace
}  // namespace headroom

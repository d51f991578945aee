// machine/clock_read: what it costs to ask for the time.
//
// n reads a call. The monotonic clock is read in user space (vDSO) where the host's clock source
// allows it, the thread's CPU time always in the kernel: rule 5 of the measuring rules rests on the
// difference. Out: how many reads were not earlier than the one before; all of them.
#include <time.h>

#include "core/kernel.h"

namespace headroom {
namespace {

struct ClockRead {
  static constexpr auto kInputs = inputs("monotonic", "thread_cpu");
  struct Input {
    clockid_t clock = CLOCK_MONOTONIC;
    std::size_t reads = 0;
  };
  using Output = std::size_t;

  static Input make(const Setting& setting, Rng&) {
    return {setting.input == kInputs["thread_cpu"] ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC,
            setting.n};
  }
  static absl::Status same(const Input& in, const Output& want, const Output& got) {
    if (want != in.reads) return exact(in.reads, want);
    return exact(want, got);
  }
};

void probe(const ClockRead::Input& in, std::size_t& out) {
  std::size_t forward = 0;
  std::int64_t before = 0;
  for (std::size_t i = 0; i < in.reads; ++i) {
    timespec now;
    clock_gettime(in.clock, &now);
    const std::int64_t ns = std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
    forward += ns >= before;
    before = ns;
  }
  out = forward;
}

constexpr Variant<ClockRead> kVariants[] = {
    {.name = "probe", .run = run<probe>, .what = "clock_gettime(2)"},
};

const Registrar kRegistrar(
    {.name = "machine/clock_read",
     .axis = Axis::kSyscall,
     .technique = "the cost of asking for the time",
     .sizes = {128},
     .headline = {128},
     .clock = Clock::kWall,
     .unit = "ns",
     .demand = [](const Setting& s) { return Demand{.items = static_cast<double>(s.n)}; },
     .test_sizes = {1, 2, 33}},
    kVariants);

}  // namespace
}  // namespace headroom

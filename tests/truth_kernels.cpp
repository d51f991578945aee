// Kernels of headroom-bench-faulty that take a known time, for the test that all of the way from a
// call to a record tells it. Two things know it, and neither is the measuring program: a chain of
// dependent multiplications timed on its own (or how long a wait was to be), and each call's own
// reading of the processor's time stamp counter (or of the clock).
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "core/kernel.h"

namespace headroom::truth {
namespace {

std::int64_t now_ns(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

// The processor's own clock, which doesn't stop and runs at one rate.
std::uint64_t ticks() {
#if defined(__x86_64__)
  std::uint32_t low, high;
  asm volatile("lfence\n\trdtsc\n\tlfence" : "=a"(low), "=d"(high) : : "memory");
  return std::uint64_t{high} << 32 | low;
#elif defined(__aarch64__)
  std::uint64_t value;
  asm volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(value) : : "memory");
  return value;
#else
  return static_cast<std::uint64_t>(now_ns(CLOCK_MONOTONIC));
#endif
}

// Nanoseconds a tick, from a stretch of 20 ms: reading both takes less than a thousandth of it.
double ns_per_tick() {
  static const double only = [] {
    const std::uint64_t ticks0 = ticks();
    const std::int64_t ns0 = now_ns(CLOCK_MONOTONIC);
    while (now_ns(CLOCK_MONOTONIC) - ns0 < 20'000'000) {
    }
    const std::uint64_t ticks1 = ticks();
    return static_cast<double>(now_ns(CLOCK_MONOTONIC) - ns0) /
           static_cast<double>(ticks1 - ticks0);
  }();
  return only;
}

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// `steps` multiplications, each of which needs the one before: their latency, however wide the
// core.
std::uint64_t chain(std::size_t steps) {
  std::uint64_t x = 3;
  const std::uint64_t factor = 0x9e3779b97f4a7c15;
  for (std::size_t i = 0; i < steps; ++i) {
    x *= factor;
    asm volatile("" : "+r"(x));
  }
  return x;
}

// Nanoseconds a step, from chains of 100,000 on this thread's CPU time.
double ns_per_step() {
  constexpr std::size_t kLong = 100'000;
  std::vector<double> times;
  for (int i = 0; i < 31; ++i) {
    const std::int64_t start = now_ns(CLOCK_THREAD_CPUTIME_ID);
    chain(kLong);
    times.push_back(static_cast<double>(now_ns(CLOCK_THREAD_CPUTIME_ID) - start) / kLong);
  }
  return median(times);
}

// Until `ns` from now: asleep but for the last 2 ms, since a sleeper is woken late where the
// machine is busy. So the CPU time is far from the wall's.
void wait_for(std::int64_t ns) {
  const std::int64_t start = now_ns(CLOCK_MONOTONIC), until = start + ns - 2'000'000;
  const timespec when = {static_cast<time_t>(until / 1'000'000'000),
                         static_cast<long>(until % 1'000'000'000)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr) != 0) {
  }
  while (now_ns(CLOCK_MONOTONIC) < start + ns) {
  }
}

// The answer is the size: what counts is how long it took.
struct Timed {
  struct Input {
    std::size_t n;
  };
  using Output = std::uint64_t;
  static Input make(const Setting& setting, Rng&) { return {setting.n}; }
  static absl::Status same(const Input&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};

// n / kPart steps a call, or as many microseconds' waiting. Three quantities say what a call takes:
// "known", from outside of the calls; "own", the median of what the calls themselves read; and
// "own_mean", their mean since it was told last, which bursts of a neighbour make longer as they do
// any other mean of the same calls.
template <bool kWaits, std::size_t kPart>
class TimedArm final : public ArmOf<Timed> {
 public:
  using ArmOf<Timed>::ArmOf;
  void run(std::size_t calls) override {
    repeat(calls, [&](const Input& in) {
      const std::uint64_t start = ticks();
      if constexpr (kWaits)
        wait_for(static_cast<std::int64_t>(in.n / kPart) * 1000);
      else
        chain(in.n / kPart);
      own_.push_back(static_cast<double>(ticks() - start));
      output_ = in.n;
    });
  }
  void refill(std::size_t calls) override { own_.reserve(own_.size() + calls); }
  Quantities quantities() const override {
    const double size = static_cast<double>(input_.n / kPart);
    return {{"known", {kWaits ? 1000 * size : size * ns_per_step(), "ns"}},
            {"own", {median(own_) * ns_per_tick(), "ns"}},
            {"own_mean", {mean_since_told() * ns_per_tick(), "ns"}}};
  }

 private:
  double mean_since_told() const {
    const auto first = own_.begin() + static_cast<std::ptrdiff_t>(told_);
    const double count = static_cast<double>(own_.size() - told_);
    told_ = own_.size();
    return count == 0 ? 0 : std::accumulate(first, own_.end(), 0.0) / count;
  }
  std::vector<double> own_;
  mutable std::size_t told_ = 0;
};

template <bool kWaits, std::size_t kPart>
struct Takes {
  template <class P>
  static consteval Shape shape() {
    return Shape::kPure;
  }
  template <class P>
  static std::unique_ptr<Arm> make(const InputOf<P>& input, const Setting& setting) {
    return std::make_unique<TimedArm<kWaits, kPart>>(input, setting);
  }
};

template <bool kWaits>
constexpr Variant<Timed> kTable[] = {
    {.name = "naive", .run = Takes<kWaits, 1>{}, .what = "takes what its size says"},
    {.name = "half", .run = Takes<kWaits, 2>{}, .what = "takes half of it"},
};

Metadata metadata(const char* name, std::vector<std::size_t> sizes, Clock clock) {
  return {.name = name,
          .axis = Axis::kScalar,
          .technique = "none: for tests",
          .sizes = sizes,
          .headline = sizes,
          .clock = clock,
          .demand = [](const Setting& s) {
            return Demand{.items = static_cast<double>(s.n), .working_set = 64, .memory = 64};
          }};
}

// Epochs of some 20 calls and of two or three; waits of 8 ms and 16 ms, one call an epoch.
const Registrar kChain(metadata("truth/chain", {16'384, 131'072}, Clock::kAuto), kTable<false>);
const Registrar kWait(metadata("truth/wait", {8'000, 16'000}, Clock::kWall), kTable<true>);

}  // namespace
}  // namespace headroom::truth

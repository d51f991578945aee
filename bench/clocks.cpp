#include "bench/clocks.h"

#include <time.h>

#include <algorithm>
#include <vector>

namespace headroom {
namespace {

template <clockid_t kClock>
std::int64_t read_ns() {
  timespec t;
  clock_gettime(kClock, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

constinit Clocks clocks = {read_ns<CLOCK_MONOTONIC>, read_ns<CLOCK_THREAD_CPUTIME_ID>};

// What to call is in registers before the first reading, so that nothing but the readings and the
// calls lies between the first and the last.
EpochTime time_epoch(Arm& arm, std::size_t calls, Reported reported) {
  const Clocks read = clocks;
  std::int64_t wall0, wall1, cpu0, cpu1;
  if (reported == Reported::kCpu) {
    wall0 = read.wall();
    cpu0 = read.cpu();
    arm.run(calls);
    cpu1 = read.cpu();
    wall1 = read.wall();
  } else {
    cpu0 = read.cpu();
    wall0 = read.wall();
    arm.run(calls);
    wall1 = read.wall();
    cpu1 = read.cpu();
  }
  return {static_cast<double>(wall1 - wall0), static_cast<double>(cpu1 - cpu0)};
}

EpochTime empty_epoch(Arm& arm, Reported reported) {
  std::vector<double> wall, cpu;
  for (int i = 0; i < 101; ++i) {
    arm.refill(0);
    const EpochTime t = time_epoch(arm, 0, reported);
    wall.push_back(t.wall);
    cpu.push_back(t.cpu);
  }
  return {median(wall), median(cpu)};
}

}  // namespace headroom

#include "bench/clocks.h"

#include <algorithm>
#include <vector>

namespace headroom {
namespace {

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

EpochTime time_epoch(Arm& arm, std::size_t calls, Reported reported) {
  std::int64_t wall0, wall1, cpu0, cpu1;
  if (reported == Reported::kCpu) {
    wall0 = wall_ns();
    cpu0 = thread_cpu_ns();
    arm.run(calls);
    cpu1 = thread_cpu_ns();
    wall1 = wall_ns();
  } else {
    cpu0 = thread_cpu_ns();
    wall0 = wall_ns();
    arm.run(calls);
    wall1 = wall_ns();
    cpu1 = thread_cpu_ns();
  }
  return {static_cast<double>(wall1 - wall0), static_cast<double>(cpu1 - cpu0)};
}

EpochTime empty_epoch(Arm& arm, Reported reported) {
  std::vector<double> wall, cpu;
  for (int i = 0; i < 101; ++i) {
    const EpochTime t = time_epoch(arm, 0, reported);
    wall.push_back(t.wall);
    cpu.push_back(t.cpu);
  }
  return {median(wall), median(cpu)};
}

}  // namespace headroom

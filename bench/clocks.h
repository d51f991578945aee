// The two clocks of an epoch.
#pragma once

#include <time.h>

#include <cstdint>

#include "core/arm.h"

namespace headroom {

// Nanoseconds of the monotonic clock: tens of ns a read.
inline std::int64_t wall_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

// Nanoseconds of CPU time of this thread: a system call, about half a microsecond.
inline std::int64_t thread_cpu_ns() {
  timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

enum class Reported { kCpu, kWall };

// Nanoseconds of one epoch by both clocks.
struct EpochTime {
  double wall = 0;
  double cpu = 0;
  double of(Reported clock) const { return clock == Reported::kCpu ? cpu : wall; }
};

// Times `calls` calls of `arm`, which must have been refilled. The reported clock is read
// innermost, so that the cost of the other one's reads does not fall into it.
EpochTime time_epoch(Arm& arm, std::size_t calls, Reported reported);

// What time_epoch gives for no calls: the median of many; to be subtracted.
EpochTime empty_epoch(Arm& arm, Reported reported);

}  // namespace headroom

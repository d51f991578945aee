// The two clocks of an epoch.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/arm.h"

namespace headroom {

// How the two clocks are read. Everything in bench/ reads them here, so that a test can put in
// clocks of its own.
struct Clocks {
  std::int64_t (*wall)();  // nanoseconds of the monotonic clock: tens of ns a read
  std::int64_t (*cpu)();   // of CPU time of this thread: a system call, about half a microsecond
};
extern Clocks clocks;

inline std::int64_t wall_ns() { return clocks.wall(); }

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

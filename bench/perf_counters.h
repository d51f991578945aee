// Counters by Linux's perf_event_open(2), without a library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/counters.h"

namespace headroom {

// A name of kCounterNames, and what the kernel is to count under it (perf_event_attr's type and
// config).
struct PerfEvent {
  std::string_view name;
  std::uint32_t type = 0;
  std::uint64_t config = 0;
};

// The hardware events of kCounterNames. Which misses cache_misses are is the kernel's choice: of
// the last level on Intel, of L2 on AMD's Zen.
CountersOpened open_perf_counters();

// The same for any events; the tests take software events, which every Linux has.
CountersOpened open_perf_events(const std::vector<PerfEvent>& events);

// Why perf_event_open failed with `error`, and the cure. paranoid: perf_event_paranoid, or -100
// where the kernel has no such setting. virtual_machine: whether a hypervisor is seen.
CountersOpened why_no_counters(int error, int paranoid, bool virtual_machine);

}  // namespace headroom

// Hardware counters around an epoch: cycles, instructions, misses. Epochs are counted in rounds of
// their own, after the timed ones: a group of counters that threads inherit makes starting a thread
// half as dear again (16 us against 24), and each context switch a tenth, so that counting in the
// timed rounds would change what they measure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/arm.h"

namespace headroom {

// In order of importance: where the hardware can't count all at once, the last ones go.
inline constexpr std::array<std::string_view, 5> kCounterNames = {
    "cycles", "instructions", "branch_misses", "cache_misses", "l1d_misses"};

// What the counters of one thread (and of the threads that it started since) stand at. They start
// and stop together; `running` < `enabled` (both ns) where they had to share the hardware.
struct CounterReading {
  std::vector<std::uint64_t> values;  // as CounterSource::names()
  std::uint64_t enabled = 0;
  std::uint64_t running = 0;
};

class CounterSource {
 public:
  virtual ~CounterSource() = default;
  // A part of kCounterNames, in its order; not empty.
  virtual const std::vector<std::string_view>& names() const = 0;
  // One reading for each thread that is watched, always the same ones in the same order. Throws
  // std::runtime_error where a counter can't be read.
  virtual std::vector<CounterReading> read() = 0;
};

// An open source, or none: why, and what to do about it.
struct CountersOpened {
  std::unique_ptr<CounterSource> source = nullptr;
  std::string why = {};
  std::string cure = {};
};

// Counts the user-space part of every thread of this process, those still to be started included.
CountersOpened open_counters();

// Replaces what open_counters() opens (tests only); null for this system's own.
using CounterFactory = std::function<CountersOpened()>;
void set_counter_factory(CounterFactory factory);

// What happened between two readings of one source, summed over its threads. Where the counters
// shared the hardware, what ran is scaled to the whole; all NaN where too little ran to scale.
std::vector<double> counted(const std::vector<CounterReading>& before,
                            const std::vector<CounterReading>& after);

// What `calls` calls of `arm`, which must have been refilled, count; of no calls: what counting
// itself costs.
std::vector<double> count_epoch(CounterSource& source, Arm& arm, std::size_t calls);
std::vector<double> count_empty_epoch(CounterSource& source, Arm& arm);

// By name the median over epochs of what a call counts, the empty epoch's share subtracted, never
// below 0. A counter that no epoch has is left out.
std::map<std::string, double> counts_per_call(const std::vector<std::string_view>& names,
                                              const std::vector<std::vector<double>>& epochs,
                                              const std::vector<double>& empty, std::size_t calls);

}  // namespace headroom

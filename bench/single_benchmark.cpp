#include "bench/single_benchmark.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/clocks.h"
#include "bench/ladder_session.h"
#include "bench/sentinel.h"
#include "bench/slot.h"
#include "core/agreement.h"

namespace headroom {
namespace {

struct Single {
  Ladder ladder;
  Rung rung;
  Setting setting() const {
    Setting own = ladder.setting(1);
    own.threads = rung.threads;
    return own;
  }
};

// The arm that ran last: Google Benchmark calls the function again with more iterations.
struct CurrentArm {
  const Single* single = nullptr;
  std::unique_ptr<Arm> arm;
  std::size_t calls = 1;  // per epoch
  Reported clock = Reported::kCpu;
  EpochTime empty;
  std::optional<Sentinel> sentinel;  // where it may speak of what the arm takes
};

// Whether the sentinel may speak of it: as of a ladder's rounds, only of one thread that doesn't
// wait. What happens to other cores it doesn't see.
bool judged_by_sentinel(const Single& single) {
  const NoiseClass noise = noise_class(single.ladder.kernel->meta.axis);
  return single.rung.threads == 1 && (noise == NoiseClass::kCpu || noise == NoiseClass::kDram);
}

CurrentArm& current() {
  static CurrentArm only;
  return only;
}

// Makes the arm and checks it: a wrong variant is not timed here either.
CurrentArm& arm_of(const Single& single) {
  CurrentArm& c = current();
  if (c.single == &single) return c;
  c = {};
  const Kernel& kernel = *single.ladder.kernel;
  const Instance& instance = bound_instance(kernel, single.setting());
  if (judged_by_sentinel(single)) c.sentinel.emplace();  // on the heap before what is timed
  c.arm = instance.arm(single.rung.variant, single.rung.threads);
  const std::size_t reference = single.ladder.groups.front().front().variant;
  if (reference != single.rung.variant) {
    const std::unique_ptr<Arm> baseline = instance.arm(reference, single.rung.threads);
    if (const absl::Status status = check_turn(*c.arm, *baseline, 0); !status.ok())
      throw std::runtime_error(std::string(
          disagreement(kernel, single.rung.variant, single.setting(), status).message()));
  }
  double ns = 0;
  while (ns < kEpochNs / 2 && c.calls < (std::size_t{1} << 24)) {
    c.arm->refill(c.calls);
    ns = std::max(1.0, time_epoch(*c.arm, c.calls, Reported::kWall).wall);
    if (kernel.variants[single.rung.variant].shape == Shape::kMutating && c.calls >= 64) break;
    if (ns < kEpochNs / 2)
      c.calls = std::max(c.calls + 1, static_cast<std::size_t>(static_cast<double>(c.calls) *
                                                               std::min(16.0, kEpochNs / ns)));
  }
  c.clock = usual_clock(kernel, single.ladder.threads > 1);
  if (kernel.meta.clock != Clock::kCpu && ns < kShortEpochNs) c.clock = Reported::kWall;
  c.empty = empty_epoch(*c.arm, c.clock);
  c.single = &single;
  return c;
}

void run_single(benchmark::State& state, const Single& single) {
  CurrentArm* c = nullptr;
  try {
    c = &arm_of(single);
  } catch (const std::exception& error) {
    current() = {};
    state.SkipWithError(error.what());
    return;
  }
  const auto calls = static_cast<benchmark::IterationCount>(c->calls);
  std::vector<double> epochs;
  if (c->sentinel) {
    c->sentinel.emplace();
    c->sentinel->between_rounds({});
  }
  while (state.KeepRunningBatch(calls)) {
    c->arm->refill(c->calls);
    const EpochTime time = time_epoch(*c->arm, c->calls, c->clock);
    epochs.push_back(time.of(c->clock) - c->empty.of(c->clock));
    state.SetIterationTime(std::max(time.wall - c->empty.wall, 1.0) * 1e-9);
    if (c->sentinel) c->sentinel->between_rounds({});
  }
  // By the clock and the statistic of the ladders: a mean goes by the calls that were disturbed.
  const auto middle = epochs.begin() + static_cast<std::ptrdiff_t>(epochs.size() / 2);
  std::nth_element(epochs.begin(), middle, epochs.end());
  state.counters["median_ns"] = std::max(*middle, 1.0) / static_cast<double>(c->calls);
  if (c->sentinel) state.counters["sentinel_ns"] = c->sentinel->middle();
  const Demand demand = single.ladder.kernel->meta.demand(single.setting());
  const double iterations = static_cast<double>(state.iterations());
  state.SetItemsProcessed(static_cast<std::int64_t>(iterations * demand.items));
  if (demand.bytes > 0)
    state.SetBytesProcessed(static_cast<std::int64_t>(iterations * demand.bytes));
  for (const auto& [name, quantity] : c->arm->quantities()) state.counters[name] = quantity.value;
}

}  // namespace

void register_single_benchmarks() {
  static std::deque<Single> all;  // a deque: benchmarks keep references to its elements
  std::set<std::string> names;
  for (const Kernel& kernel : kernels()) {
    for (const Ladder& ladder : ladders(kernel)) {
      for (const std::vector<Rung>& group : ladder.groups) {
        for (const Rung& rung : group) {
          Single one{ladder, rung};
          const std::string name =
              cell_name(kernel, kernel.variants[rung.variant].name, one.setting());
          // A one-thread variant stands in the ladders of every thread count, but runs alone once.
          if (!names.insert(name).second) continue;
          const Single& single = all.emplace_back(std::move(one));
          benchmark::RegisterBenchmark(name.c_str(), [&single](benchmark::State& state) {
            run_single(state, single);
          })->UseManualTime();
        }
      }
    }
  }
}

}  // namespace headroom

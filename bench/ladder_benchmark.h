// Ladders as Google Benchmark benchmarks: one iteration is one round, every arm once, adjacent in
// time, in a balanced order.
#pragma once

#include <string>

#include "bench/conditions.h"
#include "bench/ladder_session.h"
#include "bench/plan.h"
#include "nlohmann/json_fwd.hpp"

namespace headroom {

// Registers a benchmark "ladder/<cell>[/group:<g>]" for every ladder of one kernel's plan. In a
// pilot, and without a plan, the missing calls and rounds are chosen when the benchmark runs.
// Throws std::runtime_error where the plan does not fit this build or this machine.
void register_ladders(const Plan& plan, const LaunchOptions& options);

// What the registered ladders measured so far: the "ladders" array of a launch's file.
const nlohmann::ordered_json& ladder_results();
// The plan with everything the pilot chose.
Plan completed_plan();
// True if a variant disagreed or its output changed during timing.
bool any_mismatch();
// What else went on from the first round of the first ladder to the last one of the last.
const Conditions& launch_conditions();
// The sentinel's readings between the rounds so far, and what was run again or waited for because
// of them: Sentinel::to_json() with "rounds_again" and "waited_s".
nlohmann::ordered_json sentinel_told();
// Why nothing was counted by the hardware, and the cure: {"why", "cure"}; null where it was.
nlohmann::ordered_json counters_missing();

// As if no ladder had been registered and none had run (tests only).
void forget_ladders();

}  // namespace headroom

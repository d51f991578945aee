// The plan of a kernel's launches, and what a launch writes. README.md describes both files.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/clocks.h"
#include "bench/ladder.h"
#include "nlohmann/json_fwd.hpp"

namespace headroom {

inline constexpr int kFileVersion = 2;

struct ArmPlan {
  std::string variant;  // of the kernel, or "ceiling"
  int threads = 1;
  std::size_t calls = 0;   // per epoch; 0 before the pilot
  bool long_call = false;  // takes so long that no warm call comes before
  std::size_t settle = 0;  // warm calls that it takes to be as fast as alone; 0: the usual ones do
  std::string probe = {};  // of a ceiling: the probe's variant that was the fastest in the pilot
};

// One group of one ladder. In the pilot's request `group` is -1 (all groups) and there are no arms.
// The pilot names those that it could run: a variant that failed is not among them.
struct LadderPlan {
  std::size_t n = 0;
  std::string input;
  int threads = 1;
  Params params = {};
  int group = -1;
  std::size_t rounds = 0;
  double estimate_s = 0;  // what a launch of it takes, set-up included
  Reported clock = Reported::kCpu;
  std::vector<ArmPlan> arms;
};

struct Plan {
  std::string kernel;
  double budget_s = 0.1;  // seconds a ladder a launch
  std::size_t rounds_min = 5;
  std::size_t rounds_max = 100;
  std::size_t rounds_fixed = 0;  // not 0: exactly so many
  std::uint64_t seed = 1;
  double deadline_s = 0;   // rounds past it are skipped; 0: none
  double sentinel_ns = 0;  // what an iteration of the sentinel's takes at its best; 0: not known
  std::vector<LadderPlan> ladders;
};

// Reads a plan. Throws std::runtime_error naming the file and the field.
Plan read_plan(const std::string& file);
nlohmann::ordered_json to_json(const Plan& plan);
// {"clients": 16}
nlohmann::ordered_json to_json(const Params& params);

// Writes text to `file` by way of a temporary name, so that the file is whole or absent. It isn't
// synced: the caller reads it at once, and keeps a copy of what it needs.
void write_whole(const std::string& file, const std::string& text);

}  // namespace headroom

// Ladders: which variants run side by side at which coordinates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/kernel.h"

namespace headroom {

// One arm of a ladder: a variant and the threads it uses there.
struct Rung {
  std::size_t variant = 0;  // index into the kernel's table
  int threads = 1;
};

// All variants of one (kernel, n, input, threads, params). More than four stateful ones run as
// groups, each with the baseline first: built side by side they would share the cache among too
// many. Where arms hold states, or go over more than a megabyte, peers are in groups of their own:
// what ours run beside is the same with and without them. Where they wait for a disk instead
// (Metadata::one_group) they stay together, and the baseline, the slowest by far, runs once a
// round.
struct Ladder {
  const Kernel* kernel = nullptr;
  std::size_t n = 0;
  std::string input;
  int threads = 1;
  Params params = {};
  bool headline = false;  // a headline size with the default input (a probe: any input)
  std::vector<std::vector<Rung>> groups;  // empty where blocked
  std::string blocked;                    // why it can't run here, or empty

  Setting setting(std::uint64_t seed) const { return {n, input, seed, threads, params}; }
};

// The thread counts of a sweep here: 1, 2, 4 ... and all cores; {1, 2} on one core, where 2 is
// blocked and says so.
std::vector<int> thread_counts();

// All ladders of a kernel, by size, input, threads, params.
std::vector<Ladder> ladders(const Kernel& kernel);

// "group/kernel/variant/n:1024[/input:random][/threads:2][/clients:16]"; an empty variant leaves
// its part out.
std::string cell_name(const Kernel& kernel, std::string_view variant, const Setting& setting);

}  // namespace headroom

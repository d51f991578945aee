// The check that comes before any timing: every variant against the baseline, whole outputs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "core/kernel.h"

namespace headroom {

// Poisons the output, makes the one call that sees `turn`, and settles its output. Returns the
// nanoseconds of the call alone.
double run_turn(Arm& arm, std::size_t turn);

// Runs `arm` and `baseline` at `turn`, both with poisoned outputs, and compares them.
absl::Status check_turn(Arm& arm, Arm& baseline, std::size_t turn);

// Runs both for an epoch of `calls` calls from `turn` on, and compares the result of each call that
// has left one.
absl::Status check_epoch(Arm& arm, Arm& baseline, std::size_t turn, std::size_t calls);

// Compares the results of the calls before the last one, of two epochs that ended at one turn and
// are settled. No further one once `most_ns` are over.
absl::Status check_earlier(Arm& arm, Arm& baseline, double most_ns);

// Checks every variant of the table that can run at this setting against the first one that can:
// over `turns` turns, in each an epoch of one call; where there are several, also one epoch of one
// call more, since what is right in the first call after a refill may be wrong in the next. (Not of
// those that serve requests: one call of theirs is a schedule of many.) The error names variant,
// size, input, threads, params and seed.
absl::Status check_agreement(const Kernel& kernel, const Setting& setting, std::size_t turns);

// The same for an input made of these bytes, in one turn. InvalidArgument where the kernel's
// problem has no from().
absl::Status check_agreement(const Kernel& kernel, std::span<const std::uint8_t> bytes);

// The error of one disagreement, with its coordinates.
absl::Status disagreement(const Kernel& kernel, std::size_t variant, const Setting& setting,
                          const absl::Status& why);

}  // namespace headroom

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

// Checks every variant of the table that can run at this setting against the first one that can,
// over `turns` turns. The error names variant, size, input, threads, params and seed.
absl::Status check_agreement(const Kernel& kernel, const Setting& setting, std::size_t turns);

// The same for an input made of these bytes, in one turn. InvalidArgument where the kernel's
// problem has no from().
absl::Status check_agreement(const Kernel& kernel, std::span<const std::uint8_t> bytes);

// The error of one disagreement, with its coordinates.
absl::Status disagreement(const Kernel& kernel, std::size_t variant, const Setting& setting,
                          const absl::Status& why);

}  // namespace headroom

#include "core/agreement.h"

#include <chrono>
#include <limits>
#include <string>

namespace headroom {

double run_turn(Arm& arm, std::size_t turn) {
  using Clock = std::chrono::steady_clock;
  arm.set_turn(turn);
  arm.refill(1);
  arm.poison();
  const Clock::time_point start = Clock::now();
  arm.run(1);
  const Clock::time_point end = Clock::now();
  arm.settle();
  return std::chrono::duration<double, std::nano>(end - start).count();
}

absl::Status check_turn(Arm& arm, Arm& baseline, std::size_t turn) {
  run_turn(baseline, turn);
  run_turn(arm, turn);
  return arm.agrees_with(baseline);
}

absl::Status check_earlier(Arm& arm, Arm& baseline, double most_ns) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  for (std::size_t back = 1; back < arm.results(); ++back) {
    if (std::chrono::duration<double, std::nano>(Clock::now() - start).count() > most_ns) break;
    // Where all calls see the same, the baseline's last result is right for each of them.
    if (arm.rotates()) {
      if (back >= baseline.results()) break;
      baseline.settle_earlier(back);
    }
    arm.settle_earlier(back);
    if (absl::Status status = arm.agrees_with(baseline); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status check_epoch(Arm& arm, Arm& baseline, std::size_t turn, std::size_t calls) {
  for (Arm* each : {&baseline, &arm}) {
    each->set_turn(turn);
    each->refill(calls);
    each->poison();
    each->run(calls);
    each->settle();
  }
  if (absl::Status status = arm.agrees_with(baseline); !status.ok()) return status;
  return check_earlier(arm, baseline, std::numeric_limits<double>::infinity());
}

absl::Status disagreement(const Kernel& kernel, std::size_t variant, const Setting& setting,
                          const absl::Status& why) {
  std::string where = " n:" + std::to_string(setting.n) +
                      " input:" + std::string(setting.input.text()) +
                      " threads:" + std::to_string(setting.threads);
  for (const auto& [name, value] : setting.params.entries())
    where += " " + name + ":" + std::to_string(value);
  return absl::FailedPreconditionError(
      kernel.meta.name + ": variant " + std::string(kernel.variants[variant].name) +
      " disagrees with the baseline at" + where + " seed:" + std::to_string(setting.seed) + ": " +
      std::string(why.message()));
}

namespace {

// `fail(variant, why)` names the coordinates of the first disagreement.
template <class Fail>
absl::Status check_instance(const Kernel& kernel, const Instance& instance, std::size_t n,
                            int threads, std::size_t turns, Fail fail) {
  std::unique_ptr<Arm> baseline;
  for (std::size_t i = 0; i < kernel.variants.size(); ++i) {
    const VariantInfo& v = kernel.variants[i];
    if (n > v.max_n || !v.available()) continue;
    std::unique_ptr<Arm> arm = instance.arm(i, v.single_thread ? 1 : threads);
    if (baseline == nullptr) {
      baseline = std::move(arm);
      continue;
    }
    for (std::size_t turn = 0; turn < turns; ++turn) {
      if (absl::Status status = check_turn(*arm, *baseline, turn); !status.ok())
        return fail(i, status);
    }
    if (turns < 2 || v.shape == Shape::kServed) continue;
    if (absl::Status status = check_epoch(*arm, *baseline, 0, turns + 1); !status.ok())
      return fail(i, status);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status check_agreement(const Kernel& kernel, const Setting& setting, std::size_t turns) {
  const std::unique_ptr<Instance> instance = kernel.bind(setting);
  return check_instance(kernel, *instance, setting.n, setting.threads, turns,
                        [&](std::size_t variant, const absl::Status& why) {
                          return disagreement(kernel, variant, setting, why);
                        });
}

absl::Status check_agreement(const Kernel& kernel, std::span<const std::uint8_t> bytes) {
  if (!kernel.bind_bytes)
    return absl::InvalidArgumentError(kernel.meta.name + ": takes no bytes as an input");
  const std::unique_ptr<Instance> instance = kernel.bind_bytes(bytes);
  return check_instance(
      kernel, *instance, bytes.size(), 1, 1, [&](std::size_t variant, const absl::Status& why) {
        return absl::FailedPreconditionError(
            kernel.meta.name + ": variant " + std::string(kernel.variants[variant].name) +
            " disagrees with the baseline on these " + std::to_string(bytes.size()) +
            " bytes: " + std::string(why.message()));
      });
}

}  // namespace headroom

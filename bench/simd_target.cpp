#include "bench/simd_target.h"

#include <cstdint>
#include <stdexcept>

// As support/simd.h has it, so that the same targets count as built.
#define HWY_WANT_AVX3_DL 1
#include "hwy/targets.h"

namespace headroom {
namespace {

// Highway numbers targets so that a lower bit is a better target.
std::vector<std::int64_t> usable() {
  std::vector<std::int64_t> all;
  std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS;
  while (left != 0) {
    all.push_back(left & -left);
    left &= left - 1;
  }
  return all;
}

}  // namespace

std::vector<std::string> simd_targets() {
  std::vector<std::string> names;
  for (std::int64_t target : usable()) names.push_back(hwy::TargetName(target));
  return names;
}

std::string chosen_simd_target() {
  const std::vector<std::string> names = simd_targets();
  return names.empty() ? "none" : names.front();
}

void limit_simd_target(const std::string& name) {
  std::string choices;
  for (std::int64_t target : usable()) {
    if (name == hwy::TargetName(target)) {
      hwy::DisableTargets(target - 1);
      return;
    }
    choices += (choices.empty() ? "" : ", ") + std::string(hwy::TargetName(target));
  }
  throw std::runtime_error("no SIMD target " + name + " here; choose one of " + choices);
}

}  // namespace headroom

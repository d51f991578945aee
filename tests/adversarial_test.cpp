// Every kernel that takes bytes, on the inputs of adversarial.h.
#include "adversarial.h"

#include <set>
#include <string>
#include <vector>

#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"
#include "subset.h"

namespace headroom {
namespace {

std::vector<std::int64_t> host_targets() {
  std::vector<std::int64_t> targets;
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1)
    targets.push_back(left & -left);
  return targets;
}

void check(const Kernel& kernel, std::int64_t target, const std::string& what,
           std::span<const std::uint8_t> bytes) {
  hwy::DisableTargets(target - 1);
  // Or a variant that fetches a function once and calls it often chooses the target each time: that
  // asks the processor, which takes long in a virtual machine.
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  const absl::Status status = check_agreement(kernel, bytes);
  hwy::DisableTargets(0);
  INFO(what << ", " << hwy::TargetName(target));
  INFO(std::string(status.message()));
  REQUIRE(status.ok());
}

TEST_CASE("variants agree on what random data misses: short inputs, each on one SIMD target") {
  const std::vector<std::int64_t> targets = host_targets();
  for (const Kernel& kernel : kernels()) {
    if (!kernel.bind_bytes) continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      std::size_t turn = 0;
      const auto use = [&](const std::string& what, std::span<const std::uint8_t> bytes) {
        check(kernel, targets[turn++ % targets.size()], what, bytes);
      };
      adversarial::short_inputs<std::uint8_t>(use);
      adversarial::short_inputs<std::uint32_t>(use);
      adversarial::short_inputs<std::uint64_t>(use);
    }
  }
}

TEST_CASE("variants agree on what random data misses: long inputs, on every SIMD target") {
  for (const Kernel& kernel : kernels()) {
    if (!kernel.bind_bytes) continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      for (const std::int64_t target : host_targets()) {
        const auto use = [&](const std::string& what, std::span<const std::uint8_t> bytes) {
          check(kernel, target, what, bytes);
        };
        adversarial::long_inputs<std::uint8_t>(use);
        adversarial::long_inputs<std::uint32_t>(use);
        adversarial::long_inputs<std::uint64_t>(use);
      }
    }
  }
}

// What the inputs are for.
TEST_CASE("a search that goes wrong at one distance of its matches is found out") {
  std::set<std::size_t> distances;
  adversarial::long_inputs<std::uint8_t>(
      [&](const std::string&, std::span<const std::uint8_t> bytes) {
        std::size_t last = 0;
        for (std::size_t i = 1; i < bytes.size(); ++i) {
          if (bytes[i] != bytes[0]) continue;
          distances.insert(i - last);
          last = i;
        }
      });
  for (std::size_t distance = 1; distance <= 800; ++distance) CHECK(distances.count(distance) == 1);
  CHECK(*distances.rbegin() > l2_bytes());
  for (std::size_t from = l1_bytes() - 600; from + 16 < l1_bytes() + 590; from += 16) {
    const auto next = distances.lower_bound(from);
    CHECK((next != distances.end() && *next < from + 16));
  }
}

}  // namespace
}  // namespace headroom

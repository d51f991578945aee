// algorithm/set_intersection: sets in step, where a search's answer lies just where its steps end.
#define HWY_WANT_AVX3_DL 1
#include "catch.h"
#include "core/agreement.h"
#include "hwy/targets.h"

namespace headroom {
namespace {

TEST_CASE("set_intersection: every number against every k-th, for k up to 64") {
  const Kernel* kernel = find_kernel("algorithm/set_intersection");
  REQUIRE(kernel != nullptr);
  for (std::int64_t left = hwy::SupportedTargets() & HWY_TARGETS; left != 0; left &= left - 1) {
    hwy::DisableTargets((left & -left) - 1);
    for (std::size_t n : {1,  2,  3,  7,  8,  9,  15, 16, 17,  31,  32,   33,   47,
                          48, 49, 63, 64, 65, 79, 80, 81, 100, 511, 1023, 1024, 4096}) {
      const absl::Status status = check_agreement(*kernel, {n, "regular", 1}, 64);
      INFO(std::string(status.message()));
      CHECK(status.ok());
    }
  }
  hwy::DisableTargets(0);
}

}  // namespace
}  // namespace headroom

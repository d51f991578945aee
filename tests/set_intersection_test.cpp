// algorithm/set_intersection: sets in step, where a search's answer lies just where its steps end.
#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

TEST_CASE("set_intersection: every number against every k-th, for k up to 64") {
  const Kernel* kernel = find_kernel("algorithm/set_intersection");
  REQUIRE(kernel != nullptr);
  for (std::size_t n : {63, 64, 65, 1023, 1024, 4096}) {
    const absl::Status status = check_agreement(*kernel, {n, "regular", 1}, 64);
    INFO(std::string(status.message()));
    CHECK(status.ok());
  }
}

}  // namespace
}  // namespace headroom

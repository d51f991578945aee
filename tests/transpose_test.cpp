// layout/transpose beyond agreement at small sizes: tiles of fewer rows, where the lines of a
// column share few of L2's places.
#include <cstdlib>
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

// With 1 MiB of L2, tiles are 32 rows high at 4096 and 16 at 8192. The latter takes gigabytes, and
// so waits for `make check-all`.
TEST_CASE("transpose: tiles of fewer rows agree") {
  const Kernel* const kernel = find_kernel("layout/transpose");
  REQUIRE(kernel != nullptr);
  std::vector<std::size_t> sides = {4096};
  if (std::getenv("HEADROOM_LONG") != nullptr) sides.push_back(8192);
  for (const std::size_t n : sides) {
    const absl::Status status = check_agreement(*kernel, {n, "default", 1}, 1);
    INFO(std::string(status.message()));
    CHECK(status.ok());
  }
}

}  // namespace
}  // namespace headroom

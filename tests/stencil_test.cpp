// layout/stencil beyond agreement at small sizes: time tiles wider than one strip.
#include <string>

#include "catch.h"
#include "core/agreement.h"
#include "subset.h"

namespace headroom {
namespace {

TEST_CASE("stencil: time tiles agree where a grid is more than a strip wide") {
  const Kernel* const kernel = built_kernel("layout/stencil");
  if (kernel == nullptr) return;
  for (const std::size_t n : {2050, 2067}) {
    const absl::Status status = check_agreement(*kernel, {n, "default", 1}, 1);
    INFO(std::string(status.message()));
    CHECK(status.ok());
  }
}

}  // namespace
}  // namespace headroom

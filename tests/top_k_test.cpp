// algorithm/top_k: inputs that a threshold guessed from a sample is bad at.
#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

TEST_CASE("top_k: nearly all numbers are zero, fewer than k are not") {
  const Kernel* kernel = find_kernel("algorithm/top_k");
  REQUIRE(kernel != nullptr);
  for (std::size_t n : {50, 100, 2047, 2049, 4097, 30000})
    for (std::uint64_t seed = 1; seed < 6; ++seed) {
      const absl::Status status = check_agreement(*kernel, {n, "zeros", seed}, 2);
      INFO(std::string(status.message()));
      CHECK(status.ok());
    }
}

}  // namespace
}  // namespace headroom

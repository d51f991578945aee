// computation/json_sum: members in any order, blanks anywhere, escapes and brackets in strings.
#include <cstdint>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

TEST_CASE("json_sum: any valid text gives the same answer") {
  const Kernel* kernel = find_kernel("computation/json_sum");
  REQUIRE(kernel != nullptr);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const absl::Status odd = check_agreement(*kernel, {99, "odd", seed}, 4);
    INFO(std::string(odd.message()));
    CHECK(odd.ok());
    // The bytes choose what is written.
    Rng rng(seed);
    std::vector<std::uint8_t> bytes(bounded(rng, 4000));
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(rng() >> 56);
    const absl::Status status = check_agreement(*kernel, bytes);
    INFO(std::string(status.message()));
    CHECK(status.ok());
  }
}

}  // namespace
}  // namespace headroom

// algorithm/primes: around the ends of segments, and of what the sieves do differently for larger
// n.
#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

TEST_CASE("primes: limits around segments of 32 KiB, of odd numbers and of thirties") {
  const Kernel* kernel = find_kernel("algorithm/primes");
  REQUIRE(kernel != nullptr);
  for (const std::size_t n :
       {524'286, 524'287, 524'288, 524'289, 983'038, 983'039, 983'040, 983'041, 983'070, 1'966'079,
        1'966'081, 2'000'003, 16'777'300, 31'457'281}) {
    // Beyond the naive variant's limit the first sieve is the reference.
    const absl::Status status = check_agreement(*kernel, {n}, 1);
    INFO(std::string(status.message()));
    CHECK(status.ok());
  }
}

}  // namespace
}  // namespace headroom

// computation/parse_integer: the grammar, line by line, against an independent reading of it.
#include <string>
#include <vector>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

// The kernel's own inputs hold every kind of line that is no number (empty, sign, blank, letter,
// one too many, too large, the characters next to the digits); many seeds and line counts reach
// each.
TEST_CASE("parse_integer: all variants reject what is no number") {
  const Kernel* kernel = find_kernel("computation/parse_integer");
  REQUIRE(kernel != nullptr);
  for (std::uint64_t seed = 10; seed < 14; ++seed) {
    std::vector<std::string> inputs = kernel->meta.inputs;
    inputs.insert(inputs.end(), {"odd", "short"});  // half of the lines odd; none above eight
    for (const std::string& input : inputs) {
      const absl::Status status = check_agreement(*kernel, {4096, input, seed}, 8);
      INFO(std::string(status.message()));
      CHECK(status.ok());
    }
  }
}

}  // namespace
}  // namespace headroom

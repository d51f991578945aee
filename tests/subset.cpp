#include "subset.h"

#include <string>

#include "catch.h"

namespace headroom {

const Kernel* built_kernel(std::string_view name) {
  const Kernel* const kernel = find_kernel(name);
  if (!HEADROOM_SUBSET) {
    INFO(std::string(name));
    REQUIRE(kernel != nullptr);
  }
  return kernel;
}

}  // namespace headroom

// Which of the kernels these tests were built with: all, or those of `make test SUBSET=`.
#pragma once

#include <string_view>

#include "core/kernel.h"

namespace headroom {

// The kernel of that name. Where it isn't built the test has failed, but for a subset of the
// kernels: then nullptr, and there is nothing to test.
const Kernel* built_kernel(std::string_view name);

}  // namespace headroom

// The catalogue as built, as JSON: kernels, variants, ladders, what is missing, and the build
// itself.
#pragma once

#include "nlohmann/json_fwd.hpp"

namespace headroom {

nlohmann::ordered_json catalogue();

}  // namespace headroom

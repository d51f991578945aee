// Which SIMD targets this program has for this host, and holding it down to one of them.
#pragma once

#include <string>
#include <vector>

namespace headroom {

// Names, best first: {"AVX3_DL", "AVX3", "AVX2", ...}.
std::vector<std::string> simd_targets();

// The target that dispatch takes now.
std::string chosen_simd_target();

// From now on nothing better than `name` is used. Throws std::runtime_error naming the choices
// where the host or the build lacks it.
void limit_simd_target(const std::string& name);

}  // namespace headroom

// What a variant of a kernel reports beside its answer, for tests of what it claims.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include "core/kernel.h"

namespace headroom {

// Runs one call of the variant; its quantities by name. Throws where there is no such variant.
inline Quantities reported(std::string_view kernel, std::string_view variant, std::size_t n,
                           InputName input = "default") {
  const Kernel* const found = find_kernel(kernel);
  if (found == nullptr) throw std::invalid_argument("no kernel " + std::string(kernel));
  Setting setting;
  setting.n = n, setting.input = input;
  const std::unique_ptr<Instance> instance = found->bind(setting);
  for (std::size_t i = 0; i < found->variants.size(); ++i) {
    if (found->variants[i].name != variant) continue;
    const std::unique_ptr<Arm> arm = instance->arm(i, 1);
    run_untimed(*arm, 1);
    arm->settle();
    return arm->quantities();
  }
  throw std::invalid_argument("no variant " + std::string(variant));
}

inline double reported(std::string_view kernel, std::string_view variant, std::size_t n,
                       InputName input, const std::string& quantity) {
  return reported(kernel, variant, n, input).at(quantity).value;
}

}  // namespace headroom

// Probes: what each variant leaves behind is the truth. The agreement check compares variants with
// the baseline, and many probes have no other variant; but `same` of those that can knows the truth
// from the input, so an arm held against itself is held against that.
#include <string>
#include <vector>

#include "catch.h"
#include "core/cpu.h"
#include "core/kernel.h"

namespace headroom {
namespace {

TEST_CASE("a probe's answer is the truth, also where there is no other variant") {
  for (const Kernel& kernel : kernels()) {
    if (kernel.meta.unit.empty()) continue;
    for (const std::string& input : kernel.meta.inputs) {
      for (std::size_t n : kernel.meta.test_sizes) {
        const auto instance = kernel.bind({n, input, 1});
        for (std::size_t v = 0; v < kernel.variants.size(); ++v) {
          if (!kernel.variants[v].available()) continue;
          INFO(kernel.meta.name << "/" << kernel.variants[v].name << " " << input << " n:" << n);
          set_threads(kernel.meta.sweeps_threads ? core_count() : 1);
          const auto arm = instance->arm(v);
          for (std::size_t calls : {1, 3}) {
            arm->refill(calls);
            arm->poison();
            arm->run(calls);
            arm->settle();
            const absl::Status status = arm->agrees_with(*arm);
            INFO(std::string(status.message()));
            CHECK(status.ok());
          }
        }
      }
    }
  }
  set_threads(1);
}

}  // namespace
}  // namespace headroom

// Probes do all the work that they are timed for. The agreement check compares variants with the
// baseline, and many probes have no other variant; but `same` of a probe knows the truth from the
// input, so an arm held against a twin, and against itself after several calls, is held against it.
#include <string>

#include "catch.h"
#include "core/agreement.h"
#include "core/cpu.h"

namespace headroom {
namespace {

absl::Status after_several_calls(Arm& arm) {
  arm.refill(3);
  arm.poison();
  arm.run(3);
  arm.settle();
  return arm.agrees_with(arm);
}

TEST_CASE("what each variant of a probe leaves behind is the truth") {
  for (const Kernel& kernel : kernels()) {
    if (kernel.meta.unit.empty()) continue;
    const int most = kernel.meta.sweeps_threads ? core_count() : 1;
    for (std::size_t n : kernel.meta.test_sizes) {
      for (const std::string& input : kernel.meta.inputs) {
        const std::unique_ptr<Instance> instance = kernel.bind({n, input, 1});
        for (std::size_t v = 0; v < kernel.variants.size(); ++v) {
          if (!kernel.variants[v].available()) continue;
          for (int count = 1; count <= most; ++count) {
            const std::unique_ptr<Arm> arm = instance->arm(v, count);
            const std::unique_ptr<Arm> twin = instance->arm(v, count);
            INFO(kernel.meta.name << "/" << kernel.variants[v].name << " n:" << n << " " << input);
            for (std::size_t turn : {0, 1, 1000}) {
              const absl::Status status = check_turn(*arm, *twin, turn);
              INFO(std::string(status.message()));
              CHECK(status.ok());
            }
            const absl::Status status = after_several_calls(*arm);
            INFO(std::string(status.message()));
            CHECK(status.ok());
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace headroom

// The probes of group machine/ at sizes of every kind: what each of their variants says it did is
// checked against the truth that its problem knows, also where there is but one variant.
#include <string>

#include "catch.h"
#include "core/agreement.h"
#include "core/cpu.h"

namespace headroom {
namespace {

TEST_CASE("probes do all the work that they are timed for") {
  for (const Kernel& kernel : kernels()) {
    if (kernel.meta.unit.empty()) continue;
    for (std::size_t n : kernel.meta.test_sizes) {
      for (const std::string& input : kernel.meta.inputs) {
        const Setting setting{n, input, 1};
        const std::unique_ptr<Instance> instance = kernel.bind(setting);
        for (int count = 1; count <= (kernel.meta.sweeps_threads ? core_count() : 1); ++count) {
          set_threads(count);
          for (std::size_t v = 0; v < kernel.variants.size(); ++v) {
            if (!kernel.variants[v].available()) continue;
            const std::unique_ptr<Arm> arm = instance->arm(v), twin = instance->arm(v);
            INFO(kernel.meta.name << "/" << kernel.variants[v].name << " n:" << n << " " << input);
            for (std::size_t turn : {0, 1, 1000}) {
              const absl::Status status = check_turn(*arm, *twin, turn);
              INFO(std::string(status.message()));
              CHECK(status.ok());
            }
          }
        }
      }
    }
  }
  set_threads(1);
}

}  // namespace
}  // namespace headroom

// network/transport: what its variants tell beside their times.
#include "catch.h"
#include "core/kernel.h"
#include "subset.h"

namespace headroom {
namespace {

TEST_CASE("each way of transport tells what both sides use of their cores") {
  const Kernel* const kernel = built_kernel("network/transport");
  if (kernel == nullptr) return;
  const auto instance = kernel->bind({.n = 32, .params = {{"message_bytes", 64}}});
  for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
    if (!kernel->variants[v].available()) continue;
    INFO(kernel->variants[v].name);
    const auto arm = instance->arm(v, 1);
    arm->refill(3);
    arm->run(3);
    const Quantities shares = arm->quantities();
    for (const char* const name : {"client_cpu_share", "server_cpu_share"}) {
      CHECK(shares.at(name).value > 0);
      CHECK(shares.at(name).value <= 1);
    }
  }
}

}  // namespace
}  // namespace headroom

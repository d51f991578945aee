// io/commit: a writer that is killed at any moment has kept what it acknowledged, by its promise.
#include <algorithm>
#include <chrono>

#include "catch.h"
#include "core/kernel.h"
#include "core/random.h"
#include "killed_writer.h"
#include "subset.h"

namespace headroom {
namespace {

TEST_CASE("what a killed writer had acknowledged is in its log") {
  const Kernel* const kernel = built_kernel("io/commit");
  if (kernel == nullptr) return;
  Rng rng(1);
  for (std::size_t v = 0; v < kernel->variants.size(); ++v) {
    const VariantInfo& variant = kernel->variants[v];
    if (!variant.available()) continue;
    INFO(variant.name);
    // Long enough that a kill hits it at work, and that a group of 64 is acknowledged before most.
    const std::size_t n = keeps(variant.promise, Promise::kDurable) ? 192 : 1 << 16;
    const auto instance = kernel->bind({.n = n, .input = kernel->meta.inputs.front()});
    const auto arm = instance->arm(v, 1);
    arm->refill(1);
    const auto start = std::chrono::steady_clock::now();
    arm->run(1);
    const auto whole =
        std::chrono::duration_cast<Microseconds>(std::chrono::steady_clock::now() - start);
    arm->settle();
    CHECK(arm->quantities().at("kept").value == static_cast<double>(n));
    // The one that promises nothing acknowledges before it has told the system.
    const bool promises_nothing = variant.promise_note == "survives no crash";
    std::size_t acknowledged = 0, lost = 0;
    // Some kills while it is at work, and more, ever later, while the disk has become so slow that
    // none found anything acknowledged.
    const int times = promises_nothing ? 300 : tries(4, 10);
    for (int kills = 0; kills < times || (acknowledged == 0 && kills < 100); ++kills) {
      const auto longer = static_cast<std::uint64_t>(promises_nothing ? 1 : 1 + kills / 5);
      const auto most = static_cast<std::uint64_t>(whole.count()) * longer + 1;
      const Left left =
          kill_a_writer(*arm, Microseconds(static_cast<std::int64_t>(bounded(rng, most))));
      acknowledged += left.acknowledged;
      lost += left.acknowledged - std::min(left.kept, left.acknowledged);
      if (promises_nothing && lost != 0) break;
    }
    CHECK(acknowledged > 0);
    CHECK((lost != 0) == promises_nothing);
  }
}

}  // namespace
}  // namespace headroom

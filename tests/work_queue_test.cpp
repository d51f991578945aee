// Work queues: what workers cost, and what too few of them do.
#include "catch.h"
#include "reported.h"

namespace headroom {
namespace {

double figure(std::string_view variant, const std::string& quantity) {
  return reported("scaling/work_queue", variant, 400'000, "default", quantity);
}

TEST_CASE("workers by what comes cost half of those for the peak") {
  CHECK(figure("naive", "workers") == Approx(20));
  CHECK(figure("fixed_for_peak", "workers") == Approx(45));
  for (const std::string_view variant : {"by_queue_length", "by_rate"}) {
    INFO(variant);
    CHECK(figure(variant, "workers") < 30);
    CHECK(figure(variant, "p99") < figure("naive", "p99") / 5);
    CHECK(figure(variant, "p99") > figure("fixed_for_peak", "p99"));
  }
  // Most jobs are served at once.
  CHECK(figure("by_rate", "p50") < figure("by_queue_length", "p50"));
}

}  // namespace
}  // namespace headroom

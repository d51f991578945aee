// Hedging: what a second try buys, and what it costs.
#include "catch.h"
#include "reported.h"

namespace headroom {
namespace {

double figure(std::string_view variant, const std::string& quantity) {
  return reported("scaling/hedging", variant, 300'000, "default", quantity);
}

TEST_CASE("a second try for the latest: a third of the p99 for a twentieth of the load") {
  const double none = figure("naive", "p99");
  CHECK(figure("naive", "extra_load") == 0);
  CHECK(figure("hedge_p95_drop", "p99") < none / 3);
  CHECK(figure("hedge_p95_drop", "extra_load") < 0.05);
  CHECK(figure("hedge_p95", "p99") < none / 2);
  CHECK(figure("hedge_p95", "extra_load") < 0.08);
  // To ask twice always is the dearest way, and not the best.
  CHECK(figure("twice", "extra_load") > 0.8);
  CHECK(figure("twice", "p99") > figure("hedge_p95_drop", "p99"));
  CHECK(figure("tied", "p99") < figure("hedge_p95_drop", "p99"));
  CHECK(figure("tied", "extra_load") < 0.05);
}

}  // namespace
}  // namespace headroom

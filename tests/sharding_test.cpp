// scaling/sharding: one shard against its closed form, and what its rules claim.
#include "catch.h"
#include "core/kernel.h"
#include "reported.h"
#include "subset.h"
#include "support/queueing.h"

namespace headroom {
namespace {

constexpr std::size_t kRequests = 100'000;

double figure(std::string_view variant, const char* input, const std::string& name) {
  return reported("scaling/sharding", variant, kRequests, input, name);
}

TEST_CASE("sharding: one shard serves what M/M/1 says, at a p99 of 20 service times") {
  if (built_kernel("scaling/sharding") == nullptr) return;
  // The utilisation at which the p99 is 20: -ln(0.01) / (1 - u) = 20.
  const double closed = 1 - mm1_percentile(0, 99) / 20;
  // Down to the grid's step of 2.2%, and what the p99 of so few requests is off by.
  CHECK(figure("naive", "zipf", "throughput") == Approx(closed).epsilon(0.06));
  CHECK(figure("naive", "uniform", "throughput") == Approx(closed).epsilon(0.06));
}

TEST_CASE("sharding: sixteen shards are worth what the fullest one leaves") {
  if (built_kernel("scaling/sharding") == nullptr) return;
  const double one = figure("naive", "zipf", "throughput");
  // Nobody can do more than sixteen shards, none of which is fuller than another.
  for (const char* variant : {"by_range", "by_load", "by_hash", "hot_split"}) {
    for (const char* input : {"zipf", "uniform"}) {
      INFO(variant << ", " << input);
      const double gained =
          figure(variant, input, "throughput") / figure("naive", input, "throughput");
      CHECK(gained <= 16 * 1.05);
      CHECK(gained == Approx(16 / figure(variant, input, "hottest")).epsilon(0.2));
      CHECK(figure(variant, input, "p99") <= 20);
    }
  }
  // The first of sixteen ranges has the keys that nearly three quarters of requests are for.
  CHECK(figure("by_range", "zipf", "throughput") / one < 2);
  CHECK(figure("by_hash", "zipf", "throughput") / one > 4);
  CHECK(figure("hot_split", "zipf", "throughput") > 1.2 * figure("by_load", "zipf", "throughput"));
  CHECK(figure("hot_split", "zipf", "hottest") < 1.25);
  // Copies are written too: one request in twenty, of a few keys.
  CHECK(figure("hot_split", "zipf", "written_to") > 1.01);
  CHECK(figure("hot_split", "zipf", "written_to") < 1.1);
  CHECK(figure("by_hash", "zipf", "written_to") == 1);
  CHECK(figure("by_range", "uniform", "hottest") < 1.1);
}

}  // namespace
}  // namespace headroom

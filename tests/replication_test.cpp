// Replication: figures against their closed forms, and what quorums promise.
#include "catch.h"
#include "reported.h"

namespace headroom {
namespace {

Quantities of(std::string_view variant) {
  return reported("scaling/replication", variant, 1'000'000);
}

TEST_CASE("reads of replicas are as quick and as stale as closed forms say") {
  for (const std::string_view variant : {"replicas_2", "replicas_4", "replicas_8"}) {
    INFO(variant);
    const Quantities found = of(variant);
    CHECK(found.at("p99").value == Approx(found.at("closed_form").value).epsilon(0.05));
    CHECK(found.at("stale").value == Approx(found.at("stale_closed_form").value).epsilon(0.1));
  }
}

TEST_CASE("one server and quorums never answer what is stale") {
  CHECK(of("naive").at("stale").value == 0);
  CHECK(of("quorum_3").at("stale").value == 0);
  CHECK(of("quorum_5").at("stale").value == 0);
}

TEST_CASE("replicas take reads away, but every one has all writes") {
  const double one = of("naive").at("p99").value, two = of("replicas_2").at("p99").value;
  const double four = of("replicas_4").at("p99").value, eight = of("replicas_8").at("p99").value;
  CHECK(two < one / 3);
  CHECK(four < two);
  CHECK(eight > four / 1.5);
  CHECK(of("quorum_3").at("p99").value > two);
}

}  // namespace
}  // namespace headroom

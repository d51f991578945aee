// Load balancers: three ways to the same choice, and what each rule is worth.
#include <map>

#include "catch.h"
#include "reported.h"
#include "scaling/balancers.h"

namespace headroom {
namespace {

constexpr std::string_view kKernel = "scaling/load_balancer";
constexpr std::size_t kRequests = 500'000;

double figure(std::string_view variant, InputName input, const std::string& quantity = "p99") {
  static std::map<std::pair<std::string, std::string>, Quantities> known;
  const std::pair<std::string, std::string> key{variant, input.text()};
  if (known.count(key) == 0) known[key] = reported(kKernel, variant, kRequests, input);
  return known[key].at(quantity).value;
}

TEST_CASE("the least loaded backend is the same however it is found") {
  const auto nothing = [](std::uint32_t) { return 0u; };
  for (const std::size_t backends : {1u, 2u, 63u, 64u, 65u, 100u, 129u, 200u}) {
    INFO(backends << " backends");
    ScanRule scan(backends, 1);
    PackedScanRule packed(backends, 1);
    LeastLoadedRule bitmaps(backends, 1);
    std::vector<std::uint32_t> at;
    std::vector<std::size_t> loads(backends, 0);
    Rng rng(backends);
    // Far beyond the loads that bitmaps tell apart, and down again.
    for (std::size_t turn = 0; turn < 300 * backends; ++turn) {
      const bool comes = at.empty() || bounded(rng, 3) != (turn < 200 * backends ? 0u : 2u);
      if (comes && turn < 200 * backends) {
        const std::uint32_t chosen = scan.choose(nothing);
        REQUIRE(packed.choose(nothing) == chosen);
        REQUIRE(bitmaps.choose(nothing) == chosen);
        REQUIRE(loads[chosen] == *std::min_element(loads.begin(), loads.end()));
        scan.more(chosen), packed.more(chosen), bitmaps.more(chosen);
        ++loads[chosen];
        at.push_back(chosen);
      } else if (!at.empty()) {
        const std::size_t which = bounded(rng, at.size());
        const std::uint32_t backend = at[which];
        scan.less(backend), packed.less(backend), bitmaps.less(backend);
        --loads[backend];
        at[which] = at.back();
        at.pop_back();
      }
    }
  }
}

TEST_CASE("of equal backends each has its turn") {
  const auto nothing = [](std::uint32_t) { return 0u; };
  LeastLoadedRule rule(100, 1);
  for (std::uint32_t turn = 0; turn < 250; ++turn) CHECK(rule.choose(nothing) == turn % 100);
}

TEST_CASE("Prequal's rules ask backends, and avoid those that have most") {
  PrequalRule rule(10, 1);
  // Backend 3 has nothing to do, the others much.
  const auto loads = [](std::uint32_t backend) { return backend == 3 ? 0u : 50u; };
  std::size_t quiet = 0;
  for (int turn = 0; turn < 2000; ++turn) quiet += rule.choose(loads) == 3 ? 1 : 0;
  // Two probes per request find it in a fifth of all requests; each is used once.
  CHECK(quiet > 300);
}

TEST_CASE("what rules are worth, simulated: fresh news") {
  // A hundred M/M/1: ln 100 / (1 - 0.9), which so few requests show within some percent.
  CHECK(figure("naive", "fresh", "closed_form") == Approx(46.05).epsilon(0.001));
  CHECK(figure("naive", "fresh") == Approx(46.05).epsilon(0.12));
  CHECK(figure("round_robin", "fresh") == Approx(23.9).epsilon(0.1));
  CHECK(figure("two_choices", "fresh") == Approx(9.0).epsilon(0.1));
  CHECK(figure("least_loaded", "fresh") == Approx(4.9).epsilon(0.05));
  CHECK(figure("prequal", "fresh") < figure("two_choices", "fresh"));
}

TEST_CASE("what rules are worth, simulated: old news sends all to the same backend") {
  CHECK(figure("least_loaded", "stale") > 3 * figure("naive", "stale"));
  CHECK(figure("two_choices", "stale") < figure("naive", "stale") / 1.5);
  // Who doesn't look is none the worse for it, nor who asks for himself.
  CHECK(figure("naive", "stale") == figure("naive", "fresh"));
  CHECK(figure("prequal", "stale") == figure("prequal", "fresh"));
}

TEST_CASE("what rules are worth, simulated: an even share is too much for a slow backend") {
  CHECK(figure("round_robin", "uneven") > 10 * figure("least_loaded", "uneven"));
  CHECK(figure("peak_ewma", "uneven") < figure("two_choices", "uneven"));
  // More than it can do: there is no steady state, and the figure says so.
  CHECK(figure("naive", "uneven", "validated") == 0);
  CHECK(figure("round_robin", "uneven", "validated") == 0);
  CHECK(figure("least_loaded", "uneven", "validated") == 1);
  CHECK(figure("naive", "fresh", "validated") == 1);
}

TEST_CASE("a run too short for a steady state says so") {
  CHECK(reported(kKernel, "naive", 20'000, "fresh", "validated") == 0);
}

}  // namespace
}  // namespace headroom

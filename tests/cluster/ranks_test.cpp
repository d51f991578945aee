// What several ranks do together: who is wrong is told, epochs that are called off, work that is
// not shared.
#include "support/ranks.h"

#include <mpi.h>

#include <memory>
#include <set>
#include <string>

#include "catch.h"
#include "core/agreement.h"

namespace headroom {
namespace {

int all_ranks() { return cluster::job()->ranks(); }

Setting of_all(const Kernel& kernel, std::size_t n) {
  return {n, kernel.meta.inputs.front(), 3, 1, Params({{cluster::kRanks, all_ranks()}})};
}

}  // namespace

namespace cluster {
void spoil_on(int rank);
}

namespace {

TEST_CASE("every kernel of the job checks answers on each rank that has one, and names the rank") {
  std::size_t kernels_seen = 0;
  for (const Kernel& kernel : kernels()) {
    if (!cluster::uses_ranks(kernel.meta)) continue;
    ++kernels_seen;
    DYNAMIC_SECTION(kernel.meta.name) {
      const auto instance = kernel.bind(of_all(kernel, kernel.meta.test_sizes.back()));
      const auto baseline = instance->arm(0, 1), arm = instance->arm(1, 1);
      std::set<int> named;
      for (int rank = 0; rank < all_ranks(); ++rank) {
        REQUIRE(check_turn(*arm, *baseline, 0).ok());
        cluster::spoil_on(rank);
        REQUIRE(arm->spoil(Spoil::kLast));
        const absl::Status status = arm->agrees_with(*baseline);
        REQUIRE_FALSE(status.ok());
        const std::string text(status.message());
        INFO(text);
        REQUIRE(text.rfind("rank ", 0) == 0);
        named.insert(std::stoi(text.substr(5)));
      }
      cluster::spoil_on(-1);
      CHECK(named.count(0) == 1);
      if (kernel.meta.name == "cluster/pingpong")
        CHECK(named == std::set<int>{0, all_ranks() - 1});
      else if (kernel.meta.name == "cluster/word_count")
        CHECK(named == std::set<int>{0});
      else
        CHECK(named.size() == static_cast<std::size_t>(all_ranks()));
    }
  }
  CHECK(kernels_seen > 0);
}

TEST_CASE("an output that was poisoned on all ranks agrees on none") {
  for (const Kernel& kernel : kernels()) {
    if (!cluster::uses_ranks(kernel.meta)) continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      const auto instance = kernel.bind(of_all(kernel, kernel.meta.test_sizes.back()));
      const auto baseline = instance->arm(0, 1), arm = instance->arm(1, 1);
      REQUIRE(check_turn(*arm, *baseline, 0).ok());
      arm->poison();
      CHECK_FALSE(arm->agrees_with(*baseline).ok());
    }
  }
}

TEST_CASE("an epoch that is called off costs nothing, and the next one is whole") {
  for (const Kernel& kernel : kernels()) {
    if (!cluster::uses_ranks(kernel.meta)) continue;
    DYNAMIC_SECTION(kernel.meta.name) {
      const auto instance = kernel.bind(of_all(kernel, kernel.meta.test_sizes.back()));
      const auto baseline = instance->arm(0, 1), arm = instance->arm(1, 1);
      arm->refill(3);  // and then others' epochs come in between
      CHECK(check_turn(*baseline, *baseline, 0).ok());
      arm->refill(2);
      arm->refill(0);
      arm->run(0);
      CHECK(check_epoch(*arm, *baseline, 0, 2).ok());
    }
  }
}

TEST_CASE("arms tell on how many hosts their ranks are") {
  for (const Kernel& kernel : kernels()) {
    if (!cluster::uses_ranks(kernel.meta)) continue;
    const auto instance = kernel.bind(of_all(kernel, kernel.meta.test_sizes.back()));
    const auto all = instance->arm(0, 1)->quantities();
    REQUIRE(all.count("hosts") == 1);
    CHECK(all.at("hosts").value == cluster::job()->hosts(all_ranks()));
  }
}

TEST_CASE("a setting with more ranks than the job has is refused, and the job goes on") {
  for (const Kernel& kernel : kernels()) {
    if (!cluster::uses_ranks(kernel.meta)) continue;
    Setting setting = of_all(kernel, kernel.meta.test_sizes.back());
    setting.params = Params({{cluster::kRanks, all_ranks() + 1}});
    CHECK_THROWS_AS(kernel.bind(setting), std::runtime_error);
  }
}

TEST_CASE("sample_sort: equal and skewed numbers are shared among the ranks") {
  const Kernel* const kernel = find_kernel("cluster/sample_sort");
  REQUIRE(kernel != nullptr);
  for (const char* input : {"random", "skewed", "equal", "ascending"}) {
    Setting setting = of_all(*kernel, 40000);
    setting.input = input;
    const auto instance = kernel->bind(setting);
    for (std::size_t variant = 1; variant < kernel->variants.size(); ++variant) {
      const auto baseline = instance->arm(0, 1), arm = instance->arm(variant, 1);
      INFO(input << " " << kernel->variants[variant].name);
      CHECK(check_turn(*arm, *baseline, 0).ok());
      // Without places in the splitters it would be as many as there are ranks, for equal ones.
      CHECK(arm->quantities().at("imbalance").value < 1.5);
      CHECK(arm->quantities().at("imbalance").value >= 1);
    }
  }
}

}  // namespace
}  // namespace headroom

// The order of a ladder's arms: chance, but balanced.
#include "bench/round_order.h"

#include <map>
#include <utility>
#include <vector>

#include "catch.h"

namespace headroom {
namespace {

std::vector<std::vector<std::size_t>> rounds_of(RoundOrder& order, std::size_t count) {
  std::vector<std::vector<std::size_t>> rounds;
  for (std::size_t i = 0; i < count; ++i) {
    const auto next = order.next();
    rounds.emplace_back(next.begin(), next.end());
  }
  return rounds;
}

TEST_CASE("each arm stands in each place, and follows each other arm, equally often") {
  for (std::size_t arms = 1; arms <= 12; ++arms) {
    INFO(arms << " arms");
    const std::size_t square = arms % 2 == 0 || arms == 1 ? arms : 2 * arms;
    RoundOrder order(arms, 7);
    for (int squares = 0; squares < 3; ++squares) {
      std::map<std::pair<std::size_t, std::size_t>, std::size_t> places, neighbours;
      for (const auto& round : rounds_of(order, square)) {
        REQUIRE(round.size() == arms);
        for (std::size_t i = 0; i < arms; ++i) {
          ++places[{i, round[i]}];
          if (i != 0) ++neighbours[{round[i - 1], round[i]}];
        }
      }
      CHECK(places.size() == arms * arms);
      for (const auto& [where, times] : places) CHECK(times == square / arms);
      CHECK(neighbours.size() == arms * (arms - 1));
      for (const auto& [who, times] : neighbours) {
        CHECK(who.first != who.second);
        CHECK(times == square / arms);
      }
    }
  }
}

TEST_CASE("the seed decides the order, and squares differ") {
  RoundOrder one(6, 1), again(6, 1), other(6, 2);
  const auto first = rounds_of(one, 6);
  CHECK(first == rounds_of(again, 6));
  CHECK(first != rounds_of(other, 6));
  CHECK(first != rounds_of(one, 6));
}

}  // namespace
}  // namespace headroom

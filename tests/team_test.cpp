// Teams of threads that stand ready (support/team.h).
#include "support/team.h"

#include <array>
#include <chrono>
#include <ctime>
#include <stdexcept>
#include <string>

#include "catch.h"

namespace headroom {
namespace {

using Wait = Team::Wait;

constexpr int kMembers = 4;

TEST_CASE("shares cover all items, once each, in whole units but for the last") {
  for (std::size_t count : {0, 1, 7, 64, 1000}) {
    for (int parts = 1; parts <= 5; ++parts) {
      INFO(count << " items, " << parts << " parts");
      std::size_t at = 0;
      for (int part = 0; part < parts; ++part) {
        const Share one = share(count, 8, part, parts);
        CHECK(one.begin == at);
        CHECK((part + 1 == parts || one.size() % 8 == 0));
        at = one.end;
      }
      CHECK(at == count);
    }
  }
}

TEST_CASE("every member of a team runs every body once") {
  const Wait wait = GENERATE(Wait::kAwake, Wait::kAsleep);
  const bool caller = GENERATE(true, false);
  Team team({.members = kMembers, .caller_is_one = caller, .wait = wait});
  REQUIRE(team.count() == kMembers);
  std::array<int, kMembers> runs{};
  std::array<std::thread::id, kMembers> who{};
  for (int turn = 1; turn <= 1000; ++turn) {
    team.run([&](int i) {
      const auto member = static_cast<std::size_t>(i);
      ++runs[member];
      who[member] = std::this_thread::get_id();
    });
    for (const int count : runs) REQUIRE(count == turn);
  }
  for (std::size_t i = 0; i < kMembers; ++i) {
    CHECK((who[i] == std::this_thread::get_id()) == (caller && i == 0));
    for (std::size_t j = 0; j < i; ++j) CHECK(who[i] != who[j]);
  }
}

TEST_CASE("a team of one is its caller, or a single thread") {
  const auto here = std::this_thread::get_id();
  std::thread::id who;
  Team({.members = 1}).run([&](int) { who = std::this_thread::get_id(); });
  CHECK(who == here);
  Team({.members = 1, .caller_is_one = false}).run([&](int) { who = std::this_thread::get_id(); });
  CHECK(who != here);
}

TEST_CASE("a team of so many threads counts its caller") {
  Team team(3);
  CHECK(team.count() == 3);
  std::atomic<int> others{0};
  const auto here = std::this_thread::get_id();
  team.run([&](int) { others += std::this_thread::get_id() != here; });
  CHECK(others == 2);
}

TEST_CASE("members are placed by number, the caller is not") {
  std::array<std::atomic<int>, kMembers> placed{};
  const auto place = [&](int i) { ++placed[static_cast<std::size_t>(i)]; };
  { const Team team({.members = kMembers, .place = place}); }
  for (std::size_t i = 0; i < kMembers; ++i) CHECK(placed[i] == (i == 0 ? 0 : 1));
  { const Team team({.members = kMembers, .caller_is_one = false, .place = place}); }
  for (std::size_t i = 0; i < kMembers; ++i) CHECK(placed[i] == (i == 0 ? 1 : 2));
}

TEST_CASE("what a member throws reaches the caller when all are done, and the team goes on") {
  const Wait wait = GENERATE(Wait::kAwake, Wait::kAsleep);
  Team team({.members = kMembers, .wait = wait});
  for (int thrower = 0; thrower < kMembers; ++thrower) {
    std::atomic<int> done{0};
    std::string message;
    try {
      team.run([&](int i) {
        if (i == thrower) throw std::runtime_error("member " + std::to_string(i));
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        ++done;
      });
    } catch (const std::runtime_error& error) {
      CHECK(done == kMembers - 1);
      message = error.what();
    }
    CHECK(message == "member " + std::to_string(thrower));
    done = 0;
    team.run([&](int) { ++done; });
    CHECK(done == kMembers);
  }
}

TEST_CASE("where all members throw, the caller gets one error") {
  Team team({.members = kMembers});
  CHECK_THROWS_AS(team.run([](int) { throw std::runtime_error("each"); }), std::runtime_error);
  CHECK_NOTHROW(team.run([](int) {}));
}

TEST_CASE("a team that has nothing to do sleeps") {
  const Wait wait = GENERATE(Wait::kAwake, Wait::kAsleep);
  Team team({.members = kMembers, .wait = wait});
  team.run([](int) {});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::clock_t before = std::clock();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  CHECK(std::clock() - before < CLOCKS_PER_SEC / 20);
}

}  // namespace
}  // namespace headroom

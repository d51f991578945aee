// The sentinel: that its loop does all of its work, and when it is read.
#include "bench/sentinel.h"

#include <algorithm>
#include <bit>
#include <set>
#include <vector>

#include "catch.h"
#include "nlohmann/json.hpp"

namespace headroom {
namespace {

// The loop in plain C++, written a second time; step number `without` of its 28 is left out.
constexpr int kSteps = 28, kAll = -1;

std::uint64_t plain_loop(std::uint64_t seed, std::uint64_t iterations, int without = kAll) {
  constexpr std::uint64_t add = 0x9e3779b97f4a7c15, mix = 0xd1b54a32d192ed03;
  constexpr int rotations[] = {5, 11, 17, 23, 31, 43};
  std::uint64_t chains[16];  // 6 rotated, 2 multiplied, 4 pairs
  for (std::uint64_t& x : chains) {
    std::uint64_t z = seed += add;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    x = z ^ (z >> 31);
  }
  for (; iterations != 0; --iterations) {
    int step = 0;
    const auto does = [&] { return step++ != without; };
    for (int i = 0; i < 6; ++i) {
      if (does()) chains[i] += add;
      if (does()) chains[i] ^= mix;
      if (does()) chains[i] = std::rotl(chains[i], rotations[i]);
    }
    for (int i = 6; i < 8; ++i)
      if (does()) chains[i] *= mix;
    for (int i = 8; i < 16; i += 2) {
      if (does()) chains[i] += add, chains[i + 1] += add;
      if (does()) chains[i] ^= mix, chains[i + 1] ^= mix;
    }
    REQUIRE(step == kSteps);
  }
  std::uint64_t all = 0;
  for (const std::uint64_t x : chains) all = (all ^ x) * 0xff51afd7ed558ccd + 1;
  return all;
}

TEST_CASE("the sentinel's loop is the same arithmetic on every processor") {
  for (const std::uint64_t seed : {0U, 1U, 12345U})
    for (const std::uint64_t iterations : {0U, 1U, 2U, 3U, 100U, 1001U}) {
      INFO(seed << ", " << iterations);
      CHECK(sentinel_loop(seed, iterations) == plain_loop(seed, iterations));
    }
  CHECK(sentinel_loop(1, 16384) == 10981982176481277514U);
}

TEST_CASE("each step of the sentinel's loop has a part in its result") {
  std::set<std::uint64_t> results;
  for (const std::uint64_t iterations : {1U, 50U}) {
    results.insert(sentinel_loop(7, iterations));
    for (int step = 0; step < kSteps; ++step) results.insert(plain_loop(7, iterations, step));
  }
  for (const std::uint64_t iterations : {49U, 51U}) results.insert(sentinel_loop(7, iterations));
  CHECK(results.size() == 2 * (1 + kSteps) + 2);
}

// A clock that goes on by `kTick` where it is read: what a reading takes, and what warming it does.
constexpr std::int64_t kTick = 20'000;
std::int64_t made_up_ns = 0;
std::int64_t made_up_clock() { return made_up_ns += kTick; }

// The readings before the first round and after each of the others.
std::vector<std::size_t> by_round(const Sentinel& sentinel, std::size_t rounds) {
  std::vector<std::size_t> found(rounds + 1);
  const nlohmann::ordered_json told = sentinel.to_json();
  for (const auto& round : told["round"]) ++found.at(round.get<std::size_t>());
  return found;
}

TEST_CASE("the sentinel is read between short rounds for 2% of the time") {
  made_up_ns = 0;
  Sentinel sentinel(made_up_clock);
  const std::int64_t began = made_up_ns;
  sentinel.between_rounds({0, 0});
  constexpr std::size_t kRounds = 1000, kFirstTicks = Sentinel::kFirst + 1;
  for (std::size_t round = 1; round <= kRounds; ++round) {
    made_up_ns += 500'000;
    sentinel.between_rounds({0, round, 1});
    const std::vector<std::size_t> found = by_round(sentinel, round);
    REQUIRE(found.front() == Sentinel::kFirst);
    REQUIRE(found[round] <= 1);
    std::size_t ticks = kFirstTicks;
    for (std::size_t i = 1; i <= round; ++i) ticks += 2 * found[i];
    const auto spent = static_cast<double>(ticks * kTick);
    const auto passed = static_cast<double>(made_up_ns - began);
    REQUIRE(spent <= std::max<double>(kFirstTicks * kTick, 0.02 * passed + kTick));
    if (round == kRounds) CHECK(spent >= 0.019 * passed);
  }
}

TEST_CASE("between long rounds the sentinel is read a few times, not for 2% of the time") {
  made_up_ns = 0;
  Sentinel sentinel(made_up_clock);
  sentinel.between_rounds({0, 0});
  for (std::size_t round = 1; round <= 5; ++round) {
    made_up_ns += 500'000'000;
    sentinel.between_rounds({0, round, 1});
  }
  CHECK(by_round(sentinel, 5) == std::vector<std::size_t>({4, 8, 8, 8, 8, 8}));
}

TEST_CASE("a reading says how long an iteration took, and where it was taken") {
  made_up_ns = 0;
  Sentinel sentinel(made_up_clock);
  CHECK(sentinel.to_json()["ns"].empty());
  sentinel.between_rounds({0, 0});
  made_up_ns += 2'000'000'000;
  sentinel.between_rounds({1, 9, 3});
  const nlohmann::ordered_json told = sentinel.to_json();
  const std::size_t count = Sentinel::kFirst + Sentinel::kMost;
  CHECK(told["iterations"] == Sentinel::kIterations);
  REQUIRE(told["ns"].size() == count);
  REQUIRE(told["ladder"].size() == count);
  REQUIRE(told["round"].size() == count);
  REQUIRE(told["arm"].size() == count);
  for (std::size_t i = 0; i < count; ++i) {
    INFO(i);
    CHECK(told["ns"][i] == static_cast<double>(kTick) / Sentinel::kIterations);
    CHECK(told["ladder"][i] == (i < Sentinel::kFirst ? 0 : 1));
    CHECK(told["round"][i] == (i < Sentinel::kFirst ? 0 : 9));
    CHECK(told["arm"][i].is_null() == (i < Sentinel::kFirst));
    if (i >= Sentinel::kFirst) CHECK(told["arm"][i] == 3);
  }
}

TEST_CASE("by the real clock the sentinel's readings are times") {
  Sentinel sentinel;
  sentinel.between_rounds({0, 0});
  const nlohmann::ordered_json told = sentinel.to_json();
  REQUIRE(told["ns"].size() == Sentinel::kFirst);
  for (const auto& ns : told["ns"]) CHECK(ns.get<double>() > 0.1);  // 300 operations a ns at most
}

}  // namespace
}  // namespace headroom

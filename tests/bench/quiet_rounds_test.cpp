// Which rounds count: when a round is run again, and for how long a launch waits.
#include "bench/quiet_rounds.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "catch.h"
#include "nlohmann/json.hpp"

namespace headroom {
namespace {

// A clock of which two neighbouring reads lie as far apart as the core is slow then: the time
// between the reads around the sentinel's loop is what it takes.
std::int64_t now = 0;
std::function<double(std::int64_t)> slowness;  // by time; 1: as fast as can be
constexpr double kFast = 10'000;               // ns a reading at best
std::int64_t made_up() {
  const std::int64_t before = now;
  now += static_cast<std::int64_t>(kFast * slowness(now));
  return before;
}

struct Quiet {
  explicit Quiet(std::function<double(std::int64_t)> how, double best = 0)
      : sentinel(start(std::move(how))), rounds(sentinel, best, made_up) {}
  static Sentinel::Clock start(std::function<double(std::int64_t)> how) {
    now = 0;
    slowness = std::move(how);
    return made_up;
  }
  // A round of `ns` that arm number `arm` ends.
  bool round(std::int64_t ns, std::optional<std::size_t> arm = 0) {
    const std::int64_t began = now;
    now += ns;
    return rounds.counts({0, ++at, arm}, began);
  }
  std::size_t recorded() const { return sentinel.to_json()["ns"].size(); }
  Sentinel sentinel;
  QuietRounds rounds;
  std::size_t at = 0;
};

std::function<double(std::int64_t)> slow_between(std::int64_t from, std::int64_t to, double by) {
  return [=](std::int64_t t) { return t >= from && t < to ? by : 1.0; };
}
std::function<double(std::int64_t)> always(double how) {
  return [=](std::int64_t) { return how; };
}

constexpr std::int64_t kMs = 1'000'000;

TEST_CASE("on a quiet core every round counts, and each leaves a reading") {
  Quiet quiet(always(1));
  quiet.rounds.wait();
  for (int i = 0; i < 50; ++i) CHECK(quiet.round(kMs));
  CHECK(quiet.recorded() == 50);
  CHECK(quiet.rounds.again() == 0);
  CHECK(quiet.rounds.waited_s() < 0.0001);
}

TEST_CASE("a round counts only where the readings before and after it were fast") {
  // Slow from 4.5 ms to 7 ms: the fifth round sees it at its end.
  Quiet quiet(slow_between(4'500'000, 7'000'000, 1.5));
  quiet.rounds.wait();
  std::vector<bool> stood;
  for (int i = 0; i < 6; ++i) {
    stood.push_back(quiet.round(kMs));
    if (!stood.back()) quiet.rounds.wait();
  }
  CHECK(stood == std::vector<bool>{true, true, true, true, false, true});
  CHECK(now >= 7 * kMs);
  CHECK(quiet.rounds.again() == 1);
  CHECK(quiet.rounds.waited_s() > 0.0015);
  CHECK(quiet.recorded() == 5);  // that of the round that didn't count is taken back
}

TEST_CASE("without waiting, the round after a slow reading doesn't count either") {
  Quiet quiet(slow_between(900'000, 1'200'000, 1.5));
  quiet.rounds.wait();
  CHECK(!quiet.round(kMs));
  CHECK(!quiet.round(kMs));  // it began slow
  CHECK(quiet.round(kMs));
}

TEST_CASE("4% is within what readings vary by, 6% is not") {
  for (const auto& [by, counts] : {std::pair{1.04, true}, std::pair{1.06, false}}) {
    Quiet quiet(slow_between(900'000, 5'000'000, by));
    quiet.rounds.wait();
    CHECK(quiet.round(kMs) == counts);
  }
}

TEST_CASE("one slow reading between fast ones is the timer's interrupt") {
  // The third read of the clock after the round is the one before the sentinel's loop.
  int reads = 0;
  Quiet quiet([&](std::int64_t t) { return t >= kMs && ++reads == 3 ? 3.0 : 1.0; });
  quiet.rounds.wait();
  CHECK(quiet.round(kMs));
  CHECK(reads > 4);  // it was taken again
  CHECK(quiet.recorded() == 1);
}

TEST_CASE("what the run knows of the machine's best counts from the first round on") {
  Quiet knows(slow_between(0, 30 * kMs, 1.3), kFast / Sentinel::kIterations);
  knows.rounds.wait();
  CHECK(now >= 30 * kMs);
  Quiet learns(slow_between(0, 30 * kMs, 1.3));
  learns.rounds.wait();
  CHECK(now < kMs);
}

TEST_CASE("patience ends, and then rounds count as they come") {
  Quiet quiet(always(2), kFast / Sentinel::kIterations);
  quiet.rounds.wait();
  const auto first = static_cast<double>(now);
  CHECK(first >= QuietRounds::kPatience);
  CHECK(first < QuietRounds::kPatience * 1.01);
  std::size_t counted = 0;
  const std::int64_t began = now;
  while (counted < 100) {
    if (quiet.round(kMs, std::nullopt))
      ++counted;
    else
      quiet.rounds.wait();
  }
  // Half as much as the rounds that count, with their readings, take is spent on those that don't,
  // and on waiting.
  const auto took = static_cast<double>(now - began);
  const double counting = 100 * (kMs + 10 * 2 * kFast);
  CHECK(took > counting * 1.3);
  CHECK(took < counting * 1.6);
}

TEST_CASE("what an arm does to its core's clock is no reason to run its rounds again") {
  std::size_t arm = 0;
  Quiet quiet([&](std::int64_t) { return arm == 1 ? 1.2 : 1.0; });
  quiet.rounds.wait();
  std::size_t refused = 0;
  for (int i = 0; i < 60; ++i) {
    arm = static_cast<std::size_t>(i) % 2;
    const bool counts = quiet.round(kMs, arm);
    refused += counts ? 0 : 1;
  }
  CHECK(refused > 0);
  CHECK(refused <= 2 * QuietRounds::kOwnEffect);
  // But a neighbour beside that arm is seen.
  arm = 1;
  slowness = always(1.5);
  CHECK(!quiet.round(kMs, arm));
}

TEST_CASE("a machine that is slow for good is taken as it is after three rounds of an arm") {
  Quiet quiet(always(2), kFast / Sentinel::kIterations);
  quiet.rounds.wait();
  std::size_t refused = 0;
  for (int i = 0; i < 100; ++i) refused += quiet.round(kMs) ? 0 : 1;
  CHECK(refused <= QuietRounds::kOwnEffect + 1);
}

TEST_CASE("a long round counts whatever met it") {
  Quiet quiet(slow_between(10 * kMs, 500 * kMs, 1.5));
  quiet.rounds.wait();
  CHECK(quiet.round(static_cast<std::int64_t>(QuietRounds::kLongest) + kMs));
  CHECK(quiet.rounds.again() == 0);
}

TEST_CASE("a round that a control group stopped is run again") {
  double total = 3;
  StoppedRounds stopped([&] { return std::optional<double>(total); });
  CHECK(!stopped.counted_s());
  stopped.begin();
  CHECK(stopped.counts());
  stopped.begin();
  total += 0.09;
  CHECK(!stopped.counts());
  stopped.begin();
  CHECK(stopped.counts());
  CHECK(stopped.again() == 1);
  CHECK(stopped.counted_s().value() == 0);
}

TEST_CASE("rounds that are always stopped count in the end, and it is told for how long") {
  double total = 0;
  StoppedRounds stopped([&] { return std::optional<double>(total); });
  std::size_t counted = 0, runs = 0;
  for (; counted < 50; ++runs) {
    stopped.begin();
    total += 0.5;
    counted += stopped.counts();
  }
  CHECK(runs <= 2 * counted + StoppedRounds::kMore);
  CHECK(stopped.counted_s().value() == Approx(25));
}

TEST_CASE("where nothing limits our time every round counts, and nothing is told") {
  StoppedRounds stopped([] { return std::optional<double>(); });
  stopped.begin();
  CHECK(stopped.counts());
  CHECK(!stopped.counted_s());
}

}  // namespace
}  // namespace headroom

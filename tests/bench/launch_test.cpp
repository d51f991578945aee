// A launch: the ladders of a plan under Google Benchmark.
#include <functional>
#include <string>
#include <vector>

#include "bench/ladder_benchmark.h"
#include "bench/sentinel.h"
#include "catch.h"
#include "diary.h"
#include "nlohmann/json.hpp"
#include "reporter.h"

namespace headroom {
namespace {

using namespace diary;
using nlohmann::ordered_json;

Metadata launched(const std::string& name) {
  Metadata meta = metadata(name);
  meta.warm = Warm::kNone;
  return meta;
}
const Registrar kLaunched(launched("diary/launch"), kThree<true>);

constexpr Variant<Turns<true>> kFive[] = {
    {.name = "naive", .run = Keeps<0, Shape::kStateful>{}, .what = "w"},
    {.name = "a", .run = Keeps<1, Shape::kStateful>{}, .what = "w"},
    {.name = "b", .run = Keeps<2, Shape::kStateful>{}, .what = "w"},
    {.name = "c", .run = Keeps<3, Shape::kStateful>{}, .what = "w"},
    {.name = "d", .run = Keeps<4, Shape::kStateful>{}, .what = "w"},
};
const Registrar kGrouped(launched("diary/groups"), kFive);

Metadata too_large(const std::string& name, Demand demand) {
  Metadata meta = metadata(name);
  meta.demand = [demand](const Setting&) { return demand; };
  return meta;
}
const Registrar kNoMemory(too_large("diary/memory", {.memory = std::size_t{1} << 60}),
                          kThree<true>);
const Registrar kNoSpace(too_large("diary/space", {.scratch = std::size_t{1} << 60}), kThree<true>);

Plan planned(const std::string& kernel = "diary/launch") {
  Plan plan;
  plan.kernel = kernel;
  LadderPlan ladder;
  ladder.n = 256;
  ladder.input = "default";
  ladder.group = 0;
  ladder.rounds = 10;
  ladder.arms = {{"naive", 1, 10}, {"second", 1, 20}, {"third", 1, 5}};
  plan.ladders.push_back(ladder);
  return plan;
}
Plan requested(const std::string& kernel = "diary/launch") {
  Plan plan = planned(kernel);
  plan.ladders[0].group = -1;
  plan.ladders[0].rounds = 0;
  plan.ladders[0].arms.clear();
  return plan;
}

constexpr LaunchOptions kLater = {.launch = 3, .planned = true};
constexpr LaunchOptions kPilot = {.pilot = true, .planned = true};

// Made anew for each launch, with the scripts' defaults: 1000 ns a call.
struct OneLaunch {
  OneLaunch() { forget_ladders(); }
  ~OneLaunch() { forget_ladders(); }
  MadeUpTime time;
  std::vector<GoogleRow> rows;
  // The ladders' results.
  const ordered_json& run(const Plan& plan, const LaunchOptions& options) {
    register_ladders(plan, options);
    rows = run_benchmarks("^ladder/");
    return ladder_results();
  }
};

TEST_CASE("a later launch runs the planned rounds, and Google Benchmark shows the same times") {
  OneLaunch launch;
  book().scripts[1] = {.wall_ns = 250, .cpu_ns = 125};
  const ordered_json results = launch.run(planned(), kLater);
  REQUIRE(results.size() == 1);
  CHECK(results[0]["status"] == "ok");
  CHECK(results[0]["skipped_rounds"] == 0);
  for (const auto& arm : results[0]["arms"]) CHECK(arm["wall_ns"].size() == 10);
  CHECK(results[0]["arms"][1]["wall_ns"][9] == Approx(250));
  const std::vector<Epoch> epochs = timed();
  CHECK(epochs.size() == 3 * 10);
  // The arms met: their outputs are compared as the last epoch left them.
  for (std::size_t i = epochs.back().at + 1; i < book().entries.size(); ++i)
    CHECK(book().entries[i].what != What::kRun);
  REQUIRE(launch.rows.size() == 1);
  CHECK(launch.rows[0].name.find("ladder/diary/launch/n:256") == 0);
  CHECK(launch.rows[0].iterations == 10);
  CHECK(launch.rows[0].ns == Approx(10 * 1000 + 20 * 250 + 5 * 1000));
  // By the clock that is reported.
  CHECK(launch.rows[0].counters.at("speedup:second") == Approx(8));
  CHECK(launch.rows[0].counters.at("speedup:third") == Approx(1));
  CHECK(!any_mismatch());
}

TEST_CASE("a speedup is the median over rounds, by the wall where that is the clock") {
  OneLaunch launch;
  Plan plan = planned();
  plan.ladders[0].clock = Reported::kWall;
  plan.ladders[0].arms[1].calls = 1;
  // Call 0 is the check's; three of the ten epochs are much quicker.
  book().scripts[1].wall_of = [](std::size_t nth) { return nth <= 3 ? 10 : 500; };
  launch.run(plan, kLater);
  CHECK(launch.rows.at(0).counters.at("speedup:second") == Approx(2));
}

TEST_CASE(
    "wrong before, a variant is not timed; wrong in its last epoch alone, it fails the launch") {
  struct Case {
    std::size_t from_call;
    bool timed;
  };
  // The arm's calls: one of the check, nine epochs of twenty, and the last epoch.
  for (const Case& c : {Case{0, false}, Case{1 + 9 * 20, true}, Case{10 * 20, true}}) {
    OneLaunch launch;
    book().scripts[1].wrong_from_call = c.from_call;
    const ordered_json results = launch.run(planned(), kLater);
    CHECK(results.at(0)["status"] == "mismatch");
    CHECK(results[0]["message"].get<std::string>().find("variant second disagrees") !=
          std::string::npos);
    CHECK(any_mismatch());
    CHECK(timed().empty() != c.timed);
    for (const auto& arm : results[0]["arms"]) CHECK(arm["wall_ns"].size() == (c.timed ? 10 : 0));
    CHECK(launch.rows.at(0).error.empty() == c.timed);
  }
  OneLaunch sound;
  book().scripts[1].wrong_from_call = 10 * 20 + 1;  // nobody makes that call
  CHECK(sound.run(planned(), kLater).at(0)["status"] == "ok");
  CHECK(!any_mismatch());
}

TEST_CASE("a pilot checks, completes the plan, and runs three rounds") {
  OneLaunch launch;
  Plan plan = requested();
  plan.budget_s = 0.1;
  plan.rounds_max = 64;
  const ordered_json results = launch.run(plan, kPilot);
  CHECK(results.at(0)["status"] == "ok");
  CHECK(results[0]["skipped_rounds"] == 0);
  for (const auto& arm : results[0]["arms"]) CHECK(arm["wall_ns"].size() == 3);
  const Plan done = completed_plan();
  REQUIRE(done.ladders.size() == 1);
  CHECK(done.ladders[0].group == 0);
  CHECK(done.ladders[0].rounds == 64);
  REQUIRE(done.ladders[0].arms.size() == 3);
  for (const ArmPlan& arm : done.ladders[0].arms) CHECK(arm.calls == 100);
  CHECK(done.ladders[0].arms[2].variant == "third");
}

TEST_CASE("a pilot of long rounds runs one") {
  OneLaunch launch;
  for (Script& script : book().scripts) script = {.wall_ns = 10'000'000, .cpu_ns = 10'000'000};
  const ordered_json results = launch.run(requested(), kPilot);
  for (const auto& arm : results.at(0)["arms"]) CHECK(arm["wall_ns"].size() == 1);
  CHECK(results[0]["skipped_rounds"] == 0);
}

TEST_CASE("a pilot whose variant is wrong chooses nothing") {
  OneLaunch launch;
  book().scripts[2].wrong_from_call = 2;
  const ordered_json results = launch.run(requested(), kPilot);
  CHECK(results.at(0)["status"] == "mismatch");
  CHECK(completed_plan().ladders.at(0).rounds == 0);
  CHECK(timed().empty());
}

TEST_CASE("a pilot without a plan's calls catches what goes wrong after its checks") {
  OneLaunch launch;
  book().scripts[2].wrong_from_call = 50;
  CHECK(launch.run(requested(), kPilot).at(0)["status"] == "mismatch");
}

TEST_CASE("without a plan a ladder calibrates itself and runs thirty rounds") {
  OneLaunch launch;
  const ordered_json results = launch.run(requested(), {});
  for (const auto& arm : results.at(0)["arms"]) {
    CHECK(arm["wall_ns"].size() == 30);
    CHECK(arm["calls"] == 100);
  }
}

TEST_CASE("rounds past the deadline are skipped, and those before it stay") {
  OneLaunch launch;
  Plan plan = planned();
  // A round of 35 us and some readings; the check takes little.
  plan.deadline_s = 0.0003;
  const ordered_json results = launch.run(plan, kLater);
  CHECK(results.at(0)["status"] == "ok");
  const std::size_t ran = results[0]["arms"][0]["wall_ns"].size();
  CHECK(ran > 0);
  CHECK(ran < 10);
  CHECK(results[0]["skipped_rounds"] == 10 - ran);
  CHECK(timed().size() == 3 * ran);
}

TEST_CASE("a ladder whose baseline throws in a round ends there, as an error") {
  OneLaunch launch;
  book().scripts[0].throws_from_call = 1 + 4 * 10;
  const ordered_json results = launch.run(planned(), kLater);
  CHECK(results.at(0)["status"] == "error");
  CHECK(results[0]["message"] == "the baseline failed: no such luck");
  CHECK(results[0]["skipped_rounds"] == 5);
  CHECK(!any_mismatch());
}

TEST_CASE("what doesn't fit this machine says so, and is not made") {
  {
    OneLaunch launch;
    const ordered_json results = launch.run(requested("diary/memory"), kPilot);
    CHECK(results.at(0)["status"] == "no-memory");
  }
  OneLaunch launch;
  const ordered_json results = launch.run(requested("diary/space"), kPilot);
  CHECK(results.at(0)["status"] == "no-space");
  for (const Entry& e : book().entries) CHECK(e.what != What::kMade);
}

TEST_CASE("what went on beside is told from the first round on, in a pilot from its calibration") {
  OneLaunch launch;
  book().scripts[0].holds = 1 << 20;
  const ordered_json results = launch.run(planned(), kLater);
  // Ten rounds of 35 us, and readings: 101 empty epochs come before, and three calls.
  CHECK(launch_conditions().seconds >= 10 * 35e-6);
  CHECK(launch_conditions().seconds < 10 * 35e-6 + 60e-6);
}

// Readings of the clock take twice as long from the third round on, for half a millisecond.
void disturb() {
  const std::int64_t from = book().wall + 120'000;
  book().wall_read = [from](std::int64_t now) {
    return now >= from && now < from + 500'000 ? 2 * kWallRead : kWallRead;
  };
}

Metadata of_axis(const std::string& name, Axis axis) {
  Metadata meta = launched(name);
  meta.axis = axis;
  return meta;
}
const Registrar kOnDisk(of_axis("diary/disk", Axis::kStorageSync), kThree<true>);
const Registrar kOnCores(of_axis("diary/cores", Axis::kCores), kThree<true>);

TEST_CASE("rounds that a slow core met are run again, so that as many as planned are kept") {
  OneLaunch launch;
  disturb();
  const ordered_json results = launch.run(planned(), kLater);
  CHECK(results.at(0)["status"] == "ok");
  for (const auto& arm : results[0]["arms"]) CHECK(arm["wall_ns"].size() == 10);
  const auto told = sentinel_told();
  const auto again = told["rounds_again"].get<std::size_t>();
  CHECK(again == 1);
  CHECK(told["waited_s"].get<double>() > 0.0002);
  CHECK(told["waited_s"].get<double>() < 0.0006);
  CHECK(timed().size() == 3 * (10 + again));
  for (const auto& ns : told["ns"])
    CHECK(ns.get<double>() <= 1.01 * kWallRead / Sentinel::kIterations);
}

TEST_CASE("the run's best reading counts from a launch's first round on") {
  OneLaunch launch;
  book().wall_read = [](std::int64_t) { return 2 * kWallRead; };
  Plan plan = planned();
  plan.sentinel_ns = static_cast<double>(kWallRead) / Sentinel::kIterations;
  launch.run(plan, kLater);
  CHECK(sentinel_told()["waited_s"].get<double>() > 0.049);
}

TEST_CASE("the sentinel speaks only of rounds of one thread, in a launch that keeps figures") {
  struct Case {
    std::string kernel;
    bool pilot;
    std::size_t fixed;
  };
  for (const Case& c : {Case{"diary/disk", false, 0}, Case{"diary/cores", false, 0},
                        Case{"diary/launch", true, 0}, Case{"diary/launch", false, 10}}) {
    OneLaunch launch;
    disturb();
    Plan plan = c.pilot ? requested(c.kernel) : planned(c.kernel);
    plan.rounds_fixed = c.fixed;
    launch.run(plan, c.pilot ? kPilot : kLater);
    CHECK(sentinel_told()["rounds_again"] == 0);
    CHECK(sentinel_told()["waited_s"] == 0.0);
    if (!c.pilot) CHECK(timed().size() == 3 * 10);
  }
}

TEST_CASE("groups are ladders of their own, and a plan may name one") {
  const auto names = [](const ordered_json& results) {
    std::vector<std::vector<std::string>> all;
    for (const auto& ladder : results) {
      all.emplace_back();
      for (const auto& arm : ladder["arms"]) all.back().push_back(arm["variant"]);
    }
    return all;
  };
  using Names = std::vector<std::vector<std::string>>;
  {
    OneLaunch launch;
    CHECK(names(launch.run(requested("diary/groups"), kPilot)) ==
          Names{{"naive", "a", "b", "c"}, {"naive", "d"}});
    const Plan done = completed_plan();
    REQUIRE(done.ladders.size() == 2);
    CHECK(done.ladders[1].group == 1);
  }
  OneLaunch launch;
  Plan plan = planned("diary/groups");
  plan.ladders[0].group = 1;
  plan.ladders[0].arms = {{"naive", 1, 4}, {"d", 1, 6}};
  const ordered_json results = launch.run(plan, kLater);
  CHECK(names(results) == Names{{"naive", "d"}});
  CHECK(results[0]["group"] == 1);
}

TEST_CASE("a plan that is not one for this build is refused before anything runs") {
  const auto refused = [](const std::function<void(Plan&)>& change) {
    OneLaunch launch;
    Plan plan = planned();
    change(plan);
    return thrown([&] { register_ladders(plan, kLater); });
  };
  const std::string stale = "the plan is not one for this build; start a new run";
  CHECK(refused([](Plan&) {}).empty());
  CHECK(refused([](Plan& p) { p.ladders[0].rounds = 0; }) == stale);
  CHECK(refused([](Plan& p) { p.ladders[0].arms[1].calls = 0; }) == stale);
  CHECK(refused([](Plan& p) { p.ladders[0].arms[1].variant = "gone"; }) == stale);
  CHECK(refused([](Plan& p) { p.ladders[0].arms[1].threads = 2; }) == stale);
  CHECK(refused([](Plan& p) { std::swap(p.ladders[0].arms[1], p.ladders[0].arms[2]); }) == stale);
  CHECK(refused([](Plan& p) { p.ladders[0].arms.clear(); }) == stale);
  CHECK(refused([](Plan& p) { p.ladders[0].n = 17; }) == "no ladder diary/launch/n:17");
  CHECK(refused([](Plan& p) { p.kernel = "diary/gone"; }) == "no kernel named diary/gone");
}

TEST_CASE("why nothing was counted is told, with the cure") {
  OneLaunch launch;
  set_counter_factory([] { return CountersOpened{nullptr, "made up", "a cure"}; });
  launch.run(planned(), kLater);
  CHECK(counters_missing() == ordered_json({{"why", "made up"}, {"cure", "a cure"}}));
}

}  // namespace
}  // namespace headroom

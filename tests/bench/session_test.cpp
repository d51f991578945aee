// A ladder at work: what is called before, in and after each epoch, and what comes of its times.
#include "bench/ladder_session.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "catch.h"
#include "core/cpu.h"
#include "diary.h"
#include "nlohmann/json.hpp"

// A sanitizer's malloc doesn't say what it holds.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HEADROOM_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HEADROOM_SANITIZED 1
#endif
#endif

namespace headroom {
namespace {

using namespace diary;

Kernel three(Warm warm = Warm::kCall) {
  Metadata meta = metadata("d/three");
  meta.warm = warm;
  return describe(meta, kThree<true>);
}

constexpr std::size_t kNames = 3;
const std::vector<PlannedArm> kPlanned = {{"naive", 10}, {"second", 20}, {"third", 3}};

// Of one variant.
std::vector<Epoch> of(std::size_t who, const std::vector<Epoch>& all) {
  std::vector<Epoch> own;
  std::copy_if(all.begin(), all.end(), std::back_inserter(own),
               [who](const Epoch& e) { return e.who == who; });
  return own;
}

TEST_CASE("an epoch makes the planned calls, and its times are divided by as many") {
  MadeUpTime time;
  book().scripts[0] = {.wall_ns = 1000, .cpu_ns = 700};
  book().scripts[1] = {.wall_ns = 400, .cpu_ns = 90};
  book().scripts[2] = {.wall_ns = 12'345, .cpu_ns = 11'111};
  for (Reported clock : {Reported::kCpu, Reported::kWall}) {
    Work work(three());
    work.follow(kPlanned, clock);
    work.prepared();
    const std::size_t from = book().entries.size();
    work.rounds(4);
    const std::vector<Epoch> epochs = timed(from);
    CHECK(epochs.size() == kNames * 4);
    for (const Epoch& e : epochs) {
      CHECK(e.calls == kPlanned[e.who].calls);
      CHECK(e.innermost == clock);
    }
    for (std::size_t i = 0; i < kNames; ++i) {
      const Measured& m = work.session().arms()[i];
      REQUIRE(m.wall.size() == 4);
      REQUIRE(m.cpu.size() == 4);
      // To the last bit but those of the division: the empty epoch is subtracted whole.
      for (double wall : m.wall) CHECK(wall == Approx(book().scripts[i].wall_ns).epsilon(1e-12));
      for (double cpu : m.cpu) CHECK(cpu == Approx(book().scripts[i].cpu_ns).epsilon(1e-12));
    }
    const auto result = work.session().result("ok", "");
    CHECK(result["empty_wall_ns"] == (clock == Reported::kWall ? kEmptyWall : kOuterWall));
    CHECK(result["empty_cpu_ns"] == (clock == Reported::kCpu ? kEmptyCpu : kOuterCpu));
  }
}

TEST_CASE("a round tells the seconds that were timed: all calls of all arms, by the wall") {
  MadeUpTime time;
  book().scripts[1] = {.wall_ns = 400, .cpu_ns = 90};
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  const double seconds = work.session().round(false);
  CHECK(seconds == Approx((10 * 1000 + 20 * 400 + 3 * 1000) * 1e-9).epsilon(1e-12));
}

TEST_CASE("an epoch shorter than the empty one counts as a nanosecond, not less than nothing") {
  MadeUpTime time;
  for (Script& script : book().scripts) script = {.wall_ns = 0, .cpu_ns = 0};
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  work.rounds(1);
  CHECK(work.session().arms()[0].wall.at(0) == Approx(1.0 / 10));
  CHECK(work.session().arms()[1].cpu.at(0) == Approx(1.0 / 20));
}

TEST_CASE("in a round each arm runs once, warmed and refilled, between two readings") {
  MadeUpTime time;
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  const std::size_t from = book().entries.size();
  work.session().round(false);
  std::set<std::size_t> who;
  for (const Epoch& e : timed(from)) {
    who.insert(e.who);
    // Right before the first reading the arm is refilled for its calls: nothing lies in between.
    const Entry& refill = book().entries.at(e.at - 3);
    CHECK(refill.what == What::kRefill);
    CHECK(refill.who == e.who);
    CHECK(refill.n == e.calls);
  }
  CHECK(who == std::set<std::size_t>{0, 1, 2});
}

TEST_CASE("every turn is timed once, one after the other, in every arm, however it is warmed") {
  for (Warm warm : {Warm::kNone, Warm::kCall, Warm::kEpoch, Warm::kAuto}) {
    for (std::size_t calls : {1u, 7u}) {
      MadeUpTime time;
      Work work(three(warm));
      work.follow({{"naive", calls}, {"second", 1}, {"third", 5}});
      work.prepared();
      const std::size_t from = book().entries.size();
      // The last one is left out: there the arms meet.
      for (int round = 0; round < 6; ++round) work.session().round(false);
      const std::vector<Epoch> all = timed(from);
      for (std::size_t who = 0; who < kNames; ++who) {
        const std::vector<Epoch> own = of(who, all);
        REQUIRE(own.size() == 6);
        for (std::size_t i = 1; i < own.size(); ++i) {
          INFO("warm " << static_cast<int>(warm) << ", arm " << who << ", epoch " << i);
          CHECK(own[i].first == own[i - 1].first + own[i - 1].calls);
        }
      }
    }
  }
}

TEST_CASE("warm calls see the turns right before the epoch's, as many as Warm says") {
  struct Case {
    Warm warm;
    bool epoch, none;
  };
  for (const Case& c : {Case{Warm::kNone, false, true}, Case{Warm::kCall, false, false},
                        Case{Warm::kEpoch, true, false}}) {
    MadeUpTime time;
    Work work(three(c.warm));
    work.follow(kPlanned);
    work.prepared();
    const std::size_t from = book().entries.size();
    work.rounds(3);
    const std::vector<Epoch> all = timed(from);
    REQUIRE(all.size() == 3 * kNames);
    for (const Epoch& e : all) {
      CHECK(e.warm == (c.none ? 0 : c.epoch ? e.calls : 1));
      if (!c.none) CHECK(e.warm_first + e.warm == e.first);
    }
  }
}

// How many warm calls come before an epoch of 20 calls.
std::size_t warm_of(Kernel kernel) {
  MadeUpTime time;
  Work work(std::move(kernel));
  work.follow({{"naive", 20}, {"second", 20}, {"third", 20}});
  work.prepared();
  const std::size_t from = book().entries.size();
  work.session().round(false);
  std::set<std::size_t> found;
  for (const Epoch& e : timed(from)) found.insert(e.warm);
  REQUIRE(found.size() == 1);
  return *found.begin();
}

TEST_CASE("by itself warming is a whole epoch where calls differ and fit L2, else one call") {
  const auto with = [](Metadata meta, std::size_t working_set) {
    meta.demand = [working_set](const Setting&) { return Demand{.working_set = working_set}; };
    return meta;
  };
  const Metadata small = with(metadata("d/warm"), 4096);
  const Metadata fits = with(metadata("d/warm"), l2_bytes());
  const Metadata large = with(metadata("d/warm"), l2_bytes() + 1);
  CHECK(warm_of(describe(small, kThree<true>)) == 20);
  CHECK(warm_of(describe(fits, kThree<true>)) == 20);
  CHECK(warm_of(describe(large, kThree<true>)) == 1);
  // One call touches all of what it goes over again.
  CHECK(warm_of(describe(small, kThree<false>)) == 1);
  CHECK(warm_of(describe(small, kThree<false, Shape::kStateful>)) == 20);
  CHECK(warm_of(describe(small, kThree<false, Shape::kMutating>)) == 20);
  CHECK(warm_of(describe(large, kThree<false, Shape::kStateful>)) == 1);
}

TEST_CASE("what the pilot found an arm to need comes before its epoch, an epoch at a time") {
  MadeUpTime time;
  Work work(three(Warm::kAuto));
  work.follow({{"naive", 20}, {"second", 20}, {"third", 20}});
  work.own.arms[1].settle = 50;
  work.prepared();
  for (int round = 0; round < 3; ++round) {
    const std::size_t from = book().entries.size();
    work.session().round(false);
    std::vector<std::size_t> runs;
    for (std::size_t i = from; i < book().entries.size(); ++i)
      if (const Entry& e = book().entries[i]; e.what == What::kRun && e.who == 1)
        runs.push_back(e.n);
    CHECK(runs == std::vector<std::size_t>{20, 20, 10, 20});
    for (const Epoch& e : timed(from)) {
      if (e.who != 1) CHECK(e.warm == 20);
      CHECK(e.first ==
            50u * (e.who == 1) + 20u * (e.who != 1) + 20u * static_cast<unsigned>(round));
      if (e.who == 1) CHECK(e.warm_first + e.warm == e.first);
    }
  }
}

TEST_CASE("a call that the pilot found long is not warmed") {
  MadeUpTime time;
  Work work(three(Warm::kEpoch));
  work.follow({{"naive", 1}, {"second", 1}, {"third", 1}});
  work.own.arms[1].long_call = true;
  work.prepared();
  const std::size_t from = book().entries.size();
  work.session().round(false);
  for (const Epoch& e : timed(from)) CHECK(e.warm == (e.who == 1 ? 0 : 1));
}

TEST_CASE("without a working set what a call moves is the set") {
  CHECK(working_set({.bytes = 100}) == 100);
  CHECK(working_set({.bytes = 100, .working_set = 7}) == 7);
  CHECK(working_set({}) == 1);
}

// The turns at which the arms' outputs stand.
std::vector<std::size_t> turns(const Work& work, LadderSession& session) {
  (void)work;
  std::vector<std::size_t> all;
  for (const Measured& m : session.arms()) all.push_back(m.arm->turn());
  return all;
}

TEST_CASE("the last epochs end at one turn, so that outputs can be compared without another call") {
  MadeUpTime time;
  Work work(three(Warm::kEpoch));
  work.follow(kPlanned);
  work.prepared();
  const std::size_t prepared = book().entries.size();
  work.rounds(5);
  const std::vector<std::size_t> ends = turns(work, work.session());
  CHECK(std::set<std::size_t>(ends.begin(), ends.end()).size() == 1);
  // Each output is brought before the next arm runs, and in the last round alone.
  std::vector<std::size_t> settled_after;
  for (std::size_t i = prepared; i < book().entries.size(); ++i) {
    const Entry& e = book().entries[i];
    if (e.what != What::kSettle) continue;
    settled_after.push_back(e.who);
    const auto last_call =
        std::find_if(book().entries.rend() - static_cast<std::ptrdiff_t>(i), book().entries.rend(),
                     [](const Entry& earlier) { return earlier.what == What::kCall; });
    CHECK(last_call->who == e.who);
  }
  std::sort(settled_after.begin(), settled_after.end());
  CHECK(settled_after == std::vector<std::size_t>{0, 1, 2});
  // Forward: nobody goes back to a turn that it has seen.
  CHECK(ends.front() >= 5 * 20);
  const std::size_t from = book().entries.size();
  work.session().check_again();
  const auto& entries = book().entries;
  const auto count = [&](What what) {
    return std::count_if(entries.begin() + static_cast<std::ptrdiff_t>(from), entries.end(),
                         [what](const Entry& e) { return e.what == what; });
  };
  CHECK(count(What::kRun) == 0);
  CHECK(count(What::kPoison) == 0);  // it is the epoch's own output
  CHECK(count(What::kCompare) == 2);
  CHECK(count(What::kSettle) == 0);
}

TEST_CASE("a last round that is run again brings its own outputs") {
  MadeUpTime time;
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  for (int again = 0; again < 2; ++again) {
    const std::size_t from = book().entries.size();
    work.session().round(true);
    work.session().forget_round();
    CHECK(std::count_if(book().entries.begin() + static_cast<std::ptrdiff_t>(from),
                        book().entries.end(),
                        [](const Entry& e) { return e.what == What::kSettle; }) == 3);
  }
}

TEST_CASE("where the deadline came before the arms met the baseline goes to each arm's turn") {
  MadeUpTime time;
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  work.session().round(false);
  work.session().round(false);
  const std::size_t from = book().entries.size();
  work.session().check_again();
  CHECK(work.session().arms()[0].arm->turn() == work.session().arms()[2].arm->turn());
  for (std::size_t who : {1u, 2u})
    CHECK(std::count_if(
              book().entries.begin() + static_cast<std::ptrdiff_t>(from), book().entries.end(),
              [who](const Entry& e) { return e.what == What::kSettle && e.who == who; }) == 1);
}

// Whether an epoch with calls was timed.
bool anything_timed() { return !timed().empty(); }

TEST_CASE("a pilot compares three turns, a later launch one, before anything is timed") {
  for (bool pilot : {true, false}) {
    for (std::size_t turn = 0; turn < 4; ++turn) {
      for (std::size_t who : {1u, 2u}) {
        MadeUpTime time;
        book().scripts[who].wrong_at = [turn](std::size_t t) { return t == turn; };
        Work work(three());
        if (!pilot) work.follow(kPlanned);
        const std::string error = thrown([&] { work.session().prepare(); });
        INFO((pilot ? "pilot" : "launch") << ", turn " << turn << ", variant " << who);
        const bool caught = turn < (pilot ? 3u : 1u);
        CHECK((error.rfind("mismatch: d/three: variant ", 0) == 0) == caught);
        if (caught) {
          CHECK(error.find(who == 1 ? "variant second" : "variant third") != std::string::npos);
          CHECK(error.find("n:256 ") != std::string::npos);
          CHECK(error.find("index 1") != std::string::npos);
        }
        CHECK(!anything_timed());
      }
    }
  }
}

TEST_CASE("launches of every number check first") {
  for (int launch = 1; launch <= 6; ++launch) {
    MadeUpTime time;
    book().scripts[2].wrong_at = [](std::size_t) { return true; };
    Work work(three());
    work.follow(kPlanned);
    work.options.launch = launch;
    CHECK(thrown([&] { work.session().prepare(); }).rfind("mismatch", 0) == 0);
  }
}

TEST_CASE("a variant that writes nothing is caught by poison, in every launch") {
  for (bool pilot : {true, false}) {
    MadeUpTime time;
    book().scripts[1].writes = false;
    book().scripts[2].writes = false;
    Work work(three());
    if (!pilot) work.follow(kPlanned);
    CHECK(thrown([&] { work.session().prepare(); }).rfind("mismatch", 0) == 0);
  }
}

TEST_CASE("each arm is poisoned right before its call of the check") {
  MadeUpTime time;
  Work work(three());
  work.session().prepare();
  std::map<std::size_t, std::size_t> poisoned;
  const auto& all = book().entries;
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    if (all[i].what != What::kPoison) continue;
    ++poisoned[all[i].who];
    CHECK(all[i + 1].what == What::kRun);
    CHECK(all[i + 1].who == all[i].who);
    CHECK(all[i + 1].n == 1);
    CHECK(all[i + 2].n == (poisoned[all[i].who] - 1));  // the turn: 0, 1, 2
    CHECK(all[i + 3].what == What::kSettle);
  }
  CHECK(poisoned == std::map<std::size_t, std::size_t>{{0, 3}, {1, 3}, {2, 3}});
}

TEST_CASE("no second turn is checked where the first took long") {
  MadeUpTime time;
  for (Script& script : book().scripts) script.wall_ns = 11'000'000;
  Work work(three());
  work.session().prepare();
  std::size_t calls = 0;
  for (const Entry& e : book().entries) calls += e.what == What::kCall;
  CHECK(calls == kNames);
}

TEST_CASE("a variant that goes wrong in its last epoch only is caught after it") {
  for (std::size_t who = 0; who < kNames; ++who) {
    MadeUpTime time;
    bool wrong = false;
    book().scripts[who].wrong_at = [&wrong](std::size_t) { return wrong; };
    Work work(three());
    work.follow(kPlanned);
    work.prepared();
    for (int round = 0; round < 4; ++round) work.session().round(false);
    wrong = true;
    work.session().round(true);
    wrong = false;
    const std::string error = thrown([&] { work.session().check_again(); });
    INFO("variant " << who << ": " << error);
    CHECK(error.rfind("mismatch: d/three: variant ", 0) == 0);
    if (who == 2) CHECK(error.find("variant third") != std::string::npos);
  }
}

TEST_CASE("what is right at the end passes the check after it") {
  MadeUpTime time;
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  work.rounds(5);
  CHECK(thrown([&] { work.session().check_again(); }).empty());
}

// In which order the arms' variants had their first event of this kind.
std::vector<std::size_t> order_of(What what) {
  std::vector<std::size_t> order;
  for (const Entry& e : book().entries)
    if (e.what == what && std::find(order.begin(), order.end(), e.who) == order.end())
      order.push_back(e.who);
  return order;
}

using Order = std::vector<std::size_t>;

// Of launch `launch`: as the arms were made, first used, and ran in the first rounds.
std::tuple<Order, Order, std::vector<Order>> orders(int launch, std::uint64_t chance,
                                                    std::size_t count = 6) {
  MadeUpTime time;
  Work work(three());
  work.follow(kPlanned);
  work.options.launch = launch;
  work.options.chance = chance;
  work.prepared();
  const Order made = order_of(What::kMade), used = order_of(What::kRun);
  std::vector<Order> all;
  for (std::size_t round = 0; round < count; ++round) {
    const std::size_t from = book().entries.size();
    work.session().round(false);
    Order& order = all.emplace_back();
    for (const Epoch& e : timed(from)) order.push_back(e.who);
  }
  return {made, used, all};
}

TEST_CASE("arms are made and first used in one order, which the pair's other launch reverses") {
  std::set<Order> seen;
  for (int pair = 1; pair <= 12; ++pair) {
    auto [made, used, rounds] = orders(2 * pair - 1, 5);
    const auto [made_next, used_next, rounds_next] = orders(2 * pair, 5);
    CHECK(used == made);
    CHECK(used_next == made_next);
    std::reverse(made.begin(), made.end());
    CHECK(made == made_next);
    seen.insert(made_next);
  }
  CHECK(seen.size() > 2);  // not the table's order and its reverse alone
}

TEST_CASE("each arm is made first, second and third about equally often") {
  std::map<std::pair<std::size_t, std::size_t>, int> places;
  // Six pairs of launches; the pilot has had the square's first order.
  for (int launch = 1; launch <= 12; ++launch) {
    const auto [made, used, rounds] = orders(launch, 9);
    for (std::size_t i = 0; i < made.size(); ++i) ++places[{i, made[i]}];
  }
  CHECK(places.size() == kNames * kNames);
  for (const auto& [where, times] : places) CHECK(std::abs(times - 4) <= 2);
}

TEST_CASE("rounds go through balanced squares: each arm in each place, after each other") {
  const auto [made, used, rounds] = orders(3, 11, 12);
  for (std::size_t square = 0; square < 2; ++square) {
    std::map<std::pair<std::size_t, std::size_t>, int> places, neighbours;
    for (std::size_t r = 6 * square; r < 6 * (square + 1); ++r) {
      REQUIRE(rounds[r].size() == kNames);
      for (std::size_t i = 0; i < kNames; ++i) {
        ++places[{i, rounds[r][i]}];
        if (i != 0) ++neighbours[{rounds[r][i - 1], rounds[r][i]}];
      }
    }
    CHECK(places.size() == 9);
    for (const auto& [where, times] : places) CHECK(times == 2);
    CHECK(neighbours.size() == 6);
    for (const auto& [who, times] : neighbours) CHECK(times == 2);
  }
}

TEST_CASE("a forgotten round leaves nothing, and the next one has its order") {
  MadeUpTime time;
  Metadata meta = metadata("d/score");
  meta.measure = {"score", "points", true};
  Work work(describe(meta, kThree<true>));
  work.follow(kPlanned);
  LadderSession& session = work.prepared();
  const auto order_of = [&](bool last) {
    const std::size_t from = book().entries.size();
    session.round(last);
    std::vector<std::size_t> order;
    for (const Epoch& e : timed(from)) order.push_back(e.who);
    return order;
  };
  std::set<std::vector<std::size_t>> seen;
  for (int round = 0; round < 24; ++round) {
    const bool last = round == 23;
    for (Script& script : book().scripts) script.wall_ns = script.cpu_ns = 70'000;
    const std::vector<std::size_t> first = order_of(last);
    session.forget_round();
    for (Script& script : book().scripts) script.wall_ns = script.cpu_ns = 1000;
    CHECK(order_of(last) == first);
    seen.insert(first);
  }
  CHECK(seen.size() == 6);
  for (const Measured& m : session.arms()) {
    CHECK(m.wall.size() == 24);
    CHECK(m.cpu.size() == 24);
    CHECK(m.values.size() == 24);
    for (const double ns : m.wall) CHECK(ns == Approx(1000));
  }
  session.check_again();
}

TEST_CASE("launches of a run, and runs, have orders of their own") {
  const auto rounds = [](int launch, std::uint64_t chance) {
    return std::get<2>(orders(launch, chance, 12));
  };
  CHECK(rounds(1, 5) == rounds(1, 5));
  CHECK(rounds(1, 5) != rounds(2, 5));
  CHECK(rounds(1, 5) != rounds(1, 77));
}

TEST_CASE("bytes that an arm holds are its own, and are part of the working set") {
  MadeUpTime time;
  constexpr std::size_t kMany = std::size_t{8} << 20;
  book().scripts[1].holds = kMany;
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  const auto& arms = work.session().arms();
#if defined(__GLIBC__) && !defined(HEADROOM_SANITIZED)
  constexpr std::size_t kHeld = 2 * kMany;  // what came from malloc is counted too
#else
  constexpr std::size_t kHeld = kMany;
#endif
  CHECK(arms[1].held >= kHeld);
  CHECK(arms[1].held < kHeld + kMany / 10);
  CHECK(arms[0].held < kMany / 10);
  const auto result = work.session().result("ok", "");
  CHECK(result["arms"][1]["held_bytes"] == arms[1].held);
  CHECK(result["working_set"].get<std::size_t>() >= kMany);
}

TEST_CASE(
    "an epoch that is refused is repeated, three times at most, and only the last one counts") {
  MadeUpTime time;
  book().scripts[1].refused_runs = 2;
  // The first two take another time.
  Work work(three(Warm::kNone));
  work.follow({{"naive", 1}, {"second", 1}, {"third", 1}});
  work.prepared();
  book().scripts[1].wall_of = [](std::size_t nth) { return nth < 3 ? 50'000 : 2'000; };
  const std::size_t from = book().entries.size();
  work.session().round(false);
  CHECK(of(1, timed(from)).size() == 3);
  CHECK(of(0, timed(from)).size() == 1);
  REQUIRE(work.session().arms()[1].wall.size() == 1);
  CHECK(work.session().arms()[1].wall[0] == Approx(2'000));
}

TEST_CASE("an arm that is refused every time is given up, unless no figure is kept") {
  const auto run = [](bool pilot, std::size_t fixed) {
    MadeUpTime time;
    book().scripts[2].refused_runs = kNever;
    Work work(three());
    if (!pilot) work.follow(kPlanned);
    work.whole.rounds_fixed = fixed;
    work.prepared();
    const std::size_t from = book().entries.size();
    work.session().round(false);
    CHECK(of(2, timed(from)).size() == 4);
    return work.session().result("ok", "")["failed"];
  };
  const auto failed = run(false, 0);
  REQUIRE(failed.size() == 1);
  CHECK(failed[0]["variant"] == "third");
  CHECK(failed[0]["message"] == "too late");
  CHECK(run(true, 0).empty());
  CHECK(run(false, 5).empty());
}

TEST_CASE("a variant that throws leaves the ladder, and the others go on") {
  for (const bool when_made : {true, false}) {
    MadeUpTime time;
    if (when_made)
      book().scripts[1].throws_when_made = true;
    else
      book().scripts[1].throws_from_call = 0;
    Work work(three());
    work.options.pilot = true;
    work.prepared();
    REQUIRE(work.session().arms().size() == 2);
    CHECK(variant_name(work.session().arms()[1]) == "third");
    work.rounds(2);
    work.session().check_again();
    const auto result = work.session().result("ok", "");
    REQUIRE(result["failed"].size() == 1);
    CHECK(result["failed"][0]["variant"] == "second");
    CHECK(result["arms"].size() == 2);
    CHECK(result["arms"][1]["wall_ns"].size() == 2);
    CHECK(work.own.arms.size() == 2);
  }
}

TEST_CASE("a variant that throws in a round leaves it, with what it had measured") {
  MadeUpTime time;
  Work work(three(Warm::kNone));
  work.follow({{"naive", 1}, {"second", 1}, {"third", 1}});
  book().scripts[2].throws_from_call = 3;  // one call of the check, two epochs
  work.prepared();
  work.rounds(5);
  work.session().check_again();
  const auto result = work.session().result("ok", "");
  REQUIRE(result["arms"].size() == 2);
  CHECK(result["arms"][0]["wall_ns"].size() == 5);
  CHECK(result["arms"][1]["variant"] == "second");
  REQUIRE(result["failed"].size() == 1);
  CHECK(result["failed"][0]["message"] == "no such luck");
}

TEST_CASE("where the baseline throws a pilot goes on with the next, a later launch does not") {
  MadeUpTime time;
  book().scripts[0].throws_from_call = 0;
  Work pilot(three());
  pilot.prepared();
  CHECK(pilot.session().result("ok", "")["baseline"] == "second");
  CHECK(pilot.own.arms.front().variant == "second");
  Work later(three());
  later.follow(kPlanned);
  CHECK(thrown([&] { later.session().prepare(); }) == "naive: no such luck");
}

TEST_CASE("a baseline that throws in a round ends the ladder") {
  MadeUpTime time;
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  book().scripts[0].throws_from_call = 0;
  CHECK(thrown([&] { work.session().round(false); }) == "the baseline failed: no such luck");
}

TEST_CASE("a measure that is not time is kept round by round") {
  MadeUpTime time;
  Metadata meta = metadata("d/score");
  meta.warm = Warm::kNone;
  meta.measure = {"score", "points", true};
  book().scripts[1].value = 100;
  Work work(describe(meta, kThree<true>));
  work.follow(kPlanned);
  work.prepared();
  work.rounds(2);
  // One run in the check; the baseline another one for the empty epochs.
  const auto& values = work.session().arms()[1].values;
  CHECK(values == std::vector<double>{102, 103});
  CHECK(work.session().result("ok", "")["arms"][1]["values"] == values);
  meta.measure.name = "nosuch";
  Work without(describe(meta, kThree<true>));
  without.follow(kPlanned);
  without.prepared();
  CHECK(thrown([&] { without.session().round(false); }) ==
        "the baseline failed: reports no nosuch");
}

// Counts calls: each is 3 cycles, and a reading costs 40.
class CallCounter final : public CounterSource {
 public:
  const std::vector<std::string_view>& names() const override { return names_; }
  std::vector<CounterReading> read() override {
    book().entries.push_back({What::kCompare});  // parts a warm run from the counted one
    clock_ += 100;
    spent_ += 40;
    return {{{3 * book().counted + spent_}, clock_, clock_}};
  }

 private:
  std::vector<std::string_view> names_ = {"cycles"};
  std::uint64_t clock_ = 0, spent_ = 0;
};

TEST_CASE(
    "counted rounds come after the timed ones, without a clock, a tenth as many, at most five") {
  for (const auto& [rounds, expected] :
       std::vector<std::pair<std::size_t, std::size_t>>{{4, 1}, {20, 2}, {300, 5}}) {
    MadeUpTime time;
    set_counter_factory([] { return CountersOpened{std::make_unique<CallCounter>()}; });
    Work work(three());
    work.follow(kPlanned);
    work.own.rounds = rounds;
    work.prepared();
    work.rounds(2);
    const std::size_t from = book().entries.size();
    CHECK(work.session().count().why.empty());
    std::map<std::size_t, std::size_t> runs;
    const auto& all = book().entries;
    std::size_t clocks_read = 0;
    for (std::size_t i = from; i < all.size(); ++i) {
      if (all[i].what == What::kRun && all[i].n == kPlanned[all[i].who].calls) ++runs[all[i].who];
      clocks_read += all[i].what == What::kWall || all[i].what == What::kCpu;
    }
    CHECK(runs == std::map<std::size_t, std::size_t>{{0, expected}, {1, expected}, {2, expected}});
    CHECK(clocks_read == 1);  // the end of it all
    const std::vector<std::size_t> ends = turns(work, work.session());
    CHECK(std::set<std::size_t>(ends.begin(), ends.end()).size() == 1);
    for (const Measured& m : work.session().arms()) CHECK(m.counts.at("cycles") == Approx(3));
    const auto result = work.session().result("ok", "");
    CHECK(result["arms"][2]["counters"]["cycles"] == Approx(3));
    CHECK(thrown([&] { work.session().check_again(); }).empty());
  }
}

// A mutating variant: a result in the copy of each call, the turn, or in what all arms share, the
// number of calls of the epoch.
template <bool kShares>
struct Counted {
  struct Call {
    std::size_t turn;
  };
  struct Input {
    std::shared_ptr<std::size_t> shared;
    Call at(std::size_t turn) const { return {turn}; }
  };
  using Output = std::size_t;
  struct Work {
    explicit Work(const Input& in) : shared(in.shared.get()) {}
    void refill(const Call& call) {
      turn = call.turn;
      *shared = 0;
    }
    void answer(Output& out) const { out = kShares ? *shared : result; }
    std::size_t* shared;
    std::size_t turn = 0, result = 0;
  };
  static Input make(const Setting&, Rng&) { return {std::make_shared<std::size_t>(0)}; }
  static absl::Status same(const Call&, const Output& want, const Output& got) {
    return exact(want, got);
  }
};
constexpr std::size_t kNoTurn = ~std::size_t{0};
std::size_t wrong_turn = kNoTurn;
template <bool kShares>
void counted(typename Counted<kShares>::Work& work, std::size_t&) {
  ++*work.shared;
  work.result = work.turn;
}
template <bool kShares>
void counted_wrong(typename Counted<kShares>::Work& work, std::size_t&) {
  // From the second call of an epoch on, or at one turn.
  *work.shared += *work.shared == 0 ? 1 : 2;
  work.result = work.turn + (work.turn == wrong_turn ? 1 : 0);
}
template <bool kShares>
constexpr Variant<Counted<kShares>> kCounted[] = {
    {.name = "naive", .run = run<counted<kShares>>, .what = "the reference"},
    {.name = "second", .run = run<counted_wrong<kShares>>, .what = "another"},
    {.name = "third", .run = run<counted<kShares>>, .what = "a further one"}};

TEST_CASE("what arms share is compared as each of them left it, not as the last one did") {
  for (std::uint64_t chance = 0; chance < 16; ++chance) {
    MadeUpTime time;
    if (chance % 2 == 0)
      set_counter_factory([] { return CountersOpened{std::make_unique<CallCounter>()}; });
    Work work(describe(metadata("d/shares"), kCounted<true>));
    work.options.chance = chance;  // another one is the last
    work.follow({{"naive", 3}, {"second", 3}, {"third", 3}});
    work.prepared();
    work.rounds(2);
    work.session().count();
    const std::string error = thrown([&] { work.session().check_again(); });
    INFO(error);
    CHECK(error.rfind("mismatch: d/shares: variant second", 0) == 0);
  }
}

TEST_CASE("after the rounds each call of the last epoch is compared that has a copy of its own") {
  for (const std::size_t before : {0u, 1u, 5u, 9u, 10u}) {
    MadeUpTime time;
    wrong_turn = kNoTurn;
    Work work(describe(metadata("d/copies"), kCounted<false>));
    work.follow({{"naive", 10}, {"second", 20}, {"third", 1}});
    work.prepared();
    for (int round = 0; round < 3; ++round) work.session().round(false);
    // The second one has come furthest, and so goes on from where it is.
    wrong_turn = work.session().arms()[1].arm->turn() + 20 - 1 - before;
    work.session().round(true);
    const std::string error = thrown([&] { work.session().check_again(); });
    wrong_turn = kNoTurn;
    INFO(before << " before the last: " << error);
    // The baseline's epoch has ten calls.
    CHECK((error.rfind("mismatch: d/copies: variant second", 0) == 0) == (before < 10));
  }
}

TEST_CASE("without counters there is a reason, and nothing is run") {
  MadeUpTime time;
  set_counter_factory([] { return CountersOpened{nullptr, "made up", "cure"}; });
  Work work(three());
  work.follow(kPlanned);
  work.prepared();
  const std::size_t from = book().entries.size();
  CHECK(work.session().count().why == "made up");
  CHECK(book().entries.size() == from);
}

TEST_CASE("what a ladder writes down is what it measured") {
  MadeUpTime time;
  book().scripts[0] = {.wall_ns = 1000, .cpu_ns = 700};
  book().scripts[1] = {.wall_ns = 500, .cpu_ns = 300};
  Work work(three());
  work.follow(kPlanned, Reported::kWall);
  work.prepared();
  work.rounds(3);
  work.session().skipped = 2;
  const auto result = work.session().result("ok", "all well");
  CHECK(result["n"] == 256);
  CHECK(result["input"] == "default");
  CHECK(result["threads"] == 1);
  CHECK(result["group"] == 0);
  CHECK(result["baseline"] == "naive");
  CHECK(result["clock"] == "wall");
  CHECK(result["skipped_rounds"] == 2);
  CHECK(result["status"] == "ok");
  CHECK(result["message"] == "all well");
  CHECK(result["failed"].empty());
  REQUIRE(result["arms"].size() == 3);
  const char* const names[] = {"naive", "second", "third"};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto& arm = result["arms"][i];
    CHECK(arm["variant"] == names[i]);
    CHECK(arm["role"] == (i == 0 ? "baseline" : "optimized"));
    CHECK(arm["threads"] == 1);
    CHECK(arm["calls"] == kPlanned[i].calls);
    REQUIRE(arm["wall_ns"].size() == 3);
    REQUIRE(arm["cpu_ns"].size() == 3);
    for (std::size_t r = 0; r < 3; ++r) {
      CHECK(arm["wall_ns"][r] == Approx(book().scripts[i].wall_ns));
      CHECK(arm["cpu_ns"][r] == Approx(book().scripts[i].cpu_ns));
    }
    CHECK(arm["build_ns"].is_null());
    CHECK(arm["quantities"]["score"]["unit"] == "points");
    CHECK(!arm.contains("counters"));
    CHECK(!arm.contains("values"));
  }
  Work cpu(three());
  cpu.follow(kPlanned, Reported::kCpu);
  cpu.prepared();
  CHECK(cpu.session().result("ok", "")["clock"] == "cpu");
}

TEST_CASE("a ladder's seconds go from its making to the end of its last round") {
  MadeUpTime time;
  Work work(three());
  work.follow({{"naive", 1000}, {"second", 1000}, {"third", 1000}});
  work.prepared();
  work.rounds(10);
  // 30 epochs of a millisecond, a warm call before each; the rest is readings and three calls.
  const double seconds = work.session().result("ok", "")["seconds"].get<double>();
  CHECK(seconds >= 0.03);
  CHECK(seconds < 0.031);
  book().wall += 1'000'000'000;
  CHECK(work.session().result("ok", "")["seconds"].get<double>() == seconds);
}

TEST_CASE("a plan for a variant that this build lacks takes only those that it has") {
  MadeUpTime time;
  Work work(three());
  work.follow({{"naive", 4}, {"third", 6}});
  work.prepared();
  REQUIRE(work.session().arms().size() == 2);
  CHECK(variant_name(work.session().arms()[1]) == "third");
  CHECK(work.session().arms()[1].calls == 6);
}

}  // namespace
}  // namespace headroom

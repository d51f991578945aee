// What a pilot chooses: the clock, the calls of an epoch, the rounds, the ceiling's variant.
#include <string>
#include <vector>

#include "bench/ladder_session.h"
#include "catch.h"
#include "core/cpu.h"
#include "diary.h"
#include "nlohmann/json.hpp"

namespace headroom {
namespace {

using namespace diary;

Metadata of_axis(Axis axis, Clock clock = Clock::kAuto) {
  Metadata meta = metadata("d/calibrated");
  meta.axis = axis;
  meta.clock = clock;
  return meta;
}

constexpr Variant<Turns<true>> kTwo[] = {
    {.name = "naive", .run = Keeps<0>{}, .what = "the reference"},
    {.name = "second", .run = Keeps<1>{}, .what = "another"},
};
constexpr Variant<Turns<true>> kOneThreaded[] = {
    {.name = "naive", .run = Keeps<0>{}, .what = "the reference", .single_thread = true},
    {.name = "second", .run = Keeps<1>{}, .what = "another"},
};

// The clock that a pilot chooses, which is also the one that is read innermost from then on.
Reported clock_of(Metadata meta, int threads = 1) {
  MadeUpTime time;
  Work work(describe(std::move(meta), kTwo), 256, threads);
  work.prepared();
  const Reported chosen = work.session().clock();
  const std::size_t from = book().entries.size();
  work.session().round(false);
  for (const Epoch& e : timed(from)) CHECK(e.innermost == chosen);
  const auto result = work.session().result("ok", "");
  CHECK(result["empty_wall_ns"] == (chosen == Reported::kWall ? kEmptyWall : kOuterWall));
  CHECK(result["empty_cpu_ns"] == (chosen == Reported::kWall ? kOuterCpu : kEmptyCpu));
  CHECK(work.own.clock == chosen);
  return chosen;
}

TEST_CASE(
    "one-thread compute reports CPU time; what waits, for a disk, a network or a device, the "
    "wall's") {
  for (Axis axis : {Axis::kScalar, Axis::kSimd, Axis::kCache, Axis::kMemoryBandwidth,
                    Axis::kMemoryLatency, Axis::kCores, Axis::kCoherence}) {
    INFO(name(axis));
    CHECK(clock_of(of_axis(axis)) == Reported::kCpu);
  }
  for (Axis axis : {Axis::kNetwork, Axis::kStorageSequential, Axis::kStorageRandom,
                    Axis::kStorageSync, Axis::kSyscall, Axis::kGpu}) {
    INFO(name(axis));
    CHECK(clock_of(of_axis(axis)) == Reported::kWall);
  }
}

TEST_CASE("a kernel may name its clock") {
  CHECK(clock_of(of_axis(Axis::kScalar, Clock::kWall)) == Reported::kWall);
  CHECK(clock_of(of_axis(Axis::kNetwork, Clock::kCpu)) == Reported::kCpu);
}

TEST_CASE("several threads report the wall's time, if only one of the variants has them") {
  CHECK(clock_of(of_axis(Axis::kCores), 2) == Reported::kWall);
  MadeUpTime time;
  Work work(describe(of_axis(Axis::kCores), kOneThreaded), 256, 2);
  work.prepared();
  CHECK(work.session().clock() == Reported::kWall);
  CHECK(work.session().arms()[0].rung.threads == 1);
}

TEST_CASE("which noise a kernel has goes by its axis") {
  const auto of = [](Axis axis) { return name(noise_class(axis)); };
  for (Axis axis : {Axis::kScalar, Axis::kSimd, Axis::kCache}) CHECK(of(axis) == "cpu");
  for (Axis axis : {Axis::kMemoryBandwidth, Axis::kMemoryLatency}) CHECK(of(axis) == "dram");
  for (Axis axis : {Axis::kCores, Axis::kCoherence, Axis::kNetwork, Axis::kGpu})
    CHECK(of(axis) == "threads");
  for (Axis axis :
       {Axis::kStorageSequential, Axis::kStorageRandom, Axis::kStorageSync, Axis::kSyscall})
    CHECK(of(axis) == "storage");
}

// Calls an epoch of each arm that takes so many ns a call.
std::vector<std::size_t> calls_for(const std::vector<std::int64_t>& ns) {
  MadeUpTime time;
  for (std::size_t i = 0; i < ns.size(); ++i) book().scripts[i] = {.wall_ns = ns[i], .cpu_ns = 1};
  Work work(describe(metadata("d/calls"), kThree<true>));
  work.prepared();
  std::vector<std::size_t> calls;
  for (const Measured& m : work.session().arms()) {
    calls.push_back(m.calls);
    CHECK(work.own.arms[calls.size() - 1].calls == m.calls);
  }
  // An epoch that was timed from here on has them.
  const std::size_t from = book().entries.size();
  work.session().round(false);
  for (const Epoch& e : timed(from)) CHECK(e.calls == calls[e.who]);
  return calls;
}

using Counts = std::vector<std::size_t>;

TEST_CASE("an epoch takes 100 us, or is one call") {
  CHECK(calls_for({1000, 100, 20'000}) == Counts{100, 1000, 5});
  CHECK(calls_for({30'000, 99'999, 1'000'000}) == Counts{4, 2, 1});
  CHECK(calls_for({100'000, 250'000, 5'000'000}) == Counts{1, 1, 1});
  // A call that takes 1 ns: 100,000 of them.
  CHECK(calls_for({1, 1000, 40'000}) == Counts{100'000, 100, 3});
}

TEST_CASE("variants within 2x of each other share the calls of the fastest") {
  CHECK(calls_for({1000, 2000, 1500}) == Counts{100, 100, 100});
  CHECK(calls_for({2000, 1000, 2001}) == Counts{100, 100, 50});
  // Each group begins with its fastest: a chain of neighbours does not join all.
  CHECK(calls_for({1000, 1900, 3600}) == Counts{100, 100, 28});
}

TEST_CASE("copies of what is changed fit 64 MiB, and short epochs report the wall's time") {
  const auto chosen = [](Clock clock, std::size_t working_set, std::int64_t ns) {
    MadeUpTime time;
    for (Script& script : book().scripts) script = {.wall_ns = ns, .cpu_ns = ns};
    Metadata meta = metadata("d/mutating");
    meta.clock = clock;
    meta.demand = [working_set](const Setting&) { return Demand{.working_set = working_set}; };
    Work work(describe(meta, kThree<true, Shape::kMutating>));
    work.prepared();
    for (const Entry& e : book().entries)
      if (e.what == What::kRefill) CHECK(e.n <= (std::size_t{64} << 20) / working_set);
    const std::size_t from = book().entries.size();
    work.session().round(false);
    for (const Epoch& e : timed(from)) CHECK(e.innermost == work.session().clock());
    const auto result = work.session().result("ok", "");
    const bool wall = work.session().clock() == Reported::kWall;
    CHECK(result["empty_wall_ns"] == (wall ? kEmptyWall : kOuterWall));
    return std::pair(work.session().arms()[1].calls, work.session().clock());
  };
  const std::size_t mib = 1 << 20;
  CHECK(chosen(Clock::kAuto, 8 * mib, 5'000) ==
        std::pair<std::size_t, Reported>(8, Reported::kWall));
  CHECK(chosen(Clock::kCpu, 8 * mib, 5'000) == std::pair<std::size_t, Reported>(8, Reported::kCpu));
  CHECK(chosen(Clock::kAuto, 8 * mib, 7'000) ==
        std::pair<std::size_t, Reported>(8, Reported::kCpu));
  CHECK(chosen(Clock::kAuto, mib, 5'000) == std::pair<std::size_t, Reported>(20, Reported::kCpu));
}

// How many warm calls of 1 us each arm's plan asks for beyond the usual ones, where the second is
// slower for so many calls after another one has run.
Counts settled(std::size_t cold_calls, Metadata meta, std::int64_t ns = 1000,
               std::size_t rounds_fixed = 0) {
  MadeUpTime time;
  for (Script& script : book().scripts) script = {.wall_ns = ns, .cpu_ns = ns};
  book().scripts[1].cold_calls = cold_calls;
  book().scripts[1].cold_ns = ns / 2;
  Work work(describe(std::move(meta), kThree<true>));
  work.whole.rounds_fixed = rounds_fixed;
  work.prepared();
  Counts counts;
  for (const ArmPlan& arm : work.own.arms) counts.push_back(arm.settle);
  return counts;
}

TEST_CASE("an arm is warmed for as long as it is slower after the others have run") {
  Metadata meta = metadata("d/settle");
  CHECK(settled(0, meta) == Counts{0, 0, 0});
  // The usual warm epoch of 100 calls is enough.
  CHECK(settled(100, meta) == Counts{0, 0, 0});
  CHECK(settled(450, meta) == Counts{0, 500, 0});
  CHECK(settled(1000, meta) == Counts{0, 1000, 0});
  // It is watched for 4 ms, or for 20 ms where its memory is beyond L2: half of that is the most.
  CHECK(settled(1500, meta)[1] == 1500);
  CHECK(settled(3000, meta)[1] == 0);
  meta.demand = [](const Setting&) { return Demand{.working_set = l2_bytes() + 1}; };
  CHECK(settled(3000, meta) == Counts{0, 3000, 0});
}

TEST_CASE(
    "how long an arm is warmed is its kernel's choice, or the pilot's where it doesn't wait") {
  for (Warm warm : {Warm::kNone, Warm::kCall, Warm::kEpoch}) {
    Metadata meta = metadata("d/settle");
    meta.warm = warm;
    CHECK(settled(450, meta) == Counts{0, 0, 0});
  }
  for (Axis axis : {Axis::kNetwork, Axis::kStorageRandom, Axis::kSyscall}) {
    Metadata meta = metadata("d/settle");
    meta.axis = axis;
    CHECK(settled(450, meta) == Counts{0, 0, 0});
  }
  // A run of fixed rounds only checks.
  CHECK(settled(450, metadata("d/settle"), 1000, 5) == Counts{0, 0, 0});
  // Of calls of 1 ms there are too few to tell.
  CHECK(settled(2, metadata("d/settle"), 1'000'000) == Counts{0, 0, 0});
}

TEST_CASE("rounds cost what they are warmed for") {
  const auto rounds = [](std::size_t cold_calls) {
    MadeUpTime time;
    for (Script& script : book().scripts) script.cold_calls = cold_calls;
    for (Script& script : book().scripts) script.cold_ns = 500;
    Work work(describe(metadata("d/settle"), kThree<true>));
    work.whole.budget_s = 0.1;
    work.whole.rounds_max = 1000;
    work.prepared();
    return work.own.rounds;
  };
  // Of each of three arms 0.1 ms, and 0.1 or 1.5 ms before it.
  CHECK(rounds(0) == Approx(166).margin(5));
  CHECK(rounds(1000) == Approx(20).margin(2));
}

TEST_CASE("a call of 10 ms is not warmed, neither in the pilot nor by its plan") {
  MadeUpTime time;
  book().scripts[1].wall_of = [](std::size_t) { return 10'000'000; };
  book().scripts[2].wall_of = [](std::size_t) { return 9'900'000; };
  Work work(describe(metadata("d/long"), kThree<true>));
  work.prepared();
  CHECK(!work.own.arms[0].long_call);
  CHECK(work.own.arms[1].long_call);
  CHECK(!work.own.arms[2].long_call);
  const std::size_t from = book().entries.size();
  work.session().round(false);
  for (const Epoch& e : timed(from)) CHECK((e.warm == 0) == (e.who == 1));
}

// Rounds for a budget in seconds; a round takes 3 arms x 2 (a warm call each) x 0.1 ms.
struct RoundsChosen {
  std::size_t rounds;
  double estimate_s;
};
RoundsChosen rounds_for(double budget_s, std::size_t most, std::size_t fixed = 0,
                        bool counted = false, std::int64_t ns = 100'000, std::size_t fewest = 5) {
  MadeUpTime time;
  struct Source final : CounterSource {
    std::vector<std::string_view> listed = {"cycles"};
    const std::vector<std::string_view>& names() const override { return listed; }
    std::vector<CounterReading> read() override { return {{{0}, 1, 1}}; }
  };
  if (counted) set_counter_factory([] { return CountersOpened{std::make_unique<Source>()}; });
  for (Script& script : book().scripts) script = {.wall_ns = ns, .cpu_ns = ns};
  Work work(describe(metadata("d/rounds"), kThree<true>));
  work.whole.budget_s = budget_s;
  work.whole.rounds_min = fewest;
  work.whole.rounds_max = most;
  work.whole.rounds_fixed = fixed;
  work.prepared();
  return {work.own.rounds, work.own.estimate_s};
}

TEST_CASE("rounds are what the budget pays, within limits") {
  CHECK(rounds_for(0.0305, 1000).rounds == 50);
  CHECK(rounds_for(0.0606, 1000).rounds == 100);
  CHECK(rounds_for(0.0606, 60).rounds == 60);
  CHECK(rounds_for(0.0001, 60).rounds == 5);
  CHECK(rounds_for(0.0001, 60, 0, false, 100'000, 3).rounds == 3);
  CHECK(rounds_for(0.0606, 2).rounds == 5);
  CHECK(rounds_for(0.0606, 1000, 7).rounds == 7);
  // A tenth as many more are counted where there are counters: the same budget pays for fewer.
  CHECK(rounds_for(0.0606, 1000, 0, true).rounds == 91);
}

TEST_CASE("the plan's estimate is what its rounds take") {
  CHECK(rounds_for(0.0606, 1000).estimate_s == Approx(100 * 6 * 0.0001).epsilon(0.03));
}

TEST_CASE("a pilot runs three rounds, of long ones one") {
  for (const auto& [ns, expected] : std::vector<std::pair<std::int64_t, std::size_t>>{
           {1'000, 3}, {3'000'000, 3}, {3'500'000, 1}, {30'000'000, 1}}) {
    MadeUpTime time;
    for (Script& script : book().scripts) script = {.wall_ns = ns, .cpu_ns = ns};
    Work work(describe(metadata("d/pilot"), kThree<true>));
    work.prepared();
    CHECK(work.session().pilot_rounds() == expected);
  }
}

TEST_CASE("a later launch chooses nothing: its plan is left as it was") {
  MadeUpTime time;
  Work work(describe(metadata("d/later"), kThree<true>));
  work.follow({{"naive", 7}, {"second", 9}, {"third", 11}}, Reported::kWall);
  work.prepared();
  CHECK(work.own.rounds == 10);
  CHECK(work.own.clock == Reported::kWall);
  const std::size_t expected[] = {7, 9, 11};
  for (std::size_t i = 0; i < 3; ++i) CHECK(work.session().arms()[i].calls == expected[i]);
  CHECK(timed().empty());
}

// Probes, registered in this program: a ceiling is found by name. A call moves 64 bytes, or makes
// 10 operations, or 5 accesses.
constexpr Need kNobodyHas[] = {{"nothing", [] { return false; }, "there is none"}};
constexpr Variant<Turns<true>> kProbes[] = {
    {.name = "slow", .run = Keeps<kProbe>{}, .what = "w"},
    {.name = "fast", .run = Keeps<kProbe + 1>{}, .what = "w"},
    {.name = "lucky", .run = Keeps<kProbe + 2>{}, .what = "w"},
    {.name = "absent", .run = Keeps<kProbe + 3>{}, .what = "w", .needs = kNobodyHas},
};
Metadata probe(const std::string& name, const std::string& unit) {
  Metadata meta = metadata(name);
  meta.unit = unit;
  meta.warm = Warm::kCall;
  meta.demand = [](const Setting&) {
    return Demand{.items = 5, .bytes = 64, .flops = 10, .working_set = 64};
  };
  return meta;
}
const Registrar kBytesProbe(probe("diary/bytes", "B/s"), kProbes);
const Registrar kFlopsProbe(probe("diary/flops", "FLOP/s"), kProbes);
const Registrar kAccessProbe(probe("diary/accesses", "ns"), kProbes);

Kernel under(const std::string& ceiling) {
  Metadata meta = metadata("d/under");  // 8 bytes, 2 flops, 3 accesses a call
  meta.ceiling = {ceiling};
  meta.warm = Warm::kCall;
  return describe(meta, kTwo);
}

void script_probes() {
  book().scripts[kProbe] = {.wall_ns = 8000, .cpu_ns = 8000};
  book().scripts[kProbe + 1] = {.wall_ns = 3200, .cpu_ns = 3200};
  // The fastest by far, but not here.
  book().scripts[kProbe + 3] = {.wall_ns = 1, .cpu_ns = 1};
  // Once much faster than all, and usually slower.
  book().scripts[kProbe + 2].wall_of = [](std::size_t nth) { return nth == 3 ? 100 : 4000; };
}

TEST_CASE("the ceiling is the fastest of the probe's variants, in the median of several calls") {
  MadeUpTime time;
  script_probes();
  Work work(under("diary/bytes"));
  work.prepared();
  REQUIRE(work.session().arms().size() == 3);
  const Measured& ceiling = work.session().arms().back();
  CHECK(ceiling.ceiling);
  CHECK(variant_name(ceiling) == "ceiling");
  CHECK(work.own.arms.back().probe == "fast");
  const auto result = work.session().result("ok", "");
  CHECK(result["arms"][2]["probe"] == "diary/bytes/fast");
  CHECK(result["arms"][2]["role"] == "ceiling");
}

TEST_CASE("a ceiling's time is what the kernel's own bytes, operations or accesses would take") {
  struct Case {
    const char* probe;
    double share;
  };
  for (const Case& c : {Case{"diary/bytes", 8.0 / 64}, Case{"diary/flops", 2.0 / 10},
                        Case{"diary/accesses", 3.0 / 5}}) {
    MadeUpTime time;
    script_probes();
    Work work(under(c.probe));
    work.prepared();
    const std::size_t from = book().entries.size();
    work.session().round(true);
    const Measured& ceiling = work.session().arms().back();
    CHECK(ceiling.wall.at(0) == Approx(3200 * c.share));
    CHECK(ceiling.cpu.at(0) == Approx(3200 * c.share));
    // An epoch of its own length: 3200 ns a call, whatever its share is.
    CHECK(ceiling.calls == 32);
    std::size_t seen = 0;
    for (const Epoch& e : timed(from))
      if (e.who == kProbe + 1) {
        ++seen;
        CHECK(e.calls == 32);
      }
    CHECK(seen == 1);
    // It has another output: nobody compares it.
    work.session().check_again();
  }
}

TEST_CASE("a later launch takes the variant of the probe that its plan names, and tries none") {
  MadeUpTime time;
  script_probes();
  Work work(under("diary/bytes"));
  work.follow({{"naive", 10}, {"second", 10}, {"ceiling", 4}});
  work.own.arms.back().probe = "slow";
  work.prepared();
  REQUIRE(work.session().arms().size() == 3);
  CHECK(work.session().arms().back().calls == 4);
  work.rounds(1);
  CHECK(work.session().arms().back().wall.at(0) == Approx(8000.0 * 8 / 64));
  for (const Entry& e : book().entries)
    if (e.what == What::kMade) CHECK((e.who < 2 || e.who == kProbe));
  Work gone(under("diary/bytes"));
  gone.follow({{"naive", 10}, {"second", 10}, {"ceiling", 4}});
  gone.own.arms.back().probe = "gone";
  CHECK(thrown([&] { gone.session().prepare(); }).find("the plan names diary/bytes/gone,") == 0);
}

TEST_CASE("a kernel without a probe, or whose plan has none, has no ceiling") {
  MadeUpTime time;
  script_probes();
  Work none(under(""));
  none.prepared();
  CHECK(none.session().arms().size() == 2);
  Work planned(under("diary/bytes"));
  planned.follow({{"naive", 10}, {"second", 10}});
  planned.prepared();
  CHECK(planned.session().arms().size() == 2);
}

}  // namespace
}  // namespace headroom

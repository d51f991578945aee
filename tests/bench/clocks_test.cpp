// One epoch: which clock is read when, and how often the arm is called.
#include "bench/clocks.h"

#include "bench/slot.h"
#include "catch.h"
#include "diary.h"

namespace headroom {
namespace {

using namespace diary;

struct OneArm {
  MadeUpTime time;
  Kernel kernel = describe(metadata("d/one"), kThree<true>);
  std::unique_ptr<Instance> instance = kernel.bind({256});
  std::unique_ptr<Arm> arm = instance->arm(0, 1);
};

std::vector<What> kinds() {
  std::vector<What> all;
  for (const Entry& e : book().entries) all.push_back(e.what);
  return all;
}

TEST_CASE("the reported clock is read innermost, and every call lies between its readings") {
  OneArm one;
  for (Reported reported : {Reported::kCpu, Reported::kWall}) {
    one.arm->refill(2);
    book().entries.clear();
    time_epoch(*one.arm, 2, reported);
    const bool cpu = reported == Reported::kCpu;
    const What inner = cpu ? What::kCpu : What::kWall, outer = cpu ? What::kWall : What::kCpu;
    CHECK(kinds() ==
          std::vector<What>{outer, inner, What::kRun, What::kCall, What::kCall, inner, outer});
  }
}

TEST_CASE("an epoch's wall time is the wall clock's, its CPU time the CPU clock's") {
  OneArm one;
  book().scripts[0] = {.wall_ns = 900, .cpu_ns = 70};
  one.arm->refill(3);
  const EpochTime by_cpu = time_epoch(*one.arm, 3, Reported::kCpu);
  CHECK(by_cpu.cpu == 3 * 70 + kEmptyCpu);
  CHECK(by_cpu.wall == 3 * 900 + kOuterWall);
  CHECK(by_cpu.of(Reported::kCpu) == by_cpu.cpu);
  CHECK(by_cpu.of(Reported::kWall) == by_cpu.wall);
  one.arm->refill(3);
  const EpochTime by_wall = time_epoch(*one.arm, 3, Reported::kWall);
  CHECK(by_wall.cpu == 3 * 70 + kOuterCpu);
  CHECK(by_wall.wall == 3 * 900 + kEmptyWall);
}

TEST_CASE("the empty epoch is the median of many without a call") {
  OneArm one;
  book().entries.clear();
  const EpochTime empty = empty_epoch(*one.arm, Reported::kWall);
  CHECK(empty.wall == kEmptyWall);
  CHECK(empty.cpu == kOuterCpu);
  std::size_t runs = 0, calls = 0;
  for (const Entry& e : book().entries) {
    if (e.what == What::kRun) ++runs;
    if (e.what == What::kCall) ++calls;
  }
  CHECK(runs == 101);
  CHECK(calls == 0);
}

// A reading that is late now and then, as a clock is when an interrupt comes.
std::int64_t late_now = 0;
int late_reads = 0;
std::int64_t late_at_times() {
  // Each forty-first reading takes 1,000 times as long.
  late_now += ++late_reads % 41 == 0 ? 50'000 : 50;
  return late_now;
}

TEST_CASE("a few late readings don't reach the empty epoch") {
  OneArm one;
  clocks = {late_at_times, late_at_times};
  CHECK(empty_epoch(*one.arm, Reported::kWall).wall == 50);
}

TEST_CASE("the real clocks run, in nanoseconds: the wall's always, the CPU's with work") {
  const std::int64_t wall = clocks.wall(), cpu = clocks.cpu();
  while (clocks.cpu() - cpu < 3'000'000) {
  }
  CHECK(clocks.wall() - wall >= 2'900'000);
  const std::int64_t asleep_wall = clocks.wall(), asleep_cpu = clocks.cpu();
  const timespec pause = {0, 20'000'000};
  nanosleep(&pause, nullptr);
  CHECK(clocks.wall() - asleep_wall >= 20'000'000);
  CHECK(clocks.cpu() - asleep_cpu < 10'000'000);
}

}  // namespace
}  // namespace headroom

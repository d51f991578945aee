// What a launch says of what else went on meanwhile.
#include "bench/conditions.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "catch.h"
#include "core/cpu.h"
#include "diary.h"
#include "nlohmann/json.hpp"

namespace headroom {
namespace {

void spin_for(std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

TEST_CASE("conditions are told in seconds, and what is not known is null") {
  const ConditionsWatch watch;
  spin_for(std::chrono::milliseconds(20));
  const Conditions c = watch.so_far();
  CHECK(c.seconds >= 0.02);
  CHECK(c.switches >= 0);
  const nlohmann::ordered_json j = to_json(c);
  CHECK(j.size() == 6);
  CHECK(j["seconds"].get<double>() == c.seconds);
  for (const char* key : {"waited_s", "stolen_s", "others_s", "throttled_s"}) {
    REQUIRE(j.contains(key));
    CHECK((j[key].is_null() || j[key].get<double>() >= 0));
  }
  CHECK(to_json(Conditions{})["others_s"].is_null());
}

TEST_CASE("two threads on one core wait for each other") {
  std::atomic<bool> stop{false};
  std::thread rival;
  Conditions c;
  // On threads of their own: pinning is for good.
  std::thread([&] {
    if (!pin_to_core(0)) return;
    rival = std::thread([&] {
      while (!stop) {
      }
    });
    const ConditionsWatch watch;
    spin_for(std::chrono::milliseconds(200));
    c = watch.so_far();
  }).join();
  stop = true;
  if (rival.joinable()) rival.join();
  if (!c.waited) return;  // this system can't pin, or doesn't tell
  // Each waits for about half of the time; on a busy machine both wait for longer.
  CHECK(*c.waited > 0.04);
  CHECK(c.switches > 0);
}

TEST_CASE("what ran beside a launch is all time less idle time, steal and its own") {
  const ConditionsReading began = {.clock = 100,
                                   .waited = {{1, 0.5}, {2, 1}},
                                   .idle = 50,
                                   .stolen = 3,
                                   .own_cpu = 7,
                                   .switches = 10};
  // Ten seconds on four CPUs: 40, of which 21 idle, 2 stolen, 9.5 its own.
  ConditionsReading now = {.clock = 110,
                           .waited = {{1, 0.75}, {2, 1.5}, {3, 0.125}},
                           .idle = 71,
                           .stolen = 5,
                           .own_cpu = 16.5,
                           .switches = 14};
  const Conditions c = between(began, now, 4);
  CHECK(c.seconds == 10);
  CHECK(c.switches == 4);
  CHECK(c.waited.value() == 0.25 + 0.5 + 0.125);  // the third thread began meanwhile
  CHECK(c.stolen.value() == 2);
  CHECK(c.others.value() == 40 - 21 - 2 - 9.5);
  const nlohmann::ordered_json j = to_json(c);
  CHECK(j["seconds"] == 10);
  CHECK(j["waited_s"] == 0.875);
  CHECK(j["stolen_s"] == 2);
  CHECK(j["others_s"] == 7.5);
  CHECK(j["switches"] == 4);
  // Counters that step back a tick, and a system that doesn't tell.
  now.idle = 90;
  now.stolen = 2.5;
  now.waited = {{1, 0.25}};
  const Conditions least = between(began, now, 4);
  CHECK(least.others.value() == 0);
  CHECK(least.stolen.value() == 0);
  CHECK(least.waited.value() == 0);
  const Conditions untold = between({.clock = 1}, {.clock = 2}, 4);
  CHECK((!untold.waited && !untold.stolen && !untold.others && !untold.throttled));
}

TEST_CASE("counts that stand still, and CPUs that come or go, tell nothing of others") {
  const ConditionsReading began = {
      .clock = 100, .idle = 50, .stolen = 3, .own_cpu = 7, .all = 80, .cpus = 4};
  ConditionsReading now = began;
  now.clock = 110;
  now.own_cpu = 16;
  CHECK((!between(began, now, 4).others && !between(began, now, 4).stolen));
  now.all = 120;
  now.idle = 71;
  CHECK(between(began, now, 4).others.value() == 40 - 21 - 9);
  now.cpus = 3;
  CHECK(!between(began, now, 4).others);
}

TEST_CASE("being stopped by a control group is no waiting for others") {
  const ConditionsReading began = {.clock = 1, .waited = {{1, 0.5}}, .throttled = 2};
  const ConditionsReading now = {.clock = 3, .waited = {{1, 1.75}}, .throttled = 3};
  const Conditions c = between(began, now, 4);
  CHECK(c.waited.value() == 0.25);
  CHECK(to_json(c)["throttled_s"] == 1);
}

TEST_CASE("a program's CPU time is its user and its system time") {
  rusage used{};
  used.ru_utime = {2, 250'000};
  used.ru_stime = {1, 500'000};
  CHECK(cpu_seconds(used) == 3.75);
}

#ifdef __linux__
TEST_CASE("idle time, steal and waiting are read from where Linux tells them") {
  diary::MadeUpTime time;
  const std::filesystem::path proc =
      std::filesystem::temp_directory_path() / ("headroom-proc-" + std::to_string(getpid()));
  const auto write = [&](const std::string& name, const std::string& text) {
    std::filesystem::create_directories((proc / name).parent_path());
    std::ofstream(proc / name) << text;
  };
  write("stat", "cpu  1000 20 300 4000 500 60 70 800 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
  write("self/task/17/schedstat", "123456789 2500000000 42\n");
  write("self/task/18/schedstat", "5 1000000000 1\n");
  const ConditionsReading now = read_conditions(proc.string());
  const double tick = 1.0 / static_cast<double>(sysconf(_SC_CLK_TCK));
  CHECK(now.idle.value() == Approx((4000 + 500) * tick));  // waiting for a disk is idle too
  CHECK(now.stolen.value() == Approx(800 * tick));
  CHECK(now.waited == std::map<long, double>{{17, 2.5}, {18, 1.0}});
  CHECK(now.own_cpu > 0);
  CHECK(now.clock == Approx(1));  // the diary's clock
  CHECK(now.cpus == 1);
  CHECK(now.all.value() == Approx((1000 + 20 + 300 + 4000 + 500 + 60 + 70 + 800) * tick));
  // What sandboxes tell: zeros, or busy CPUs that have never been idle.
  for (const char* text :
       {"cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 0\n", "cpu  900 0 300 0 0 0 0 0 0 0\n"}) {
    write("stat", text);
    const ConditionsReading none = read_conditions(proc.string());
    CHECK((!none.idle && !none.stolen && !none.all));
  }
  std::filesystem::remove_all(proc);
  const ConditionsReading nothing = read_conditions(proc.string());
  CHECK((!nothing.idle && !nothing.stolen && nothing.waited.empty()));
}
#endif

}  // namespace
}  // namespace headroom

// What a launch says of what else went on meanwhile.
#include "bench/conditions.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "catch.h"
#include "core/cpu.h"

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
  CHECK(j.size() == 5);
  CHECK(j["seconds"].get<double>() == c.seconds);
  for (const char* key : {"waited_s", "stolen_s", "others_s"}) {
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

}  // namespace
}  // namespace headroom

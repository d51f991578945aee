// One computation for all who want it at once.
#include "concurrency/single_flight.h"

#include <atomic>
#include <stdexcept>

#include "catch.h"
#include "interleave.h"

namespace headroom {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

TEST_CASE("many who want a value at once compute it once") {
  for (int round = 0; round < 20; ++round) {
    SingleFlight<int> flight(hours(1));
    std::atomic<int> computed{0}, wrong{0};
    at_once(8, [&](int) {
      const int got = flight.get([&] {
        std::this_thread::sleep_for(milliseconds(2));
        return ++computed;
      });
      if (got != 1) ++wrong;
    });
    CHECK(computed == 1);
    CHECK(wrong == 0);
  }
}

TEST_CASE("a value that has expired is computed anew, once an expiry") {
  SingleFlight<int> flight(milliseconds(30));
  std::atomic<int> computed{0}, at_work{0}, together{0};
  at_once(4, [&](int) {
    const auto end = CacheClock::now() + milliseconds(200);
    while (CacheClock::now() < end) {
      flight.get([&] {
        if (++at_work > 1) ++together;
        std::this_thread::sleep_for(milliseconds(2));
        --at_work;
        return ++computed;
      });
      std::this_thread::sleep_for(milliseconds(1));
    }
  });
  CHECK(together == 0);
  CHECK(computed >= 2);
  CHECK(computed <= 200 / 30 + 2);
}

TEST_CASE("early expiry computes anew for one, while others have the old value") {
  SingleFlight<int> flight(hours(1));
  CHECK(flight.get([] { return 1; }) == 1);
  std::atomic<bool> begun{false}, go_on{false};
  std::thread early([&] {
    flight.get(hours(2), [&] {
      begun = true;
      while (!go_on) std::this_thread::yield();
      return 2;
    });
  });
  while (!begun) std::this_thread::yield();
  // Also another whose time has come early: it is being done.
  CHECK(flight.get([] { return 3; }) == 1);
  CHECK(flight.get(hours(2), [] { return 3; }) == 1);
  go_on = true;
  early.join();
  CHECK(flight.get([] { return 3; }) == 2);
  // Not early enough.
  CHECK(flight.get(std::chrono::minutes(30), [] { return 3; }) == 2);
}

TEST_CASE("a computation that fails fails for one, and another tries") {
  SingleFlight<int> flight(hours(1));
  std::atomic<int> tries{0}, failed{0}, got{0};
  at_once(4, [&](int) {
    try {
      got += flight.get([&]() -> int {
        std::this_thread::sleep_for(milliseconds(2));
        if (++tries == 1) throw std::runtime_error("the database is away");
        return 1;
      });
    } catch (const std::runtime_error&) {
      ++failed;
    }
  });
  CHECK(failed == 1);
  CHECK(tries == 2);
  CHECK(got == 3);
}

}  // namespace
}  // namespace headroom

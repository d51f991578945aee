// The locks: one holder at a time, and everybody's turn comes.
#include "concurrency/locks.h"

#include <mutex>
#include <numeric>

#include "catch.h"
#include "interleave.h"

namespace headroom {
namespace {

// The words are no atomics: where two hold the lock, additions are lost, and TSan sees a race.
TEMPLATE_TEST_CASE("a lock has one holder at a time", "", SpinLock, PauseLock, BackoffLock,
                   ParkingLock) {
  constexpr std::uint64_t kTimes = 30'000;
  const int threads = GENERATE(2, 4);
  TestType lock;
  std::uint64_t words[4] = {};
  std::uint64_t torn = 0;
  // Relaxed, so that it orders nothing: that is the lock's work.
  std::atomic<bool> inside{false};
  std::atomic<int> intruders{0};
  std::vector<std::uint64_t> times(static_cast<std::size_t>(threads));
  at_once(threads, [&](int thread) {
    Jitter meet(thread);
    Until until(std::chrono::milliseconds(300));
    std::uint64_t& i = times[static_cast<std::size_t>(thread)];
    for (; i < kTimes && !until.late(); ++i) {
      const std::lock_guard held(lock);
      if (inside.load(std::memory_order_relaxed)) intruders.fetch_add(1, std::memory_order_relaxed);
      inside.store(true, std::memory_order_relaxed);
      if (i % 4 == 0) std::this_thread::yield();  // who may come in does so now
      for (const std::uint64_t word : words) torn += word == words[0] ? 0 : 1;
      for (std::uint64_t& word : words) {
        const std::uint64_t before = word;
        if (i % 64 == 0) meet();
        word = before + 1;
      }
      inside.store(false, std::memory_order_relaxed);
    }
  });
  CHECK(intruders == 0);
  CHECK(torn == 0);
  CHECK(words[0] == std::accumulate(times.begin(), times.end(), std::uint64_t{0}));
  CHECK(words[3] == words[0]);
}

// Holders that sleep: the others must be woken, each of them.
TEST_CASE("who sleeps at a parking lock is woken") {
  ParkingLock lock;
  int turns = 0;
  at_once(4, [&](int) {
    for (int i = 0; i < 10; ++i) {
      const std::lock_guard held(lock);
      std::this_thread::sleep_for(std::chrono::microseconds(500));
      ++turns;
    }
  });
  CHECK(turns == 40);
}

}  // namespace
}  // namespace headroom

// The table without a lock, used by several threads at once.
#include "concurrency/counting_table.h"

#include <map>

#include "catch.h"
#include "interleave.h"

namespace headroom {
namespace {

TEST_CASE("no addition to a counting table is lost, whoever puts the key in") {
  // All threads put the same keys in, at the same time, in a table that is half full at the end.
  constexpr int kThreads = 4;
  constexpr std::uint64_t kKeys = 500, kRounds = 40;
  CountingTable table(kKeys);
  std::vector<std::uint64_t> rounds(kThreads);
  at_once(kThreads, [&](int thread) {
    Jitter meet(thread);
    Until until(std::chrono::milliseconds(500));
    std::uint64_t& round = rounds[static_cast<std::size_t>(thread)];
    for (; round < kRounds && !until.late(); ++round)
      for (std::uint64_t key = 1; key <= kKeys; ++key) {
        table.add(key, key + static_cast<std::uint64_t>(thread));
        meet();
      }
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t key = 1; key <= kKeys; ++key) {
    std::uint64_t sum = 0;
    std::uint64_t want = 0;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread)
      want += rounds[thread] * (key + thread);
    if (!table.find(key, sum) || sum != want) ++wrong;
  }
  CHECK(wrong == 0);
  std::uint64_t sum = 0;
  CHECK_FALSE(table.find(kKeys + 1, sum));
}

TEST_CASE("a key of a counting table is in one place, however many threads put it in") {
  // A key put in twice would have one part of its sum in each place. Both threads put in key after
  // key, so that they are at the same one again and again.
  constexpr std::uint64_t kKeys = 50'000;
  CountingTable table(kKeys);
  at_once(2, [&](int) {
    for (std::uint64_t key = 1; key <= kKeys; ++key) table.add(key, 1);
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t key = 1; key <= kKeys; ++key) {
    std::uint64_t sum = 0;
    wrong += table.find(key, sum) && sum == 2 ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("what a thread has added to a counting table it finds, and sums never go back") {
  constexpr std::uint64_t kKeys = 64;
  CountingTable table(kKeys);
  std::atomic<int> wrong{0};
  at_once(3, [&](int thread) {
    std::map<std::uint64_t, std::uint64_t> last;
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const std::uint64_t key = 1 + i % kKeys;
      if (thread == 0) table.add(key, 1);
      std::uint64_t sum = 0;
      const bool found = table.find(key, sum);
      if (sum < last[key] || (thread == 0 && (!found || sum != i / kKeys + 1))) ++wrong;
      last[key] = sum;
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("a counting table agrees with a map, and says where it has no place left") {
  std::map<std::uint64_t, std::uint64_t> want;
  CountingTable table(100);
  FastRng rng(3);
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t key = 1 + bounded(rng, 100), delta = bounded(rng, 9);
    want[key] += delta;
    table.add(key, delta);
  }
  for (const auto& [key, sum] : want) {
    std::uint64_t got = 0;
    REQUIRE(table.find(key, got));
    CHECK(got == sum);
  }
  CountingTable small(1);  // four places
  for (std::uint64_t key = 1; key <= 4; ++key) small.add(key, key);
  CHECK_THROWS_AS(small.add(5, 1), std::length_error);
}

}  // namespace
}  // namespace headroom

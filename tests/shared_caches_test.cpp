// Bounded caches that several threads ask: right values, a bound that holds, and the right one
// goes.
#include "concurrency/shared_caches.h"

#include "catch.h"
#include "interleave.h"

namespace headroom {
namespace {

struct Pair {
  std::uint64_t key;
  std::uint64_t check;
};

TEMPLATE_TEST_CASE("a shared cache gives each key its own value, and never has too many", "",
                   LruCache<Pair>, ClockCache<Pair>) {
  constexpr std::size_t kRoom = 50;
  const std::size_t shards = static_cast<std::size_t>(GENERATE(1, 8));
  ShardedCache<TestType> cache(kRoom, shards);
  std::atomic<int> wrong{0}, too_many{0};
  std::atomic<std::uint64_t> computed{0}, hits{0}, asked_in_all{0};
  constexpr std::uint64_t kAsked = 20'000;
  at_once(4, [&](int thread) {
    Jitter meet(thread);
    FastRng rng(static_cast<std::uint64_t>(thread));
    Until until(std::chrono::milliseconds(500));
    for (std::uint64_t i = 0; i < kAsked && !until.late(); ++i, ++asked_in_all) {
      const std::uint64_t key = bounded(rng, 100);
      bool hit = false;
      const Pair got = cache.get(
          key,
          [&](std::uint64_t asked) {
            ++computed;
            meet();  // others come in between
            return Pair{asked, ~asked};
          },
          hit);
      if (got.key != key || got.check != ~key) ++wrong;
      hits += hit ? 1 : 0;
      if (i % 256 == 0 && cache.size() > kRoom) ++too_many;
    }
  });
  CHECK(wrong == 0);
  CHECK(too_many == 0);
  CHECK(hits + computed == asked_in_all);
  CHECK(hits > asked_in_all / 4);  // half of the keys are there
  CHECK(cache.size() <= kRoom);
}

TEST_CASE("the least recently used value goes") {
  LruCache<int> cache(2);
  cache.insert(1, 10);
  cache.insert(2, 20);
  CHECK(cache.find(1) == 10);
  cache.insert(3, 30);
  CHECK_FALSE(cache.find(2).has_value());
  CHECK(cache.find(1) == 10);
  CHECK(cache.find(3) == 30);
  CHECK(cache.insert(3, 31) == 30);  // there already
  CHECK(cache.size() == 2);
}

TEST_CASE("the hand of the clock spares what was used since it came last") {
  ClockCache<int> cache(3);
  for (int key = 1; key <= 3; ++key) cache.insert(static_cast<std::uint64_t>(key), 10 * key);
  CHECK(cache.find(1) == 10);
  cache.insert(4, 40);  // 1 was used, so 2 goes
  CHECK_FALSE(cache.find(2).has_value());
  CHECK(cache.find(1) == 10);
  cache.insert(5, 50);  // 3 goes
  CHECK_FALSE(cache.find(3).has_value());
  CHECK(cache.find(4) == 40);
  CHECK(cache.insert(5, 51) == 50);
  CHECK(cache.size() == 3);
}

}  // namespace
}  // namespace headroom

// Bounded caches that several threads ask: right values, a bound that holds, and the right one
// goes.
#include "concurrency/shared_caches.h"

#include <set>

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

// A cache that is no cache, and knows who is in it: with a lock around it, one thread at a time.
class Watched {
 public:
  static inline std::atomic<int> intruders{0};
  static inline std::atomic<int> finds{0};
  static inline const Watched* last = nullptr;  // that was asked
  static inline bool meet = false;

  explicit Watched(std::size_t room) : room_(room) {}
  std::optional<Pair> find(std::uint64_t) {
    const Alone alone(*this);
    ++finds;
    last = this;
    return std::nullopt;
  }
  Pair insert(std::uint64_t, const Pair& pair) {
    const Alone alone(*this);
    return pair;
  }
  // All its room, so that it is seen how that was shared out.
  std::size_t size() const {
    const Alone alone(*this);
    return room_;
  }

 private:
  struct Alone {
    explicit Alone(const Watched& c) : cache(c) {
      if (cache.inside_.exchange(true)) ++intruders;
      if (meet) std::this_thread::yield();  // who may come in does so now
    }
    ~Alone() { cache.inside_ = false; }
    const Watched& cache;
  };
  std::size_t room_;
  mutable std::atomic<bool> inside_{false};
};

TEST_CASE("one thread at a time is in each shard") {
  Watched::intruders = Watched::finds = 0;
  Watched::meet = true;
  ShardedCache<Watched> cache(50, 1);
  at_once(4, [&](int thread) {
    bool hit = false;
    Until until(std::chrono::milliseconds(500));
    for (std::uint64_t i = 0; i < 500 && !until.late(); ++i) {
      if (thread == 3)
        cache.size();
      else
        cache.get(
            i,
            [](std::uint64_t key) {
              return Pair{key, ~key};
            },
            hit);
    }
  });
  Watched::meet = false;
  CHECK(Watched::finds > 0);
  CHECK(Watched::intruders == 0);
}

TEST_CASE("shards share the room, and all of them get keys") {
  for (const std::size_t shards : {1, 2, 8}) {
    ShardedCache<Watched> cache(53, shards);
    CHECK(cache.size() == 53);
    std::set<const Watched*> asked;
    for (std::uint64_t key = 0; key < 1000; ++key) {
      bool hit = true;
      cache.get(
          key,
          [](std::uint64_t k) {
            return Pair{k, ~k};
          },
          hit);
      CHECK_FALSE(hit);
      const Watched* const first = Watched::last;
      cache.get(
          key,
          [](std::uint64_t k) {
            return Pair{k, ~k};
          },
          hit);
      CHECK(Watched::last == first);  // always the same for a key
      asked.insert(first);
    }
    CHECK(asked.size() == shards);
  }
}

TEST_CASE("a value is computed without the lock, and the first to be put in wins") {
  ShardedCache<LruCache<int>> cache(4, 1);
  bool hit = true, inner_hit = true;
  int inner = 0;
  const int outer = cache.get(
      7,
      [&](std::uint64_t) {
        // As another thread, that is quicker.
        inner = cache.get(
            7, [](std::uint64_t) { return 1; }, inner_hit);
        return 2;
      },
      hit);
  CHECK(inner == 1);
  CHECK(outer == 1);
  CHECK_FALSE(hit);
  CHECK_FALSE(inner_hit);
  CHECK(cache.get(
            7, [](std::uint64_t) { return 3; }, hit) == 1);
  CHECK(hit);
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

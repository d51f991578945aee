// The queues between real threads: nothing lost, doubled, torn or reordered, in rings that are full
// and empty all the time and whose places are used again thousands of times.
#include "concurrency/queues.h"

#include <memory>
#include <string>

#include "catch.h"
#include "interleave.h"

namespace headroom {
namespace {

constexpr std::uint64_t kItems = 60'000;
constexpr std::chrono::milliseconds kTime{300};
constexpr std::uint64_t kEnd = 99;  // who an item is from that ends a test

// One producer, one consumer. What went wrong; empty where nothing did. The last item says how many
// came before it.
template <class Queue>
std::string in_order(bool jitter) {
  const auto queue = std::make_unique<Queue>();
  std::string wrong;
  at_once(2, [&](int thread) {
    Jitter meet(thread);
    if (thread == 0) {
      Until until(kTime);
      std::uint64_t i = 0;
      for (; i < kItems && !until.late(); ++i) {
        queue->push(Wide(7, i));
        if (jitter) meet();
      }
      queue->push(Wide(kEnd, i));
      queue->flush();
      return;
    }
    Wide item;
    for (std::uint64_t i = 0; item.from != kEnd; ++i) {
      queue->pop(item);
      if (wrong.empty() && !item.whole())
        wrong = "torn at " + std::to_string(i);
      else if (wrong.empty() && item.number != i)
        wrong = "got " + std::to_string(item.number) + " at " + std::to_string(i);
      if (jitter) meet();
    }
  });
  return wrong;
}

TEMPLATE_TEST_CASE("a queue loses, doubles, tears and reorders nothing between two threads", "",
                   (SwapQueue<Wide, 1>), (SwapQueue<Wide, 64>), (SpscRing<Wide, 1>),
                   (SpscRing<Wide, 2>), (SpscRing<Wide, 64>), (CachedSpscRing<Wide, 2, 1>),
                   (CachedSpscRing<Wide, 64, 1>), (CachedSpscRing<Wide, 2, 2>),
                   (CachedSpscRing<Wide, 64, 16>), (CachedSpscRing<Wide, 64, 64>),
                   (MpmcRing<Wide, 2>), (MpmcRing<Wide, 64>)) {
  const bool jitter = GENERATE(false, true);
  CHECK(in_order<TestType>(jitter) == "");
}

// Every item arrives once, and those of one producer in their order at each consumer.
template <class Queue>
std::string among_many(int producers, int consumers) {
  const auto queue = std::make_unique<Queue>();
  const auto from = static_cast<std::size_t>(producers);
  std::vector<std::atomic<std::uint32_t>> seen(from * kItems);
  std::vector<std::uint64_t> pushed(from);
  std::atomic<int> pushing{producers}, torn{0}, backwards{0};
  at_once(producers + consumers, [&](int thread) {
    Jitter meet(thread);
    if (thread < producers) {
      Until until(kTime);
      std::uint64_t& i = pushed[static_cast<std::size_t>(thread)];
      for (; i < kItems && !until.late(); ++i) {
        queue->push(Wide(static_cast<std::uint64_t>(thread), i));
        meet();
      }
      --pushing;
      return;
    }
    std::vector<std::uint64_t> next(from);
    for (Wide item;; meet()) {
      const bool last = pushing == 0;  // nothing comes after a look that finds nothing
      if (!queue->try_pop(item)) {
        if (last) return;
        std::this_thread::yield();
        continue;
      }
      if (!item.whole() || item.from >= from || item.number >= kItems) {
        ++torn;
        continue;
      }
      if (item.number < next[item.from]) ++backwards;
      next[item.from] = item.number + 1;
      seen[item.from * kItems + item.number].fetch_add(1);
    }
  });
  std::uint64_t wrong = 0;
  for (std::size_t producer = 0; producer < from; ++producer)
    for (std::uint64_t i = 0; i < kItems; ++i)
      wrong += seen[producer * kItems + i] == (i < pushed[producer] ? 1 : 0) ? 0 : 1;
  if (torn != 0) return "torn";
  if (backwards != 0) return "reordered";
  return wrong == 0 ? "" : std::to_string(wrong) + " lost or doubled";
}

TEST_CASE("several producers and consumers share a ring") {
  // With two places each is used again at once, by whoever comes: where turns were told apart by
  // less than their number, an old one would be taken for a new one.
  CHECK(among_many<MpmcRing<Wide, 2>>(2, 2) == "");
  CHECK(among_many<MpmcRing<Wide, 8>>(3, 2) == "");
  CHECK(among_many<MpmcRing<Wide, 1024>>(1, 3) == "");
}

TEST_CASE("several producers share a queue that is swapped") {
  constexpr std::size_t kProducers = 3;
  const auto queue = std::make_unique<SwapQueue<Wide, 4>>();
  std::vector<std::uint64_t> next(kProducers);
  std::uint64_t wrong = 0;
  at_once(kProducers + 1, [&](int thread) {
    const auto self = static_cast<std::uint64_t>(thread);
    if (self < kProducers) {
      Until until(kTime);
      std::uint64_t i = 0;
      for (; i < kItems && !until.late(); ++i) queue->push(Wide(self, i));
      queue->push(Wide(kEnd, i));
      return;
    }
    Wide item;
    for (std::size_t ended = 0; ended != kProducers;) {
      queue->pop(item);
      if (item.from == kEnd)
        ++ended;
      else if (!item.whole() || item.from >= kProducers || item.number != next[item.from]++)
        ++wrong;
    }
  });
  CHECK(wrong == 0);
}

TEST_CASE("a full ring takes no more, an empty one gives none") {
  MpmcRing<int, 4> ring;
  int item = 0;
  CHECK_FALSE(ring.try_pop(item));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 4; ++i) CHECK(ring.try_push(i));
    item = 9;
    CHECK_FALSE(ring.try_push(item));
    for (int want = 0; want < 4; ++want) {
      REQUIRE(ring.try_pop(item));
      CHECK(item == want);
    }
    CHECK_FALSE(ring.try_pop(item));
  }
}

// The producer is held back, and goes on when there is room: without a bound it would be done.
TEMPLATE_TEST_CASE("a full queue holds its producer back", "", (SwapQueue<int, 2>),
                   (SpscRing<int, 2>), (CachedSpscRing<int, 2, 1>), (CachedSpscRing<int, 2, 2>),
                   (MpmcRing<int, 2>)) {
  TestType queue;
  std::atomic<int> pushed{0};
  std::thread producer([&] {
    for (int i = 0; i < 6; ++i) {
      queue.push(i);
      ++pushed;
    }
    queue.flush();
  });
  while (pushed < 2) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(pushed == 2);
  for (int want = 0; want < 6; ++want) {
    int item = -1;
    queue.pop(item);
    CHECK(item == want);
  }
  producer.join();
}

TEST_CASE("items kept back by a producer are handed in by flush") {
  CachedSpscRing<int, 64, 64> ring;
  std::atomic<bool> flushed{false}, early{false};
  std::thread consumer([&] {
    int item = 0;
    ring.pop(item);
    early = !flushed.load();
    ring.pop(item);
  });
  ring.push(1);
  ring.push(2);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  flushed = true;
  ring.flush();
  consumer.join();
  CHECK_FALSE(early);
}

}  // namespace
}  // namespace headroom

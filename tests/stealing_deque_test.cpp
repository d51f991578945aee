// The deque of work between its owner and thieves: each item is had by exactly one of them.
#include "concurrency/stealing_deque.h"

#include <memory>

#include "catch.h"
#include "interleave.h"

namespace headroom {
namespace {

using Deque = StealingDeque<std::uint64_t, 8>;

TEST_CASE("the owner takes the newest, a thief the oldest, and a full deque takes no more") {
  Deque deque;
  std::uint64_t item = 0;
  CHECK_FALSE(deque.take(item));
  CHECK(deque.steal(item) == Deque::Stolen::kNothing);
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t i = 0; i < 8; ++i) CHECK(deque.push(i));
    CHECK_FALSE(deque.push(8));
    REQUIRE(deque.take(item));
    CHECK(item == 7);
    REQUIRE(deque.steal(item) == Deque::Stolen::kItem);
    CHECK(item == 0);
    for (std::uint64_t want = 6; want >= 1; --want) {
      REQUIRE(deque.take(item));
      CHECK(item == want);
    }
    CHECK_FALSE(deque.take(item));
  }
}

// The owner puts in and takes out so that one or two items are there most of the time, which is
// where owner and thieves want the same one. An item is the place of what it stands for, which must
// be there too.
TEST_CASE("each item of a deque goes to its owner or to one thief, whole") {
  constexpr std::uint64_t kItems = 150'000;
  const int thieves = GENERATE(1, 3);
  Deque deque;
  std::vector<Wide> payload(kItems);
  std::vector<std::atomic<std::uint32_t>> had(kItems);
  std::atomic<bool> done{false};
  std::atomic<int> torn{0};
  std::uint64_t next = 0;
  const auto have = [&](std::uint64_t item) {
    if (item >= kItems || !payload[item].whole() || payload[item].number != item) {
      ++torn;
      return;
    }
    had[item].fetch_add(1, std::memory_order_relaxed);
  };
  at_once(1 + thieves, [&](int thread) {
    Jitter meet(thread);
    std::uint64_t item = 0;
    if (thread == 0) {
      FastRng rng(5);
      Until until(std::chrono::milliseconds(500));
      while (next < kItems && !until.late()) {
        for (std::uint64_t more = 1 + bounded(rng, 2); more != 0 && next < kItems; --more) {
          payload[next] = Wide(1, next);
          if (!deque.push(next)) break;
          ++next;
        }
        if (deque.take(item)) have(item);
        meet();
      }
      while (deque.take(item)) have(item);
      done = true;
    } else {
      while (!done)
        if (deque.steal(item) == Deque::Stolen::kItem)
          have(item);
        else
          meet();
    }
  });
  std::uint64_t wrong = 0;
  for (std::uint64_t i = 0; i < kItems; ++i) wrong += had[i] == (i < next ? 1 : 0) ? 0 : 1;
  CHECK(torn == 0);
  CHECK(wrong == 0);
}

// Equal items: whoever compared what lies in a place, and not its number, would take one for the
// other after the place was used again (ABA).
TEST_CASE("equal items of a deque are counted, not compared") {
  constexpr std::uint64_t kItems = 200'000;
  StealingDeque<std::uint64_t, 2> deque;
  std::atomic<std::uint64_t> had{0};
  std::uint64_t pushed = 0;
  std::atomic<bool> done{false};
  at_once(3, [&](int thread) {
    std::uint64_t item = 0;
    if (thread == 0) {
      Until until(std::chrono::milliseconds(500));
      while (pushed < kItems && !until.late()) {
        if (deque.push(42)) ++pushed;
        if (deque.take(item)) had.fetch_add(item == 42 ? 1 : kItems);
      }
      while (deque.take(item)) had.fetch_add(1);
      done = true;
    } else {
      while (!done)
        if (deque.steal(item) == decltype(deque)::Stolen::kItem)
          had.fetch_add(item == 42 ? 1 : kItems);
    }
  });
  CHECK(had == pushed);
}

}  // namespace
}  // namespace headroom

// The bounded queue between two threads: nothing lost, doubled or reordered, and a bound that
// holds.
#include "support/bounded_queue.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "catch.h"

namespace headroom {
namespace {

constexpr int kItems = 50'000;

void check_in_order(const std::vector<int>& got) {
  REQUIRE(got.size() == kItems);
  for (int i = 0; i < kItems; ++i)
    if (got[static_cast<std::size_t>(i)] != i) {
      FAIL_CHECK("at " << i << ": " << got[static_cast<std::size_t>(i)]);
      break;
    }
}

TEST_CASE("a bounded queue loses, doubles and reorders nothing between two threads") {
  const std::size_t room = static_cast<std::size_t>(GENERATE(1, 2, 7, 256));
  const bool all_at_once = GENERATE(false, true);
  BoundedQueue<int> queue(room);
  std::vector<int> got;
  std::thread consumer([&] {
    if (!all_at_once) {
      for (int item; queue.pop(item);) got.push_back(item);
      return;
    }
    for (std::vector<int> items; queue.pop_all(items);) {
      if (items.size() > room) got.push_back(-1);  // more than there is room for
      got.insert(got.end(), items.begin(), items.end());
      if (items.empty()) std::this_thread::yield();
    }
  });
  for (int i = 0; i < kItems; ++i) queue.push(i);
  queue.close();
  consumer.join();
  check_in_order(got);
}

TEST_CASE("several producers and consumers share a bounded queue") {
  constexpr int kThreads = 3;
  BoundedQueue<int> queue(4);
  std::vector<std::atomic<int>> seen(kItems);
  std::vector<std::thread> producers, consumers;
  for (int t = 0; t < kThreads; ++t) {
    producers.emplace_back([&, t] {
      for (int i = t; i < kItems; i += kThreads) queue.push(i);
    });
    consumers.emplace_back([&] {
      for (int item; queue.pop(item);) seen[static_cast<std::size_t>(item)].fetch_add(1);
    });
  }
  for (std::thread& thread : producers) thread.join();
  queue.close();
  for (std::thread& thread : consumers) thread.join();
  int wrong = 0;
  for (const std::atomic<int>& times : seen) wrong += times == 1 ? 0 : 1;
  CHECK(wrong == 0);
}

TEST_CASE("a full bounded queue holds its producer back") {
  BoundedQueue<int> queue(2);
  std::atomic<int> pushed{0};
  std::thread producer([&] {
    for (int i = 0; i < 5; ++i) {
      queue.push(i);
      ++pushed;
    }
  });
  while (pushed < 2) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK(pushed == 2);
  std::vector<int> items;
  CHECK(queue.pop_all(items));
  CHECK(items == std::vector<int>{0, 1});
  int item = 0;
  for (int want = 2; want < 5; ++want) {
    CHECK(queue.pop(item));
    CHECK(item == want);
  }
  producer.join();
  CHECK(queue.pop_all(items));
  CHECK(items.empty());
  queue.close();
  CHECK(!queue.pop(item));
  CHECK(!queue.pop_all(items));
}

}  // namespace
}  // namespace headroom

// Threads that really meet: for tests of what several threads share.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "core/random.h"

namespace headroom {

// body(i) on `count` threads, all of which are there before any begins. What a body throws (it must
// not use Catch2's assertions, which are not for threads) is thrown here.
template <class Body>
void at_once(int count, const Body& body) {
  std::atomic<int> ready{0};
  std::exception_ptr error;
  std::atomic<bool> failed{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&, i] {
      ready.fetch_add(1);
      while (ready.load() != count) std::this_thread::yield();
      try {
        body(i);
      } catch (...) {
        if (!failed.exchange(true)) error = std::current_exception();
      }
    });
  for (std::thread& thread : threads) thread.join();
  if (error) std::rethrow_exception(error);
}

// Now and then gives the core away, at moments that differ from thread to thread: so that threads
// also meet in the middle of an operation where they are more than cores.
class Jitter {
 public:
  explicit Jitter(int seed) : rng_(static_cast<std::uint64_t>(seed) + 1) {}
  void operator()() {
    if (bounded(rng_, 64) == 0) std::this_thread::yield();
  }

 private:
  FastRng rng_;
};

// Ends a test on a machine that has much else to do: there each meeting costs a turn of the
// scheduler, and fewer of them must do.
class Until {
 public:
  explicit Until(std::chrono::milliseconds time) : end_(std::chrono::steady_clock::now() + time) {}
  // Looks at the clock every 16th time.
  bool late() {
    return (late_ = late_ || (++asked_ % 16 == 0 && std::chrono::steady_clock::now() > end_));
  }

 private:
  std::chrono::steady_clock::time_point end_;
  unsigned asked_ = 0;
  bool late_ = false;
};

// An atomic word, before each load and store of which a thread makes a step that its test has set:
// so that the test can stop it in the middle of an operation, at each place in turn, and let others
// come in between. That takes no luck, unlike threads that only run at the same time.
class SteppedWord {
 public:
  SteppedWord() = default;
  explicit SteppedWord(std::uint64_t value) : word_(value) {}
  std::uint64_t load(std::memory_order order) const {
    step();
    return word_.load(order);
  }
  void store(std::uint64_t value, std::memory_order order) {
    step();
    word_.store(value, order);
  }
  // Of the calling thread, until this is called again; not in a step.
  static void each_step(std::function<void()> step) { step_ = std::move(step); }

 private:
  static void step() {
    if (step_) step_();
  }
  static inline thread_local std::function<void()> step_;
  std::atomic<std::uint64_t> word_{0};
};

// An item of several words: one that is half another's is found out.
struct Wide {
  std::uint64_t from = 0;
  std::uint64_t number = 0;
  std::uint64_t check = 0;
  Wide() = default;
  Wide(std::uint64_t f, std::uint64_t n) : from(f), number(n), check(f * 0x9e3779b97f4a7c15 ^ ~n) {}
  bool whole() const { return check == (from * 0x9e3779b97f4a7c15 ^ ~number); }
};

}  // namespace headroom

// What kernels of several threads have in common: threads that stand ready, and an even split.
#pragma once

#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

#include "core/cpu.h"

namespace headroom {

struct Share {
  std::size_t begin = 0;
  std::size_t end = 0;
  std::size_t size() const { return end - begin; }
};

// Part `part` of `parts` of [0, count), in multiples of `unit` but for the last.
inline Share share(std::size_t count, std::size_t unit, int part, int parts) {
  const std::size_t units = count / unit;
  const auto at = [&](int i) {
    return i == parts
               ? count
               : units * static_cast<std::size_t>(i) / static_cast<std::size_t>(parts) * unit;
  };
  return {at(part), at(part + 1)};
}

// Two cache lines: the adjacent-line prefetcher of some processors fetches them in pairs.
inline constexpr std::size_t kApart = 128;

// So many threads, each pinned to its core; a State makes one of setting.threads. They stay awake
// for a while after each run, so that calls in a row find them ready, then sleep. (An OpenMP region
// would do, but how long its threads stay awake differs by run time and setting, and a probe that
// has to wake them measures that.)
class Team {
 public:
  explicit Team(int threads) : count_(threads) {
    for (int i = 1; i < count_; ++i) members_.emplace_back([this, i] { work(i); });
  }
  ~Team() {
    body_ = nullptr;
    start();
    for (std::thread& member : members_) member.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;
  int count() const { return count_; }

  // body(i) on thread i, all at once; 0 is the caller. It must not throw.
  template <class Body>
  void run(const Body& body) {
    if (count_ == 1) return body(0);
    body_ = &body;
    call_ = [](const void* b, int i) { (*static_cast<const Body*>(b))(i); };
    left_.store(count_ - 1, std::memory_order_relaxed);
    start();
    body(0);
    for (int spins = 0; left_.load(std::memory_order_acquire) != 0; ++spins) {
      pause();
      if (spins > kSpins) std::this_thread::yield();
    }
  }

 private:
  static constexpr int kSpins = 2000;  // some 50 us

  static void pause() {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
  void start() {
    turn_.fetch_add(1, std::memory_order_release);
    turn_.notify_all();
  }
  void work(int i) {
    pin_to_core(i);
    for (unsigned seen = 0;; ++seen) {
      for (int s = 0; s < kSpins && turn_.load(std::memory_order_relaxed) == seen; ++s) pause();
      turn_.wait(seen, std::memory_order_acquire);
      if (body_ == nullptr) return;
      call_(body_, i);
      left_.fetch_sub(1, std::memory_order_release);
    }
  }

  const int count_;
  const void* body_ = nullptr;
  void (*call_)(const void*, int) = nullptr;
  alignas(kApart) std::atomic<unsigned> turn_{0};
  alignas(kApart) std::atomic<int> left_{0};
  std::vector<std::thread> members_;
};

}  // namespace headroom

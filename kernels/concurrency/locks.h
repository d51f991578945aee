// Locks that wait in different ways. All have lock() and unlock(), for std::lock_guard.
//
// Orders, in all of them: lock() takes with acquire and unlock() gives back with release, so what
// one holder has written the next one sees. Looking before taking orders nothing: relaxed.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>

#include "support/team.h"

namespace headroom {

// Lets others have the core after so many looks: the holder may be waiting for just that.
inline constexpr int kMostLooks = 4000;

// Test-and-set: every try is a locked instruction, which takes the line from the holder.
class SpinLock {
 public:
  void lock() {
    for (int tries = 0; held_.exchange(true, std::memory_order_acquire);)
      if (++tries > kMostLooks) std::this_thread::yield();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  alignas(kApart) std::atomic<bool> held_{false};
};

// Looks before it tries, and pauses between two looks: the line stays with the holder until the
// lock is given back. Rudolph and Segall, "Dynamic decentralized cache schemes for MIMD parallel
// processors" (1984).
class PauseLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire))
      for (int looks = 0; held_.load(std::memory_order_relaxed);)
        ++looks < kMostLooks ? spin_pause() : std::this_thread::yield();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  alignas(kApart) std::atomic<bool> held_{false};
};

// Waits twice as long after each try that failed, up to a bound, without looking. Threads then come
// one after the other instead of all at once; the one that gives the lock back has the line to
// itself, and may take it again: fast, and unfair. Anderson, "The performance of spin lock
// alternatives for shared-memory multiprocessors" (1990).
class BackoffLock {
 public:
  void lock() {
    int tries = 0;
    for (int pauses = 1; held_.exchange(true, std::memory_order_acquire);
         pauses = std::min(2 * pauses, kMostPauses)) {
      for (int i = 0; i < pauses; ++i) spin_pause();
      if (++tries > kMostLooks / kMostPauses) std::this_thread::yield();
    }
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  static constexpr int kMostPauses = 64;
  alignas(kApart) std::atomic<bool> held_{false};
};

// Looks for a while, then sleeps until it is woken. Whoever gives it back wakes one thread only
// where one may sleep, which the third state says. Drepper, "Futexes are tricky" (2011), mutex 2;
// std::atomic's wait is a futex on Linux.
class ParkingLock {
 public:
  void lock() {
    for (int looks = 0; looks < kLooks; ++looks) {
      int free = kFree;
      if (state_.load(std::memory_order_relaxed) == kFree &&
          state_.compare_exchange_weak(free, kHeld, std::memory_order_acquire))
        return;
      spin_pause();
    }
    // From here on as if others slept too: it can't know, and one wake-up too many is harmless.
    while (state_.exchange(kAwaited, std::memory_order_acquire) != kFree)
      state_.wait(kAwaited, std::memory_order_relaxed);
  }
  void unlock() {
    if (state_.exchange(kFree, std::memory_order_release) == kAwaited) state_.notify_one();
  }

 private:
  static constexpr int kLooks = 100;
  enum { kFree, kHeld, kAwaited };
  alignas(kApart) std::atomic<int> state_{kFree};
};

}  // namespace headroom

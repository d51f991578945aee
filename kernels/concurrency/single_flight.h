// A value that is dear to compute, is needed by many at once, and is good for some time.
//
// Where it has expired, every thread that asks for it finds that out at the same moment. Without
// more all of them compute it (a cache stampede), and each makes the others' computation slower.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>

namespace headroom {

using CacheClock = std::chrono::steady_clock;

// One computation at a time: who comes while it is under way waits for its result. After Go's
// singleflight package. With early expiry a thread may also compute the value anew while it is
// still good: the likelier the nearer its end and the longer a computation takes, so that one of
// many users does it before all of them have to, and the others go on with the old value. Vattani,
// Chierichetti and Lowenstein, "Optimal probabilistic cache stampede prevention" (2015).
template <class T>
class SingleFlight {
 public:
  // A value is good for so long from when its computation began.
  explicit SingleFlight(CacheClock::duration good_for) : good_for_(good_for) {}

  // `compute()` makes the value, outside of the lock. What it throws is thrown by that call alone:
  // those that wait try for themselves, one after the other.
  template <class Compute>
  T get(const Compute& compute) {
    return get(CacheClock::duration::zero(), compute);
  }
  // Expires earlier by `early`, a random time, for one thread: if nobody computes it already.
  template <class Compute>
  T get(CacheClock::duration early, const Compute& compute) {
    std::unique_lock lock(mutex_);
    for (;;) {
      const CacheClock::time_point now = CacheClock::now();
      const bool good = value_ && now < until_;
      if (good && (computing_ || now + early < until_)) return *value_;
      if (!computing_) break;
      changed_.wait(lock);
    }
    computing_ = true;
    lock.unlock();
    const CacheClock::time_point begin = CacheClock::now();
    std::optional<T> made;
    try {
      made = compute();
    } catch (...) {
      lock.lock();
      computing_ = false;
      changed_.notify_all();
      throw;
    }
    const CacheClock::time_point end = CacheClock::now();
    lock.lock();
    value_ = made;
    until_ = begin + good_for_;  // it may be as old as that
    took_ = end - begin;
    computing_ = false;
    changed_.notify_all();
    return *std::move(made);
  }
  // What the last computation took.
  CacheClock::duration took() const {
    const std::lock_guard lock(mutex_);
    return took_;
  }

 private:
  const CacheClock::duration good_for_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<T> value_;
  CacheClock::time_point until_;
  CacheClock::duration took_{0};
  bool computing_ = false;
};

}  // namespace headroom

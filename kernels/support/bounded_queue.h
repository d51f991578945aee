// A queue from some threads to others, with room for so many items: where it is full, push() waits.
// That is what holds a producer back that is faster than its consumer; a queue without a bound
// would hide it until memory runs out.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>
#include <vector>

namespace headroom {

// Items leave in the order in which they came. T can be made without arguments.
template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t room) : ring_(room) {}

  // Waits while the queue is full. Not after close().
  void push(T item) {
    {
      std::unique_lock lock(mutex_);
      not_full_.wait(lock, [&] { return count_ < ring_.size(); });
      ring_[(first_ + count_++) % ring_.size()] = std::move(item);
    }
    // Outside of the lock, or the thread that wakes would have to wait for it. Where nobody sleeps,
    // this is no system call.
    not_empty_.notify_one();
  }
  // Waits for an item; false where the queue is closed and empty.
  bool pop(T& item) {
    {
      std::unique_lock lock(mutex_);
      not_empty_.wait(lock, [&] { return count_ != 0 || closed_; });
      if (count_ == 0) return false;
      item = take();
    }
    not_full_.notify_one();
    return true;
  }
  // Replaces `items` by all that is there, which may be nothing; doesn't wait. False where the
  // queue is closed and empty.
  bool pop_all(std::vector<T>& items) {
    items.clear();
    {
      const std::lock_guard lock(mutex_);
      if (count_ == 0) return !closed_;
      while (count_ != 0) items.push_back(take());
    }
    not_full_.notify_all();
    return true;
  }
  // No more will be pushed: who waits for an item learns it when those that are there have gone.
  void close() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    not_empty_.notify_all();
  }

 private:
  T take() {
    T item = std::move(ring_[first_]);
    first_ = (first_ + 1) % ring_.size();
    --count_;
    return item;
  }

  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::vector<T> ring_;
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  bool closed_ = false;
};

}  // namespace headroom

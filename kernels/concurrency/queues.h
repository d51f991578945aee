// Queues from one thread, or several, to another: what a lock costs, and how to do without.
//
// All are bounded: push() waits while the queue is full, which is what holds a producer back that
// is faster than its consumer. Items leave in the order in which they came. pop() waits for an
// item.
//
// A producer that may keep items back for a while hands them in with flush(): at the end, and
// before it waits for anything else.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "support/team.h"

namespace headroom {

// Waits by looking again and again: for as long as a queue between two running threads takes; then
// it lets others have the core, for the other side may be waiting for just that.
class Looking {
 public:
  void again() {
    if (++looks_ < kLooks)
      spin_pause();
    else
      std::this_thread::yield();
  }

 private:
  static constexpr int kLooks = 1000;
  int looks_ = 0;
};

// Several producers, one consumer, which takes all that is there under one lock: producers find the
// lock free, and the consumer is rarely asleep.
template <class T, std::size_t kRoom>
class SwapQueue {
 public:
  SwapQueue() {
    waiting_.reserve(kRoom);
    taken_.reserve(kRoom);
  }
  void push(T item) {
    bool first;
    {
      std::unique_lock lock(mutex_);
      not_full_.wait(lock, [&] { return waiting_.size() < kRoom; });
      first = waiting_.empty();
      waiting_.push_back(std::move(item));
    }
    // The consumer sleeps only where nothing is there.
    if (first) not_empty_.notify_one();
  }
  void flush() {}
  void pop(T& item) {
    if (next_ == taken_.size()) swap();
    item = std::move(taken_[next_++]);
  }

 private:
  void swap() {
    taken_.clear();
    next_ = 0;
    {
      std::unique_lock lock(mutex_);
      not_empty_.wait(lock, [&] { return !waiting_.empty(); });
      std::swap(waiting_, taken_);
    }
    not_full_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable not_full_;
  std::condition_variable not_empty_;
  std::vector<T> waiting_;
  alignas(kApart) std::vector<T> taken_;  // the consumer's own
  std::size_t next_ = 0;
};

// One producer, one consumer, no lock: each index has one writer. Lamport, "Specifying concurrent
// program modules" (1983). Both indexes count up for ever, so full and empty differ.
//
// Orders: a store of an index is a release and the other side's load an acquire, so that an item is
// in its slot before its index says so (tail_), and has left it before the slot is written again
// (head_). A thread reads its own index relaxed: nobody else writes it.
template <class T, std::size_t kRoom>
class SpscRing {
  static_assert((kRoom & (kRoom - 1)) == 0);

 public:
  void push(T item) {
    const std::size_t tail = tail_.load(std::memory_order_relaxed);
    for (Looking look; tail - head_.load(std::memory_order_acquire) == kRoom;) look.again();
    slots_[tail % kRoom] = std::move(item);
    tail_.store(tail + 1, std::memory_order_release);
  }
  void flush() {}
  void pop(T& item) {
    const std::size_t head = head_.load(std::memory_order_relaxed);
    for (Looking look; tail_.load(std::memory_order_acquire) == head;) look.again();
    item = std::move(slots_[head % kRoom]);
    head_.store(head + 1, std::memory_order_release);
  }

 private:
  alignas(kApart) std::atomic<std::size_t> head_{0};  // of the next item that leaves
  alignas(kApart) std::atomic<std::size_t> tail_{0};  // of the next that comes
  alignas(kApart) std::array<T, kRoom> slots_ = {};
};

// As SpscRing, but a side looks at the other's index only when what it saw last says full or empty,
// and tells its own only every kBatch items. A line then travels once for many items. After Lee, Bu
// and Chandranmenon, "A lock-free, cache-efficient shared ring buffer" (2009).
//
// With kBatch 1 every item is seen at once. Else a side also tells its index before it waits for
// the other: or both would wait, one for room and one for items that are there.
//
// Orders: as SpscRing's. What was seen last of the other's index is too small at worst, and says
// full or empty where the ring no longer is, never the opposite.
template <class T, std::size_t kRoom, std::size_t kBatch>
class CachedSpscRing {
  static_assert((kRoom & (kRoom - 1)) == 0 && kBatch != 0 && kBatch <= kRoom);

 public:
  void push(T item) {
    if (in_.next - in_.seen == kRoom) wait_for_room();
    slots_[in_.next++ % kRoom] = std::move(item);
    if (kBatch == 1 || in_.next - in_.told == kBatch) flush();
  }
  void flush() {
    in_.told = in_.next;
    tail_.store(in_.next, std::memory_order_release);
  }
  void pop(T& item) {
    if (out_.next == out_.seen) wait_for_item();
    item = std::move(slots_[out_.next++ % kRoom]);
    if (kBatch == 1 || out_.next - out_.told == kBatch) give_back();
  }

 private:
  // What a side alone uses.
  struct alignas(kApart) Side {
    std::size_t next = 0;
    std::size_t seen = 0;  // of the other's index
    std::size_t told = 0;  // of its own
  };

  void wait_for_room() {
    flush();
    Looking look;
    while (in_.next - (in_.seen = head_.load(std::memory_order_acquire)) == kRoom) look.again();
  }
  void wait_for_item() {
    give_back();
    Looking look;
    while ((out_.seen = tail_.load(std::memory_order_acquire)) == out_.next) look.again();
  }
  void give_back() {
    out_.told = out_.next;
    head_.store(out_.next, std::memory_order_release);
  }

  alignas(kApart) std::atomic<std::size_t> head_{0};
  alignas(kApart) std::atomic<std::size_t> tail_{0};
  Side in_;
  Side out_;
  alignas(kApart) std::array<T, kRoom> slots_ = {};
};

// Several producers and consumers. Each slot has a number that says whose turn it is: that of the
// push that may fill it, then one more for the pop that may empty it. Vyukov, "Bounded MPMC queue"
// (2010). The numbers count up for ever: a slot that was emptied and filled again meanwhile has
// another one (no ABA).
//
// Orders: the turn is stored with release once the item is in, or out, and loaded with acquire
// before it is touched. The indexes only share out slots, and order nothing: relaxed.
template <class T, std::size_t kRoom>
class MpmcRing {
  static_assert((kRoom & (kRoom - 1)) == 0 && kRoom >= 2);

 public:
  MpmcRing() {
    for (std::size_t i = 0; i < kRoom; ++i) slots_[i].turn.store(i, std::memory_order_relaxed);
  }
  bool try_push(T& item) {
    std::size_t at = tail_.load(std::memory_order_relaxed);
    for (;;) {
      Slot& slot = slots_[at % kRoom];
      const std::size_t turn = slot.turn.load(std::memory_order_acquire);
      if (turn == at) {
        if (tail_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
          slot.item = std::move(item);
          slot.turn.store(at + 1, std::memory_order_release);
          return true;
        }
      } else if (static_cast<std::ptrdiff_t>(turn - at) < 0) {
        return false;  // full: the slot still has the item of one round before
      } else {
        at = tail_.load(std::memory_order_relaxed);
      }
    }
  }
  bool try_pop(T& item) {
    std::size_t at = head_.load(std::memory_order_relaxed);
    for (;;) {
      Slot& slot = slots_[at % kRoom];
      const std::size_t turn = slot.turn.load(std::memory_order_acquire);
      if (turn == at + 1) {
        if (head_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) {
          item = std::move(slot.item);
          slot.turn.store(at + kRoom, std::memory_order_release);
          return true;
        }
      } else if (static_cast<std::ptrdiff_t>(turn - (at + 1)) < 0) {
        return false;  // empty
      } else {
        at = head_.load(std::memory_order_relaxed);
      }
    }
  }
  void push(T item) {
    for (Looking look; !try_push(item);) look.again();
  }
  void flush() {}
  void pop(T& item) {
    for (Looking look; !try_pop(item);) look.again();
  }

 private:
  struct Slot {
    std::atomic<std::size_t> turn{0};
    T item{};
  };
  alignas(kApart) std::atomic<std::size_t> head_{0};
  alignas(kApart) std::atomic<std::size_t> tail_{0};
  alignas(kApart) std::array<Slot, kRoom> slots_;
};

}  // namespace headroom

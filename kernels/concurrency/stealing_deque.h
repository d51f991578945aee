// A deque of work: its owner puts in and takes out at one end, any other thread takes from the
// other end. So the owner works on what it has made last, which is in its caches, and a thief gets
// what was made first, which is the largest part of a task that is split again and again. Chase and
// Lev, "Dynamic circular work-stealing deque" (2005); the orders are those of Le, Pop, Cohen and
// Zappa Nardelli, "Correct and efficient work-stealing for weak memory models" (2013).
//
// It has room for so many items and doesn't grow: where it is full the owner does the work itself.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "support/team.h"

namespace headroom {

// An item is a number, and T can be stored by one instruction.
template <class T, std::size_t kRoom>
class StealingDeque {
  static_assert(std::atomic<T>::is_always_lock_free && (kRoom & (kRoom - 1)) == 0);

 public:
  enum class Stolen { kItem, kNothing, kLost };

  // By the owner; false where it is full.
  bool push(T item) {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed);
    // Acquire: a place is written again only after the thief that emptied it has read it.
    const std::int64_t top = top_.load(std::memory_order_acquire);
    if (bottom - top >= static_cast<std::int64_t>(kRoom)) return false;
    place(bottom).store(item, std::memory_order_relaxed);
    // Release: the item, and all that it refers to, is there before a thief can see the place.
    bottom_.store(bottom + 1, std::memory_order_release);
    return true;
  }
  // By the owner; false where nothing is left.
  bool take(T& item) {
    const std::int64_t bottom = bottom_.load(std::memory_order_relaxed) - 1;
    bottom_.store(bottom, std::memory_order_release);
    // Between the store of the bottom and the load of the top, as in steal() between those of top
    // and bottom: of an owner and a thief that want the last item at least one sees the other, and
    // then the exchange of the top decides.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    std::int64_t top = top_.load(std::memory_order_relaxed);
    if (top > bottom) {
      bottom_.store(bottom + 1, std::memory_order_release);
      return false;
    }
    item = place(bottom).load(std::memory_order_relaxed);
    if (top != bottom) return true;
    // The last one. The top only counts up, so that it can't have come back meanwhile (no ABA).
    const bool mine = top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                                   std::memory_order_relaxed);
    bottom_.store(bottom + 1, std::memory_order_release);
    return mine;
  }
  // By any other thread. kLost: another was quicker, and there may be more.
  Stolen steal(T& item) {
    std::int64_t top = top_.load(std::memory_order_acquire);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    // Acquire: what the owner wrote before it showed the place.
    const std::int64_t bottom = bottom_.load(std::memory_order_acquire);
    if (top >= bottom) return Stolen::kNothing;
    const T found = place(top).load(std::memory_order_relaxed);
    // Only then is it ours; what was loaded from a place that was reused meanwhile is thrown away.
    if (!top_.compare_exchange_strong(top, top + 1, std::memory_order_seq_cst,
                                      std::memory_order_relaxed))
      return Stolen::kLost;
    item = found;
    return Stolen::kItem;
  }

 private:
  std::atomic<T>& place(std::int64_t at) { return places_[static_cast<std::size_t>(at) % kRoom]; }

  alignas(kApart) std::atomic<std::int64_t> top_{0};
  alignas(kApart) std::atomic<std::int64_t> bottom_{0};
  alignas(kApart) std::array<std::atomic<T>, kRoom> places_ = {};
};

}  // namespace headroom
